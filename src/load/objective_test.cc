#include "load/objective.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hf::load {
namespace {

Slice slice_of(int number, std::uint64_t due, Duration latency) {
  Slice out;
  out.length = Duration::millis(250);
  out.begin = Instant{} + out.length * number;
  out.tally.due = due;
  out.tally.answered = due;
  out.tally.statuses[200] = due;
  out.tally.latency.record(latency, due);
  return out;
}

TEST(Objective, is_read_and_written) {
  const auto read = parse_objective("p99<200ms, p99.9 < 1s,p50<20ms", "<0.1%");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(to_string(*read), "p99<200ms, p99.9<1s, p50<20ms, errors<0.1%");
  EXPECT_EQ((*read).errors_ppm, 1000);
  EXPECT_EQ(parse_objective("", "0").value().errors_ppm, 0);
  EXPECT_EQ(parse_objective("", "2%").value().errors_ppm, 20'000);
  EXPECT_TRUE(parse_objective("", "").value().empty());
}

TEST(Objective, refuses_what_it_would_misread) {
  for (const std::string_view text : {"99<200ms", "p99", "p99<", "p99<200", "p0<1s", "p100<1s",
                                      "px<1s", "p99<1us", "p99<2h", "p99.99999<1s", ",p99<1s"}) {
    EXPECT_FALSE(parse_objective(text, {}).ok()) << text;
  }
  for (const std::string_view text : {"<0.1", "1.5", "101%", "<%", "-1%", "a lot"})
    EXPECT_FALSE(parse_objective({}, text).ok()) << text;
}

TEST(Objective, those_that_wait_count_as_late_once_the_limit_is_past) {
  const Objective goal = parse_objective("p99<200ms", {}).value();
  Tally tally;
  tally.due = 100;
  tally.answered = 90;
  tally.latency.record(Duration::millis(5), 90);
  EXPECT_FALSE(breach_of(goal, tally, Duration::millis(100)));
  const auto breach = breach_of(goal, tally, Duration::millis(300));
  ASSERT_TRUE(breach);
  EXPECT_EQ(breach->over, 10U);
  EXPECT_GE(breach->measured, Duration::millis(200));
}

TEST(Objective, the_words_name_numbers_and_window) {
  Breach breach;
  breach.goal = {990'000, Duration::millis(200)};
  breach.measured = Duration::millis(1400);
  breach.over = 31;
  breach.of = 400;
  breach.from = Duration::seconds(4);
  breach.to = Duration::seconds(6);
  EXPECT_EQ(in_words(breach),
            "p99 was 1.4 s (limit 200 ms): 31 of 400 requests (7.75%) were later from 4 s to 6 s "
            "of the step");
}

// The arithmetic of sliding windows: ten seconds of nothing but errors are 5.6 % of three minutes,
// under a limit of 10 % of the total, and no window of two seconds keeps it.
TEST(Judge, errors_of_a_while_are_not_thinned_by_the_rest) {
  const Objective goal = parse_objective({}, "<10%").value();
  Judge judge(goal, Duration::seconds(2), Duration::seconds(1), Duration::seconds(1));
  std::vector<Slice> slices;
  for (int i = 0; i < 180 * 4; ++i) {
    slices.push_back(slice_of(i, 10, Duration::millis(5)));
    if (i >= 400 && i < 440) slices.back().tally.statuses = {{500, 10}};
  }
  const auto& breach = judge.look(slices, Instant{} + Duration::seconds(600));
  ASSERT_TRUE(breach);
  EXPECT_GE(breach->to, Duration::seconds(100));
  EXPECT_LE(breach->to, Duration::seconds(103));
}

TEST(Judge, the_settling_time_is_not_judged) {
  const Objective goal = parse_objective("p99<100ms", {}).value();
  Judge judge(goal, Duration::seconds(2), Duration::seconds(1), Duration::seconds(5));
  std::vector<Slice> slices;
  for (int i = 0; i < 40; ++i)
    slices.push_back(slice_of(i, 10, i < 4 ? Duration::seconds(1) : Duration::millis(5)));
  EXPECT_FALSE(judge.look(slices, Instant{} + Duration::seconds(60)));
  EXPECT_EQ(judge.judged(), 29U);
}

TEST(Judge, a_step_shorter_than_its_window_is_judged_as_one) {
  const Objective goal = parse_objective("p99<100ms", {}).value();
  Judge judge(goal, Duration::seconds(10), Duration::seconds(1), Duration::seconds(5));
  const std::vector<Slice> slices{slice_of(0, 10, Duration::seconds(1))};
  EXPECT_FALSE(judge.look(slices, Instant{} + Duration::seconds(60)));
  EXPECT_TRUE(judge.conclude(slices, Instant{} + Duration::seconds(60)));
}

TEST(Objective, a_breach_that_was_sure_early_is_measured_when_all_is_answered) {
  const Objective goal = parse_objective("p90<100ms", {}).value();
  std::vector<Slice> slices;
  for (int i = 0; i < 8; ++i) {
    slices.push_back(slice_of(i, 10, Duration::millis(5)));
    // Not answered yet when the window was judged.
    if (i < 4) continue;
    slices.back().tally = {};
    slices.back().tally.due = 10;
  }
  Judge judge(goal, Duration::seconds(2), Duration{}, Duration::seconds(10));
  const auto early = judge.look(slices, Instant{} + Duration::millis(2150));
  ASSERT_TRUE(early);
  EXPECT_EQ(early->measured, Duration::millis(150));
  for (int i = 4; i < 8; ++i)
    slices[static_cast<std::size_t>(i)] = slice_of(i, 10, Duration::seconds(4));
  const Breach late = settled(goal, *early, slices);
  EXPECT_GE(late.measured, Duration::seconds(4));
  EXPECT_EQ(late.to, early->to);
  EXPECT_EQ(late.over, 40U);
}

TEST(Objective, tells_from_when_on_it_is_kept_again) {
  const Objective goal = parse_objective("p90<100ms", {}).value();
  const Duration window = Duration::seconds(2);
  const auto timeline = [](int late_until, int late_from) {
    std::vector<Slice> out;
    for (int i = 0; i < 40; ++i) {
      const bool late = i < late_until || i >= late_from;
      out.push_back(slice_of(i, 10, Duration::millis(late ? 300 : 5)));
    }
    return out;
  };
  // The first 3 s are late. A window with one late slice of eight breaks a tenth; so the first one
  // that keeps it begins at 3 s.
  EXPECT_EQ(kept_from(goal, window, timeline(12, 40)), Duration::seconds(3));
  EXPECT_EQ(kept_from(goal, window, timeline(0, 40)), Duration{});
  EXPECT_EQ(kept_from(goal, window, timeline(12, 39)), std::nullopt);
  EXPECT_EQ(kept_from(goal, window, {}), Duration{});
  // Shorter than a window: the whole of it is one.
  std::vector<Slice> brief = timeline(2, 40);
  brief.resize(5);
  EXPECT_EQ(kept_from(goal, window, brief), std::nullopt);
}

// Whenever it looks, it comes to the same breach as one look at the end.
RC_GTEST_PROP(Judge, looking_often_is_looking_once, ()) {
  const Objective goal = parse_objective("p90<100ms", "<20%").value();
  std::vector<Slice> slices;
  const int count = *rc::gen::inRange(1, 60);
  for (int i = 0; i < count; ++i) {
    Slice slice = slice_of(i, static_cast<std::uint64_t>(*rc::gen::inRange(0, 30)),
                           Duration::millis(*rc::gen::element(5, 5, 5, 300)));
    if (*rc::gen::inRange(0, 8) == 0) slice.tally.statuses = {{503, slice.tally.due}};
    slices.push_back(slice);
  }
  Judge once(goal, Duration::seconds(2), Duration::seconds(1), Duration::seconds(1));
  Judge often = once;
  const auto last = once.look(slices, Instant{} + Duration::seconds(100));
  std::vector<Slice> grown;
  for (const Slice& slice : slices) {
    grown.push_back(slice);
    often.look(grown, slice.end() + Duration::millis(*rc::gen::inRange(0, 400)));
  }
  const auto first = often.look(slices, Instant{} + Duration::seconds(100));
  RC_ASSERT(first.has_value() == last.has_value());
  if (first) RC_ASSERT(first->to == last->to && first->over == last->over);
}

}  // namespace
}  // namespace hf::load
