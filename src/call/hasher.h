// Keyed hashes for everything that identifies client data in the journal: HMAC-SHA-256 under a key
// derived from the seal key, with a version byte (DESIGN section 5).
#pragma once

#include <array>
#include <string_view>

#include "call/call.h"
#include "call/mac.h"

namespace hf::call {

class Hasher {
 public:
  // `secret` is 32 bytes; the caller derives it from the seal key.
  explicit Hasher(const std::array<unsigned char, 32>& secret) : mac_(secret) {}
  // `domain` separates uses ("key", "owner", "fingerprint", "account").
  [[nodiscard]] Digest digest(std::string_view domain, std::string_view bytes) const;

 private:
  Mac mac_;
};

// "hf1-" and 40 hex digits of SHA-256 (DESIGN section 3, Keys): public, unkeyed, the value that
// goes upstream for a business key.
std::string public_key_value(std::string_view parts);
std::string sha256(std::string_view bytes);  // 32 raw bytes

}  // namespace hf::call
