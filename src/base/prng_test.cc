#include "base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <limits>

namespace hf {
namespace {

TEST(Prng, TheStreamOfASeedIsPinned) {
  // If these change, every recorded seed of the simulator means another run.
  Prng prng(0);
  EXPECT_EQ(prng.next(), 0x99ec5f36cb75f2b4ULL);
  EXPECT_EQ(prng.next(), 0xbf6e1f784956452aULL);
  EXPECT_EQ(prng.next(), 0x1a5f849d4933e6e0ULL);
}

TEST(Prng, ForksDependOnStateAndLabelOnly) {
  const Prng root(7);
  Prng a = root.fork("a");
  Prng again = root.fork("a");
  Prng b = root.fork("b");
  const auto first = a.next();
  EXPECT_EQ(first, again.next());
  EXPECT_NE(first, b.next());
  EXPECT_NE(first, Prng(8).fork("a").next());
}

TEST(Prng, EdgesOfTheBounds) {
  Prng prng(1);
  EXPECT_EQ(prng.below(0), 0U);
  EXPECT_EQ(prng.below(1), 0U);
  EXPECT_EQ(prng.between(5, 5), 5);
  EXPECT_EQ(prng.between(5, 4), 5);
  EXPECT_FALSE(prng.chance(0, 10));
  EXPECT_TRUE(prng.chance(10, 10));
}

TEST(Prng, BelowIsEven) {
  Prng prng(42);
  std::array<int, 6> seen{};
  for (int i = 0; i < 60'000; ++i)
    ++seen.at(prng.below(6));
  for (const int count : seen)
    EXPECT_NEAR(count, 10'000, 500);
}

RC_GTEST_PROP(Prng, StaysWithinBounds, (std::uint64_t seed, std::uint64_t bound)) {
  Prng prng(seed);
  if (bound > 0) RC_ASSERT(prng.below(bound) < bound);
  const auto low = *rc::gen::inRange<std::int64_t>(-1000, 1000);
  const auto high =
      low + *rc::gen::inRange<std::int64_t>(0, std::numeric_limits<std::int64_t>::max() / 2);
  const auto got = prng.between(low, high);
  RC_ASSERT(got >= low && got <= high);
}

}  // namespace
}  // namespace hf
