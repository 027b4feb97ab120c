#include "config/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"

namespace hf::config {
namespace {

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Error invalid(std::string_view why) {
  return fail(ErrorKind::invalid, std::string(why));
}

}  // namespace

Result<std::string> parse_listen(const std::string& text) {
  const auto parts = call::split_authority(text);
  if (!parts || parts->port.empty()) return invalid("no `:port` at its end");
  const auto port = call::port_number(parts->port);
  if (!port) return invalid("the port must be a number from 0 to 65535");
  const auto ip = call::canonical_ip(parts->host, parts->bracketed ? AF_INET6 : AF_INET);
  if (!ip) return invalid("the host must be an IP address, IPv6 in brackets");
  return fmt::format(fmt::runtime(parts->bracketed ? "[{}]:{}" : "{}:{}"), *ip, *port);
}

bool same_socket(std::string_view a, std::string_view b) {
  const auto one = call::split_authority(a);
  const auto two = call::split_authority(b);
  if (!one || !two || one->port != two->port || one->port == "0") return false;
  const auto any = [](const call::HostPort& x) { return x.host == "0.0.0.0" || x.host == "::"; };
  if (one->bracketed != two->bracketed) {
    // [::] takes IPv4 too unless told otherwise.
    return (one->bracketed ? one : two)->host == "::";
  }
  return one->host == two->host || any(*one) || any(*two);
}

bool loopback_host(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost") || host == "::1" ||
         (host.starts_with("127.") && call::canonical_ip(host, AF_INET).has_value());
}

bool loopback_listen(std::string_view address) {
  const auto parts = call::split_authority(address);
  return parts && loopback_host(parts->host);
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alnum(c) || kOthers.find(c) != std::string_view::npos;
  });
}

bool is_plain_value(std::string_view text) {
  return !text.empty() && text.front() != ' ' && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace hf::config
