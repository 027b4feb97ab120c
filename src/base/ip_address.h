// IP addresses and networks as values. IPv4 is kept as its mapped IPv6 form (RFC 4291 section
// 2.5.5.2), so that `::ffff:192.0.2.1` and `192.0.2.1` are one address.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hf {

struct IpAddress {
  std::array<unsigned char, 16> bytes{};
  [[nodiscard]] bool is_v4() const;
  // The address with all bits behind the first `bits` of 128 cleared.
  [[nodiscard]] IpAddress masked(int bits) const;
  auto operator<=>(const IpAddress&) const = default;
};

// "192.0.2.1", "2001:db8::1"; a zone ("%eth0") is refused.
std::optional<IpAddress> parse_ip(std::string_view text);
// The same, perhaps with a port behind it and an IPv6 address then in brackets: "192.0.2.1:80",
// "[2001:db8::1]:80", "[2001:db8::1]". Bare IPv6 is an address without a port.
std::optional<IpAddress> parse_ip_port(std::string_view text);
std::string format_ip(const IpAddress& address);
// FNV-1a: it spreads. Who can choose addresses can make two collide.
std::uint64_t hash_of(const IpAddress& address);

struct Network {
  IpAddress base;  // without host bits
  int bits = 128;  // of 128: a /8 of IPv4 has 104
  [[nodiscard]] bool contains(const IpAddress& address) const;
  bool operator==(const Network&) const = default;
};

// "10.0.0.0/8", "2001:db8::/32", or an address alone. Nothing where bits are set behind the prefix:
// whoever wrote that meant something else.
std::optional<Network> parse_network(std::string_view text);
std::string format_network(const Network& network);

}  // namespace hf
