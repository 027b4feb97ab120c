#include "stale/directives.h"

#include <algorithm>
#include <string>

namespace hf::stale {
namespace {

struct Directive {
  std::string name;  // lower case
  std::string value;
};

// Up to the next comma outside quotes; quotes without an end reach to the end of the line.
std::string_view next_element(std::string_view& rest) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < rest.size(); ++at) {
    const char c = rest[at];
    if (quoted && c == '\\') {
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      break;
    }
  }
  at = std::min(at, rest.size());
  const std::string_view out = trim_blanks(rest.substr(0, at));
  rest.remove_prefix(std::min(rest.size(), at + 1));
  return out;
}

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || !text.starts_with('"') || !text.ends_with('"')) return std::string(text);
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

template <typename Each>
void each_directive(const Fields& fields, Each each) {
  for (const Field& field : fields) {
    if (!same_name(field.name, "Cache-Control")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::string_view element = next_element(rest);
      if (element.empty()) continue;
      const auto equals = std::min(element.find('='), element.size());
      Directive out;
      out.name = lower_ascii(trim_blanks(element.substr(0, equals)));
      if (equals < element.size()) out.value = unquoted(trim_blanks(element.substr(equals + 1)));
      each(out);
    }
  }
}

// Of several the answer counts as stale: zero, whatever they say.
void take_seconds(const Directive& directive, std::optional<Duration>& out) {
  const auto read = parse_delta_seconds(directive.value);
  out = out || !read ? Duration{} : *read;
}

}  // namespace

std::optional<Duration> parse_delta_seconds(std::string_view text) {
  constexpr std::int64_t kMost = 1LL << 31;
  if (text.empty()) return std::nullopt;
  std::int64_t out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    out = std::min(kMost, out * 10 + (c - '0'));
  }
  return Duration::seconds(out);
}

AnswerDirectives read_answer_directives(const Fields& fields) {
  AnswerDirectives out;
  each_directive(fields, [&](const Directive& one) {
    if (one.name == "no-store") out.no_store = true;
    if (one.name == "no-cache") out.no_cache = true;
    if (one.name == "private") out.is_private = true;
    if (one.name == "public") out.is_public = true;
    if (one.name == "must-revalidate") out.must_revalidate = true;
    if (one.name == "proxy-revalidate") out.proxy_revalidate = true;
    if (one.name == "max-age") take_seconds(one, out.max_age);
    if (one.name == "s-maxage") take_seconds(one, out.s_maxage);
    if (one.name == "stale-if-error") take_seconds(one, out.stale_if_error);
  });
  return out;
}

RequestDirectives read_request_directives(const Fields& fields) {
  RequestDirectives out;
  each_directive(fields, [&](const Directive& one) {
    if (one.name == "no-store") out.no_store = true;
    if (one.name == "no-cache") out.no_cache = true;
    if (one.name == "stale-if-error") take_seconds(one, out.stale_if_error);
  });
  if (find_field(fields, "Cache-Control") == nullptr) {
    out.no_cache = list_contains(fields, "Pragma", "no-cache");
  }
  return out;
}

}  // namespace hf::stale
