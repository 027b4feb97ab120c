// The low-level interface is deprecated for being tied to one implementation; the one that is not
// allocates and looks up names for each use, which costs more than the hash.
#define OPENSSL_API_COMPAT 0x10100000L

#include "call/mac.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace hf::call {
namespace {

constexpr std::size_t kBlock = SHA256_CBLOCK;

// The state behind one block of the key, each byte changed by `pad`.
SHA256_CTX behind_key(const std::array<unsigned char, 32>& key, unsigned char pad) {
  std::array<unsigned char, kBlock> block{};
  block.fill(pad);
  for (std::size_t i = 0; i < key.size(); ++i)
    block[i] = static_cast<unsigned char>(key[i] ^ pad);
  SHA256_CTX out{};
  SHA256_Init(&out);
  SHA256_Update(&out, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
  return out;
}

}  // namespace

struct Mac::Keyed {
  SHA256_CTX inner;
  SHA256_CTX outer;
  ~Keyed() {
    OPENSSL_cleanse(&inner, sizeof inner);
    OPENSSL_cleanse(&outer, sizeof outer);
  }
};

Mac::Mac(const std::array<unsigned char, 32>& key)
    : keyed_(new Keyed{behind_key(key, 0x36), behind_key(key, 0x5c)}) {}

Digest Mac::of(std::string_view front, std::string_view back) const {
  SHA256_CTX state = keyed_->inner;
  SHA256_Update(&state, front.data(), front.size());
  SHA256_Update(&state, back.data(), back.size());
  Digest out;
  static_assert(sizeof out.bytes == SHA256_DIGEST_LENGTH);
  SHA256_Final(out.bytes.data(), &state);
  state = keyed_->outer;
  SHA256_Update(&state, out.bytes.data(), out.bytes.size());
  SHA256_Final(out.bytes.data(), &state);
  return out;
}

std::array<unsigned char, 32> sha256_of(std::string_view bytes) {
  std::array<unsigned char, 32> out{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out.data());
  return out;
}

}  // namespace hf::call
