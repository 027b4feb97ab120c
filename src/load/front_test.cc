#include "load/front.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "load/capacity.h"

namespace hf::load {
namespace {

struct State {
  double attempts = 0;
  double queue = 0;
  double in_flight = 0;
  double paused = 0;
  bool open = false;
  double requests = 0;
  double refused = 0;
  double cpu = 0;
  double limit = 0;
  double heads = 0;
  std::string more = {};  // lines of its own
};

FrontSample look(int second, const State& state) {
  const std::string text = fmt::format(
      "# HELP holdfast_upstream_attempts_total Attempts started.\n"
      "holdfast_upstream_attempts_total{{upstream=\"pay\"}} {}\n"
      "holdfast_upstream_queue{{upstream=\"pay\"}} {}\n"
      "holdfast_upstream_in_flight{{upstream=\"pay\"}} {}\n"
      "holdfast_upstream_paused_keys{{upstream=\"pay\"}} {}\n"
      "holdfast_upstream_breaker_state{{upstream=\"pay\",state=\"open\"}} {}\n"
      "holdfast_requests_total{{route=\"/a\"}} {}\n"
      "holdfast_server_refused_connections_total {}\n"
      "process_cpu_seconds_total {}\n"
      "holdfast_upstream_limit{{upstream=\"pay\"}} {}\n"
      "holdfast_server_requests_total {}\n{}",
      state.attempts, state.queue, state.in_flight, state.paused, state.open ? 1 : 0,
      state.requests, state.refused, state.cpu, state.limit, state.heads, state.more);
  return read_front(text, Instant{} + Duration::seconds(second)).value();
}

FrontFinding between(const State& a, const State& b, const FrontLimits& limits = {},
                     FrontQuestion question = FrontQuestion::delay) {
  return front_finding({look(0, a), look(10, b)}, Instant{}, Instant{} + Duration::seconds(10),
                       limits, question)
      .value();
}

TEST(Front, names_the_upstream_and_its_limit) {
  const State begin{.queue = 10, .in_flight = 64, .limit = 64};
  FrontFinding found =
      between(begin, {.attempts = 1000, .queue = 90, .in_flight = 58, .limit = 64});
  EXPECT_EQ(found.limit, "concurrency");
  EXPECT_EQ(found.upstream, "pay");
  EXPECT_EQ(found.sentence,
            "Upstream pay: its concurrency of 64 was used up (64 live, the rest is kept for held "
            "calls), and up to 90 calls waited for their turn. At 100/s each took 610 ms there.");
  FrontLimits limits;
  limits.rates["pay"] = 100;
  EXPECT_EQ(between(begin, {.attempts = 1000, .queue = 9, .in_flight = 3}, limits).limit, "rate");
  // Far from full, and no rate known: it can only be guessed.
  found = between({.queue = 9, .in_flight = 3, .limit = 64},
                  {.attempts = 1000, .queue = 9, .in_flight = 3, .limit = 64});
  EXPECT_EQ(found.limit, "queue");
  EXPECT_NE(found.sentence.find("its rate or its retry budget"), std::string::npos);
}

TEST(Front, a_small_limit_is_full_without_the_place_for_held_calls) {
  const State three{.queue = 10, .in_flight = 3, .limit = 4};
  EXPECT_EQ(between(three, three).limit, "concurrency");
}

TEST(Front, names_a_limit_that_was_learnt_and_what_it_learnt) {
  const std::string more =
      "holdfast_upstream_latency_baseline_seconds{upstream=\"pay\"} 0.0105\n"
      "holdfast_upstream_queue_delay_seconds{upstream=\"pay\"} 0.12\n";
  const FrontFinding found =
      between({.queue = 10, .in_flight = 21, .limit = 23, .more = more},
              {.attempts = 4200, .queue = 40, .in_flight = 21, .limit = 23, .more = more});
  EXPECT_EQ(found.limit, "learnt");
  EXPECT_EQ(found.sentence,
            "Upstream pay: its learnt limit of 23 was full (up to 21 live, a tenth is kept for "
            "held calls), and up to 40 calls waited for their turn for up to 120 ms. At 420/s each "
            "took 50 ms there; with nobody in its way, 10.5 ms.");
  EXPECT_EQ(found.learnt.at("pay"), 23);
  const FrontFinding moved =
      between({.queue = 10, .in_flight = 21, .limit = 23, .more = more},
              {.attempts = 4200, .queue = 40, .in_flight = 30, .limit = 35, .more = more});
  EXPECT_NE(moved.sentence.find("its learnt limit, which moved between 23 and 35, was full (up to "
                                "30 live, a tenth is kept for held calls)"),
            std::string::npos)
      << moved.sentence;
}

std::string shed(const char* importance, const char* rule, int count) {
  return fmt::format("holdfast_shed_total{{upstream=\"pay\",class=\"{}\",rule=\"{}\"}} {}\n",
                     importance, rule, count);
}

TEST(Front, overload_is_told_by_class_and_rule) {
  const State begin{.queue = 10,
                    .in_flight = 58,
                    .limit = 64,
                    .heads = 1000,
                    .more = shed("optional", "class-shed", 40)};
  State end{.attempts = 1000,
            .queue = 20,
            .in_flight = 58,
            .limit = 64,
            .heads = 3000,
            .more = shed("optional", "class-shed", 540) + shed("low", "displaced", 60)};
  // Errors broke it: who was sent away comes first, and the queue is part of it.
  FrontFinding found = between(begin, end, {}, FrontQuestion::errors);
  EXPECT_EQ(found.limit, "overload");
  EXPECT_EQ(found.sentence,
            "Upstream pay: its concurrency of 64 was used up (58 live, the rest is kept for held "
            "calls), and overload sent away 560 calls (28% of all requests) so that others need "
            "not wait: 500 optional (class-shed), 60 low (displaced). All that matters more was "
            "kept.");
  EXPECT_TRUE(found.also.empty());
  // Lateness did: the queue first.
  found = between(begin, end);
  EXPECT_EQ(found.limit, "concurrency");
  ASSERT_EQ(found.also.size(), 1U);
  EXPECT_EQ(found.also[0].find("Upstream pay: overload sent away 560 calls"), 0U) << found.also[0];
  end.more += shed("critical", "queue-full", 1);
  found = between(begin, end, {}, FrontQuestion::errors);
  EXPECT_NE(found.sentence.find("it does not bear what is asked of it"), std::string::npos);
}

std::string looked(const char* limit, int admitted, int quota, int banned = 0) {
  const std::string name = fmt::format("holdfast_limit_requests_total{{limit=\"{}\"", limit);
  return fmt::format(
      "{0},result=\"admitted\"}} {1}\n{0},result=\"quota\"}} {2}\n"
      "{0},result=\"banned\"}} {3}\n",
      name, admitted, quota, banned);
}

TEST(Front, names_the_limit_that_refused_and_why_a_load_meets_it) {
  FrontLimits limits;
  limits.clients["login"] = {false, "5/20s", {"address"}};
  limits.clients["capacity"] = {true, "50/s", {}};
  const State begin{.more = looked("login", 10, 0) + looked("capacity", 10, 5)};
  const State end{.requests = 600,
                  .heads = 1000,
                  .more = looked("login", 610, 300, 100) + looked("capacity", 1000, 15)};
  FrontFinding found = between(begin, end, limits, FrontQuestion::errors);
  EXPECT_EQ(found.limit, "client_limit");
  EXPECT_EQ(found.name, "login");
  EXPECT_EQ(found.upstream, "");
  EXPECT_EQ(found.sentence,
            "The limit login refused 400 of 1,000 requests (40%) before they were calls: 300 over "
            "quota, 100 banned. Its 5/20s is counted for each address, and all of this load comes "
            "from one: let that address in (`allow`) to measure what stands behind the limit.");
  ASSERT_EQ(found.also.size(), 1U);
  EXPECT_EQ(found.also[0],
            "The limit capacity only observes; it would have refused 10 of 1,000 requests (1%): "
            "10 over quota.");
  limits.clients["login"].by = {"header:Authorization"};
  found = between(begin, end, limits, FrontQuestion::errors);
  EXPECT_NE(found.sentence.find("told apart by header:Authorization"), std::string::npos);
  // Without the admin API's word on them they are named all the same.
  found = between(begin, end, {}, FrontQuestion::errors);
  EXPECT_EQ(found.name, "login");
}

TEST(Front, few_refusals_are_no_bottleneck_unless_errors_broke_it) {
  const State begin{.heads = 0, .more = looked("login", 0, 0)};
  const State end{.heads = 1000, .more = looked("login", 995, 5)};
  EXPECT_EQ(between(begin, end).limit, "none");
  EXPECT_EQ(between(begin, end, {}, FrontQuestion::errors).limit, "client_limit");
}

TEST(Front, an_upstream_that_fails_is_named_with_how) {
  const auto rows = [](int failed, int none) {
    const char* name = "holdfast_upstream_attempt_outcomes_total{upstream=\"pay\",outcome=";
    return fmt::format(
        "{0}\"complete\"}} 90\n{0}\"retry_status\"}} {1}\n"
        "{0}\"no_status\"}} {2}\n",
        name, failed, none);
  };
  const FrontFinding found =
      between({.more = rows(2, 0)}, {.attempts = 500, .heads = 400, .more = rows(102, 7)}, {},
              FrontQuestion::errors);
  EXPECT_EQ(found.limit, "failures");
  EXPECT_EQ(found.sentence,
            "Upstream pay: of 500 attempts there 107 failed: 100 answered 5xx or 408, 7 had no "
            "answer.");
}

TEST(Front, breaker_and_pause_come_before_what_they_cause) {
  const State queued{.queue = 10, .in_flight = 64};
  EXPECT_EQ(between(queued, {.queue = 90, .open = true}).limit, "breaker");
  EXPECT_EQ(between(queued, {.queue = 90, .paused = 1}).limit, "pause");
}

TEST(Front, without_a_queue_it_is_itself_or_the_upstream) {
  EXPECT_EQ(between({}, {.refused = 3}).limit, "connections_max");
  EXPECT_EQ(between({}, {.cpu = 9.5}).limit, "cpu");
  const FrontFinding slow =
      between({.in_flight = 40}, {.attempts = 800, .in_flight = 40, .requests = 400});
  EXPECT_EQ(slow.limit, "upstream");
  EXPECT_NE(slow.sentence.find("each took 500 ms"), std::string::npos) << slow.sentence;
  EXPECT_EQ(slow.attempts_per_call.at("pay"), 2);
  EXPECT_EQ(between({}, {}).limit, "none");
}

TEST(Front, one_look_says_nothing) {
  EXPECT_FALSE(front_finding({look(0, {})}, Instant{}, Instant{} + Duration::seconds(9), {}));
}

TEST(Front, other_metrics_are_not_taken_for_ours) {
  EXPECT_FALSE(read_front("go_goroutines 7\n", {}).ok());
  EXPECT_FALSE(read_front("<html>", {}).ok());
}

RC_GTEST_PROP(Front, any_bytes_are_read_without_harm, (const std::string& bytes)) {
  const auto read = read_front("holdfast_x{a=\"" + bytes + "\nholdfast_y 1\n" + bytes, {});
  RC_ASSERT(read.ok());
}

TEST(Capacity, headroom_growth_and_price) {
  CapacityAsked asked;
  asked.traffic = 50;
  asked.traffic_from = "told";
  asked.growth = 0.2;
  asked.prices = Prices{"EUR", 3.6, 0.000001, {{"pay", 0.00001}, {"mail", 0.00002}}};
  const Capacity out = capacity_of(100, asked, {{"pay", 1.5}});
  EXPECT_NEAR(*out.headroom, 2, 1e-9);
  EXPECT_NEAR(*out.months, 3.8, 0.01);
  // Machines 10, calls 1, pay 15, mail 20.
  EXPECT_NEAR(*out.million, 46, 1e-6);
  ASSERT_EQ(out.sentences.size(), 2U);
  EXPECT_EQ(out.sentences[1],
            "A million calls at 100/s cost 46 EUR: machines 10, calls 1, mail 20 (1 attempts a "
            "call, assumed), pay 15 (1.5 attempts a call).");
  EXPECT_TRUE(capacity_of(0, asked, {}).sentences.empty());
}

}  // namespace
}  // namespace hf::load
