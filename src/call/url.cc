#include "call/url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/fields.h"

namespace hf::call {
namespace {

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || text.front() == '.' || text.front() == '-') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

Error invalid(std::string_view why) {
  return fail(ErrorKind::invalid, std::string(why));
}

}  // namespace

std::optional<HostPort> split_authority(std::string_view text) {
  HostPort out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.bracketed = true;
    out.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    out.host = text.substr(0, text.find(':'));
    rest = text.substr(out.host.size());
  }
  if (rest.empty()) return out;
  if (!rest.starts_with(':') || rest.size() == 1) return std::nullopt;
  out.port = rest.substr(1);
  return out;
}

std::optional<std::uint16_t> port_number(std::string_view text) {
  std::uint16_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<std::string> canonical_ip(std::string_view text, int family) {
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (inet_pton(family, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
  if (inet_ntop(family, bytes.data(), out.data(), out.size()) == nullptr) return std::nullopt;
  return std::string(out.data());
}

Result<Url> parse_url(std::string_view text) {
  Url out;
  const auto colon = text.find("://");
  const std::string scheme = lower_ascii(text.substr(0, std::min(colon, text.size())));
  if (colon == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return invalid("a URL must begin with http:// or https://");
  }
  out.tls = scheme == "https";
  text.remove_prefix(scheme.size() + 3);
  const auto slash = std::min(text.find_first_of("/?#"), text.size());
  const auto authority = text.substr(0, slash);
  const auto path = text.substr(slash);
  if (authority.find('@') != std::string_view::npos) {
    return invalid("a URL must not hold a user name or password");
  }
  if (path.find_first_of("?#") != std::string_view::npos) {
    return invalid("a URL must not have a query or fragment");
  }
  const auto parts = split_authority(authority);
  if (!parts) return invalid("host and port of the URL are not readable");
  if (parts->bracketed) {
    const auto v6 = canonical_ip(parts->host, AF_INET6);
    if (!v6) return invalid("the brackets of the URL hold no IPv6 address");
    out.host = *v6;
  } else {
    if (!is_host_name(parts->host)) return invalid("the URL's host is not a host name");
    out.host = lower_ascii(parts->host);
  }
  out.port = out.tls ? 443 : 80;
  if (!parts->port.empty()) {
    const auto port = port_number(parts->port);
    if (!port || *port == 0) return invalid("the URL's port must be 1 to 65535");
    out.port = *port;
  }
  const bool visible =
      std::all_of(path.begin(), path.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!visible) return invalid("the URL's path must be visible ASCII");
  out.base_path = path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
  if (out.base_path.ends_with('/')) return invalid("the URL's path ends in several slashes");
  return out;
}

std::string format_url(const Url& url) {
  return fmt::format("{}://{}{}", url.tls ? "https" : "http", url.authority(), url.base_path);
}

}  // namespace hf::call
