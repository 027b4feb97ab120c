#include "adapters/http/public_address.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace hf::adapters {
namespace {

using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

struct V4Range {
  std::uint32_t base;
  int bits;
};

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c = 0) {
  return a << 24 | b << 16 | c << 8;
}

constexpr std::array kNotPublicV4{
    V4Range{v4(0, 0), 8},          // this host
    V4Range{v4(10, 0), 8},         // private
    V4Range{v4(100, 64), 10},      // shared (CGNAT)
    V4Range{v4(127, 0), 8},        // loopback
    V4Range{v4(169, 254), 16},     // link-local, and the clouds' metadata services
    V4Range{v4(172, 16), 12},      // private
    V4Range{v4(192, 0, 0), 24},    // IETF protocol assignments
    V4Range{v4(192, 0, 2), 24},    // documentation
    V4Range{v4(192, 88, 99), 24},  // 6to4 relays, deprecated
    V4Range{v4(192, 168), 16},     // private
    V4Range{v4(198, 18), 15},      // benchmarking
    V4Range{v4(198, 51, 100), 24}, V4Range{v4(203, 0, 113), 24},
    V4Range{v4(224, 0), 4},  // multicast
    V4Range{v4(240, 0), 4},  // reserved, broadcast
};

bool is_public_v4(std::uint32_t address) {
  return std::none_of(kNotPublicV4.begin(), kNotPublicV4.end(), [&](const V4Range& range) {
    return address >> (32 - range.bits) == range.base >> (32 - range.bits);
  });
}

std::uint32_t u16_at(const address_v6::bytes_type& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}

bool is_public_v6(const address_v6::bytes_type& bytes) {
  const std::uint32_t first = u16_at(bytes, 0);
  const std::uint32_t second = u16_at(bytes, 2);
  constexpr std::array<unsigned char, 12> kNat64{0, 0x64, 0xff, 0x9b};
  if (std::equal(kNat64.begin(), kNat64.end(), bytes.begin())) {
    return is_public_v4(u16_at(bytes, 12) << 16 | u16_at(bytes, 14));
  }
  if (first >> 13 != 1) return false;                    // only 2000::/3 is global unicast
  if (first == 0x2001 && second < 0x200) return false;   // protocol assignments, Teredo
  if (first == 0x2001 && second == 0xdb8) return false;  // documentation
  if (first == 0x2002) return false;                     // 6to4
  return first != 0x3fff || second >= 0x1000;            // documentation (RFC 9637)
}

}  // namespace

bool is_public(const boost::asio::ip::address& address) {
  if (address.is_v4()) return is_public_v4(address.to_v4().to_uint());
  return is_public_v6(address.to_v6().to_bytes());
}

}  // namespace hf::adapters
