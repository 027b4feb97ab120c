#include "call/hasher.h"

#include <string>

#include "base/bytes.h"

namespace hf::call {
namespace {

// Raised when what is hashed, or how, changes; old and new digests then never meet.
constexpr char kVersion = 1;

}  // namespace

Digest Hasher::digest(std::string_view domain, std::string_view bytes) const {
  std::string prefix(1, kVersion);
  put_string(prefix, domain);  // with its length, so that no domain runs into the bytes behind it
  return mac_.of(prefix, bytes);
}

std::string sha256(std::string_view bytes) {
  const auto out = sha256_of(bytes);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string public_key_value(std::string_view parts) {
  return "hf1-" + to_hex(sha256(parts).substr(0, 20));
}

}  // namespace hf::call
