#include "call/hasher.h"

#include <sodium.h>

#include <string>

#include "base/bytes.h"

namespace hf::call {
namespace {

// Raised when what is hashed, or how, changes; old and new digests then never meet.
constexpr char kVersion = 1;

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Digest Hasher::digest(std::string_view domain, std::string_view bytes) const {
  std::string prefix(1, kVersion);
  put_string(prefix, domain);  // with its length, so that no domain runs into the bytes behind it
  Digest out;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, secret_.data(), secret_.size());
  crypto_auth_hmacsha256_update(&state, octets(prefix), prefix.size());
  crypto_auth_hmacsha256_update(&state, octets(bytes), bytes.size());
  crypto_auth_hmacsha256_final(&state, out.bytes.data());
  return out;
}

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> out{};
  crypto_hash_sha256(out.data(), octets(bytes), bytes.size());
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string public_key_value(std::string_view parts) {
  return "hf1-" + to_hex(sha256(parts).substr(0, 20));
}

}  // namespace hf::call
