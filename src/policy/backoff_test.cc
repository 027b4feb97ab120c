#include "policy/backoff.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace hf::policy {
namespace {

TEST(FullJitter, ReachesBothEndsOfEachStep) {
  const Backoff backoff{Duration::nanos(2), Duration::nanos(5)};
  Prng prng(1);
  const auto seen = [&](int retry) {
    std::set<std::int64_t> out;
    for (int i = 0; i < 500; ++i)
      out.insert(full_jitter(backoff, retry, prng).ns);
    return out;
  };
  EXPECT_EQ(seen(1), (std::set<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(seen(2), (std::set<std::int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(seen(3), (std::set<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(seen(1'000'000), (std::set<std::int64_t>{0, 1, 2, 3, 4, 5}));
}

TEST(FullJitter, DoublesWithEachRetry) {
  Prng prng(1);
  std::int64_t longest = 0;
  for (int i = 0; i < 5000; ++i) {
    longest = std::max(longest, full_jitter({{1}, {1'000'000}}, 8, prng).ns);
  }
  EXPECT_EQ(longest, 128);
}

TEST(FullJitter, OddConfigurationsWaitNothing) {
  Prng prng(1);
  EXPECT_EQ(full_jitter({{}, Duration::seconds(1)}, 9, prng), Duration{});
  EXPECT_EQ(full_jitter({Duration::seconds(1), {}}, 9, prng), Duration{});
  EXPECT_EQ(full_jitter({Duration::seconds(-1), Duration::seconds(-2)}, 9, prng), Duration{});
}

TEST(FullJitterDeathTest, RetriesCountFromOne) {
  Prng prng(1);
  EXPECT_DEATH(full_jitter({}, 0, prng), "check failed");
}

RC_GTEST_PROP(FullJitter, StaysWithinTheDoubledBase, (std::uint64_t seed)) {
  const auto length = rc::gen::inRange<std::int64_t>(0, Duration::max().ns);
  const Backoff backoff{{*length}, {*length}};
  const int retry = *rc::gen::inRange(1, 100);
  __extension__ typedef __int128 Wide;
  Wide bound = backoff.base.ns;
  for (int i = 1; i < retry && bound < backoff.cap.ns; ++i)
    bound *= 2;
  Prng prng(seed);
  const auto got = full_jitter(backoff, retry, prng);
  RC_ASSERT(got.ns >= 0);
  RC_ASSERT(got.ns <= std::min<Wide>(bound, backoff.cap.ns));
}

TEST(Spread, ReachesBothEnds) {
  Prng prng(1);
  std::set<std::int64_t> seen;
  for (int i = 0; i < 500; ++i)
    seen.insert(spread({20}, 100, prng).ns);
  EXPECT_EQ(seen, (std::set<std::int64_t>{18, 19, 20, 21, 22}));
  EXPECT_EQ(spread({20}, 0, prng).ns, 20);
  EXPECT_EQ(spread({0}, 1000, prng).ns, 0);
  EXPECT_EQ(spread({-7}, 1000, prng).ns, -7);
}

RC_GTEST_PROP(Spread, StaysWithinItsShare, (std::uint64_t seed)) {
  const auto around = *rc::gen::inRange<std::int64_t>(0, Duration::max().ns);
  const int permille = *rc::gen::inRange(0, 1001);
  Prng prng(seed);
  __extension__ typedef __int128 Wide;
  const Wide off = static_cast<Wide>(spread({around}, permille, prng).ns) - around;
  RC_ASSERT(off * 1000 <= static_cast<Wide>(around) * permille);
  RC_ASSERT(-off * 1000 <= static_cast<Wide>(around) * permille);
}

TEST(Schedule, TheLastStepRepeats) {
  const Schedule schedule{{Duration::seconds(5), Duration::seconds(30)}};
  EXPECT_EQ(schedule.after(1), Duration::seconds(5));
  EXPECT_EQ(schedule.after(2), Duration::seconds(30));
  EXPECT_EQ(schedule.after(3), Duration::seconds(30));
  EXPECT_EQ(schedule.after(1'000'000), Duration::seconds(30));
  EXPECT_EQ(Schedule{}.after(1), Duration::minutes(1));
}

}  // namespace
}  // namespace hf::policy
