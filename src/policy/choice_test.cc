#include "policy/choice.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace hf::policy {
namespace {

TEST(Choice, OneIsTakenWithoutADraw) {
  Prng prng(7);
  Prng same(7);
  EXPECT_EQ(less_loaded_of_two({9}, prng), 0U);
  EXPECT_EQ(prng.next(), same.next());
}

TEST(Choice, OfTwoTheLessLoaded) {
  Prng prng(7);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(less_loaded_of_two({3, 2}, prng), 1U);
    EXPECT_EQ(less_loaded_of_two({0, 2}, prng), 0U);
  }
}

TEST(Choice, EqualOnesGetEqualShares) {
  Prng prng(7);
  std::vector<int> taken(5);
  for (int i = 0; i < 10'000; ++i)
    ++taken[less_loaded_of_two(std::vector<int>(5), prng)];
  for (const int count : taken) {
    EXPECT_GT(count, 1800);
    EXPECT_LT(count, 2200);
  }
}

RC_GTEST_PROP(Choice, NeverTheMostLoadedAlone, ()) {
  const auto loads =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::arbitrary<int>()));
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  const auto chosen = less_loaded_of_two(loads, prng);
  RC_ASSERT(chosen < loads.size());
  const auto most = *std::max_element(loads.begin(), loads.end());
  const bool alone = std::count(loads.begin(), loads.end(), most) == 1;
  RC_ASSERT(loads.size() == 1 || !alone || loads[chosen] < most);
}

}  // namespace
}  // namespace hf::policy
