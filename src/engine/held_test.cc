// Held calls: when they are sent, when they are not, and how they end.
#include "engine/test_scenes.h"

namespace hf::engine {
namespace {

using What = OperatorCommand::What;
using AskWhat = call::CallAsk::What;

const auto kOneHeldSlot = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  kKeyedHold(upstream, route);
  upstream.concurrency = 2;  // one slot for held calls while recovering
};

// So many calls are held and there is a crash: one of them is sent, the others are due, and wait in
// memory.
bool one_of_held_is_sent(Bench& bench, int calls) {
  for (int i = 0; i < calls; ++i) {
    bench.arrive({.key = "k" + std::to_string(i)});
    bench.end(not_connected());
  }
  bench.pass(Duration::seconds(3));
  bench.crash();
  if (!bench.pass_to_attempt(Duration::minutes(5))) return false;
  bench.pass(Duration::minutes(2));
  return true;
}

TEST(Held, always_answers_202_once_synced) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  });
  const auto asked = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(asked), 202);
  EXPECT_EQ(bench.field(asked, "Location"), "/.holdfast/calls/" + bench.only()->id.text());
  EXPECT_TRUE(bench.only()->held);
  bench.end(answer(200, "paid"));
  const auto response = bench.ask(AskWhat::response, bench.only()->id);
  EXPECT_EQ(bench.status(response), 200);
  EXPECT_EQ(*bench.reply(response).body, "paid");
}

TEST(Held, respond_async_is_held_now_and_wait_puts_it_off) {
  const auto on_failure = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    keyed(upstream);
    route.hold = call::Hold::on_failure;
  };
  Bench bench(on_failure);
  const auto now = bench.arrive({.key = "a", .async = true});
  EXPECT_EQ(bench.status(now), 202);
  const auto later = bench.arrive({.key = "b", .async = true, .wait = Duration::seconds(2)});
  EXPECT_TRUE(bench.unanswered(later));
  bench.pass(Duration::seconds(3));
  EXPECT_EQ(bench.status(later), 202);
  EXPECT_NE(bench.field(later, "Preference-Applied"), "");
}

TEST(Held, accepted_route_answers_202_when_a_call_becomes_held) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    route.held_answer = call::HeldAnswer::accepted;
  });
  const auto asked = bench.arrive({.key = "k", .stable = false});
  bench.end(lost());
  bench.pass(Duration::seconds(3));
  EXPECT_EQ(bench.status(asked), 202);
}

TEST(Held, not_held_after_a_final_answer_or_an_unresolved_end) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.idempotency.mode = call::Mode::none;
  });
  const auto final = bench.arrive({.key = "a"});
  bench.end(answer(422, "no"));
  EXPECT_EQ(bench.status(final), 422);
  bench.arrive({.key = "b"});
  bench.end(lost());
  for (const auto& [id, call] : bench.stored)
    EXPECT_FALSE(call->held);
}

TEST(Held, backlog_is_paged_loaded_and_sent_with_its_body) {
  Bench bench(kKeyedHold);
  for (int i = 0; i < 5; ++i) {
    bench.arrive({.key = "k" + std::to_string(i), .body = "body " + std::to_string(i)});
    bench.end(not_connected());
  }
  bench.pass(Duration::seconds(3));
  EXPECT_EQ(bench.waiting_clients(), 0U);
  bench.crash();
  EXPECT_EQ(bench.engine().stats(bench.now).active_calls, 0U);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
    bench.end(answer(200));  // the bench compares bodies with the first copy's
  }
  for (const auto& [id, call] : bench.stored)
    EXPECT_EQ(call->state, call::State::answered);
}

TEST(Held, a_backlog_behind_a_closed_gate_is_not_read_again_and_again) {
  Bench bench(kKeyedHold);
  bench.command(What::pause, {}, kPauseHour);
  for (int i = 0; i < 300; ++i)
    bench.arrive({.key = "k" + std::to_string(i)});
  bench.pass(Duration::seconds(3));
  // All of them due at once, and the upstream as a whole stands still.
  for (auto& [id, call] : bench.stored) {
    auto due = std::make_shared<call::Call>(*call);
    due->next_attempt_at = bench.now.wall;
    call = due;
  }
  bench.crash();
  bench.pages = 0;
  bench.pass(Duration::minutes(1));
  EXPECT_LE(bench.pages, 5);
  EXPECT_TRUE(bench.running.empty());
}

TEST(Held, a_page_of_calls_that_are_all_in_memory_is_not_read_again_and_again) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    route.wait = Duration::seconds(100);
  });
  bench.command(What::pause, {}, kPauseHour);
  for (int i = 0; i < 140; ++i)
    bench.arrive({.key = "k" + std::to_string(i)});
  for (auto& [id, call] : bench.stored) {
    auto due = std::make_shared<call::Call>(*call);
    due->next_attempt_at = bench.now.wall;
    call = due;
  }
  bench.hold_reads = true;
  bench.crash();
  for (int i = 0; i < 140; ++i)
    bench.arrive({.key = "k" + std::to_string(i)});
  bench.hold_reads = false;
  bench.answer_reads();
  EXPECT_EQ(bench.waiting_clients(), 140U);
  bench.pages = 0;
  bench.pass(Duration::seconds(20));
  EXPECT_LE(bench.pages, 25);
}

// Found by the bench: a page that held only calls under way already cost a second each time.
TEST(Held, a_due_backlog_drains_as_fast_as_its_attempts_end) {
  Bench bench(kKeyedHold);
  bench.command(What::pause, {}, kPauseHour);
  for (int i = 0; i < 600; ++i)
    bench.arrive({.key = "k" + std::to_string(i)});
  bench.pass(Duration::seconds(3));
  for (auto& [id, call] : bench.stored) {
    auto due = std::make_shared<call::Call>(*call);
    due->next_attempt_at = bench.now.wall;
    call = due;
  }
  bench.crash();
  bench.command(What::resume);
  const Instant begun = bench.now.mono;
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(!bench.running.empty() || bench.pass_to_attempt(Duration::minutes(5))) << i;
    bench.end(bench.running.begin()->first, answer(200));
  }
  EXPECT_LT(bench.now.mono - begun, Duration::millis(500));
}

TEST(Held, no_attempt_starts_after_its_keys_end_came_in_the_queue) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    upstream.concurrency = 1;
    upstream.idempotency.lifetime = Duration::hours(1);
    route.retry.live_attempts = 1;
  });
  bench.arrive({.key = "k"});
  const CallId id = bench.only()->id;
  bench.end(lost());
  bench.pass(Duration::hours(1) - Duration::seconds(43 + 2));
  bench.arrive({.key = "other"});
  const auto asked = bench.arrive({.key = "k"});
  bench.pass(Duration::seconds(3));
  ASSERT_TRUE(bench.unanswered(asked));
  bench.end(answer(200));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_EQ(bench.stored.at(id)->state, call::State::unknown);
  EXPECT_TRUE(bench.is_code(asked, "outcome-unknown"));
}

TEST(Held, a_paged_call_that_ended_meanwhile_is_not_sent) {
  Bench bench(kOneHeldSlot);
  ASSERT_TRUE(one_of_held_is_sent(bench, 3));
  const CallId busy = bench.running.begin()->second.call;
  for (const auto& [id, call] : std::map(bench.stored)) {
    if (id == busy || bench.running.size() > 1) continue;
    const auto asked = bench.ask(AskWhat::cancel, id);
    EXPECT_EQ(bench.status(asked), 200);
  }
  bench.end(answer(200));
  bench.pass(Duration::minutes(10));
  EXPECT_TRUE(bench.running.empty());
}

// Both wait for one read: the client that asks to cancel, and the attempt that needs the body. The
// attempt's end writes first, and what was read is old then.
TEST(Held, who_asked_for_a_call_before_it_was_loaded_and_ended_asks_anew) {
  Bench bench(kOneHeldSlot);
  ASSERT_TRUE(one_of_held_is_sent(bench, 2));
  ASSERT_EQ(bench.running.size(), 1U);
  const CallId busy = bench.running.begin()->second.call;
  CallId other = bench.stored.begin()->first;
  if (other == busy) other = bench.stored.rbegin()->first;

  bench.hold_reads = true;
  const auto early = bench.ask(AskWhat::cancel, other);
  ASSERT_TRUE(bench.unanswered(early));
  bench.end(answer(200));  // its slot is free: the other one is loaded
  ASSERT_TRUE(bench.running.empty());
  const auto late = bench.ask(AskWhat::cancel, other);
  EXPECT_EQ(bench.status(late), 202);
  bench.hold_reads = false;
  bench.answer_reads();
  EXPECT_EQ(bench.stored.at(other)->state, call::State::cancelled);
  EXPECT_EQ(bench.status(early), 409);
  EXPECT_TRUE(bench.running.empty());
}

// The client was told that there is no further attempt while the call was loaded for one, and a
// crash came before its end was written.
TEST(Held, a_cancelled_call_is_not_attempted_after_a_crash) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.concurrency = 2;  // one slot for held calls while recovering
  });
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  bench.pass(Duration::seconds(3));
  bench.crash();
  const CallId id = bench.only()->id;
  bench.hold_reads = true;
  for (int i = 0; i < 100 && !bench.only()->no_more_attempts; ++i) {
    bench.pass(Duration::seconds(10));
    const bool loading = !bench.reads.empty() && std::holds_alternative<ReadCall>(bench.reads[0]);
    if (loading) {
      EXPECT_EQ(bench.status(bench.ask(AskWhat::cancel, id)), 202);
    } else if (!bench.reads.empty()) {
      bench.answer_read();
    }
  }
  ASSERT_TRUE(bench.only()->no_more_attempts);
  bench.crash();
  bench.hold_reads = false;
  const auto again = bench.arrive({.key = "k"});  // its look-up brings the body
  bench.pass(Duration::minutes(10));
  EXPECT_TRUE(bench.is_code(again, "cancelled"));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_EQ(bench.only()->state, call::State::cancelled);
}

TEST(Held, a_pause_uses_up_none_of_the_schedule) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    route.retry.held = {Duration::minutes(1), Duration::hours(6)};
  });
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  bench.end(not_connected());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  bench.end(not_connected());  // the next step is six hours
  const WallTime due = bench.only()->next_attempt_at;
  bench.pass(due - bench.now.wall - Duration::minutes(1));
  bench.arrive({.key = "other", .stable = false});
  bench.end(answer(429, "", {{"Retry-After", "600"}}));  // pauses alice
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(15))) << "not after six more hours";
}

TEST(Held, credentials_refused_wait_and_are_noted) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  bench.end(answer(401));
  EXPECT_EQ(bench.only()->state, call::State::waiting);
  EXPECT_EQ(bench.only()->reason, call::WaitReason::credentials);
  EXPECT_TRUE(bench.noted("credentials_refused"));
}

TEST(Held, deadline_ends_in_dead_if_proven_and_in_unknown_if_not) {
  for (const bool proven : {true, false}) {
    Bench bench([](auto& upstream, auto& route) {
      kKeyedHold(upstream, route);
      upstream.idempotency.lifetime = Duration::hours(24 * 30);
      route.deadline = Duration::hours(2);
    });
    bench.arrive({.key = "k"});
    for (int i = 0; i < 50 && bench.only()->state != call::State::dead &&
                    bench.only()->state != call::State::unknown;
         ++i) {
      if (!bench.running.empty()) bench.end(proven ? not_connected() : lost());
      bench.pass_to_attempt(Duration::hours(1));
    }
    EXPECT_EQ(bench.only()->state, proven ? call::State::dead : call::State::unknown);
    EXPECT_EQ(bench.timeline[bench.only()->id].back().rule, "deadline");
  }
}

TEST(Held, its_stage_follows_schedule_and_time_and_its_end_is_counted) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.idempotency.lifetime = Duration::hours(24 * 30);
    route.deadline = Duration::hours(4);
    route.retry.held.assign(4, Duration::minutes(10));
  });
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  EXPECT_EQ(bench.only()->stage, 0);
  for (const int stage : {0, 1, 2}) {  // held attempts: 1, 2, 3 of 4 steps
    ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(20)));
    bench.end(not_connected());
    EXPECT_EQ(bench.only()->stage, stage);
  }
  for (int i = 0; i < 50 && bench.only()->state != call::State::dead; ++i) {
    if (!bench.running.empty()) bench.end(not_connected());
    bench.pass_to_attempt(Duration::hours(1));
  }
  EXPECT_EQ(bench.only()->state, call::State::dead);
  EXPECT_EQ(bench.engine().stats(bench.now).upstreams.at("up").exhausted, 1U);
}

TEST(Held, no_attempt_starts_in_the_margin_of_the_keys_end) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.idempotency.lifetime = Duration::hours(1);
    route.retry.held = {Duration::minutes(7)};
  });
  bench.arrive({.key = "k"});
  const WallTime first = bench.now.wall;
  for (int i = 0; i < 50 && bench.only()->state != call::State::unknown; ++i) {
    if (!bench.running.empty()) {
      EXPECT_LT(bench.now.wall - first, Duration::minutes(60) - Duration::seconds(43));
      bench.end(lost());
    }
    bench.pass_to_attempt(Duration::minutes(20));
  }
  EXPECT_EQ(bench.only()->state, call::State::unknown);
}

// However long its intent takes to be written.
TEST(Held, nothing_leaves_after_the_keys_last_moment) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.idempotency.lifetime = Duration::minutes(60);
    upstream.timeouts.head = Duration::seconds(30);
  });
  bench.arrive({.key = "k"});
  EXPECT_FALSE(bench.started.back().not_after) << "its lifetime has not begun";
  const Instant first = bench.now.mono;
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  ASSERT_TRUE(bench.started.back().not_after);
  EXPECT_EQ(*bench.started.back().not_after, first + Duration::minutes(60) - Duration::seconds(43));
}

TEST(Held, unresolved_goes_only_where_it_went) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(lost());
  bench.reload([](auto& upstream, auto&) { upstream.urls[0].host = "elsewhere.test"; });
  bench.pass(Duration::minutes(5));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_EQ(bench.only()->state, call::State::unknown);
}

TEST(Held, a_call_without_doubt_takes_the_key_field_that_is_declared_now) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  const auto old_field = bench.only()->key->field;
  bench.reload([](auto& upstream, auto&) { upstream.idempotency.header = "X-New-Key"; });
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  const auto& sent = bench.started.back().request->fields;
  ASSERT_NE(find_field(sent, "X-New-Key"), nullptr);
  EXPECT_EQ(find_field(sent, "X-New-Key")->value, bench.only()->key->value);
  EXPECT_EQ(find_field(sent, old_field), nullptr);
  // From here there is doubt, and what was declared then binds.
  bench.end(lost());
  bench.reload([&](auto& upstream, auto&) { upstream.idempotency.header = old_field; });
  bench.pass(Duration::minutes(5));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_EQ(bench.only()->state, call::State::unknown);
}

TEST(Held, a_call_without_doubt_is_not_sent_again_where_keys_are_no_longer_taken) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  bench.reload([](auto& upstream, auto&) { upstream.idempotency.mode = call::Mode::none; });
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  bench.end(lost());
  bench.reload([](auto& upstream, auto&) { upstream.idempotency.mode = call::Mode::key; });
  bench.pass(Duration::minutes(5));
  EXPECT_TRUE(bench.running.empty()) << "its copy met an upstream that took no key";
  EXPECT_EQ(bench.only()->state, call::State::unknown);
}

}  // namespace
}  // namespace hf::engine
