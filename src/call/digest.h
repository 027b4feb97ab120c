// 32-byte HMACs under a key derived from the seal key; they show equality and nothing else.
#pragma once

#include <array>
#include <compare>
#include <string_view>

namespace hf::call {

struct Digest {
  std::array<unsigned char, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string_view raw() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

}  // namespace hf::call
