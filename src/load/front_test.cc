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
      "process_cpu_seconds_total {}\n",
      state.attempts, state.queue, state.in_flight, state.paused, state.open ? 1 : 0,
      state.requests, state.refused, state.cpu);
  return read_front(text, Instant{} + Duration::seconds(second)).value();
}

FrontFinding between(const State& a, const State& b, const FrontLimits& limits = {}) {
  return front_finding({look(0, a), look(10, b)}, Instant{}, Instant{} + Duration::seconds(10),
                       limits)
      .value();
}

TEST(Front, names_the_upstream_and_its_limit) {
  FrontLimits limits;
  limits.upstreams["pay"] = {64.0, std::nullopt};
  const State begin{.queue = 10, .in_flight = 64};
  FrontFinding found = between(begin, {.attempts = 1000, .queue = 90, .in_flight = 64}, limits);
  EXPECT_EQ(found.limit, "concurrency");
  EXPECT_EQ(found.upstream, "pay");
  EXPECT_EQ(found.sentence,
            "Upstream pay: its concurrency of 64 was used up (64 live, the rest is kept for held "
            "calls), and up to 90 calls waited for their turn. At 100/s each took 640 ms there.");
  limits.upstreams["pay"] = {std::nullopt, 100.0};
  EXPECT_EQ(between(begin, {.attempts = 1000, .queue = 9, .in_flight = 3}, limits).limit, "rate");
  EXPECT_EQ(between(begin, {.attempts = 1000, .queue = 9, .in_flight = 3}).limit, "queue");
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
