// HMAC-SHA-256 (RFC 2104) with the key worked in once: a call takes about ten of them, and OpenSSL
// uses what the processor has for it.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "call/digest.h"

namespace hf::call {

class Mac {
 public:
  explicit Mac(const std::array<unsigned char, 32>& key);
  // Of both, one behind the other. Any thread.
  [[nodiscard]] Digest of(std::string_view front, std::string_view back) const;

 private:
  struct Keyed;
  std::shared_ptr<const Keyed> keyed_;
};

// SHA-256 of bytes, raw.
std::array<unsigned char, 32> sha256_of(std::string_view bytes);

}  // namespace hf::call
