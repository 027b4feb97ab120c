#include "sandbox/fault.h"

#include <gtest/gtest.h>

namespace hf::sandbox {
namespace {

FaultPlan seeded(std::uint64_t seed, std::string_view odds) {
  FaultPlan plan(seed);
  plan.set_odds(parse_odds(odds).value());
  return plan;
}

std::string draws(FaultPlan& plan, std::string_view identity, int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += plan.decide({true, {}, identity, false}).value().text() + ' ';
  return out;
}

TEST(Fault, EveryNameReadsBackToItself) {
  for (const auto* text :
       {"reset_before", "reset_after", "late_apply=500", "cut=rst", "hang=before", "slow=20",
        "in_progress", "s429=1", "s429", "s500", "s503=Sat, 21 Nov 2026 03:39:20 GMT",
        "s500_stored=applied", "apply_then_503", "idle_close=900", "close_on_reuse=unread",
        "invalid=chunk", "status=418"}) {
    auto fault = parse_fault(text);
    ASSERT_TRUE(fault.ok()) << text;
    EXPECT_EQ(fault->text(), text);
  }
}

TEST(Fault, DefaultsAndRefusals) {
  EXPECT_EQ(parse_fault("cut")->arg, "fin");
  EXPECT_EQ(parse_fault("hang")->arg, "after");
  EXPECT_EQ(parse_fault("slow=")->number(), 1000);
  EXPECT_EQ(parse_fault("late_apply")->number(), 1000);
  for (const auto* text : {"", "nope", "cut=half", "slow=-1", "slow=x", "status=99",
                           "reset_after=1", "s503=1\r\nX: y"}) {
    EXPECT_FALSE(parse_fault(text).ok()) << text;
  }
}

TEST(Fault, OddsReadBackAndStayWithinOneThousand) {
  const auto odds = parse_odds("reset_before=50,late_apply:500=20,s503:2=930");
  ASSERT_TRUE(odds.ok());
  EXPECT_EQ(format_odds(*odds), "reset_before=50,late_apply:500=20,s503:2=930");
  EXPECT_FALSE(parse_odds("s500=600,s503=401").ok());
  EXPECT_FALSE(parse_odds("s500").ok());
  EXPECT_FALSE(parse_odds("s500=-1").ok());
  EXPECT_FALSE(parse_odds("what=1").ok());
}

TEST(FaultPlan, DependsOnSeedAndIdentityAndAttemptOnly) {
  auto alone = seeded(7, "reset_before=300,reset_after=300");
  const auto expected = draws(alone, "order 1", 40);
  EXPECT_NE(expected.find("reset_before"), std::string::npos);
  EXPECT_NE(expected.find("none"), std::string::npos);

  auto busy = seeded(7, "reset_before=300,reset_after=300");
  std::string between;
  for (int i = 0; i < 40; ++i) {
    draws(busy, "order 2", 1);
    draws(busy, "", 1);
    between += draws(busy, "order 1", 1);
  }
  EXPECT_EQ(between, expected);

  auto other = seeded(8, "reset_before=300,reset_after=300");
  EXPECT_NE(draws(other, "order 1", 40), expected);
}

TEST(FaultPlan, OddsAreMetRoughly) {
  auto plan = seeded(1, "s500=250");
  int hits = 0;
  for (int i = 0; i < 4000; ++i)
    hits += plan.decide({true, {}, {}, false})->kind == FaultKind::s500;
  EXPECT_GT(hits, 850);
  EXPECT_LT(hits, 1150);
}

TEST(FaultPlan, HeaderThenQueueThenConstantThenOdds) {
  auto plan = seeded(1, "s500=1000");
  plan.set_always(parse_fault("slow=1").value());
  ASSERT_TRUE(plan.enqueue(parse_fault("cut").value()).ok());
  EXPECT_EQ(plan.decide({true, "hang", {}, false})->kind, FaultKind::hang);
  EXPECT_EQ(plan.decide({false, {}, {}, false})->kind, FaultKind::none);  // safe: takes nothing
  EXPECT_EQ(plan.decide({true, {}, {}, false})->kind, FaultKind::cut);
  EXPECT_EQ(plan.decide({true, {}, {}, false})->kind, FaultKind::slow);
  plan.set_always(std::nullopt);
  EXPECT_EQ(plan.decide({true, {}, {}, false})->kind, FaultKind::s500);
  plan.set_fault_safe(true);
  EXPECT_EQ(plan.decide({false, {}, {}, false})->kind, FaultKind::s500);
  EXPECT_FALSE(plan.decide({true, "nonsense", {}, false}).ok());
}

TEST(FaultPlan, LeavesAnIdentityAloneAfterItsShare) {
  auto plan = seeded(1, "s500=1000");
  plan.set_max_faulted_attempts(2);
  EXPECT_EQ(draws(plan, "order 1", 4), "s500 s500 none none ");
  plan.clear_attempts();
  EXPECT_EQ(draws(plan, "order 1", 1), "s500 ");
}

}  // namespace
}  // namespace hf::sandbox
