#include "base/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace hf {
namespace {

constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kLongest = INET6_ADDRSTRLEN;

std::optional<int> number(std::string_view text, int most) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || out < 0 || out > most) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

bool IpAddress::is_v4() const {
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

IpAddress IpAddress::masked(int bits) const {
  IpAddress out = *this;
  for (int i = 0; i < 16; ++i) {
    const int keep = std::clamp(bits - 8 * i, 0, 8);
    out.bytes[static_cast<std::size_t>(i)] &= static_cast<unsigned char>(0xff << (8 - keep));
  }
  return out;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.empty() || text.size() > kLongest) return std::nullopt;
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  IpAddress out;
  if (inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) return out;
  std::copy(kMapped.begin(), kMapped.end(), out.bytes.begin());
  if (inet_pton(AF_INET, copy.c_str(), out.bytes.data() + kMapped.size()) == 1) return out;
  return std::nullopt;
}

std::optional<IpAddress> parse_ip_port(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && (rest[0] != ':' || !number(rest.substr(1), 65535))) return std::nullopt;
    const auto inner = parse_ip(text.substr(1, end - 1));
    return inner && text.find(':') < end ? inner : std::nullopt;
  }
  const auto colon = text.find(':');
  const bool one = colon != std::string_view::npos && text.find(':', colon + 1) == text.npos;
  if (!one) return parse_ip(text);
  if (!number(text.substr(colon + 1), 65535)) return std::nullopt;
  return parse_ip(text.substr(0, colon));
}

std::string format_ip(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  const bool v4 = address.is_v4();
  const void* from = v4 ? address.bytes.data() + kMapped.size() : address.bytes.data();
  inet_ntop(v4 ? AF_INET : AF_INET6, from, out.data(), out.size());
  return out.data();
}

std::uint64_t hash_of(const IpAddress& address) {
  std::uint64_t out = 14695981039346656037ULL;
  for (const unsigned char byte : address.bytes)
    out = (out ^ byte) * 1099511628211ULL;
  return out;
}

bool Network::contains(const IpAddress& address) const {
  return address.masked(bits) == base;
}

std::optional<Network> parse_network(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  // "::ffff:0:0/96" is written as IPv6 and means all of IPv4.
  const bool v4 = address->is_v4() && text.find(':') == std::string_view::npos;
  Network out{*address, 128};
  if (slash != std::string_view::npos) {
    const auto bits = number(text.substr(slash + 1), v4 ? 32 : 128);
    if (!bits) return std::nullopt;
    out.bits = *bits + (v4 ? 96 : 0);
  }
  if (out.base.masked(out.bits) != out.base) return std::nullopt;
  return out;
}

std::string format_network(const Network& network) {
  const bool v4 = network.base.is_v4() && network.bits >= 96;
  if (network.bits == 128) return format_ip(network.base);
  if (v4) return format_ip(network.base) + "/" + std::to_string(network.bits - 96);
  return format_ip(network.base) + "/" + std::to_string(network.bits);
}

}  // namespace hf
