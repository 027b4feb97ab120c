#include "call/prefer.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace hf::call {
namespace {

struct Preference {
  std::string name;  // lower case
  std::string_view value;
  std::string_view whole;  // as sent, with parameters
};

// Up to the first of `stops` that is not inside a quoted string.
std::size_t find_unquoted(std::string_view text, std::string_view stops) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && stops.find(text[i]) != std::string_view::npos) {
      return i;
    }
  }
  return text.size();
}

Preference parse_preference(std::string_view element) {
  Preference out;
  out.whole = trim_blanks(element);
  const auto head = out.whole.substr(0, find_unquoted(out.whole, ";"));
  const auto equals = find_unquoted(head, "=");
  out.name = lower_ascii(trim_blanks(head.substr(0, equals)));
  if (equals < head.size()) out.value = trim_blanks(head.substr(equals + 1));
  if (out.value.size() >= 2 && out.value.front() == '"' && out.value.back() == '"') {
    out.value = out.value.substr(1, out.value.size() - 2);
  }
  return out;
}

std::vector<Preference> parse_line(std::string_view line) {
  std::vector<Preference> out;
  while (!line.empty()) {
    const auto comma = find_unquoted(line, ",");
    auto preference = parse_preference(line.substr(0, comma));
    if (!preference.whole.empty()) out.push_back(std::move(preference));
    line.remove_prefix(std::min(line.size(), comma + 1));
  }
  return out;
}

// delta-seconds (RFC 9110 section 10.2.3): digits only; too many of them mean "very long".
std::optional<Duration> parse_wait(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::all_of(text.begin(), text.end(), digit)) return std::nullopt;
  std::int64_t seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return parsed.ec == std::errc{} ? Duration::seconds(seconds) : Duration::max();
}

}  // namespace

Preferences read_preferences(const Fields& fields) {
  Preferences out;
  bool wait_seen = false;
  for (const auto& field : fields) {
    if (!same_name(field.name, "Prefer")) continue;
    for (const auto& preference : parse_line(field.value)) {
      if (preference.name == "respond-async") out.respond_async = true;
      if (preference.name == "wait" && !wait_seen) {
        wait_seen = true;
        out.wait = parse_wait(preference.value);
      }
    }
  }
  return out;
}

void drop_preferences(Fields& fields, bool respond_async, bool wait) {
  if (!respond_async && !wait) return;
  for (auto& field : fields) {
    if (!same_name(field.name, "Prefer")) continue;
    std::string left;
    for (const auto& preference : parse_line(field.value)) {
      if (respond_async && preference.name == "respond-async") continue;
      if (wait && preference.name == "wait") continue;
      if (!left.empty()) left += ", ";
      left += preference.whole;
    }
    field.value = std::move(left);
  }
  std::erase_if(fields, [](const Field& field) {
    return same_name(field.name, "Prefer") && field.value.empty();
  });
}

}  // namespace hf::call
