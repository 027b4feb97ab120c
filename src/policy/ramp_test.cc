#include "policy/ramp.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace hf::policy {
namespace {

constexpr Instant kStart{3'000'000'000};

Instant at(int seconds) {
  return kStart + Duration::seconds(seconds);
}

TEST(Ramp, WithoutTroubleThereIsNone) {
  Ramp ramp(RampConfig{}, 64);
  EXPECT_EQ(ramp.allowed(kStart), 64);
  EXPECT_EQ(ramp.next_change(kStart), std::nullopt);
  ramp.on_result(false, kStart);
  EXPECT_EQ(ramp.allowed(at(60)), 64);
}

TEST(Ramp, DoublesEachHealthyStepUpToTheLimit) {
  Ramp ramp(RampConfig{}, 64);
  ramp.on_trouble(kStart);
  EXPECT_EQ(ramp.allowed(kStart), 6);
  int expected = 6;
  for (int step = 0; step < 6; ++step) {
    EXPECT_EQ(ramp.allowed(at(step * 10)), expected);
    ramp.on_result(true, at(step * 10 + 5));
    if (expected < 64) {
      EXPECT_EQ(ramp.next_change(at(step * 10 + 5)), at(step * 10 + 10));
    } else {
      EXPECT_EQ(ramp.next_change(at(step * 10 + 5)), std::nullopt);
    }
    expected = std::min(expected * 2, 64);
  }
  EXPECT_EQ(expected, 64);
}

TEST(Ramp, AStepWithoutResultsShowsNothing) {
  Ramp ramp(RampConfig{}, 64);
  ramp.on_trouble(kStart);
  EXPECT_EQ(ramp.next_change(kStart), std::nullopt);
  EXPECT_EQ(ramp.allowed(at(600)), 6);
  ramp.on_result(true, at(605));
  EXPECT_EQ(ramp.allowed(at(605)), 6) << "the step goes from 600 to 610";
  EXPECT_EQ(ramp.next_change(at(605)), at(610));
  EXPECT_EQ(ramp.allowed(at(610)), 12);
  EXPECT_EQ(ramp.allowed(at(9000)), 12) << "one healthy step, one doubling";
}

TEST(Ramp, FivePercentFailuresHoldItBack) {
  Ramp ramp(RampConfig{}, 64);
  ramp.on_trouble(kStart);
  for (int i = 0; i < 19; ++i)
    ramp.on_result(true, at(1));
  ramp.on_result(false, at(1));
  EXPECT_EQ(ramp.next_change(at(1)), std::nullopt);
  EXPECT_EQ(ramp.allowed(at(10)), 6);
  // The next step is judged by itself: 1 of 21 is below.
  ramp.on_result(false, at(11));
  for (int i = 0; i < 20; ++i)
    ramp.on_result(true, at(11));
  EXPECT_EQ(ramp.allowed(at(20)), 12);
}

TEST(Ramp, NewTroubleBeginsAgain) {
  Ramp ramp(RampConfig{}, 64);
  ramp.on_trouble(kStart);
  ramp.on_result(true, at(1));
  EXPECT_EQ(ramp.allowed(at(10)), 12);
  ramp.on_trouble(at(12));
  EXPECT_EQ(ramp.allowed(at(12)), 6);
  EXPECT_EQ(ramp.allowed(at(60)), 6) << "results from before do not count";
}

TEST(Ramp, SmallAndChangedLimits) {
  Ramp ramp(RampConfig{}, 1);
  ramp.on_trouble(kStart);
  EXPECT_EQ(ramp.allowed(kStart), 1);
  ramp.set_limit(0);
  EXPECT_EQ(ramp.allowed(kStart), 0);
  ramp.set_limit(100);
  EXPECT_EQ(ramp.allowed(kStart), 1);
  ramp.on_result(true, kStart);
  EXPECT_EQ(ramp.allowed(at(10)), 2);
}

RC_GTEST_PROP(RampModel, StaysInBoundsAndNeverGrowsFasterThanDoublingAStep, ()) {
  const int limit = *rc::gen::inRange(1, 200);
  Ramp ramp(RampConfig{}, limit);
  Instant now = kStart;
  ramp.on_trouble(now);
  Instant trouble = now;
  for (int i = *rc::gen::inRange(0, 60); i > 0; --i) {
    now = now + Duration::seconds(*rc::gen::weightedElement<int>({{3, 0}, {3, 4}, {1, 35}}));
    const int before = ramp.allowed(now);
    const int kind = *rc::gen::inRange(0, 20);
    if (kind == 0) {
      ramp.on_trouble(now);
      trouble = now;
      RC_ASSERT(ramp.allowed(now) == std::max(limit / 10, 1));
    } else {
      ramp.on_result(kind > 1, now);
      RC_ASSERT(ramp.allowed(now) == before);
    }
    const auto steps = std::min<std::int64_t>((now - trouble).ns / 10'000'000'000, 20);
    const std::int64_t most = std::int64_t{std::max(limit / 10, 1)} << steps;
    RC_ASSERT(ramp.allowed(now) >= 1);
    RC_ASSERT(ramp.allowed(now) <= std::min<std::int64_t>(limit, most));
    if (const auto next = ramp.next_change(now)) {
      RC_ASSERT(*next > now);
      RC_ASSERT(ramp.allowed({next->ns - 1}) == ramp.allowed(now));
      RC_ASSERT(ramp.allowed(*next) == std::min(limit, ramp.allowed(now) * 2));
    } else {
      RC_ASSERT(ramp.allowed(now + Duration::hours(1)) == ramp.allowed(now));
    }
  }
}

}  // namespace
}  // namespace hf::policy
