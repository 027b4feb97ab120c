#include "load/search.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "load/simulated_testing.h"

namespace hf::load {
namespace {

Objective objective(std::string_view latency, std::string_view errors = {}) {
  return parse_objective(latency, errors).value();
}

SearchPlan quick() {
  SearchPlan plan;
  plan.step = Duration::seconds(8);
  plan.hold = Duration::seconds(20);
  return plan;
}

// Ten workers of 10 ms: 1000/s at most. The p99 of M/M/10 passes 100 ms at about 950/s.
TEST(Search, finds_the_knee_of_a_queue) {
  const RunResult run = simulate({}, objective("p99<100ms"), quick());
  ASSERT_EQ(run.end, SearchEnd::found);
  EXPECT_GT(run.kept, 850);
  EXPECT_LT(run.kept, 1000);
  ASSERT_TRUE(run.broken);
  EXPECT_LE(*run.broken - run.kept, 0.051 * run.kept);
  EXPECT_EQ(run.steps.back().phase, Phase::hold);
  ASSERT_TRUE(run.usl);
  ASSERT_TRUE(run.usl->limit());
  EXPECT_NEAR(*run.usl->limit(), 1000, 150);
}

TEST(Search, what_queues_is_said_to_queue) {
  const RunResult run = simulate({}, objective("p99<1s"), quick());
  ASSERT_EQ(run.end, SearchEnd::found);
  EXPECT_NEAR(run.kept, 1000, 60);
  EXPECT_EQ(run.verdict.limit, Limit::queueing) << run.verdict.sentence;
  EXPECT_EQ(run.verdict.rule, "throughput-flat");
  EXPECT_FALSE(run.verdict.evidence.empty());
}

TEST(Search, finds_a_cliff_of_errors) {
  SimulatedServer server;
  server.error_cliff = 400;
  const RunResult run = simulate(server, objective("p99<200ms", "<1%"), quick());
  ASSERT_EQ(run.end, SearchEnd::found);
  EXPECT_NEAR(run.kept, 390, 20);
  EXPECT_LE(run.kept, 400);
  EXPECT_EQ(run.verdict.limit, Limit::errors) << run.verdict.sentence;
  EXPECT_EQ(run.verdict.rule, "statuses");
}

TEST(Search, finds_a_bound_of_connections) {
  SimulatedServer server;
  server.workers = 1000;
  server.service = Duration::millis(100);
  server.most_connections = 60;  // about 400/s with few refused
  const RunResult run = simulate(server, objective("", "<1%"), quick());
  ASSERT_EQ(run.end, SearchEnd::found);
  EXPECT_GT(run.kept, 300);
  EXPECT_LT(run.kept, 600);
  EXPECT_EQ(run.verdict.limit, Limit::connections) << run.verdict.sentence;
  EXPECT_EQ(run.verdict.rule, "connections-fail");
}

TEST(Search, slow_at_every_rate_is_broken_at_the_lowest) {
  SimulatedServer server;
  server.workers = 1000;
  server.service = Duration::millis(300);
  const RunResult run = simulate(server, objective("p99<200ms"), quick());
  EXPECT_EQ(run.end, SearchEnd::nothing);
  EXPECT_EQ(run.kept, 0);
  EXPECT_EQ(run.verdict.limit, Limit::server_latency) << run.verdict.sentence;
}

// In every step there is a stall, in every one it breaks: a stall is called one.
TEST(Search, a_stall_is_called_a_stall) {
  SimulatedServer server;
  server.stall_at = Duration::seconds(3);
  server.stall = Duration::millis(1400);
  const RunResult run = simulate(server, objective("p99<200ms"), quick());
  EXPECT_EQ(run.end, SearchEnd::nothing);
  EXPECT_EQ(run.verdict.rule, "stall") << run.verdict.sentence;
  EXPECT_EQ(run.verdict.limit, Limit::server_latency);
}

TEST(Search, a_late_generator_gets_no_verdict) {
  SimulatedServer server;
  server.workers = 1000;
  server.lag = Duration::millis(60);
  const RunResult run = simulate(server, objective("p99<100ms"), quick());
  EXPECT_EQ(run.end, SearchEnd::generator);
  EXPECT_EQ(run.verdict.limit, Limit::generator) << run.verdict.sentence;
  EXPECT_NE(run.verdict.sentence.find("No verdict"), std::string::npos);
}

TEST(Search, at_the_highest_rate_allowed_it_ends_unbroken) {
  SearchPlan plan = quick();
  plan.max_rate = 300;
  const RunResult run = simulate({}, objective("p99<500ms"), plan);
  EXPECT_EQ(run.end, SearchEnd::unbroken);
  EXPECT_EQ(run.kept, 300);
  EXPECT_EQ(run.verdict.limit, Limit::none);
}

TEST(Search, a_generator_that_fails_once_is_tried_again) {
  Search search(quick());
  search.step(StepOutcome::generator);
  ASSERT_TRUE(search.now());
  EXPECT_EQ(search.now()->rate, 50);
  search.step(StepOutcome::kept);
  EXPECT_EQ(search.now()->rate, 100);
  search.step(StepOutcome::generator);
  search.step(StepOutcome::generator);
  EXPECT_FALSE(search.now());
  EXPECT_EQ(search.end(), SearchEnd::generator);
  EXPECT_EQ(search.kept(), 50);
}

TEST(Search, a_hold_that_fails_goes_lower_and_gives_up_at_last) {
  Search search(quick());
  int holds = 0;
  while (search.now()) {
    const bool hold = search.now()->phase == Phase::hold;
    holds += hold ? 1 : 0;
    search.step(hold || search.now()->rate > 100 ? StepOutcome::broken : StepOutcome::kept);
  }
  EXPECT_EQ(search.end(), SearchEnd::unsteady);
  EXPECT_EQ(holds, 4);
}

TEST(Search, stopped_keeps_what_was_found) {
  Search search(quick());
  search.step(StepOutcome::kept);
  search.step(StepOutcome::stopped);
  EXPECT_FALSE(search.now());
  EXPECT_EQ(search.end(), SearchEnd::stopped);
  EXPECT_EQ(search.kept(), 50);
}

// Against any threshold: it ends, brackets it within the tolerance, and holds before it says so.
RC_GTEST_PROP(Search, brackets_any_threshold, ()) {
  SearchPlan plan;
  plan.first_rate = *rc::gen::inRange(1, 5000);
  plan.growth = *rc::gen::element(1.5, 2.0, 4.0);
  plan.tolerance = *rc::gen::element(0.01, 0.05, 0.2);
  const double threshold = *rc::gen::inRange(2, 900'000);
  Search search(plan);
  int steps = 0;
  bool held = false;
  while (const auto step = search.now()) {
    RC_ASSERT(++steps <= plan.max_steps);
    RC_ASSERT(step->rate >= plan.min_rate && step->rate <= plan.max_rate);
    held = step->phase == Phase::hold;
    search.step(step->rate <= threshold ? StepOutcome::kept : StepOutcome::broken);
  }
  RC_ASSERT(search.end() == SearchEnd::found);
  RC_ASSERT(held);
  RC_ASSERT(search.kept() <= threshold && *search.broken() > threshold);
  RC_ASSERT(*search.broken() - search.kept() <= plan.tolerance * search.kept() * 1.0001);
}

}  // namespace
}  // namespace hf::load
