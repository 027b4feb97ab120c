// 32-byte HMACs under a key derived from the seal key; they show equality and nothing else.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hf::call {

struct Digest {
  std::array<unsigned char, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string_view raw() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

// A keyed hash is as well spread as any.
struct DigestHash {
  std::uint64_t operator()(const Digest& digest) const {
    std::uint64_t out = 0;
    std::memcpy(&out, digest.bytes.data(), sizeof out);
    return out;
  }
};

}  // namespace hf::call
