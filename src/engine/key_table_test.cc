// "The same key again" (DESIGN section 3): every row, with the same request, another fingerprint
// and another owner.
#include "engine/test_bench.h"

namespace hf::engine {
namespace {

using Row = call::State;

// Brings one call with key "k" into a state; returns the bench's upstream to rest.
void into(Bench& bench, Row state, bool body_kept = true) {
  switch (state) {
    case Row::sending:
      bench.arrive({.key = "k"});
      return;
    case Row::answered:
      bench.arrive({.key = "k"});
      if (body_kept) {
        bench.end(answer(201, "created"));
      } else {
        bench.head(bench.attempt(), 201, true);
        bench.end(forwarded_answer(201));
      }
      return;
    case Row::open:
      bench.arrive({.key = "k"});
      while (!bench.running.empty()) {
        bench.end(lost());
        bench.pass_to_attempt(Duration::seconds(9));
      }
      return;
    case Row::unknown:
      into(bench, Row::open);
      bench.pass(Duration::hours(25));
      return;
    case Row::dead: {
      into(bench, Row::unknown);
      bench.command(OperatorCommand::What::resolve_not_applied, bench.only()->id);
      return;
    }
    case Row::cancelled:
      bench.arrive({.key = "k"});
      while (!bench.running.empty()) {
        bench.end(not_connected());
        bench.pass_to_attempt(Duration::seconds(9));
      }
      bench.ask(call::CallAsk::What::cancel, bench.only()->id);
      return;
    case Row::waiting:
    case Row::verifying:
      FAIL() << "not by this way";
  }
}

class KeyTable : public testing::TestWithParam<Row> {};

TEST_P(KeyTable, other_fingerprint_is_422_and_sends_nothing) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, GetParam());
  ASSERT_EQ(bench.only()->state, GetParam());
  const std::size_t before = bench.started.size();
  const auto other = bench.arrive({.key = "k", .body = "other"});
  EXPECT_EQ(bench.status(other), 422);
  EXPECT_TRUE(bench.is_code(other, "key-reused"));
  EXPECT_TRUE(bench.says(other, "idempotency_error"));
  EXPECT_EQ(bench.started.size(), before);
}

TEST_P(KeyTable, other_owner_is_409_and_sees_nothing) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, GetParam());
  const std::size_t before = bench.started.size();
  for (const std::string body : {"{\"a\":1}", "other"}) {
    const auto other = bench.arrive({.key = "k", .body = body, .owner = "mallory"});
    EXPECT_EQ(bench.status(other), 409);
    EXPECT_TRUE(bench.is_code(other, "key-owned-by-another"));
    EXPECT_FALSE(bench.says(other, bench.only()->id.text()));
    EXPECT_EQ(bench.field(other, "Holdfast-Call"), "");
  }
  EXPECT_EQ(bench.started.size(), before);
}

INSTANTIATE_TEST_SUITE_P(States, KeyTable,
                         testing::Values(Row::sending, Row::answered, Row::open, Row::unknown,
                                         Row::dead, Row::cancelled),
                         [](const auto& param) { return std::string(to_string(param.param)); });

TEST(KeyTableRow, in_flight_joins_and_gets_the_one_answer) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  const auto first = bench.arrive({.key = "k"});
  const auto second = bench.arrive({.key = "k"});
  bench.end(answer(200, "paid"));
  EXPECT_EQ(bench.status(first), 200);
  EXPECT_EQ(bench.status(second), 200);
  EXPECT_EQ(*bench.reply(first).body, *bench.reply(second).body);
  EXPECT_EQ(bench.field(first, "Idempotent-Replayed"), "");
  EXPECT_EQ(bench.field(second, "Idempotent-Replayed"), "true");
  EXPECT_EQ(bench.started.size(), 1U);
}

TEST(KeyTableRow, in_flight_beyond_wait_is_409_in_progress) {
  Bench bench(([](auto& upstream, auto& route) {
    keyed(upstream);
    route.wait = Duration::seconds(3);
  }));
  const auto first = bench.arrive({.key = "k"});
  bench.pass(Duration::seconds(1));
  const auto second = bench.arrive({.key = "k"});
  bench.pass(Duration::seconds(4));
  EXPECT_EQ(bench.status(second), 409);
  EXPECT_TRUE(bench.is_code(second, "in-progress"));
  EXPECT_TRUE(bench.unanswered(first)) << "a live attempt is cut only by timeouts.head";
  bench.end(answer(200));
  EXPECT_EQ(bench.status(first), 200);
}

TEST(KeyTableRow, waiters_are_bounded) {
  Bench bench(([](auto& upstream, auto& route) {
    keyed(upstream);
    route.limits.waiters = 2;
  }));
  bench.arrive({.key = "k"});
  bench.arrive({.key = "k"});
  bench.arrive({.key = "k"});
  const auto fourth = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(fourth), 409);
  EXPECT_TRUE(bench.is_code(fourth, "in-progress"));
  EXPECT_TRUE(
      bench.says(fourth, R"("limit":{"rule":"limits.waiters","measured":2,"threshold":2,)"));
  EXPECT_EQ(bench.notes.back().what, "call_refused");
  EXPECT_FALSE(bench.notes.back().call) << "the log leaves nothing out that is about a call";
  EXPECT_EQ(bench.waiting_clients(), 3U);
}

TEST(KeyTableRow, hundred_duplicates_make_one_attempt_and_one_answer) {
  for (const bool together : {false, true}) {
    Bench bench(([](auto& upstream, auto& route) {
      keyed(upstream);
      route.limits.waiters = 200;
    }));
    bench.hold_reads = together;
    std::vector<ExchangeId> all;
    for (int i = 0; i < 100; ++i)
      all.push_back(bench.arrive({.key = "k"}));
    bench.hold_reads = false;
    bench.answer_reads();
    bench.end(answer(200, "paid"));
    for (const ExchangeId id : all)
      EXPECT_EQ(bench.status(id), 200);
    EXPECT_EQ(bench.started.size(), 1U);
  }
}

TEST(KeyTableRow, held_waits_then_503_held_or_the_answer) {
  Bench bench(([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::on_failure;
    route.wait = Duration::seconds(2);
  }));
  const auto first = bench.arrive({.key = "k"});
  bench.end(lost());
  while (bench.unanswered(first)) {
    if (!bench.pass_to_attempt(Duration::seconds(3))) break;
    bench.end(lost());
  }
  EXPECT_EQ(bench.status(first), 503);
  EXPECT_TRUE(bench.is_code(first, "held"));
  EXPECT_TRUE(bench.says(first, "\"effect\":\"pending\""));
  EXPECT_NE(bench.field(first, "Retry-After"), "");
  EXPECT_EQ(bench.only()->state, call::State::waiting);

  const auto again = bench.arrive({.key = "k"});
  EXPECT_TRUE(bench.unanswered(again));
  bench.pass(Duration::seconds(2));
  if (bench.unanswered(again)) bench.pass(Duration::millis(1));
  EXPECT_TRUE(bench.is_code(again, "held"));

  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  const auto third = bench.arrive({.key = "k"});
  bench.end(answer(200, "paid"));
  EXPECT_EQ(bench.status(third), 200);
  EXPECT_EQ(bench.field(third, "Idempotent-Replayed"), "true");
  const auto other = bench.arrive({.key = "k", .body = "other"});
  EXPECT_EQ(bench.status(other), 422);
}

TEST(KeyTableRow, held_other_fingerprint_is_422_and_other_owner_409) {
  Bench bench(([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  }));
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  ASSERT_EQ(bench.only()->state, call::State::waiting);
  EXPECT_EQ(bench.status(bench.arrive({.key = "k", .body = "other"})), 422);
  EXPECT_TRUE(
      bench.is_code(bench.arrive({.key = "k", .owner = "mallory"}), "key-owned-by-another"));
}

TEST(KeyTableRow, unknown_is_409_and_must_not_be_repeated) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, Row::unknown);
  const std::size_t before = bench.started.size();
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(again), 409);
  EXPECT_TRUE(bench.is_code(again, "outcome-unknown"));
  EXPECT_EQ(bench.field(again, "Holdfast-Effect"), "unknown");
  EXPECT_EQ(bench.field(again, "x-should-retry"), "false");
  EXPECT_EQ(bench.field(again, "stripe-should-retry"), "false");
  EXPECT_EQ(bench.started.size(), before);
}

TEST(KeyTableRow, answered_replays_byte_for_byte) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  bench.arrive({.key = "k"});
  bench.end(answer(402, "declined", {{"X-Up", "1"}}));
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(again), 402);
  EXPECT_EQ(*bench.reply(again).body, "declined");
  EXPECT_EQ(bench.field(again, "X-Up"), "1");
  EXPECT_EQ(bench.field(again, "Idempotent-Replayed"), "true");
  EXPECT_NE(bench.field(again, "Holdfast-Replayed"), "");
}

TEST(KeyTableRow, answer_not_kept_is_409_applied_with_its_status) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, Row::answered, false);
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(again), 409);
  EXPECT_TRUE(bench.is_code(again, "answer-not-kept"));
  EXPECT_EQ(bench.field(again, "Holdfast-Effect"), "applied");
  EXPECT_TRUE(bench.says(again, "201"));
}

TEST(KeyTableRow, open_is_resumed_as_the_same_call) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, Row::open);
  const CallId id = bench.only()->id;
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.only()->id, id);
  bench.end(answer(200));
  EXPECT_EQ(bench.status(again), 200);
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

TEST(KeyTableRow, open_and_unresolved_at_mode_none_cannot_be_resumed) {
  // At mode none an unresolved call becomes unknown at once; open there is always proven.
  Bench bench;
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  while (bench.pass_to_attempt(Duration::seconds(20)))
    bench.end(not_connected());
  ASSERT_EQ(bench.only()->state, call::State::open);
  const auto again = bench.arrive({.key = "k"});
  ASSERT_EQ(bench.running.size(), 1U);
  bench.end(lost());
  EXPECT_EQ(bench.only()->state, call::State::unknown);
  EXPECT_EQ(bench.field(again, "Holdfast-Effect"), "unknown");
}

TEST(KeyTableRow, dead_is_revived_as_the_same_call_and_noted) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, Row::dead);
  bench.may_have_applied.clear();  // an operator's word
  const auto again = bench.arrive({.key = "k"});
  ASSERT_EQ(bench.running.size(), 1U);
  bench.end(answer(200));
  EXPECT_EQ(bench.status(again), 200);
  const auto& events = bench.timeline[bench.only()->id];
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const auto& event) {
    return event.what == call::Happening::revived;
  }));
}

// Retention does not know of a call that is revived until that is written.
TEST(KeyTableRow, a_body_taken_while_its_call_is_revived_is_written_again) {
  Bench bench([](auto& upstream, auto&) {
    keyed(upstream);
    upstream.concurrency = 1;
  });
  into(bench, Row::dead);
  bench.may_have_applied.clear();  // an operator's word
  const CallId id = bench.only()->id;
  bench.arrive({.key = "other"});
  const auto revived = bench.arrive({.key = "k"});
  ASSERT_EQ(bench.running.size(), 1U) << "it waits for the other";
  bench.retire_bodies();
  bench.pass(Duration::seconds(15));
  EXPECT_EQ(bench.status(revived), 503);
  EXPECT_EQ(bench.stored.at(id)->state, call::State::open);
  bench.end(answer(200));
  const auto again = bench.arrive({.key = "k"});
  ASSERT_EQ(bench.running.size(), 1U);
  EXPECT_TRUE(bench.started.back().request->body);
  bench.end(answer(200));
  EXPECT_EQ(bench.status(again), 200);
}

// As a journal may have it that an earlier version wrote.
TEST(KeyTableRow, an_open_call_without_its_body_takes_that_of_the_repeat) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, Row::open);
  bench.crash();
  auto bare = std::make_shared<call::Call>(*bench.only());
  auto request = std::make_shared<call::Request>(*bare->request);
  request->body = nullptr;
  bare->request = std::move(request);
  bench.stored[bare->id] = std::move(bare);
  bench.arrive({.key = "k"});
  ASSERT_EQ(bench.running.size(), 1U);
  EXPECT_TRUE(bench.started.back().request->body);
  EXPECT_TRUE(bench.only()->request->body) << "and it is written";
}

TEST(KeyTableRow, cancelled_is_409_effect_none) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  into(bench, Row::cancelled);
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(again), 409);
  EXPECT_TRUE(bench.is_code(again, "cancelled"));
  EXPECT_EQ(bench.field(again, "Holdfast-Effect"), "none");
}

TEST(KeyTableRow, tombstone_is_409_key_expired_with_its_verdict) {
  for (const auto verdict : {call::Effect::none, call::Effect::unknown, call::Effect::applied}) {
    Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
    call::KeyEntry stone;
    stone.owner = digest_of("alice");
    stone.fingerprint = digest_of("POST{\"a\":1}");
    stone.tombstone = true;
    stone.verdict = verdict;
    bench.tombstones[digest_of("key k")] = stone;
    for (const std::string body : {"{\"a\":1}", "other"}) {
      const auto again = bench.arrive({.key = "k", .body = body});
      EXPECT_EQ(bench.status(again), 409);
      EXPECT_TRUE(bench.is_code(again, "key-expired"));
      EXPECT_EQ(bench.field(again, "Holdfast-Effect"), to_string(verdict));
    }
    const auto other = bench.arrive({.key = "k", .owner = "mallory"});
    EXPECT_TRUE(bench.is_code(other, "key-owned-by-another"));
    EXPECT_TRUE(bench.started.empty());
  }
}

TEST(KeyTableRow, unreadable_key_is_503_and_nothing_is_sent) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  bench.fail_reads = true;
  const auto asked = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(asked), 503);
  EXPECT_TRUE(bench.is_code(asked, "journal-unavailable"));
  EXPECT_TRUE(bench.started.empty());
}

// Several requests under one key wait for one look-up, and the first of them ends at once: what the
// look-up told is old for the second.
TEST(KeyTableRow, requests_that_shared_a_look_up_do_not_act_on_old_news) {
  const auto tune = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    keyed(upstream);
    route.hold = call::Hold::on_failure;
    route.wait = Duration::seconds(2);
  };
  Bench fresh(tune);
  fresh.command(OperatorCommand::What::pause, {},
                [](auto& c) { c.pause_for = Duration::hours(1); });
  fresh.hold_reads = true;
  const auto a = fresh.arrive({.key = "k"});
  const auto b = fresh.arrive({.key = "k"});
  fresh.hold_reads = false;
  fresh.answer_reads();
  fresh.pass(Duration::seconds(3));
  EXPECT_EQ(fresh.stored.size(), 1U) << "one key, one call";
  EXPECT_TRUE(fresh.is_code(a, "held"));
  EXPECT_TRUE(fresh.is_code(b, "held"));

  Bench resumed(([](auto& upstream, auto&) { keyed(upstream); }));
  into(resumed, Row::open);
  resumed.command(OperatorCommand::What::pause, {},
                  [](auto& c) { c.pause_for = Duration::hours(1); });
  resumed.hold_reads = true;
  resumed.arrive({.key = "k"});
  resumed.arrive({.key = "k"});
  resumed.hold_reads = false;
  resumed.answer_reads();
  EXPECT_EQ(resumed.waiting_clients(), 0U);
  EXPECT_EQ(resumed.only()->state, call::State::open);
}

TEST(KeyTableRow, key_of_a_safe_method_is_forwarded_and_otherwise_ignored) {
  Bench bench(([](auto& upstream, auto&) { keyed(upstream); }));
  const auto first = bench.arrive({.key = "k", .body = "", .method = "GET"});
  const auto second = bench.arrive({.key = "k", .body = "", .method = "GET"});
  EXPECT_EQ(bench.running.size(), 2U);
  EXPECT_TRUE(bench.stored.empty());
  EXPECT_TRUE(bench.unanswered(first) && bench.unanswered(second));
}

const auto keyed_route = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  keyed(upstream);
  route.wait = Duration::seconds(3);
};

int events_of(const Bench& bench, call::Happening what) {
  const auto& events = bench.timeline.begin()->second;
  return static_cast<int>(std::count_if(events.begin(), events.end(),
                                        [&](const auto& event) { return event.what == what; }));
}

TEST(KeyTable, who_asked_again_stands_in_the_timeline_up_to_a_bound) {
  Bench bench(keyed_route);
  bench.arrive({.key = "a"});
  bench.arrive({.key = "a", .body = "other"});
  bench.end(answer(201));
  bench.arrive({.key = "a"});
  bench.arrive({.key = "a", .body = "other"});
  bench.arrive({.key = "a", .owner = "mallory"});
  EXPECT_EQ(events_of(bench, call::Happening::replayed), 1);
  EXPECT_EQ(events_of(bench, call::Happening::key_mismatch), 2);
  EXPECT_EQ(events_of(bench, call::Happening::stranger_refused), 1);
  EXPECT_EQ(bench.timeline.begin()->second.back().who, call::Actor::client);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(bench.status(bench.arrive({.key = "a"})), 201);
  EXPECT_EQ(bench.only()->asked_again, call::kAskedAgainMax);
  EXPECT_EQ(bench.timeline.begin()->second.size(), 4U + call::kAskedAgainMax);
}

// A client that repeats without any key joins its own request while that is under way or in doubt,
// and nothing else.
TEST(DerivedKey, joins_what_is_under_way) {
  Bench bench(keyed_route);
  const auto first = bench.arrive({.derived = true});
  const auto twin = bench.arrive({.derived = true});
  const auto other = bench.arrive({.body = "other", .derived = true});
  ASSERT_EQ(bench.running.size(), 2U);
  const auto& start = bench.running.begin()->second;
  EXPECT_EQ(find_field(start.request->fields, "Idempotency-Key")->value, "hf-" + start.call.text());
  bench.end(bench.running.begin()->first, answer(201));
  EXPECT_EQ(bench.status(first), 201);
  EXPECT_EQ(bench.status(twin), 201);
  EXPECT_TRUE(bench.unanswered(other));
  // What has ended is over: the next one is a call of its own.
  bench.arrive({.derived = true});
  EXPECT_EQ(bench.running.size(), 2U);
  EXPECT_EQ(bench.stored.size(), 3U);
}

TEST(DerivedKey, resumes_what_is_in_doubt_within_its_window) {
  for (const bool late : {false, true}) {
    Bench bench(keyed_route);
    const auto first = bench.arrive({.derived = true});
    while (bench.unanswered(first)) {
      if (!bench.running.empty()) bench.end(lost());
      bench.pass_to_attempt(Duration::millis(100));
    }
    ASSERT_EQ(bench.stored.size(), 1U);
    EXPECT_EQ(bench.only()->state, call::State::open);
    bench.crash();
    bench.pass(late ? Duration::minutes(2) : Duration::seconds(5));
    bench.arrive({.derived = true});
    EXPECT_EQ(bench.stored.size(), late ? 2U : 1U);
    ASSERT_EQ(bench.running.size(), 1U);
    bench.end(answer(200));
  }
}

TEST(DerivedKey, what_surely_was_not_applied_is_not_joined) {
  Bench bench(keyed_route);
  const auto first = bench.arrive({.derived = true});
  while (bench.unanswered(first)) {
    if (!bench.running.empty()) bench.end(not_connected());
    bench.pass_to_attempt(Duration::millis(100));
  }
  EXPECT_EQ(bench.only()->state, call::State::dead);
  bench.arrive({.derived = true});
  EXPECT_EQ(bench.stored.size(), 2U);
}

// An operator sends the first one again while another call has its identity: that one keeps it.
TEST(DerivedKey, an_ended_call_does_not_take_it_back) {
  Bench bench(keyed_route);
  const auto first = bench.arrive({.derived = true});
  while (bench.unanswered(first)) {
    if (!bench.running.empty()) bench.end(not_connected());
    bench.pass_to_attempt(Duration::millis(100));
  }
  const CallId ended = bench.only()->id;
  const auto second = bench.arrive({.derived = true});
  ASSERT_EQ(bench.running.size(), 1U);
  const CallId running = bench.running.begin()->second.call;
  ASSERT_NE(running, ended);
  EXPECT_TRUE(bench.command(OperatorCommand::What::retry, ended).ok);
  bench.pass(Duration::seconds(1));
  const auto twin = bench.arrive({.derived = true});
  for (const auto& [id, start] : std::map(bench.running)) {
    if (start.call == ended) bench.end(id, answer(202));
  }
  const auto third = bench.arrive({.derived = true});
  EXPECT_TRUE(bench.unanswered(twin));
  ASSERT_EQ(bench.running.size(), 1U);
  bench.end(answer(201));
  for (const auto exchange : {second, twin, third})
    EXPECT_EQ(bench.status(exchange), 201);
  EXPECT_EQ(bench.stored.size(), 2U);
}

}  // namespace
}  // namespace hf::engine
