#include "policy/rate.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hf::policy {
namespace {

constexpr Instant kStart{7'000'000'000};

int take_all(RateLimit& limit, Instant now) {
  int count = 0;
  while (limit.try_take(now))
    ++count;
  return count;
}

TEST(RateLimit, NoRateIsAlwaysFree) {
  RateLimit limit(std::nullopt);
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(limit.try_take(kStart));
  EXPECT_EQ(limit.next_free(kStart), kStart);
  limit.give_back();
}

TEST(RateLimit, ATenthAtOnceThenEvenly) {
  RateLimit limit(Rate{100, Duration::seconds(1)});
  EXPECT_EQ(limit.burst(), 10);
  EXPECT_EQ(take_all(limit, kStart), 10);
  EXPECT_EQ(limit.next_free(kStart), kStart + Duration::millis(10));
  EXPECT_FALSE(limit.try_take({(kStart + Duration::millis(10)).ns - 1}));
  EXPECT_EQ(take_all(limit, kStart + Duration::millis(10)), 1);
  EXPECT_EQ(take_all(limit, kStart + Duration::millis(50)), 4);
  EXPECT_EQ(take_all(limit, kStart + Duration::hours(9)), 10);
}

TEST(RateLimit, SmallRatesGoOneByOne) {
  RateLimit limit(Rate{2, Duration::seconds(10)});
  EXPECT_EQ(take_all(limit, kStart), 1);
  EXPECT_EQ(limit.next_free(kStart), kStart + Duration::seconds(5));
}

TEST(RateLimit, ARateThatDoesNotDivideIsExact) {
  RateLimit limit(Rate{3, Duration::nanos(10)}, 2);
  EXPECT_EQ(take_all(limit, kStart), 2);
  EXPECT_EQ(limit.next_free(kStart), kStart + Duration::nanos(4));
  int taken = 2;
  for (int ns = 1; ns < 3000; ++ns)
    taken += limit.try_take(kStart + Duration::nanos(ns)) ? 1 : 0;
  EXPECT_EQ(taken, 2 + 2999 * 3 / 10);
}

TEST(RateLimit, AnUnusedAdmissionIsGivenBackOnce) {
  RateLimit limit(Rate{1, Duration::seconds(1)}, 2);
  EXPECT_EQ(take_all(limit, kStart), 2);
  limit.give_back();
  limit.give_back();
  EXPECT_EQ(take_all(limit, kStart), 1);
}

TEST(RateLimit, GivingBackAfterARefusalStillCounts) {
  RateLimit limit(Rate{1, Duration::seconds(1)}, 1);
  EXPECT_TRUE(limit.try_take(kStart));
  EXPECT_FALSE(limit.try_take(kStart));
  limit.give_back();
  EXPECT_TRUE(limit.try_take(kStart));
}

TEST(RateLimit, AClockThatStepsBackBlocksNoLongerThanBefore) {
  RateLimit limit(Rate{1, Duration::seconds(1)}, 1);
  EXPECT_TRUE(limit.try_take(kStart + Duration::hours(1)));
  EXPECT_FALSE(limit.try_take(kStart));
  EXPECT_EQ(limit.next_free(kStart), kStart + Duration::seconds(1));
  EXPECT_FALSE(limit.try_take({(kStart + Duration::seconds(1)).ns - 1}));
  EXPECT_TRUE(limit.try_take(kStart + Duration::seconds(1)));
}

TEST(RateLimit, SaturatesAtTheEndOfTime) {
  RateLimit limit(Rate{1, Duration::max()}, 1);
  EXPECT_TRUE(limit.try_take(kStart));
  EXPECT_EQ(limit.next_free(kStart), Instant::max());
  RateLimit fast(Rate{INT64_MAX, Duration::nanos(1)}, 1);
  EXPECT_TRUE(fast.try_take(Instant::max()));
  EXPECT_FALSE(fast.try_take({INT64_MIN}));
  EXPECT_TRUE(fast.try_take({INT64_MIN + 1}));
}

TEST(RateLimitDeathTest, ARateOfNothingIsABug) {
  EXPECT_DEATH(RateLimit(Rate{0, Duration::seconds(1)}), "check failed");
  EXPECT_DEATH(RateLimit(Rate{1, {}}), "check failed");
}

// Admissions (those given back not counted) in every window [t, t + w]: at most burst + w * rate.
RC_GTEST_PROP(RateLimitModel, NoWindowExceedsTheBound, ()) {
  const Rate rate{*rc::gen::inRange(1, 50), {*rc::gen::inRange(1, 1000)}};
  const int burst = *rc::gen::inRange(1, 6);
  RateLimit limit(rate, burst);
  std::vector<std::int64_t> taken;
  Instant now{*rc::gen::inRange(-1000, 1000)};
  for (int i = *rc::gen::inRange(0, 200); i > 0; --i) {
    now =
        now + Duration::nanos(*rc::gen::weightedElement<int>({{4, 0}, {4, 1}, {2, 13}, {1, 900}}));
    const bool free = limit.next_free(now) == now;
    const bool admitted = limit.try_take(now);
    RC_ASSERT(admitted == free);
    if (!admitted) {
      const auto next = limit.next_free(now);
      auto exact = limit;
      auto early = limit;
      RC_ASSERT(exact.try_take(next));
      RC_ASSERT(!early.try_take({next.ns - 1}));
    } else if (*rc::gen::weightedElement<bool>({{1, true}, {4, false}})) {
      limit.give_back();
    } else {
      taken.push_back(now.ns);
    }
  }
  for (std::size_t from = 0; from < taken.size(); ++from) {
    for (std::size_t to = from; to < taken.size(); ++to) {
      const auto count = static_cast<std::int64_t>(to - from + 1);
      RC_ASSERT((count - burst) * rate.per.ns <= (taken[to] - taken[from]) * rate.count);
    }
  }
}

}  // namespace
}  // namespace hf::policy
