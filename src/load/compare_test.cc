#include "load/compare.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/prng.h"

namespace hf::load {
namespace {

RunResult run_of(double p99_ms, std::uint64_t seed, int seconds = 30, double rate = 100) {
  Prng prng(seed);
  RunResult run;
  run.mode = "rate";
  StepResult step;
  step.rate = rate;
  step.length = Duration::seconds(seconds);
  for (int i = 0; i < seconds * 4; ++i) {
    Moment moment;
    moment.at = Duration::millis(250) * i;
    moment.rate = rate;
    moment.throughput = rate + static_cast<double>(prng.between(-3, 3));
    const double noise = static_cast<double>(prng.between(80, 120)) / 100;
    moment.p99 = Duration::micros(static_cast<std::int64_t>(p99_ms * 1000 * noise));
    moment.p50 = Duration::millis(3);
    step.moments.push_back(moment);
  }
  run.steps.push_back(step);
  return run;
}

RunResult search_of(double kept, double broken) {
  RunResult run;
  run.mode = "find";
  run.steps.emplace_back();
  run.end = SearchEnd::found;
  run.kept = kept;
  run.broken = broken;
  return run;
}

// Example 1 of Mann and Whitney's statistic as R's wilcox.test has it for c(1.1, 2.2, 3.3, 4.4)
// and c(5.5, 6.6, 7.7, 8.8): W = 0; with continuity, normal approximation: p = 0.03038.
TEST(ShiftTest, is_the_normal_approximation_with_continuity) {
  const ShiftTest test = shift_test({1.1, 2.2, 3.3, 4.4}, {5.5, 6.6, 7.7, 8.8});
  EXPECT_NEAR(test.p, 0.03038, 1e-4);
  EXPECT_NEAR(test.shift, 4.4, 1e-9);
  EXPECT_NEAR(test.before, 2.75, 1e-9);
}

TEST(ShiftTest, of_the_same_values_finds_nothing) {
  const ShiftTest test = shift_test({2, 2, 2, 2}, {2, 2, 2, 2, 2});
  EXPECT_EQ(test.p, 1);
  EXPECT_EQ(test.shift, 0);
}

// Under no difference it is wrong as seldom as it says.
TEST(ShiftTest, is_seldom_wrong_about_no_difference) {
  Prng prng(5);
  int wrong = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> a;
    std::vector<double> b;
    for (int k = 0; k < 15; ++k) {
      a.push_back(static_cast<double>(prng.below(1'000'000)));
      b.push_back(static_cast<double>(prng.below(1'000'000)));
    }
    wrong += shift_test(a, b).p < 0.05 ? 1 : 0;
  }
  EXPECT_LT(wrong, 130);
  EXPECT_GT(wrong, 60);
}

TEST(Compare, a_clear_difference_has_a_side) {
  const Comparison slower = compare(run_of(20, 1), run_of(30, 2));
  EXPECT_EQ(slower.difference, Difference::worse);
  EXPECT_EQ(slower.sentence, "Worse: p99.");
  EXPECT_EQ(compare(run_of(30, 1), run_of(20, 2)).difference, Difference::better);
  const auto& p99 = slower.numbers.at(1);
  EXPECT_LT(p99.test.low, 10'000);
  EXPECT_GT(p99.test.high, 10'000);
}

TEST(Compare, no_difference_is_none) {
  const Comparison same = compare(run_of(20, 1), run_of(20, 2));
  EXPECT_TRUE(same.difference == Difference::same || same.difference == Difference::unclear);
  EXPECT_NE(same.difference, Difference::worse);
}

TEST(Compare, too_little_time_cannot_tell) {
  const Comparison brief_runs = compare(run_of(20, 1, 5), run_of(60, 2, 5));
  EXPECT_EQ(brief_runs.difference, Difference::unclear);
  EXPECT_NE(brief_runs.sentence.find("it takes 8"), std::string::npos) << brief_runs.sentence;
}

TEST(Compare, what_is_not_alike_is_not_compared) {
  EXPECT_EQ(compare(run_of(20, 1), run_of(40, 2, 30, 200)).difference, Difference::unclear);
  EXPECT_EQ(compare(run_of(20, 1), search_of(1, 2)).difference, Difference::unclear);
  RunResult limited = run_of(40, 2);
  limited.verdict.limit = Limit::generator;
  EXPECT_EQ(compare(run_of(20, 1), limited).difference, Difference::unclear);
  RunResult cut = run_of(40, 2);
  cut.stopped = true;
  EXPECT_EQ(compare(cut, run_of(20, 1)).difference, Difference::unclear);
}

RunResult phases_of(double calm_ms, double surge_ms, std::uint64_t seed, int seconds = 30) {
  RunResult run = run_of(calm_ms, seed, seconds);
  run.mode = "phases";
  run.steps[0].name = "calm";
  run.steps.push_back(run_of(surge_ms, seed + 100, seconds, 500).steps[0]);
  run.steps[1].name = "surge";
  return run;
}

TEST(Compare, phases_one_by_one) {
  const Comparison found = compare(phases_of(20, 100, 1), phases_of(20, 300, 2));
  EXPECT_EQ(found.difference, Difference::worse);
  EXPECT_EQ(found.sentence, "Worse: surge p99.");
  ASSERT_EQ(found.numbers.size(), 8U);
  EXPECT_EQ(found.numbers[1].name, "calm p99");
  const Comparison brief_one = compare(phases_of(20, 100, 1, 6), phases_of(20, 300, 2, 6));
  EXPECT_EQ(brief_one.difference, Difference::unclear);
  EXPECT_NE(brief_one.sentence.find("in phase calm 5 and 5 seconds"), std::string::npos)
      << brief_one.sentence;
  RunResult other = phases_of(20, 100, 1);
  other.steps[1].first_rate = 1;
  EXPECT_EQ(compare(phases_of(20, 100, 1), other).sentence,
            "Cannot tell: their phases differ (surge).");
}

TEST(Compare, searches_by_their_brackets) {
  EXPECT_EQ(compare(search_of(100, 105), search_of(110, 115)).difference, Difference::better);
  EXPECT_EQ(compare(search_of(100, 105), search_of(90, 95)).difference, Difference::worse);
  EXPECT_EQ(compare(search_of(100, 105), search_of(102, 107)).difference, Difference::unclear);
}

RC_GTEST_PROP(Compare, the_other_way_round_is_the_opposite, ()) {
  const double a = *rc::gen::inRange(5, 50);
  const double b = *rc::gen::inRange(5, 50);
  const RunResult first = run_of(a, 1);
  const RunResult second = run_of(b, 2);
  const auto there = compare(first, second);
  const auto back = compare(second, first);
  const auto& x = there.numbers.at(1).test;
  const auto& y = back.numbers.at(1).test;
  RC_ASSERT(std::abs(x.p - y.p) < 1e-9);
  RC_ASSERT(std::abs(x.shift + y.shift) < 1e-6);
  if (b > 1.5 * a) RC_ASSERT(there.difference == Difference::worse);
}

}  // namespace
}  // namespace hf::load
