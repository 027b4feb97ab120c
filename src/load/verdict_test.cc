#include "load/verdict.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "load/plan.h"
#include "load/requests.h"
#include "load/words.h"

namespace hf::load {
namespace {

StepResult broken_step() {
  StepResult step;
  step.phase = Phase::fixed;
  step.outcome = StepOutcome::broken;
  step.rate = 100;
  step.length = Duration::seconds(10);
  step.due = 1000;
  step.answered = 1000;
  step.statuses[200] = 1000;
  step.throughput = 100;
  step.latency.p50 = Duration::millis(20);
  step.latency.p99 = Duration::millis(400);
  step.latency.max = Duration::millis(500);
  step.service = step.latency;
  Breach breach;
  breach.goal = {990'000, Duration::millis(200)};
  breach.measured = Duration::millis(400);
  breach.over = 30;
  breach.of = 200;
  step.breach = breach;
  return step;
}

RunResult run_of(StepResult step) {
  RunResult run;
  run.mode = "rate";
  run.objective = parse_objective("p99<200ms", "<1%").value();
  run.steps.push_back(std::move(step));
  return run;
}

Verdict verdict_on(const StepResult& step) {
  return verdict_of(run_of(step));
}

TEST(Verdict, slow_answers_at_full_throughput_are_latency) {
  const Verdict verdict = verdict_on(broken_step());
  EXPECT_EQ(verdict.rule, "latency-rises");
  EXPECT_EQ(verdict.limit, Limit::server_latency);
  EXPECT_FALSE(verdict.evidence.empty());
}

RunResult phases_of(std::vector<std::pair<double, StepOutcome>> phases) {
  RunResult run = run_of(broken_step());
  run.mode = "phases";
  run.steps.clear();
  for (const auto& [rate, outcome] : phases) {
    StepResult step = broken_step();
    step.name = fmt::format("p{}", run.steps.size() + 1);
    step.rate = rate;
    step.begin = Duration::seconds(10) * static_cast<std::int64_t>(run.steps.size());
    step.outcome = outcome;
    if (outcome != StepOutcome::broken) step.breach.reset();
    step.why = outcome == StepOutcome::generator ? "it was late" : "";
    run.steps.push_back(step);
  }
  note_kept(run);
  run.verdict = verdict_of(run);
  return run;
}

constexpr auto kKept = StepOutcome::kept;
constexpr auto kBroken = StepOutcome::broken;

TEST(Verdict, of_phases_it_is_the_first_that_broke_and_not_what_it_left_behind) {
  RunResult run = phases_of({{100, kKept}, {500, kBroken}, {100, kBroken}, {50, kKept}});
  EXPECT_EQ(telling_step(run), &run.steps[1]);
  EXPECT_EQ(run.verdict.sentence.find("In phase p2: "), 0U) << run.verdict.sentence;
  EXPECT_EQ(run.kept, 100);
  EXPECT_EQ(run.broken, 500);
  run.steps[2].kept_from = Duration::millis(4200);
  run.verdict = verdict_of(run);
  EXPECT_EQ(run.verdict.evidence.back(), "phase p3 at 100/s: kept again from 4.2 s into it");
  // The same rate that broke later by itself is not one that is kept.
  run = phases_of({{100, kKept}, {50, kKept}, {100, kBroken}});
  EXPECT_EQ(run.kept, 50);
  EXPECT_EQ(run.broken, 100);
  run = phases_of({{100, kKept}, {200, kKept}});
  EXPECT_EQ(run.verdict.limit, Limit::none);
  EXPECT_EQ(run.kept, 200);
  EXPECT_FALSE(run.broken);
}

TEST(Verdict, a_ramp_among_phases_names_no_rate) {
  RunResult run = phases_of({{100, kKept}, {500, kKept}});
  run.kept = 0;
  run.steps[1].first_rate = 100;
  note_kept(run);
  EXPECT_EQ(run.kept, 100);
}

TEST(Verdict, a_generator_that_fails_after_a_phase_broke_takes_nothing_back) {
  const auto limited = StepOutcome::generator;
  EXPECT_EQ(phases_of({{100, kKept}, {500, kBroken}, {900, limited}}).verdict.limit,
            Limit::queueing);
  EXPECT_EQ(phases_of({{100, kKept}, {500, limited}, {100, kBroken}}).verdict.limit,
            Limit::generator);
}

TEST(Verdict, less_throughput_than_was_asked_for_is_queueing) {
  StepResult step = broken_step();
  step.throughput = 80;
  EXPECT_EQ(verdict_on(step).rule, "throughput-flat");
}

TEST(Verdict, connections_that_take_longest_are_a_limit_of_theirs) {
  StepResult step = broken_step();
  step.connect.p99 = Duration::millis(390);
  step.service.p99 = Duration::millis(10);
  const Verdict verdict = verdict_on(step);
  EXPECT_EQ(verdict.rule, "connecting-slow");
  EXPECT_EQ(verdict.limit, Limit::connections);
}

TEST(Verdict, silence_as_long_as_the_worst_wait_is_a_stall) {
  StepResult step = broken_step();
  step.silence = Duration::millis(480);
  EXPECT_EQ(verdict_on(step).rule, "stall");
}

TEST(Verdict, errors_come_first_by_what_most_of_them_are) {
  StepResult step = broken_step();
  step.statuses = {{200, 950}, {503, 50}};
  EXPECT_EQ(verdict_on(step).limit, Limit::server_latency);
  step.breach->kind = Breach::Kind::errors;
  step.statuses = {{200, 900}, {429, 90}, {503, 10}};
  Verdict verdict = verdict_on(step);
  EXPECT_EQ(verdict.rule, "statuses");
  EXPECT_NE(verdict.sentence.find("90 x 429, 10 x 503"), std::string::npos) << verdict.sentence;
  step.statuses = {{200, 900}};
  step.answered = 900;
  step.failures[static_cast<std::size_t>(Failure::reset)] = 100;
  verdict = verdict_on(step);
  EXPECT_EQ(verdict.rule, "connections-fail");
  EXPECT_EQ(verdict.limit, Limit::connections);
  // Answers that come too late to be waited for are latency, by another name.
  step.failures = {};
  step.failures[static_cast<std::size_t>(Failure::timeout)] = 100;
  EXPECT_EQ(verdict_on(step).limit, Limit::server_latency);
}

TEST(Verdict, a_queue_that_still_grew_at_the_kept_rate_is_told) {
  RunResult run = run_of(broken_step());
  StepResult kept = broken_step();
  kept.outcome = StepOutcome::kept;
  kept.breach.reset();
  kept.rate = 90;
  for (int i = 0; i < 12; ++i) {
    Moment moment;
    moment.p50 = Duration::millis(20 + 5 * i);
    kept.moments.push_back(moment);
  }
  run.steps.push_back(kept);
  EXPECT_NE(verdict_of(run).evidence.back().find("still getting slower: p50 went from 30 ms"),
            std::string::npos)
      << verdict_of(run).evidence.back();
  for (Moment& moment : run.steps.back().moments)
    moment.p50 = Duration::millis(20);
  EXPECT_EQ(verdict_of(run).evidence.back().find("still getting slower"), std::string::npos);
}

TEST(Verdict, nothing_broken_is_said_so) {
  StepResult step = broken_step();
  step.outcome = StepOutcome::kept;
  step.breach.reset();
  EXPECT_EQ(verdict_on(step).limit, Limit::none);
  EXPECT_EQ(verdict_on(step).sentence, "The objective was kept in every window.");
  RunResult bare = run_of(step);
  bare.objective = {};
  EXPECT_NE(verdict_of(bare).sentence.find("Nothing is judged"), std::string::npos);
}

class GeneratorFault : public testing::Test {
 protected:
  Objective objective_ = parse_objective("p99<200ms", {}).value();
  StepResult step_ = broken_step();
};

TEST_F(GeneratorFault, a_generator_in_time_has_none) {
  EXPECT_FALSE(generator_fault(step_, objective_));
}

TEST_F(GeneratorFault, lateness_that_may_explain_the_breach_is_one) {
  step_.generator.lag_p99 = Duration::millis(60);
  const auto why = generator_fault(step_, objective_);
  ASSERT_TRUE(why);
  EXPECT_NE(why->find("60 ms late"), std::string::npos) << *why;
  // Much worse than that is the server's own.
  step_.breach->measured = Duration::seconds(2);
  EXPECT_FALSE(generator_fault(step_, objective_));
}

TEST_F(GeneratorFault, a_busy_thread_is_one) {
  step_.breach->measured = Duration::millis(210);
  step_.generator.lag_p99 = Duration::millis(4);
  step_.generator.cpu = 0.97;
  EXPECT_TRUE(generator_fault(step_, objective_));
}

TEST_F(GeneratorFault, its_bound_of_connections_is_one_unless_the_server_is_slow) {
  step_.generator.queued = 500;
  step_.service.p99 = Duration::millis(30);
  EXPECT_TRUE(generator_fault(step_, objective_));
  step_.service.p99 = Duration::millis(150);
  EXPECT_FALSE(generator_fault(step_, objective_));
}

TEST_F(GeneratorFault, what_was_kept_was_kept_unless_the_rate_was_not_made) {
  step_.breach.reset();
  step_.generator.lag_p99 = Duration::millis(60);
  step_.generator.cpu = 0.99;
  EXPECT_FALSE(generator_fault(step_, objective_));
  step_.generator.lag_p99 = Duration::millis(300);
  EXPECT_TRUE(generator_fault(step_, objective_));
}

TEST_F(GeneratorFault, errors_that_were_answered_are_the_servers) {
  step_.breach->kind = Breach::Kind::errors;
  step_.generator.lag_p99 = Duration::seconds(1);
  EXPECT_FALSE(generator_fault(step_, objective_));
  step_.generator.unsent = step_.breach->over;
  EXPECT_TRUE(generator_fault(step_, objective_));
}

TEST_F(GeneratorFault, a_machine_without_ports_is_one) {
  step_.breach->measured = Duration::millis(201);
  step_.generator.lag_p99 = Duration::millis(1);
  step_.generator.exhausted = "no local port is free";
  EXPECT_TRUE(generator_fault(step_, objective_));
}

TEST(Words, are_three_digits_with_their_unit) {
  EXPECT_EQ(brief(Duration::nanos(82'100)), "82.1 us");
  EXPECT_EQ(brief(Duration::millis(1400)), "1.4 s");
  EXPECT_EQ(brief(Duration::micros(12'345)), "12.3 ms");
  EXPECT_EQ(brief(Duration::seconds(200)), "3m 20s");
  EXPECT_EQ(brief({}), "0 s");
  EXPECT_EQ(per_second(1240.4), "1,240/s");
  EXPECT_EQ(per_second(12.5), "12.5/s");
  EXPECT_EQ(percent(0.0123), "1.23%");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
}

TEST(Plan, is_made_of_a_kept_rate_only) {
  RunResult run = run_of(broken_step());
  EXPECT_FALSE(plan_yaml(run, "shop", {}).ok());
  StepResult& step = run.steps.front();
  step.outcome = StepOutcome::kept;
  step.breach.reset();
  step.in_flight = 12;
  run.kept = 100;
  const std::string text = plan_yaml(run, "shop", {}).value();
  EXPECT_NE(text.find("  shop:\n    concurrency: 20 "), std::string::npos) << text;
  EXPECT_NE(text.find("    rate: 100/s "), std::string::npos);
  EXPECT_NE(text.find("target: 70 requests a second, or 8.4 in flight"), std::string::npos);
  run.verdict.limit = Limit::generator;
  EXPECT_FALSE(plan_yaml(run, "shop", {}).ok());
}

TEST(Requests, are_bytes_that_frame_themselves) {
  RequestSpec spec{"POST", "/a?b=c", {{"Accept", "*/*"}}, "hi"};
  EXPECT_EQ(prepare(spec, "h:81").value().bytes,
            "POST /a?b=c HTTP/1.1\r\nHost: h:81\r\nAccept: */*\r\nContent-Length: 2\r\n\r\nhi");
  spec = {"GET", "/", {{"host", "other"}}, {}};
  EXPECT_EQ(prepare(spec, "h").value().bytes, "GET / HTTP/1.1\r\nHost: other\r\n\r\n");
  spec = {"DELETE", "/x", {}, {}};
  EXPECT_EQ(prepare(spec, "h").value().bytes,
            "DELETE /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
}

TEST(Requests, refuses_what_would_be_another_request) {
  for (const RequestSpec& spec :
       {RequestSpec{"GET", "x", {}, {}}, RequestSpec{"GET", "/a b", {}, {}},
        RequestSpec{"GET /", "/", {}, {}}, RequestSpec{"GET", "/\r\nA: b", {}, {}},
        RequestSpec{"GET", "/", {{"A", "b\r\nC: d"}}, {}},
        RequestSpec{"GET", "/", {{"A b", "c"}}, {}},
        RequestSpec{"GET", "/", {{"Transfer-Encoding", "x"}}, {}},
        RequestSpec{"CONNECT", "/", {}, {}}}) {
    EXPECT_FALSE(prepare(spec, "h").ok()) << spec.method << ' ' << spec.target;
  }
}

}  // namespace
}  // namespace hf::load
