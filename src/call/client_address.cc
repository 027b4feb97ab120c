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

// The elements of a list field, the last first; a comma inside quotes separates nothing (RFC 9110
// section 5.6.1). At most kHopsMax of them.
std::vector<std::string_view> from_right(const Fields& fields, std::string_view name) {
  std::vector<std::string_view> out;
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (!same_name(field->name, name)) continue;
    std::vector<std::string_view> line;
    std::string_view rest = field->value;
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= rest.size(); ++i) {
      if (i < rest.size() && quoted && rest[i] == '\\') {
        ++i;
        continue;
      }
      if (i < rest.size() && rest[i] == '"') quoted = !quoted;
      if (i < rest.size() && (rest[i] != ',' || quoted)) continue;
      line.push_back(trim_blanks(rest.substr(begin, std::min(i, rest.size()) - begin)));
      begin = i + 1;
    }
    for (auto one = line.rbegin(); one != line.rend(); ++one) {
      if (out.size() >= kHopsMax) return out;
      out.push_back(*one);
    }
  }
  return out;
}

// The value of `for=` in one element of Forwarded (RFC 7239 section 4): a token or a quoted string,
// IPv6 in brackets.
std::string_view forwarded_for(std::string_view element) {
  while (!element.empty()) {
    const auto end = std::min(element.find(';'), element.size());
    const auto pair = trim_blanks(element.substr(0, end));
    element.remove_prefix(std::min(end + 1, element.size()));
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
  for (const auto element : from_right(fields, forwarded ? "Forwarded" : "X-Forwarded-For")) {
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
