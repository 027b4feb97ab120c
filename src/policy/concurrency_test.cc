#include "policy/concurrency.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hf::policy {
namespace {

int take_all(Concurrency& slots, Lane lane) {
  int count = 0;
  while (slots.try_take(lane))
    ++count;
  return count;
}

TEST(Concurrency, NeitherLaneTakesTheReserveOfTheOther) {
  Concurrency slots(64);
  EXPECT_EQ(slots.reserve(), 6);
  EXPECT_EQ(take_all(slots, Lane::live), 58);
  EXPECT_EQ(take_all(slots, Lane::held), 6);
  EXPECT_EQ(slots.in_use(), 64);
  EXPECT_EQ(slots.in_use(Lane::held), 6);
  slots.release(Lane::live);
  EXPECT_TRUE(slots.try_take(Lane::held)) << "what is not reserved is for whoever comes first";
  EXPECT_FALSE(slots.try_take(Lane::live));
}

// Every limit, reserve and order of filling up.
TEST(Concurrency, ReservesHoldForEveryLimit) {
  for (int limit = 0; limit <= 40; ++limit) {
    for (int permille = 0; permille <= 1000; permille += 50) {
      for (const auto first : {Lane::live, Lane::held}) {
        const auto second = first == Lane::live ? Lane::held : Lane::live;
        Concurrency slots(limit, permille);
        const int got = take_all(slots, first);
        const int rest = take_all(slots, second);
        ASSERT_EQ(got + rest, limit);
        if (limit >= 2) {
          ASSERT_GE(rest, 1);
          ASSERT_GE(got, rest);
        }
        ASSERT_EQ(rest, slots.reserve());
      }
    }
  }
}

TEST(Concurrency, ALimitOfOneIsShared) {
  Concurrency slots(1);
  EXPECT_TRUE(slots.try_take(Lane::held));
  EXPECT_FALSE(slots.try_take(Lane::live));
  slots.release(Lane::held);
  EXPECT_TRUE(slots.try_take(Lane::live));
}

TEST(Concurrency, ALowerLimitWaitsForWhatRuns) {
  Concurrency slots(10);
  EXPECT_EQ(take_all(slots, Lane::live), 9);
  slots.set_limit(4);
  EXPECT_EQ(slots.limit(), 4);
  EXPECT_FALSE(slots.try_take(Lane::held));
  for (int i = 0; i < 6; ++i)
    slots.release(Lane::live);
  EXPECT_FALSE(slots.try_take(Lane::live));
  EXPECT_TRUE(slots.try_take(Lane::held));
}

TEST(ConcurrencyDeathTest, ReleasingWhatWasNotTakenIsABug) {
  Concurrency slots(4);
  ASSERT_TRUE(slots.try_take(Lane::live));
  EXPECT_DEATH(slots.release(Lane::held), "check failed");
}

RC_GTEST_PROP(ConcurrencyModel, TheOtherLaneAlwaysHasItsReserve, ()) {
  const int limit = *rc::gen::inRange(2, 30);
  Concurrency slots(limit, *rc::gen::inRange(0, 1001));
  int live = 0;
  int held = 0;
  for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6))) {
    // Takes outnumber releases, so that the limits are met.
    const auto lane = step % 2 == 0 ? Lane::live : Lane::held;
    int& count = lane == Lane::live ? live : held;
    if (step < 4) {
      if (slots.try_take(lane)) ++count;
    } else if (count > 0) {
      slots.release(lane);
      --count;
    }
    RC_ASSERT(slots.in_use() == live + held);
    RC_ASSERT(slots.in_use() <= limit);
    RC_ASSERT(live <= limit - slots.reserve());
    RC_ASSERT(held <= limit - slots.reserve());
    if (held < slots.reserve()) {
      auto copy = slots;
      RC_ASSERT(copy.try_take(Lane::held));
    }
    if (live < slots.reserve()) {
      auto copy = slots;
      RC_ASSERT(copy.try_take(Lane::live));
    }
  }
}

}  // namespace
}  // namespace hf::policy
