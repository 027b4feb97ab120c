#include "policy/breaker.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hf::policy {
namespace {

class BreakerTest : public ::testing::Test {
 protected:
  void ok() { breaker.record(true, false, now, prng); }
  void failed() { breaker.record(false, false, now, prng); }
  void open() {
    for (int i = 0; i < 5; ++i)
      failed();
    ASSERT_EQ(breaker.state(now), BreakerState::open);
  }
  void wait_until_half_open() {
    now = breaker.open_until();
    ASSERT_EQ(breaker.state(now), BreakerState::half_open);
  }
  void expect_open_for(Duration length) {
    const auto left = breaker.open_until() - now;
    EXPECT_GE(left, length - length / 20);
    EXPECT_LE(left, length + length / 20);
  }

  Breaker breaker{BreakerConfig{}};
  Prng prng{1};
  Instant now{1'000'000'000'000};
};

TEST_F(BreakerTest, OpensAfterConsecutiveFailures) {
  for (int i = 0; i < 4; ++i)
    failed();
  ok();
  for (int i = 0; i < 4; ++i)
    failed();
  EXPECT_EQ(breaker.admit(now), Admission::allow);
  EXPECT_EQ(breaker.open_until(), Instant{});
  failed();
  EXPECT_EQ(breaker.admit(now), Admission::reject);
  expect_open_for(Duration::seconds(5));
}

TEST_F(BreakerTest, OpensByShareOnlyWithEnoughAttempts) {
  for (int i = 0; i < 9; ++i) {
    ok();
    failed();
  }
  ok();
  EXPECT_EQ(breaker.state(now), BreakerState::closed);
  EXPECT_EQ(breaker.failures(now), 9);
  EXPECT_EQ(breaker.total(now), 19);
  failed();  // 10 of 20
  EXPECT_EQ(breaker.state(now), BreakerState::open);
}

TEST_F(BreakerTest, OldFailuresLeaveTheWindow) {
  for (int i = 0; i < 12; ++i) {
    failed();
    if (i % 3 == 2) ok();
  }
  EXPECT_EQ(breaker.failures(now), 12);
  EXPECT_EQ(breaker.total(now), 16);
  const Instant later = now + Duration::seconds(30);
  EXPECT_EQ(breaker.failures(later), 0);
  EXPECT_EQ(breaker.total(later), 0);
  now = later;
  for (int i = 0; i < 10; ++i) {
    ok();
    if (i % 2 == 0) failed();
  }
  EXPECT_EQ(breaker.total(now), 15);
  EXPECT_EQ(breaker.state(now), BreakerState::closed);
}

TEST_F(BreakerTest, OneProbeDecides) {
  open();
  EXPECT_EQ(breaker.admit({breaker.open_until().ns - 1}), Admission::reject);
  wait_until_half_open();
  EXPECT_EQ(breaker.admit(now), Admission::probe);
  EXPECT_EQ(breaker.state(now), BreakerState::half_open);
  EXPECT_EQ(breaker.admit(now + Duration::hours(1)), Admission::reject);
  breaker.record(true, true, now, prng);
  EXPECT_EQ(breaker.admit(now), Admission::allow);
  EXPECT_EQ(breaker.failures(now), 0) << "a clean sheet";
}

TEST_F(BreakerTest, FailedProbesDoubleTheOpeningUpToItsMaximumAndASuccessResetsIt) {
  open();
  for (const int seconds : {10, 20, 40, 60, 60}) {
    wait_until_half_open();
    ASSERT_EQ(breaker.admit(now), Admission::probe);
    breaker.record(false, true, now, prng);
    expect_open_for(Duration::seconds(seconds));
  }
  wait_until_half_open();
  ASSERT_EQ(breaker.admit(now), Admission::probe);
  breaker.record(true, true, now, prng);
  open();
  expect_open_for(Duration::seconds(5));
}

TEST_F(BreakerTest, AnAbandonedProbeLetsAnotherGo) {
  open();
  wait_until_half_open();
  ASSERT_EQ(breaker.admit(now), Admission::probe);
  breaker.abandon_probe(now);
  EXPECT_EQ(breaker.state(now), BreakerState::half_open);
  EXPECT_EQ(breaker.admit(now), Admission::probe);
  EXPECT_EQ(breaker.admit(now), Admission::reject);
}

TEST_F(BreakerTest, LateResultsNeitherCloseNorProlong) {
  open();
  const auto until = breaker.open_until();
  ok();
  failed();
  EXPECT_EQ(breaker.state(now), BreakerState::open);
  wait_until_half_open();
  ok();
  EXPECT_EQ(breaker.state(now), BreakerState::half_open);
  ASSERT_EQ(breaker.admit(now), Admission::probe);
  ok();
  for (int i = 0; i < 20; ++i)
    failed();
  EXPECT_EQ(breaker.state(now), BreakerState::half_open);
  EXPECT_EQ(breaker.admit(now), Admission::reject);
  EXPECT_EQ(breaker.open_until(), until);
  breaker.record(true, true, now, prng);
  EXPECT_EQ(breaker.total(now), 0);
  failed();
  EXPECT_EQ(breaker.state(now), BreakerState::closed) << "late failures left no streak";
}

TEST_F(BreakerTest, AProbeOfAnEarlierBreakerIsAnOrdinaryResult) {
  breaker.record(false, true, now, prng);
  EXPECT_EQ(breaker.failures(now), 1);
  open();
  breaker.record(true, true, now, prng);
  EXPECT_EQ(breaker.state(now), BreakerState::open);
}

TEST_F(BreakerTest, ReconfigureKeepsTheStateAndShortensAnOpening) {
  failed();
  BreakerConfig config;
  config.consecutive = 3;
  breaker.reconfigure(config);
  EXPECT_EQ(breaker.failures(now), 1);
  failed();
  failed();
  EXPECT_EQ(breaker.state(now), BreakerState::open);
  config.open_min = config.open_max = Duration::seconds(1);
  breaker.reconfigure(config);
  EXPECT_EQ(breaker.open_until(), now + Duration::seconds(1));
  config.within = Duration::seconds(1);
  breaker.reconfigure(config);
  EXPECT_EQ(breaker.total(now), 0);
}

TEST_F(BreakerTest, WithoutTheConsecutiveRuleOnlyTheShareCounts) {
  BreakerConfig config;
  config.consecutive = 0;
  breaker.reconfigure(config);
  for (int i = 0; i < 19; ++i)
    failed();
  EXPECT_EQ(breaker.state(now), BreakerState::closed);
  failed();
  EXPECT_EQ(breaker.state(now), BreakerState::open);
}

TEST_F(BreakerTest, AClockThatStepsBackDoesNotReopenOrRevive) {
  open();
  wait_until_half_open();
  ASSERT_EQ(breaker.admit(now), Admission::probe);
  breaker.abandon_probe(now);
  EXPECT_EQ(breaker.admit(Instant{1}), Admission::probe);
}

// Every sequence of seven events of the kinds below, over a small breaker: while it is not closed
// nothing is admitted but one probe at a time, and only the probe's success closes it.
TEST(BreakerModel, EverySmallHistory) {
  constexpr int kKinds = 6;
  constexpr int kLength = 7;
  BreakerConfig config;
  config.consecutive = 2;
  int total = 1;
  for (int i = 0; i < kLength; ++i)
    total *= kKinds;
  for (int history = 0; history < total; ++history) {
    Breaker breaker(config);
    Prng prng(7);
    Instant now{1};
    bool probing = false;
    for (int rest = history, i = 0; i < kLength; ++i, rest /= kKinds) {
      const auto before = breaker.state(now);
      bool may_close = false;
      switch (rest % kKinds) {
        case 0: {
          const auto admission = breaker.admit(now);
          auto expected = Admission::allow;
          if (before == BreakerState::open) expected = Admission::reject;
          if (before == BreakerState::half_open) {
            expected = probing ? Admission::reject : Admission::probe;
            probing = true;
          }
          ASSERT_EQ(admission, expected) << history;
          break;
        }
        case 1:
          breaker.record(true, false, now, prng);
          break;
        case 2:
          breaker.record(false, false, now, prng);
          break;
        case 3:
          may_close = probing;
          breaker.record(true, true, now, prng);
          probing = false;
          break;
        case 4:
          if (!probing) break;
          breaker.record(false, true, now, prng);
          ASSERT_EQ(breaker.state(now), BreakerState::open);
          probing = false;
          break;
        case 5:
          now = now + Duration::seconds(7);
          break;
      }
      const auto after = breaker.state(now);
      if (before != BreakerState::closed) {
        ASSERT_EQ(after == BreakerState::closed, may_close) << history;
      }
    }
  }
}

RC_GTEST_PROP(BreakerModel, CountsAreThoseOfTheWindowToATenth, ()) {
  BreakerConfig config;
  config.consecutive = 0;
  config.at_least = 1'000'000;
  Breaker breaker(config);
  Prng prng(1);
  Instant now{0};
  struct Seen {
    Instant at;
    bool ok;
  };
  std::vector<Seen> seen;
  for (const auto gap : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 8000))) {
    now = now + Duration::millis(gap);
    seen.push_back({now, gap % 3 == 0});
    breaker.record(seen.back().ok, false, now, prng);
  }
  int least = 0;
  int most = 0;
  int most_failed = 0;
  for (const auto& one : seen) {
    if (now - one.at < Duration::seconds(27)) ++least;
    if (now - one.at < Duration::seconds(30)) {
      ++most;
      if (!one.ok) ++most_failed;
    }
  }
  RC_ASSERT(breaker.total(now) >= least && breaker.total(now) <= most);
  RC_ASSERT(breaker.failures(now) <= most_failed);
}

}  // namespace
}  // namespace hf::policy
