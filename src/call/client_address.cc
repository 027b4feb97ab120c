#include "call/client_address.h"

#include <algorithm>
#include <vector>

namespace hf::call {
namespace {

// Hops looked at: more proxies in a row are a loop, or somebody who plays.
constexpr std::size_t kHopsMax = 32;

bool trusted(const ClientAddressSettings& settings, const IpAddress& address) {
  return std::any_of(settings.trusted.begin(), settings.trusted.end(),
                     [&](const Network& network) { return network.contains(address); });
}

// Whether the quote at `at` is a character of a quoted string, and not its end.
bool escaped(std::string_view text, std::size_t at) {
  std::size_t slashes = 0;
  while (slashes < at && text[at - 1 - slashes] == '\\')
    ++slashes;
  return slashes % 2 == 1;
}

// Takes what stands behind the last comma off the end of `rest`. From right to left, because that
// end is the proxy's and the beginning is anybody's: a quote that the client left open there would
// swallow what the proxy has added. `quotes`: a comma between them separates nothing (RFC 9110
// section 5.6.1); X-Forwarded-For has none.
std::string_view take_last(std::string_view& rest, bool quotes) {
  bool quoted = false;
  std::size_t at = rest.size();
  for (; at > 0; --at) {
    const char c = rest[at - 1];
    if (quotes && c == '"' && !(quoted && escaped(rest, at - 1))) quoted = !quoted;
    if (c == ',' && !quoted) break;
  }
  const auto out = rest.substr(at);
  rest = rest.substr(0, at == 0 ? 0 : at - 1);
  return trim_blanks(out);
}

// The elements of a list field, the last first; at most kHopsMax of them.
std::vector<std::string_view> from_right(const Fields& fields, std::string_view name, bool quotes) {
  std::vector<std::string_view> out;
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (!same_name(field->name, name)) continue;
    std::string_view rest = field->value;
    do {
      if (out.size() >= kHopsMax) return out;
      out.push_back(take_last(rest, quotes));
    } while (!rest.empty());
  }
  return out;
}

// Takes one `name=value` of an element off its front; a semicolon between quotes ends none.
std::string_view take_pair(std::string_view& rest) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < rest.size(); ++at) {
    if (rest[at] == '"' && !(quoted && escaped(rest, at))) quoted = !quoted;
    if (rest[at] == ';' && !quoted) break;
  }
  const auto out = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return trim_blanks(out);
}

// The value of `for=` in one element of Forwarded (RFC 7239 section 4): a token or a quoted string,
// IPv6 in brackets.
std::string_view forwarded_for(std::string_view element) {
  while (!element.empty()) {
    const auto pair = take_pair(element);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || !same_name(pair.substr(0, equals), "for")) continue;
    auto value = pair.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return value;
  }
  return {};
}

}  // namespace

std::optional<IpAddress> client_address(const ClientAddressSettings& settings,
                                        std::string_view peer, const Fields& fields) {
  auto address = parse_ip_port(peer);
  if (!address || !trusted(settings, *address)) return address;
  const bool forwarded = settings.from == ClientAddressSettings::From::forwarded;
  for (const auto element :
       from_right(fields, forwarded ? "Forwarded" : "X-Forwarded-For", forwarded)) {
    const auto before = parse_ip_port(forwarded ? forwarded_for(element) : element);
    if (!before) break;
    address = before;
    if (!trusted(settings, *address)) break;
  }
  return address;
}

IpAddress client_network(const ClientAddressSettings& settings, const IpAddress& address) {
  return address.is_v4() ? address : address.masked(settings.v6_prefix);
}

}  // namespace hf::call
