#include "http1/target.h"

#include <algorithm>

#include "http1/chars.h"

namespace hf::http1 {
namespace {

constexpr std::size_t kMaxHostName = 255;
constexpr unsigned kMaxPort = 65535;

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !all_of(text, kDigitChar)) return false;
  unsigned port = 0;
  for (const char c : text)
    port = port * 10 + static_cast<unsigned>(c - '0');
  return port <= kMaxPort;
}

bool is_ipv6_literal(std::string_view text) {
  if (text.size() < 2 || text.size() > 45) return false;
  for (const char c : text) {
    const bool hex = is_char(c, kDigitChar) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!hex && c != ':' && c != '.') return false;
  }
  return text.find(':') != std::string_view::npos;
}

// The length of "http://" or "https://" at the front, or 0.
std::size_t scheme_size(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (same_name(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

}  // namespace

Target split_target(std::string_view target) {
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark)};
}

bool is_wire_target(std::string_view target) {
  return !target.empty() && all_of(target, kTargetChar);
}

bool is_authority(std::string_view text) {
  if (text.empty()) return false;
  std::string_view after;
  if (text.front() == '[') {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6_literal(text.substr(1, close - 1)))
      return false;
    after = text.substr(close + 1);
  } else {
    const auto size = span_of(text, kHostChar);
    if (size == 0 || size > kMaxHostName) return false;
    after = text.substr(size);
  }
  return after.empty() || (after.front() == ':' && is_port(after.substr(1)));
}

WireTarget read_target(std::string_view target, std::string_view method) {
  WireTarget out;
  out.rest = target;
  if (!is_wire_target(target)) {
    out.refusal = Refusal::bad_target;
    return out;
  }
  if (target.front() == '/') return out;
  if (target == "*") {
    if (method != "OPTIONS") out.refusal = Refusal::bad_target;
    return out;
  }
  const auto scheme = scheme_size(target);
  if (scheme == 0) {
    out.refusal = Refusal::bad_target;
    return out;
  }
  const auto after_scheme = target.substr(scheme);
  const auto end = std::min(after_scheme.find_first_of("/?"), after_scheme.size());
  out.authority = after_scheme.substr(0, end);
  out.rest = after_scheme.substr(end);
  out.missing_path = out.rest.empty() || out.rest.front() == '?';
  if (!is_authority(out.authority)) out.refusal = Refusal::bad_target;
  if (out.rest.empty() && method == "OPTIONS") {
    // RFC 9112 section 3.2.4: "OPTIONS http://host" asks about the server, not about "/".
    out.rest = "*";
    out.missing_path = false;
  }
  return out;
}

}  // namespace hf::http1
