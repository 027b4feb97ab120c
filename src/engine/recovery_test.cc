// A journal that fails or refuses, and what a start makes of what a crash left.
#include "engine/test_scenes.h"

namespace hf::engine {
namespace {

using AskWhat = call::CallAsk::What;

TEST(Journal, a_call_that_cannot_be_read_is_not_denied) {
  Bench bench(kKeyedHold);
  const CallId id = CallId::make(WallTime{1}, 2, 3);
  bench.hold_reads = true;
  const auto asked = bench.ask(AskWhat::status, id);
  CallRead failed;
  failed.id = id;
  failed.failed = true;
  bench.reads.clear();
  bench.step(std::move(failed));
  EXPECT_TRUE(bench.is_code(asked, "journal-unavailable"));
  EXPECT_EQ(bench.field(asked, "Holdfast-Effect"), "unknown");
}

TEST(Journal, refusing_one_takes_no_new_durable_calls) {
  Bench bench(kKeyed);
  bench.arrive({.key = "running"});
  bench.step(JournalHealthSeen{false, "the disk is full", call::Measure{"disk", 9, 20, "bytes"}});
  EXPECT_TRUE(bench.noted("journal_refusing"));
  bench.step(JournalHealthSeen{false, "the disk is full", call::Measure{"disk", 7, 20, "bytes"}});
  const auto refused = bench.arrive({.key = "k"});
  EXPECT_TRUE(bench.is_code(refused, "journal-unavailable"));
  EXPECT_EQ(bench.reply(refused).problem->measure->measured, 7) << "now, not when it began";
  EXPECT_EQ(bench.field(refused, "Holdfast-Effect"), "none");
  bench.arrive({.body = "", .method = "GET"});
  EXPECT_EQ(bench.running.size(), 2U) << "calls without the journal go on";
  bench.end(answer(200));
  bench.end(answer(200));
  EXPECT_EQ(bench.only()->state, call::State::answered) << "outcomes are still written";
  bench.step(JournalHealthSeen{true, ""});
  bench.arrive({.key = "k"});
  EXPECT_EQ(bench.running.size(), 1U);
}

TEST(Recovery, none_becomes_unknown_key_is_held_or_open_and_held_waits) {
  Bench none;
  none.arrive({.key = "k"});
  none.crash();
  EXPECT_EQ(none.only()->state, call::State::unknown);

  Bench live(kKeyed);
  live.arrive({.key = "k"});
  live.crash();
  EXPECT_EQ(live.only()->state, call::State::open);
  EXPECT_TRUE(live.only()->unresolved);

  Bench stable(kKeyedHold);
  stable.arrive({.key = "k"});
  stable.crash();
  EXPECT_EQ(stable.only()->state, call::State::waiting);
  EXPECT_TRUE(stable.only()->held);

  Bench held([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  });
  held.arrive({.key = "k"});
  held.crash();
  EXPECT_EQ(held.only()->state, call::State::waiting);
  EXPECT_EQ(held.only()->last_cause, call::Cause::crash);
  ASSERT_TRUE(held.pass_to_attempt(Duration::minutes(1)));
  held.end(answer(200));
  EXPECT_EQ(held.only()->state, call::State::answered);
}

TEST(Recovery, what_waited_for_a_start_comes_slowly_and_what_is_new_does_not) {
  const auto sixty_slots = [](auto& upstream, auto& route) {
    keyed(upstream);
    upstream.concurrency = 60;
    route.hold = call::Hold::always;
  };
  Bench nothing(sixty_slots);
  nothing.crash();
  for (int i = 0; i < 60; ++i)
    nothing.arrive({.key = "k" + std::to_string(i)});
  EXPECT_EQ(nothing.running.size(), 54U) << "all but the share of live calls";

  Bench backlog(sixty_slots);
  backlog.command(OperatorCommand::What::pause, {}, kPauseHour);
  for (int i = 0; i < 60; ++i)
    backlog.arrive({.key = "k" + std::to_string(i)});
  backlog.crash();
  backlog.command(OperatorCommand::What::resume);
  for (int i = 60; i < 120; ++i)
    backlog.arrive({.key = "k" + std::to_string(i)});
  EXPECT_EQ(backlog.running.size(), 6U) << "the tenth part";
}

TEST(Recovery, a_call_found_in_the_crash_slot_three_times_is_set_aside) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  });
  bench.arrive({.key = "k"});
  const CallId id = bench.only()->id;
  for (int crash = 1; crash <= 3; ++crash) {
    ASSERT_EQ(bench.running.size(), 1U) << crash;
    bench.crash(id);
    EXPECT_EQ(bench.only()->crashes, crash);
    if (crash < 3) {
      EXPECT_EQ(bench.only()->reason, call::WaitReason::backoff);
      ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
    }
  }
  EXPECT_EQ(bench.only()->reason, call::WaitReason::set_aside);
  EXPECT_TRUE(bench.noted("call_set_aside"));
  EXPECT_FALSE(bench.pass_to_attempt(Duration::hours(2)));
}

TEST(Recovery, bystanders_of_a_crash_are_not_counted) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  });
  bench.arrive({.key = "k"});
  for (int crash = 0; crash < 5; ++crash) {
    bench.crash();
    EXPECT_EQ(bench.only()->crashes, 0);
    ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(2))) << crash;
  }
}

TEST(Recovery, an_owners_delete_outlives_the_crash) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  });
  bench.arrive({.key = "k"});
  bench.ask(AskWhat::cancel, bench.only()->id);
  bench.crash();
  EXPECT_EQ(bench.only()->state, call::State::unknown);
  bench.pass(Duration::hours(1));
  EXPECT_TRUE(bench.running.empty());
}

}  // namespace
}  // namespace hf::engine
