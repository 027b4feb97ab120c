// Scenes from a call's life: waiting, holding, cancelling, limits, the operator, streams, the
// journal.
#include "engine/test_bench.h"

namespace hf::engine {
namespace {

using What = OperatorCommand::What;

const auto kKeyed = [](call::UpstreamSettings& upstream, call::RouteSettings&) { keyed(upstream); };
const auto kKeyedHold = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  keyed(upstream);
  route.hold = call::Hold::on_failure;
  route.wait = Duration::seconds(2);
  route.retry.live_attempts = 1;
};
const auto kPauseHour = [](OperatorCommand& command) { command.pause_for = Duration::hours(1); };

// ---- Waiting

TEST(Waiting, queueing_known_to_end_beyond_wait_is_not_begun) {
  Bench bench(kKeyed);
  bench.command(What::pause, {}, kPauseHour);
  const auto asked = bench.arrive({.key = "k"});
  EXPECT_TRUE(bench.is_code(asked, "paused"));
  EXPECT_EQ(bench.status(asked), 429);
  EXPECT_EQ(bench.field(asked, "Holdfast-Effect"), "none");
  EXPECT_EQ(bench.field(asked, "Retry-After"), "3600");
  EXPECT_TRUE(bench.stored.empty()) << "nothing of it remains";
  bench.command(What::resume);
  bench.arrive({.key = "k"});
  EXPECT_EQ(bench.running.size(), 1U);
}

TEST(Waiting, a_short_pause_is_waited_for) {
  Bench bench(kKeyed);
  bench.command(What::pause, {}, [](auto& c) { c.pause_for = Duration::seconds(3); });
  const auto asked = bench.arrive({.key = "k"});
  EXPECT_TRUE(bench.unanswered(asked));
  EXPECT_TRUE(bench.pass_to_attempt(Duration::seconds(4)));
}

const call::TimelineEvent& last_event(const Bench& bench, call::Happening what) {
  static const call::TimelineEvent kNone;
  const call::TimelineEvent* found = &kNone;
  for (const auto& [id, events] : bench.timeline) {
    for (const auto& event : events) {
      if (event.what == what) found = &event;
    }
  }
  return *found;
}

TEST(Timeline, says_how_long_an_attempt_was_queued_and_where_its_time_went) {
  Bench bench(kKeyed);
  bench.command(What::pause, {}, [](auto& c) { c.pause_for = Duration::seconds(3); });
  bench.arrive({.key = "k"});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(4)));
  auto cut = lost();
  cut.phases.resolve = Duration::millis(2);
  cut.phases.head = Duration::seconds(30);
  bench.end(cut);
  auto ended = last_event(bench, call::Happening::attempt_ended);
  EXPECT_GE(ended.phases.queued, Duration::seconds(3));
  EXPECT_LT(ended.phases.queued, Duration::seconds(4));
  EXPECT_EQ(ended.phases.resolve, Duration::millis(2));
  EXPECT_EQ(ended.phases.head, Duration::seconds(30));
  EXPECT_FALSE(ended.digest.has_value());
  // Its backoff is no queue.
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(4)));
  bench.end(answer(200, "paid"));
  ended = last_event(bench, call::Happening::attempt_ended);
  EXPECT_EQ(ended.phases.queued, Duration{});
  EXPECT_EQ(ended.digest, bench.hasher.digest("content", "paid"));
}

TEST(Timeline, a_held_attempt_was_queued_since_it_was_due) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  const WallTime due = bench.only()->next_attempt_at;
  bench.command(What::pause, {}, kPauseHour);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(2)));
  const Duration late = bench.now.wall - due;
  bench.end(answer(200));
  EXPECT_GT(late, Duration::minutes(59));
  EXPECT_EQ(last_event(bench, call::Happening::attempt_ended).phases.queued, late);
}

TEST(Waiting, concurrency_queue_is_first_come_first_served) {
  Bench bench([](auto& upstream, auto&) { upstream.concurrency = 1; });
  const auto a = bench.arrive({.body = "a"});
  const auto b = bench.arrive({.body = "b"});
  const auto c = bench.arrive({.body = "c"});
  ASSERT_EQ(bench.running.size(), 1U);
  bench.end(answer(200, "A"));
  ASSERT_EQ(bench.running.size(), 1U);
  EXPECT_EQ(view(bench.running.begin()->second.request->body), "b");
  bench.end(answer(200, "B"));
  bench.end(answer(200, "C"));
  EXPECT_EQ(*bench.reply(a).body, "A");
  EXPECT_EQ(*bench.reply(b).body, "B");
  EXPECT_EQ(*bench.reply(c).body, "C");
}

TEST(Waiting, patience_ends_in_the_queue) {
  Bench bench([](auto& upstream, auto& route) {
    upstream.concurrency = 1;
    route.wait = Duration::seconds(2);
  });
  bench.arrive({.body = "a"});
  const auto b = bench.arrive({.body = "b"});
  bench.pass(Duration::seconds(3));
  EXPECT_TRUE(bench.is_code(b, "overloaded"));
  EXPECT_EQ(bench.field(b, "Holdfast-Effect"), "none");
}

TEST(Waiting, prefer_wait_is_capped_by_the_route) {
  Bench bench(kKeyedHold);
  bench.command(What::pause, {}, kPauseHour);
  const auto asked = bench.arrive({.key = "k", .wait = Duration::hours(2)});
  EXPECT_TRUE(bench.is_code(asked, "held")) << "the pause is longer than the route's wait";
}

TEST(Waiting, a_joiner_does_not_lengthen_the_first_clients_patience) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.wait = Duration::seconds(4);
    route.retry.live_attempts = 10;
    route.retry.live_backoff = {Duration::millis(1500), Duration::millis(1500)};
  });
  const auto first = bench.arrive({.key = "k"});
  bench.pass(Duration::seconds(3));
  bench.arrive({.key = "k"});
  bench.pass(Duration::seconds(2));
  EXPECT_TRUE(bench.unanswered(first));
  bench.end(lost());
  bench.pass(Duration::millis(1));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_FALSE(bench.unanswered(first)) << "its wait is over and nothing runs";
}

TEST(Waiting, breaker_open_refuses_or_holds) {
  Bench bench([](auto& upstream, auto& route) {
    upstream.breaker.consecutive = 1;
    upstream.breaker.open = {Duration::seconds(30), Duration::seconds(30)};
    route.retry.live_attempts = 1;
  });
  bench.arrive({.body = "a"});
  bench.end(not_connected());
  const auto refused = bench.arrive({.body = "b"});
  EXPECT_TRUE(bench.is_code(refused, "breaker-open"));
  EXPECT_EQ(bench.field(refused, "Holdfast-Effect"), "none");
  bench.pass(Duration::seconds(40));
  bench.arrive({.body = "c"});
  const auto behind = bench.arrive({.body = "d"});
  EXPECT_EQ(bench.running.size(), 1U) << "one probe";
  bench.end(answer(200));
  EXPECT_EQ(bench.running.size(), 1U);
  bench.end(answer(200));
  EXPECT_EQ(bench.status(behind), 200);
}

TEST(Waiting, a_429_pauses_its_limit_key_only) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.retry.live_attempts = 1;
  });
  const auto limited = bench.arrive({.key = "a"});
  bench.end(answer(429, "slow down", {{"Retry-After", "60"}}));
  EXPECT_EQ(bench.status(limited), 429);
  EXPECT_EQ(*bench.reply(limited).body, "slow down");
  EXPECT_EQ(bench.field(limited, "Holdfast-Effect"), "none");
  EXPECT_TRUE(bench.pauses.contains({"up", "limit-alice"})) << "it survives a restart";
  EXPECT_TRUE(bench.is_code(bench.arrive({.key = "b"}), "paused"));
  bench.arrive({.key = "c", .owner = "bob"});
  EXPECT_EQ(bench.running.size(), 1U);
  bench.end(answer(200));
  bench.crash();
  EXPECT_TRUE(bench.is_code(bench.arrive({.key = "b"}), "paused"));
}

// Found by the simulator (docs/simulation.md): intervals are monotonic, and whoever sets the clock
// does not end what the upstream asked for.
TEST(Waiting, a_pause_outlasts_a_clock_that_is_set_ahead) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.retry.live_attempts = 1;
  });
  bench.arrive({.key = "a"});
  bench.end(answer(429, "slow down", {{"Retry-After", "60"}}));
  bench.step_wall(Duration::minutes(20));
  EXPECT_TRUE(bench.is_code(bench.arrive({.key = "b"}), "paused"));
  EXPECT_TRUE(bench.running.empty());
  bench.pass(Duration::seconds(61));
  bench.arrive({.key = "c"});
  EXPECT_EQ(bench.running.size(), 1U) << "and is over in its time";
}

// Found by the simulator: its client had left meanwhile, and nobody remembered what was asked for.
TEST(Waiting, a_429_to_a_call_whose_client_is_gone_pauses_all_the_same) {
  Bench bench([](auto&, auto& route) { route.wait = Duration::seconds(1); });
  const auto asked = bench.arrive({.body = "x"});
  bench.gone(asked);
  call::AttemptOutcome outcome = cut_answer(429);
  outcome.cause = call::Cause::cancelled;
  outcome.head.fields = {{"Retry-After", "30"}};
  bench.end(outcome);
  EXPECT_TRUE(bench.is_code(bench.arrive({.body = "y"}), "paused"));
  EXPECT_TRUE(bench.running.empty());
}

TEST(Waiting, a_retry_budget_that_is_empty_stops_retries_not_first_attempts) {
  Bench bench([](auto& upstream, auto& route) {
    upstream.idempotency.mode = call::Mode::repeatable;
    upstream.breaker.consecutive = 0;
    upstream.breaker.of_at_least = 100'000;
    upstream.concurrency = 1000;
    route.retry.live_attempts = 2;
    route.retry.live_backoff = {Duration::millis(1), Duration::millis(1)};
    route.wait = Duration::millis(500);
  });
  for (int i = 0; i < 100; ++i)
    bench.arrive({.body = std::to_string(i)});
  EXPECT_EQ(bench.started.size(), 100U);
  while (!bench.running.empty()) {
    bench.end(not_connected());
    if (bench.running.size() == 100) break;
  }
  bench.pass(Duration::millis(600));
  // 10 a second and a full purse of 10.
  EXPECT_LE(bench.started.size(), 116U);
  EXPECT_GE(bench.started.size(), 110U);
}

// ---- Ending live, keys

TEST(Live, a_key_that_is_not_stable_ends_live_as_open) {
  Bench bench(kKeyedHold);
  const auto asked = bench.arrive({.key = "k", .stable = false});
  bench.end(lost());
  EXPECT_EQ(bench.only()->state, call::State::open);
  EXPECT_FALSE(bench.only()->held);
  EXPECT_EQ(bench.status(asked), 504);
  EXPECT_EQ(bench.field(asked, "Holdfast-Effect"), "unknown");
  EXPECT_TRUE(bench.says(asked, "\"safe_to_retry\":true")) << "with the same key";
}

TEST(Live, a_made_key_goes_with_every_copy_and_no_client_can_ask_with_it) {
  Bench bench(kKeyed);
  const auto asked = bench.arrive({.body = "x"});
  const Field* key = find_field(bench.started.back().request->fields, "Idempotency-Key");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(key->value, "hf-" + bench.only()->id.text());
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(9)));  // the bench compares the bytes
  bench.end(lost());
  if (bench.pass_to_attempt(Duration::seconds(9))) bench.end(lost());
  EXPECT_FALSE(bench.unanswered(asked));
  EXPECT_TRUE(bench.says(asked, "\"safe_to_retry\":false")) << "another request has another key";
  EXPECT_TRUE(bench.keys.empty());
}

TEST(Live, mode_none_in_doubt_ends_at_once_with_effect_unknown) {
  Bench bench;
  const auto plain = bench.arrive({.body = "x"});
  bench.end(lost(call::Cause::reset));
  EXPECT_EQ(bench.status(plain), 502);
  EXPECT_EQ(bench.field(plain, "Holdfast-Effect"), "unknown");
  EXPECT_EQ(bench.field(plain, "x-should-retry"), "false");
  EXPECT_TRUE(bench.stored.empty()) << "neither keyed nor held: not journaled";
  const auto with_key = bench.arrive({.key = "k"});
  bench.end(lost(call::Cause::reset));
  EXPECT_EQ(bench.only()->state, call::State::unknown);
  EXPECT_EQ(bench.field(with_key, "Holdfast-Effect"), "unknown");
  EXPECT_TRUE(bench.noted("call_unknown"));
}

TEST(Live, repeatable_calls_in_doubt_say_so) {
  Bench bench([](auto& upstream, auto& route) {
    upstream.idempotency.mode = call::Mode::repeatable;
    route.retry.live_attempts = 2;
    route.retry.live_backoff = {Duration::millis(1), Duration::millis(1)};
  });
  const auto asked = bench.arrive({.body = "x"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  bench.end(not_connected());
  EXPECT_EQ(bench.field(asked, "Holdfast-Effect"), "unknown");
  EXPECT_TRUE(bench.says(asked, "\"safe_to_retry\":true"));
}

TEST(Live, in_progress_elsewhere_is_passed_on_and_not_stored) {
  Bench bench(kKeyed);
  const auto asked = bench.arrive({.key = "k"});
  bench.end(answer(409, "busy"));
  EXPECT_EQ(bench.status(asked), 409);
  EXPECT_EQ(*bench.reply(asked).body, "busy");
  EXPECT_EQ(bench.only()->state, call::State::open);
  EXPECT_FALSE(bench.only()->answer.has_value());
}

TEST(Live, a_client_that_is_gone_leaves_a_keyed_call_running) {
  Bench bench(kKeyed);
  const auto asked = bench.arrive({.key = "k"});
  bench.gone(asked);
  EXPECT_TRUE(bench.words.empty());
  bench.end(answer(200, "paid"));
  EXPECT_FALSE(bench.replies.contains(asked));
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(*bench.reply(again).body, "paid");
}

TEST(Live, a_client_that_is_gone_cancels_an_unjournaled_call) {
  Bench bench;
  const auto asked = bench.arrive({.body = "x"});
  const AttemptId id = bench.attempt();
  bench.gone(asked);
  ASSERT_EQ(bench.words.size(), 1U);
  EXPECT_EQ(bench.words[0], (std::pair{id, std::string("cancel")}));
  bench.end(lost(call::Cause::cancelled));
  EXPECT_TRUE(bench.replies.empty());
  EXPECT_EQ(bench.engine().stats(bench.now).active_calls, 0U);
  EXPECT_EQ(bench.engine().stats(bench.now).upstreams.at("up").in_flight, 0U);
}

TEST(Live, draining_refuses_new_calls_and_answers_who_waits) {
  Bench bench([](auto& upstream, auto&) { upstream.concurrency = 1; });
  const auto running = bench.arrive({.body = "a"});
  const auto queued = bench.arrive({.body = "b"});
  bench.step(DrainBegun{});
  EXPECT_EQ(bench.status(queued), 503);
  const auto late = bench.arrive({.body = "c"});
  EXPECT_TRUE(bench.is_code(late, "draining"));
  EXPECT_FALSE(bench.engine().quiet());
  bench.end(answer(200));
  EXPECT_EQ(bench.status(running), 200);
  EXPECT_TRUE(bench.engine().quiet());
}

// ---- Streams and large answers

TEST(Stream, an_answer_is_forwarded_and_finished) {
  Bench bench;
  const auto asked = bench.arrive({.body = "", .method = "GET"});
  bench.head(bench.attempt(), 200);
  EXPECT_TRUE(bench.forwards.contains(asked));
  EXPECT_FALSE(bench.finished.contains(asked));
  bench.end(forwarded_answer(200));
  EXPECT_TRUE(bench.finished.at(asked));
}

TEST(Stream, a_cut_answer_is_not_retried_after_a_forwarded_byte) {
  Bench bench;
  const auto asked = bench.arrive({.body = "", .method = "GET"});
  bench.head(bench.attempt(), 200);
  bench.end(cut_answer(200, true));
  EXPECT_FALSE(bench.finished.at(asked));
  bench.pass(Duration::seconds(20));
  EXPECT_EQ(bench.started.size(), 1U);
}

TEST(Stream, an_error_is_looked_at_and_retried) {
  Bench bench;
  const auto asked = bench.arrive({.body = "", .method = "GET"});
  bench.head(bench.attempt(), 503);
  ASSERT_EQ(bench.words.size(), 1U);
  EXPECT_EQ(bench.words[0].second, "capture");
  bench.end(answer(503, "later"));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(9)));
  bench.head(bench.attempt(), 200);
  EXPECT_TRUE(bench.forwards.contains(asked));
}

TEST(Stream, a_body_that_is_gone_allows_one_attempt) {
  Bench bench([](auto& upstream, auto&) { upstream.idempotency.mode = call::Mode::repeatable; });
  const auto asked = bench.arrive({.body = "x", .streamed = true});
  ASSERT_TRUE(bench.started.back().stream_of.has_value());
  bench.end(bench.attempt(), lost(), false);
  EXPECT_EQ(bench.status(asked), 504);
  EXPECT_EQ(bench.started.size(), 1U);
}

TEST(Stream, a_large_answer_finishes_only_after_its_write) {
  Bench bench(kKeyed);
  const auto first = bench.arrive({.key = "k"});
  const auto joined = bench.arrive({.key = "k"});
  bench.head(bench.attempt(), 200, true);
  ASSERT_TRUE(bench.forwards.contains(first));
  EXPECT_TRUE(bench.unanswered(joined));
  const std::size_t writes = bench.writes.size();
  bench.end(forwarded_answer(200));
  EXPECT_EQ(bench.writes.size(), writes + 1) << "in the same step";
  const auto finish = std::find_if(
      bench.last_actions.begin(), bench.last_actions.end(),
      [](const Action& action) { return std::holds_alternative<FinishAnswer>(action.what); });
  ASSERT_NE(finish, bench.last_actions.end());
  EXPECT_TRUE(finish->after_writes);
  EXPECT_TRUE(bench.finished.at(first));
  EXPECT_TRUE(bench.is_code(joined, "answer-not-kept"));
  EXPECT_FALSE(bench.only()->answer->body_kept);
}

TEST(Stream, a_large_answer_that_is_cut_goes_on_in_the_background) {
  Bench bench(kKeyed);
  const auto first = bench.arrive({.key = "k"});
  bench.head(bench.attempt(), 200, true);
  bench.end(cut_answer(200, true));
  EXPECT_FALSE(bench.finished.at(first));
  EXPECT_TRUE(bench.only()->unresolved);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(9)));
  bench.end(answer(200));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

}  // namespace
}  // namespace hf::engine
