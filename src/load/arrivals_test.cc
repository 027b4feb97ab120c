#include "load/arrivals.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace hf::load {
namespace {

std::vector<std::int64_t> all(const ArrivalPlan& plan, std::uint64_t share = 0,
                              std::uint64_t shares = 1) {
  Arrivals arrivals(plan, share, shares);
  std::vector<std::int64_t> out;
  while (const auto due = arrivals.next())
    out.push_back(due->ns);
  return out;
}

ArrivalPlan plan_of(double first, double last, Duration length) {
  ArrivalPlan plan;
  plan.begin = {1'000'000'000};
  plan.stretches = {{length, first, last}};
  return plan;
}

TEST(Arrivals, a_constant_rate_is_evenly_spaced_from_the_first_moment) {
  const auto due = all(plan_of(4, 4, Duration::seconds(1)));
  EXPECT_EQ(
      due, (std::vector<std::int64_t>{1'000'000'000, 1'250'000'000, 1'500'000'000, 1'750'000'000}));
}

TEST(Arrivals, without_a_rate_there_are_none) {
  EXPECT_TRUE(all(plan_of(0, 0, Duration::seconds(5))).empty());
  EXPECT_TRUE(all(plan_of(100, 100, Duration{})).empty());
}

TEST(Arrivals, a_ramp_has_the_requests_of_its_mean_rate) {
  const auto up = all(plan_of(0, 200, Duration::seconds(10)));
  EXPECT_NEAR(static_cast<double>(up.size()), 1000, 1);
  const auto half = std::count_if(up.begin(), up.end(), [](auto at) { return at < 6'000'000'000; });
  EXPECT_NEAR(static_cast<double>(half), 250, 2);
  const auto down = all(plan_of(200, 0, Duration::seconds(10)));
  EXPECT_NEAR(static_cast<double>(down.size()), 1000, 1);
}

TEST(Arrivals, poisson_has_the_rate_and_the_spread_of_its_gaps) {
  ArrivalPlan plan = plan_of(1000, 1000, Duration::seconds(20));
  plan.spacing = Spacing::poisson;
  const auto due = all(plan);
  // 20,000 expected, standard deviation 141.
  EXPECT_NEAR(static_cast<double>(due.size()), 20'000, 700);
  // Of exponential gaps, 1 - 1/e are shorter than the mean.
  std::size_t shorter = 0;
  for (std::size_t i = 1; i < due.size(); ++i)
    shorter += due[i] - due[i - 1] < 1'000'000 ? 1U : 0U;
  EXPECT_NEAR(static_cast<double>(shorter) / static_cast<double>(due.size()), 0.632, 0.02);
  EXPECT_EQ(due, all(plan));
  plan.seed = 2;
  EXPECT_NE(due, all(plan));
}

RC_GTEST_PROP(Arrivals, shares_together_are_the_whole, ()) {
  ArrivalPlan plan = plan_of(*rc::gen::inRange(0, 3000), *rc::gen::inRange(0, 3000),
                             Duration::millis(*rc::gen::inRange(0, 3000)));
  plan.spacing = *rc::gen::element(Spacing::even, Spacing::poisson);
  const auto whole = all(plan);
  RC_ASSERT(std::is_sorted(whole.begin(), whole.end()));
  const std::uint64_t shares = *rc::gen::inRange<std::uint64_t>(1, 5);
  std::vector<std::int64_t> together;
  for (std::uint64_t share = 0; share < shares; ++share) {
    const auto part = all(plan, share, shares);
    together.insert(together.end(), part.begin(), part.end());
  }
  std::sort(together.begin(), together.end());
  RC_ASSERT(together == whole);
  for (const auto due : whole)
    RC_ASSERT(due >= plan.begin.ns && due < (plan.begin + plan.stretches[0].length).ns);
}

}  // namespace
}  // namespace hf::load
