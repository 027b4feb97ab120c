#include "call/hasher.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace hf::call {
namespace {

Hasher counting_hasher() {
  std::array<unsigned char, 32> secret{};
  for (std::size_t i = 0; i < secret.size(); ++i)
    secret[i] = static_cast<unsigned char>(i);
  return Hasher(secret);
}

// Computed with another implementation: HMAC-SHA-256(00..1f, 01 | 3 as u32 | "key" | "abc").
TEST(Hasher, DigestIsHmacOverVersionDomainAndBytes) {
  EXPECT_EQ(to_hex(counting_hasher().digest("key", "abc").raw()),
            "091ac2a16c7e25d3bb8880f4c33fcefea93fc7909af2c6d77c6654d9f5269894");
}

TEST(Hasher, DomainsAndSecretsSeparate) {
  const Hasher hasher = counting_hasher();
  EXPECT_NE(hasher.digest("key", "abc"), hasher.digest("owner", "abc"));
  EXPECT_NE(hasher.digest("key", "abc"), hasher.digest("keya", "bc"));
  EXPECT_NE(hasher.digest("key", "abc"), Hasher({}).digest("key", "abc"));
  EXPECT_EQ(hasher.digest("key", "abc"), hasher.digest("key", "abc"));
}

// FIPS 180-4, the one-block example.
TEST(Hasher, Sha256) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(public_key_value("abc"), "hf1-ba7816bf8f01cfea414140de5dae2223b00361a3");
}

}  // namespace
}  // namespace hf::call
