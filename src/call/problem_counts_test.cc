#include "call/problem_counts.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

ProblemSpec refused(std::int64_t measured, const std::string& rule = "rate") {
  ProblemSpec out;
  out.code = Code::limited;
  out.measure = Measure{rule, measured, 20, "units"};
  return out;
}

TEST(ProblemCounts, TheLastRefusalIsTheOneThatIsTold) {
  ProblemCounts counts;
  counts.count(refused(30), "bank");
  counts.count(refused(21), "bank");
  ASSERT_EQ(counts.by_rule().size(), 1U);
  const auto& [rule, refusals] = *counts.by_rule().begin();
  EXPECT_EQ(rule, (ProblemCounts::Rule{"limited", "rate", "bank", "units"}));
  EXPECT_EQ(refusals.count, 2U);
  EXPECT_EQ(refusals.measured, 21);
  EXPECT_EQ(refusals.threshold, 20);
}

TEST(ProblemCounts, AnErrorWithoutARuleIsNoRefusal) {
  ProblemCounts counts;
  ProblemSpec plain;
  plain.code = Code::no_route;
  counts.count(plain);
  EXPECT_EQ(counts.by_code().at("no-route"), 1U);
  EXPECT_TRUE(counts.by_rule().empty());
}

TEST(ProblemCounts, TwoAreAddedUpRuleByRule) {
  ProblemCounts one;
  one.count(refused(30), "bank");
  ProblemCounts other;
  other.count(refused(40), "bank");
  other.count(refused(50), "mail");
  one.add(other);
  EXPECT_EQ(one.by_code().at("limited"), 3U);
  ASSERT_EQ(one.by_rule().size(), 2U);
  EXPECT_EQ(one.by_rule().begin()->second.count, 2U);
  EXPECT_EQ(one.by_rule().begin()->second.measured, 40);
}

TEST(ProblemCounts, AreBoundedHoweverManyNamesThereHaveBeen) {
  ProblemCounts counts;
  for (std::size_t i = 0; i < ProblemCounts::kRulesMax + 10; ++i)
    counts.count(refused(1, "limit-" + std::to_string(i)));
  EXPECT_EQ(counts.by_rule().size(), ProblemCounts::kRulesMax);
  EXPECT_EQ(counts.by_code().at("limited"), ProblemCounts::kRulesMax + 10);
  counts.count(refused(9, "limit-0"));
  EXPECT_EQ(counts.by_rule().begin()->second.measured, 9) << "those that are known go on";
}

}  // namespace
}  // namespace hf::call
