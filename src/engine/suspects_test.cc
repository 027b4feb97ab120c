#include "engine/suspects.h"

#include <gtest/gtest.h>

namespace hf::engine {
namespace {

call::Digest digest_of(std::uint32_t value) {
  call::Digest out;
  for (std::size_t i = 0; i < 4; ++i)
    out.bytes[i] = static_cast<unsigned char>(value >> (8 * i));
  return out;
}

CallId call(std::uint64_t n) {
  return CallId::make(WallTime{1}, 0, n);
}

call::KeyUse key(std::uint32_t n) {
  call::KeyUse out;
  out.identity = digest_of(n);
  return out;
}

Instant at(std::int64_t seconds) {
  return Instant{} + Duration::seconds(seconds);
}

constexpr Duration kWindow = Duration::seconds(60);

TEST(Suspects, NameTheLatestOfTheSameLikenessWithinTheWindow) {
  Suspects suspects;
  EXPECT_FALSE(suspects.meet(digest_of(1), call(1), key(1), at(0), kWindow));
  EXPECT_FALSE(suspects.meet(digest_of(2), call(2), key(2), at(1), kWindow));
  EXPECT_EQ(suspects.meet(digest_of(1), call(3), key(3), at(60), kWindow), call(1));
  EXPECT_EQ(suspects.meet(digest_of(1), call(4), key(4), at(61), kWindow), call(3));
  EXPECT_FALSE(suspects.meet(digest_of(1), call(5), key(5), at(122), kWindow));
}

TEST(Suspects, OneKeyIsNoSuspicion) {
  Suspects suspects;
  suspects.meet(digest_of(1), call(1), key(1), at(0), kWindow);
  EXPECT_FALSE(suspects.meet(digest_of(1), call(2), key(1), at(1), kWindow));
  EXPECT_EQ(suspects.meet(digest_of(1), call(3), std::nullopt, at(2), kWindow), call(2));
  EXPECT_EQ(suspects.meet(digest_of(1), call(4), std::nullopt, at(3), kWindow), call(3));
}

TEST(Suspects, ADerivedKeySaysNothingOfTheClientsIntent) {
  Suspects suspects;
  call::KeyUse derived = key(1);
  derived.derived = true;
  suspects.meet(digest_of(1), call(1), derived, at(0), kWindow);
  EXPECT_EQ(suspects.meet(digest_of(1), call(2), derived, at(1), kWindow), call(1));
}

TEST(Suspects, AreBounded) {
  Suspects suspects;
  const auto all = static_cast<std::uint32_t>(kSuspectsMax);
  for (std::uint32_t i = 0; i < all; ++i)
    suspects.meet(digest_of(i), call(i), std::nullopt, at(0), kWindow);
  // The first one is met again and is young once more; the second is the oldest then.
  EXPECT_EQ(suspects.meet(digest_of(0), call(all), std::nullopt, at(1), kWindow), call(0));
  suspects.meet(digest_of(all), call(all + 1), std::nullopt, at(1), kWindow);
  EXPECT_LE(suspects.size(), kSuspectsMax);
  EXPECT_EQ(suspects.meet(digest_of(0), call(all + 2), std::nullopt, at(2), kWindow), call(all));
  EXPECT_FALSE(suspects.meet(digest_of(1), call(all + 3), std::nullopt, at(2), kWindow));
}

}  // namespace
}  // namespace hf::engine
