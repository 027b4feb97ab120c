#include "load/phases.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hf::load {
namespace {

std::vector<std::int64_t> due_of(const std::vector<PhasePlan>& phases) {
  ArrivalPlan plan;
  plan.stretches = stretches_of(phases);
  Arrivals arrivals(plan);
  std::vector<std::int64_t> out;
  while (const auto due = arrivals.next())
    out.push_back(due->ns);
  return out;
}

TEST(Phases, are_read_with_rates_names_and_ramps) {
  const auto phases = parse_phases("51/s:6s, surge=512:12s,512/s..51/s:1m,0:2s").value();
  EXPECT_EQ(phases, (std::vector<PhasePlan>{{"1", 51, 51, Duration::seconds(6)},
                                            {"surge", 512, 512, Duration::seconds(12)},
                                            {"3", 512, 51, Duration::minutes(1)},
                                            {"4", 0, 0, Duration::seconds(2)}}));
}

TEST(Phases, what_is_wrong_is_said_with_the_phase) {
  const auto said = [](const char* text) { return parse_phases(text).error().context; };
  EXPECT_EQ(said("51/s:6s,512/s"), "`512/s`: write RATE:TIME, such as 51/s:6s");
  EXPECT_EQ(said("6s:51"), "`6s:51`: write RATE:TIME, the rate first, such as 51/s:6s");
  EXPECT_EQ(said("51/s:500ms"), "`51/s:500ms`: a phase lasts whole seconds");
  EXPECT_EQ(said("a b=51/s:6s"), "`a b=51/s:6s`: a name has up to 24 letters, digits, - and _");
  EXPECT_EQ(said("51/s:6s,"), "``: write RATE:TIME, such as 51/s:6s");
  EXPECT_EQ(said("fast:6s"), "`fast:6s`: write requests in a time, such as 500/s");
  EXPECT_EQ(said("0:6s"), "nothing is asked for in any phase");
  EXPECT_EQ(said("1/s:30m,1/s:61s"),
            "in a load of more than 20m, phases last whole tens of seconds");
  EXPECT_EQ(said("1/s:3h,1/s:2h"), "at most 50 phases, and 4h together");
}

// 51 * 6 = 306, 512 * 12 = 6144: the last request of a phase and the first of the next one are
// where their rates put them, to the nanosecond.
TEST(Phases, steps_have_every_request_of_each_rate_where_it_belongs) {
  const auto due = due_of(parse_phases("51/s:6s,512/s:12s,51/s:6s").value());
  ASSERT_EQ(due.size(), 306U + 6144U + 306U);
  for (std::int64_t i = 0; i < 306; ++i)
    EXPECT_NEAR(static_cast<double>(due[static_cast<std::size_t>(i)]),
                static_cast<double>(i * 1'000'000'000 / 51), 1);
  // A gap of 1/512 s is 1953125 ns exactly.
  for (std::int64_t i = 0; i < 6144; ++i)
    EXPECT_EQ(due[static_cast<std::size_t>(306 + i)], 6'000'000'000 + i * 1'953'125);
  EXPECT_EQ(due[6450], 18'000'000'000);
  EXPECT_NEAR(static_cast<double>(due.back()), 18e9 + 305e9 / 51, 1);
}

// From 0 to 8/s in 4 s are t^2 requests: the k-th is due at sqrt(k) s. Then 8/s.
TEST(Phases, a_ramp_goes_over_into_the_next_phase_without_a_jump) {
  const auto due = due_of(parse_phases("0..8/s:4s,8/s:1s,8..0/s:4s").value());
  ASSERT_EQ(due.size(), 16U + 8U + 16U);
  EXPECT_EQ(due[0], 0);
  EXPECT_EQ(due[1], 1'000'000'000);
  EXPECT_EQ(due[4], 2'000'000'000);
  EXPECT_EQ(due[9], 3'000'000'000);
  EXPECT_EQ(due[16], 4'000'000'000);
  EXPECT_EQ(due[17], 4'125'000'000);
  EXPECT_EQ(due[24], 5'000'000'000);
  // Mirrored: with one request left to come it is 1 s before the end.
  EXPECT_EQ(due[39], 8'000'000'000);
}

// What is left of a request at a phase's end is not lost: half of one in the first phase, half in
// the second.
TEST(Phases, parts_of_a_request_are_carried_over) {
  const auto due = due_of(parse_phases("1/2s:3s,0:1s,1/s:2s").value());
  EXPECT_EQ(due, (std::vector<std::int64_t>{0, 2'000'000'000, 4'500'000'000, 5'500'000'000}));
}

TEST(Phases, slices_fit_into_each_phase) {
  const auto phases = [](const char* text) { return parse_phases(text).value(); };
  const Duration quarter = Duration::millis(250);
  EXPECT_EQ(slice_for(phases("1/s:6s,1/s:12s"), quarter), quarter);
  EXPECT_EQ(slice_for(phases("1/s:7s,1/s:3s"), quarter), quarter);
  EXPECT_EQ(slice_for(phases("1/s:1h,1/s:2h"), Duration::seconds(9)), Duration::seconds(9));
  EXPECT_EQ(slice_for(phases("1/s:20s,1/s:50s"), Duration::seconds(3)), Duration::millis(2500));
}

RC_GTEST_PROP(Phases, a_phase_has_the_requests_of_its_rate, ()) {
  std::vector<PhasePlan> phases;
  double requests = 0;
  Duration length;
  for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
    PhasePlan phase{"x", static_cast<double>(*rc::gen::inRange(0, 200)),
                    static_cast<double>(*rc::gen::inRange(0, 200)),
                    Duration::seconds(*rc::gen::inRange(1, 9))};
    requests +=
        (phase.first_rate + phase.last_rate) / 2 * static_cast<double>(phase.length.ms()) / 1000;
    length = length + phase.length;
    phases.push_back(phase);
  }
  const auto due = due_of(phases);
  RC_ASSERT(std::is_sorted(due.begin(), due.end()));
  if (!due.empty()) RC_ASSERT(due.back() < length.ns);
  // Requests 0, 1, ... below the integral; its end may be missed or met by rounding.
  RC_ASSERT(std::abs(static_cast<double>(due.size()) - requests) <= 1.001);
  const Duration slice = slice_for(phases, Duration::millis(250));
  for (const PhasePlan& phase : phases)
    RC_ASSERT(phase.length.ns % slice.ns == 0);
}

}  // namespace
}  // namespace hf::load
