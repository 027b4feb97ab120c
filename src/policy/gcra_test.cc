#include "policy/gcra.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

namespace hf::policy {
namespace {

constexpr Duration kSecond = Duration::seconds(1);

Instant at(Duration since) {
  return Instant{1'000'000'000'000} + since;
}

TEST(Gcra, lets_a_burst_go_and_then_one_each_interval) {
  const Gcra limit({5, Duration::seconds(20)}, 5);
  std::int64_t state = 0;
  for (int i = 1; i <= 5; ++i) {
    const auto verdict = limit.ask(state, at({}));
    ASSERT_TRUE(verdict.admitted);
    EXPECT_EQ(verdict.used, i);
    EXPECT_EQ(verdict.remaining, 5 - i);
    EXPECT_EQ(verdict.full_after, Duration::seconds(4 * i));
    state = verdict.arrival;
  }
  const auto refused = limit.ask(state, at({}));
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.used, 6);
  EXPECT_EQ(refused.again_after, Duration::seconds(4));
  EXPECT_EQ(refused.arrival, state);
  EXPECT_FALSE(limit.ask(state, at(Duration::millis(3999))).admitted);
  EXPECT_TRUE(limit.ask(state, at(Duration::seconds(4))).admitted);
}

TEST(Gcra, costs_more_than_one) {
  const Gcra limit({10, kSecond}, 10);
  const auto first = limit.ask(0, at({}), 8);
  ASSERT_TRUE(first.admitted);
  const auto second = limit.ask(first.arrival, at({}), 3);
  EXPECT_FALSE(second.admitted);
  EXPECT_EQ(second.again_after, Duration::millis(100));
  EXPECT_EQ(second.used, 11);
  EXPECT_TRUE(limit.ask(first.arrival, at({}), 2).admitted);
  EXPECT_EQ(limit.ask(0, at({}), 11).again_after, Duration::max());
}

TEST(Gcra, a_clock_that_steps_back_shuts_nobody_out_for_longer_than_the_burst) {
  const Gcra limit({1, kSecond}, 1);
  const auto first = limit.ask(0, at(Duration::hours(5)));
  ASSERT_TRUE(first.admitted);
  const auto later = limit.ask(first.arrival, at({}));
  EXPECT_FALSE(later.admitted);
  EXPECT_EQ(later.again_after, kSecond);
}

TEST(Gcra, extremes_do_not_overflow) {
  const Gcra slow({1, Duration::hours(24 * 30)}, 100'000'000);
  const auto verdict = slow.ask(INT64_MAX, Instant{INT64_MAX / 4}, 100'000'000);
  EXPECT_FALSE(verdict.admitted);
  const Gcra fast({100'000'000, Duration::millis(1)}, 1);
  EXPECT_TRUE(fast.ask(0, at({})).admitted);
}

// The bound of the algorithm, against every window of what was admitted.
RC_GTEST_PROP(GcraModel, no_window_sees_more_than_burst_and_rate, ()) {
  const std::int64_t count = *rc::gen::inRange<std::int64_t>(1, 50);
  const std::int64_t per_ms = *rc::gen::inRange<std::int64_t>(1, 10'000);
  const std::int64_t burst = *rc::gen::inRange<std::int64_t>(1, 20);
  const Gcra limit({count, Duration::millis(per_ms)}, burst);
  std::deque<Instant> admitted;
  std::int64_t state = 0;
  Instant now = at({});
  for (int i = 0; i < 200; ++i) {
    now = now + Duration::micros(*rc::gen::inRange(0, static_cast<int>(per_ms * 1000 / count)));
    const auto verdict = limit.ask(state, now);
    if (verdict.admitted) {
      state = verdict.arrival;
      admitted.push_back(now);
    } else {
      // What it says is exact: a nanosecond earlier it is still refused.
      RC_ASSERT(limit.ask(state, now + verdict.again_after).admitted);
      RC_ASSERT(!limit.ask(state, now + (verdict.again_after - Duration::nanos(1))).admitted);
    }
  }
  for (std::size_t from = 0; from < admitted.size(); ++from) {
    for (std::size_t to = from; to < admitted.size(); ++to) {
      const auto seen = static_cast<std::int64_t>(to - from + 1);
      const std::int64_t window = (admitted[to] - admitted[from]).ns;
      const std::int64_t allowed = burst + window * count / (per_ms * 1'000'000);
      RC_ASSERT(seen <= allowed);
    }
  }
}

// Whoever always asks gets what is written, within a hundredth, at every rate that can be written.
RC_GTEST_PROP(GcraModel, a_steady_client_gets_its_rate_within_a_hundredth, ()) {
  const std::int64_t count = *rc::gen::inRange<std::int64_t>(1, 1'000'000);
  const Gcra limit({count, kSecond}, 1);
  const Duration exact_for_a_thousand{1'000'000'000'000 / count};
  std::int64_t state = 0;
  Instant now = at({});
  for (int i = 0; i < 1000; ++i) {
    const auto verdict = limit.ask(state, now);
    RC_ASSERT(verdict.admitted);
    state = verdict.arrival;
    now = now + limit.interval();
  }
  const Duration took = now - at({});
  RC_ASSERT(took >= exact_for_a_thousand);
  RC_ASSERT(took.ns - exact_for_a_thousand.ns <= exact_for_a_thousand.ns / 100);
}

}  // namespace
}  // namespace hf::policy
