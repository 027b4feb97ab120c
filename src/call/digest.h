// 32-byte HMACs under a key derived from the seal key; they show equality and nothing else.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/front_word.h"

namespace hf::call {

struct Digest {
  std::array<unsigned char, 32> bytes{};
  bool operator==(const Digest&) const = default;
  // As the bytes are ordered.
  std::strong_ordering operator<=>(const Digest& other) const {
    const std::uint64_t mine = front_word(bytes.data());
    const std::uint64_t its = front_word(other.bytes.data());
    return mine != its ? mine <=> its : bytes <=> other.bytes;
  }
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
