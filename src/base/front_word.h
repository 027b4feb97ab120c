// The first eight bytes of something as a number of their order: maps that are keyed by digests and
// ids compare a word, and hardly ever the rest.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace hf {

inline std::uint64_t front_word(const unsigned char* bytes) {
  std::uint64_t out = 0;
  std::memcpy(&out, bytes, sizeof out);
  if constexpr (std::endian::native == std::endian::little) out = __builtin_bswap64(out);
  return out;
}

}  // namespace hf
