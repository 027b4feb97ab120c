#include "traffic/path_match.h"

#include <algorithm>

#include "base/percent.h"
#include "call/routing.h"

namespace hf::traffic {
namespace {

// Takes the next segment off the front; false at the end.
bool next_segment(std::string_view& rest, std::string_view& segment) {
  while (rest.starts_with('/'))
    rest.remove_prefix(1);
  if (rest.empty()) return false;
  segment = rest.substr(0, std::min(rest.find('/'), rest.size()));
  rest.remove_prefix(segment.size());
  return true;
}

}  // namespace

std::string plain_path(std::string_view target) {
  const std::string path = percent_decoded_loosely(call::path_of(target), false);
  std::vector<std::string_view> segments;
  std::string_view rest = path;
  std::string_view segment;
  while (next_segment(rest, segment)) {
    if (segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (!segments.empty()) {
      segments.pop_back();
    }
  }
  std::string out;
  for (const auto one : segments) {
    out += '/';
    out += one;
  }
  return out.empty() ? "/" : out;
}

std::optional<PathTemplate> PathTemplate::parse(std::string_view text) {
  if (!text.starts_with('/')) return std::nullopt;
  PathTemplate out;
  std::string_view segment;
  while (next_segment(text, segment)) {
    const bool named = segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
    const auto inner = named ? segment.substr(1, segment.size() - 2) : segment;
    if (inner.find_first_of("{}") != std::string_view::npos) return std::nullopt;
    if (named) {
      const std::string name(inner);
      if (std::find(out.names_.begin(), out.names_.end(), name) != out.names_.end()) {
        return std::nullopt;
      }
      out.names_.push_back(name);
    }
    out.segments_.push_back({std::string(inner), named});
  }
  return out;
}

std::optional<std::vector<std::string_view>> PathTemplate::match(std::string_view path) const {
  std::vector<std::string_view> values;
  std::string_view segment;
  for (const Segment& wanted : segments_) {
    if (!next_segment(path, segment)) return std::nullopt;
    if (wanted.named) {
      values.push_back(segment);
    } else if (segment != wanted.text) {
      return std::nullopt;
    }
  }
  return values;
}

}  // namespace hf::traffic
