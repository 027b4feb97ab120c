// Calls whose outcome is asked for (DESIGN section 4, Verify). The bench fails by itself when a
// second copy of a call in doubt is sent.
#include <gtest/gtest.h>

#include "engine/test_bench.h"

namespace hf::engine {
namespace {

using call::Happening;
using What = OperatorCommand::What;

const std::string kNothing = R"({"data":[]})";
const std::string kDone = R"({"data":[{"id":"ch_1","status":"succeeded"}]})";

void verified(call::UpstreamSettings& upstream, call::RouteSettings& route) {
  upstream.idempotency.mode = call::Mode::verify;
  upstream.idempotency.settle = Duration::seconds(35);
  call::Lookup lookup;
  lookup.get = "/charges?ref={key}";
  lookup.found = "/data/0";
  lookup.where = {{"/status", {"succeeded"}}};
  lookup.answer = "/data/0";
  upstream.lookup = lookup;
  upstream.breaker.consecutive = 0;
  upstream.breaker.of_at_least = 1000;
  route.wait = Duration::seconds(100);
}
void verified_held(call::UpstreamSettings& upstream, call::RouteSettings& route) {
  verified(upstream, route);
  route.hold = call::Hold::on_failure;
  route.wait = Duration::seconds(3);
}

bool looks_up(const Bench& bench) {
  return !bench.running.empty() && bench.running.begin()->second.lookup;
}

// Ends a lookup, and says when the next question comes.
void say(Bench& bench, const std::string& body, int status = 200) {
  ASSERT_TRUE(looks_up(bench));
  bench.end(answer(status, body, {{"Content-Type", "application/json"}}));
}

// The truth of these worlds: nothing of it reached the upstream.
void never_applied(Bench& bench) {
  for (auto& [id, count] : bench.may_have_applied)
    count = 0;
}

int count(const Bench& bench, Happening what) {
  const auto& events = bench.timeline.begin()->second;
  return static_cast<int>(std::count_if(events.begin(), events.end(),
                                        [&](const auto& event) { return event.what == what; }));
}

TEST(Verify, a_lost_answer_is_asked_for_at_once_and_found) {
  Bench bench(verified);
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  EXPECT_EQ(bench.running.begin()->second.request->target, "/charges?ref=k1");
  EXPECT_TRUE(bench.unanswered(client));
  say(bench, kDone);
  EXPECT_EQ(bench.status(client), 200);
  EXPECT_TRUE(bench.says(client, R"({"id":"ch_1","status":"succeeded"})"));
  EXPECT_EQ(bench.field(client, "Content-Type"), "application/json");
  EXPECT_EQ(bench.field(client, "Holdfast-Effect"), "applied");
  EXPECT_EQ(bench.only()->state, call::State::answered);
  EXPECT_EQ(count(bench, Happening::looked_up), 1);
  // And again under its key: the same, marked.
  const auto again = bench.arrive({.key = "k1"});
  EXPECT_EQ(bench.status(again), 200);
  EXPECT_EQ(bench.field(again, "Idempotent-Replayed"), "true");
}

TEST(Verify, found_without_an_answer_to_give_says_outcome_applied) {
  Bench bench([](auto& upstream, auto& route) {
    verified(upstream, route);
    upstream.lookup->answer.reset();
  });
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  say(bench, kDone);
  EXPECT_EQ(bench.status(client), 409);
  EXPECT_TRUE(bench.is_code(client, "outcome-applied"));
  const auto again = bench.arrive({.key = "k1"});
  EXPECT_TRUE(bench.is_code(again, "outcome-applied"));
}

TEST(Verify, absence_counts_when_seen_twice_a_settle_apart) {
  Bench bench(verified);
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  const Instant ended = bench.now.mono;
  never_applied(bench);
  int lookups = 0;
  while (bench.pass_to_attempt(Duration::minutes(2)) && looks_up(bench)) {
    say(bench, kNothing);
    lookups += 1;
    ASSERT_LT(lookups, 40);
  }
  ASSERT_FALSE(bench.running.empty()) << "it may be sent again now";
  EXPECT_GE(bench.now.mono - ended, Duration::seconds(35));
  EXPECT_LT(bench.now.mono - ended, Duration::seconds(45));
  EXPECT_GE(lookups, 2);
  bench.end(answer(201, "made"));
  EXPECT_EQ(bench.status(client), 201);
  EXPECT_EQ(bench.only()->attempts, 2);
}

// A lookup tells of the moment at which it was asked, however long its answer takes.
TEST(Verify, an_absence_asked_for_early_and_told_late_proves_nothing) {
  Bench bench(verified);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  say(bench, kNothing);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(5)));
  bench.pass(Duration::seconds(40));
  say(bench, kNothing);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  EXPECT_TRUE(looks_up(bench));
}

TEST(Verify, what_shows_late_is_found_and_not_sent_again) {
  Bench bench(verified);
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
    say(bench, i < 4 ? kNothing : kDone);
  }
  EXPECT_EQ(bench.status(client), 200);
  EXPECT_EQ(bench.only()->attempts, 1);
}

TEST(Verify, something_that_does_not_fit_takes_absence_back) {
  Bench bench(verified);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  say(bench, kNothing);
  bench.pass(Duration::millis(100));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  say(bench, R"({"data":[{"status":"pending"}]})");
  EXPECT_FALSE(bench.only()->doubt.absent_since.has_value());
  // From here the thirty-five seconds begin anew.
  const Instant since = bench.now.mono;
  never_applied(bench);
  while (bench.pass_to_attempt(Duration::minutes(2)) && looks_up(bench))
    say(bench, kNothing);
  EXPECT_GE(bench.now.mono - since, Duration::seconds(35));
}

TEST(Verify, a_held_call_goes_on_without_its_client) {
  Bench bench(verified_held);
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  say(bench, kNothing);
  while (bench.unanswered(client)) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(10)) || !bench.unanswered(client));
    if (looks_up(bench)) say(bench, kNothing);
  }
  EXPECT_TRUE(bench.is_code(client, "held"));
  EXPECT_EQ(bench.only()->state, call::State::verifying);
  EXPECT_TRUE(bench.only()->held);
  while (bench.only()->state != call::State::answered) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
    ASSERT_TRUE(looks_up(bench));
    say(bench, bench.only()->doubt.lookups < 4 ? R"({"data":[{}]})" : kDone);
  }
  const auto again = bench.arrive({.key = "k1"});
  EXPECT_EQ(bench.status(again), 200);
  EXPECT_EQ(bench.only()->attempts, 1);
}

TEST(Verify, a_crash_anywhere_asks_again_and_sends_nothing) {
  for (int at = 0; at < 4; ++at) {
    Bench bench(verified_held);
    bench.arrive({.key = "k1"});
    if (at == 0) bench.crash();  // the copy is under way
    if (at > 0) bench.end(lost());
    if (at == 1) bench.crash();  // doubt is written, nothing asked yet
    if (at >= 2) {
      ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
      if (at == 2) bench.crash();  // the question is under way
      if (at == 3) {
        say(bench, kNothing);
        bench.crash();  // absent once
      }
    }
    const Instant since = bench.now.mono;
    bool sent = false;
    for (int i = 0; i < 20 && !sent; ++i) {
      // What was open is asked for again by its client.
      if (bench.only()->state == call::State::open) bench.arrive({.key = "k1"});
      if (!bench.pass_to_attempt(Duration::minutes(10))) continue;
      sent = !looks_up(bench);
      if (sent) break;
      if (bench.now.mono - since >= Duration::seconds(35)) never_applied(bench);
      say(bench, kNothing);
    }
    EXPECT_TRUE(sent) << at;
    EXPECT_GE(bench.now.mono - since, Duration::seconds(at == 3 ? 33 : 35)) << at;
  }
}

TEST(Verify, a_live_call_is_open_after_its_client_and_verified_first_when_it_comes_back) {
  Bench bench([](auto& upstream, auto& route) {
    verified(upstream, route);
    route.wait = Duration::seconds(2);
  });
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  while (bench.unanswered(client)) {
    if (bench.pass_to_attempt(Duration::seconds(5))) say(bench, kNothing);
  }
  EXPECT_TRUE(bench.is_code(client, "timeout"));
  EXPECT_TRUE(bench.says(client, R"("effect":"unknown")"));
  EXPECT_TRUE(bench.says(client, R"("safe_to_retry":true)"));
  EXPECT_EQ(bench.only()->state, call::State::open);
  bench.pass(Duration::minutes(1));
  EXPECT_TRUE(bench.running.empty()) << "nobody asks for it";
  bench.arrive({.key = "k1"});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::millis(10)));
  ASSERT_TRUE(looks_up(bench));
  never_applied(bench);
  say(bench, kNothing);  // the second time, a minute after the first
  ASSERT_FALSE(bench.running.empty() && !bench.pass_to_attempt(Duration::seconds(2)));
  EXPECT_FALSE(looks_up(bench));
  bench.end(answer(200));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

TEST(Verify, answers_that_say_nothing_end_in_unknown_without_a_second_copy) {
  Bench bench(verified_held);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  for (int i = 0; i < 100 && bench.only()->state != call::State::unknown; ++i) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(8)));
    ASSERT_TRUE(looks_up(bench));
    bench.end(i % 3 == 0 ? answer(502, "<html>") : i % 3 == 1 ? lost() : answer(200, "{"));
  }
  EXPECT_EQ(bench.only()->state, call::State::unknown);
  EXPECT_EQ(bench.only()->attempts, 1);
  EXPECT_TRUE(bench.noted("call_unknown"));
  const auto client = bench.arrive({.key = "k1"});
  EXPECT_TRUE(bench.is_code(client, "outcome-unknown"));
}

// The lookups that only wait out `settle` do not use up what is allowed to those that fail.
TEST(Verify, one_bad_answer_among_many_absences_does_not_end_the_asking) {
  Bench bench([](auto& upstream, auto& route) {
    verified_held(upstream, route);
    route.retry.held = {Duration::seconds(1), Duration::seconds(1)};
  });
  bench.arrive({.key = "k1"});
  bench.end(lost());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(5)));
    say(bench, kNothing);
  }
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(5)));
  bench.end(answer(502, "<html>"));
  EXPECT_EQ(bench.only()->state, call::State::verifying);
  never_applied(bench);
  while (bench.pass_to_attempt(Duration::minutes(2)) && looks_up(bench))
    say(bench, kNothing);
  bench.end(answer(201, "made"));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

TEST(Verify, lookups_wait_at_a_pause_and_take_no_budget) {
  Bench bench(verified_held);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  bench.command(What::pause, {}, [](auto& command) { command.pause_for = Duration::minutes(20); });
  EXPECT_FALSE(bench.pass_to_attempt(Duration::minutes(19)));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(10)));
  EXPECT_TRUE(looks_up(bench));
}

TEST(Verify, a_call_that_cannot_be_asked_about_is_one_of_mode_none) {
  Bench bench([](auto& upstream, auto& route) {
    verified_held(upstream, route);
    upstream.lookup->get = "/charges?ref={body:/ref}";
  });
  const auto client = bench.arrive({.key = "k1"});  // its body has no such member
  bench.end(lost());
  EXPECT_EQ(bench.only()->state, call::State::unknown);
  EXPECT_TRUE(bench.says(client, R"("effect":"unknown")"));
}

TEST(Verify, a_cancelled_call_is_settled_first) {
  Bench bench(verified_held);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  bench.pass(Duration::seconds(0));
  ASSERT_TRUE(looks_up(bench) || bench.pass_to_attempt(Duration::seconds(1)));
  const auto asked = bench.ask(call::CallAsk::What::cancel, bench.only()->id);
  EXPECT_EQ(bench.status(asked), 202);
  say(bench, kNothing);
  never_applied(bench);
  for (int i = 0; i < 20 && bench.only()->state != call::State::cancelled; ++i) {
    if (bench.pass_to_attempt(Duration::minutes(1))) say(bench, kNothing);
  }
  EXPECT_EQ(bench.only()->state, call::State::cancelled);
  EXPECT_EQ(bench.only()->attempts, 1);
}

// Its client was told that there is no further attempt: whether the lookups or a crash come
// between, none is made.
TEST(Verify, a_cancelled_live_call_gets_no_further_attempt) {
  for (const bool crashes : {false, true}) {
    Bench bench([](auto& upstream, auto& route) {
      verified(upstream, route);
      upstream.idempotency.mode = call::Mode::key;
      upstream.idempotency.lifetime = Duration::hours(24);
      route.wait = Duration::seconds(2);
      upstream.idempotency.replay_marker = "Idempotent-Replayed";
    });
    bench.arrive({.key = "k1"});
    bench.end(answer(500, "broken", {{"Idempotent-Replayed", "true"}}));
    ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
    ASSERT_TRUE(looks_up(bench));
    const auto asked = bench.ask(call::CallAsk::What::cancel, bench.only()->id);
    EXPECT_EQ(bench.status(asked), 202);
    if (crashes) {
      bench.crash();
    } else {
      say(bench, kNothing);
      while (bench.only()->state == call::State::open) {
        if (bench.pass_to_attempt(Duration::seconds(5))) say(bench, kNothing);
      }
    }
    const auto again = bench.arrive({.key = "k1"});
    EXPECT_TRUE(bench.is_code(again, "outcome-unknown")) << crashes;
    EXPECT_FALSE(bench.pass_to_attempt(Duration::minutes(10))) << crashes;
    EXPECT_EQ(bench.only()->state, call::State::unknown);
    EXPECT_EQ(bench.only()->attempts, 1);
  }
}

// After a reboot only the wall clock could tell how long ago an absence was seen, and it may have
// been set: the two absences must be of one boot.
TEST(Verify, an_absence_of_before_a_reboot_is_not_the_first_of_two) {
  Bench bench(verified_held);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  say(bench, kNothing);
  bench.now.boot.value += 1;
  bench.now.mono = Instant{1'000'000};
  bench.now.wall = bench.now.wall + Duration::minutes(10);
  bench.crash();
  if (bench.only()->state == call::State::open) bench.arrive({.key = "k1"});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(10)));
  ASSERT_TRUE(looks_up(bench));
  say(bench, kNothing);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(10)));
  EXPECT_TRUE(looks_up(bench));
}

TEST(Verify, a_change_of_place_parks_it) {
  Bench bench(verified_held);
  bench.arrive({.key = "k1"});
  bench.end(lost());
  bench.reload([](auto& upstream, auto&) {
    upstream.urls = {call::Url{false, "elsewhere.test", 80, ""}};
  });
  for (int i = 0; i < 5 && bench.only()->state != call::State::unknown; ++i) {
    ASSERT_FALSE(bench.pass_to_attempt(Duration::minutes(10))) << "asked at another place";
    if (bench.only()->state == call::State::open) bench.arrive({.key = "k1"});
  }
  EXPECT_NE(bench.only()->state, call::State::answered);
  EXPECT_TRUE(bench.only()->unresolved);
}

TEST(Verify, an_unjournaled_call_is_verified_while_its_client_waits) {
  Bench bench([](auto& upstream, auto& route) {
    verified(upstream, route);
    upstream.lookup->get = "/charges?ref={body:/a}";
  });
  const auto client = bench.arrive({});
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  EXPECT_EQ(bench.running.begin()->second.request->target, "/charges?ref=1");
  say(bench, kDone);
  EXPECT_EQ(bench.status(client), 200);
  EXPECT_TRUE(bench.stored.empty());
}

TEST(Verify, a_key_whose_time_is_over_is_asked_about_instead) {
  Bench bench([](auto& upstream, auto& route) {
    verified_held(upstream, route);
    upstream.idempotency.mode = call::Mode::key;
    upstream.idempotency.lifetime = Duration::minutes(10);
    upstream.idempotency.in_progress = {409};
    route.retry.held = {Duration::minutes(30)};
  });
  bench.arrive({.key = "k1"});
  while (!bench.running.empty() && !bench.only()->held)
    bench.end(lost()), bench.pass_to_attempt(Duration::seconds(3));
  if (!bench.running.empty()) bench.end(lost());
  const int copies = bench.only()->attempts;
  ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(2)));
  ASSERT_TRUE(looks_up(bench)) << "no copy after its lifetime";
  say(bench, kDone);
  EXPECT_EQ(bench.only()->state, call::State::answered);
  EXPECT_EQ(bench.only()->attempts, copies);
}

// Its client never came back: before its key goes the upstream is asked once more.
TEST(Verify, an_open_call_in_doubt_is_asked_about_before_its_key_goes) {
  enum class Said { found, absent, nothing_clear };
  for (const Said said : {Said::found, Said::absent, Said::nothing_clear}) {
    Bench bench([](auto& upstream, auto& route) {
      verified(upstream, route);
      route.wait = Duration::seconds(2);
    });
    const auto client = bench.arrive({.key = "k1"});
    bench.end(lost());
    while (bench.unanswered(client)) {
      if (bench.pass_to_attempt(Duration::seconds(5))) say(bench, kNothing);
    }
    ASSERT_EQ(bench.only()->state, call::State::open);
    bench.crash();
    ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(48)));
    const std::string body = said == Said::found    ? kDone
                             : said == Said::absent ? kNothing
                                                    : "<html>";
    for (int i = 0; i < 60 && bench.only()->state == call::State::open; ++i) {
      if (!bench.running.empty() || bench.pass_to_attempt(Duration::minutes(10))) say(bench, body);
    }
    EXPECT_EQ(bench.only()->state, said == Said::found    ? call::State::answered
                                   : said == Said::absent ? call::State::dead
                                                          : call::State::unknown);
    EXPECT_EQ(bench.only()->attempts, 1);
  }
}

// Found by the simulator (docs/simulation.md): it died instead, and its key brought it back to
// life.
TEST(Verify, a_call_cancelled_while_it_is_asked_about_at_its_end_is_cancelled) {
  Bench bench([](auto& upstream, auto& route) {
    verified(upstream, route);
    route.wait = Duration::seconds(2);
  });
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  while (bench.unanswered(client)) {
    if (bench.pass_to_attempt(Duration::seconds(5))) say(bench, kNothing);
  }
  bench.crash();
  ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(48)));
  ASSERT_TRUE(looks_up(bench));
  EXPECT_EQ(bench.status(bench.ask(call::CallAsk::What::cancel, bench.only()->id)), 202);
  for (int i = 0; i < 60 && bench.only()->state == call::State::open; ++i) {
    if (!bench.running.empty() || bench.pass_to_attempt(Duration::minutes(10)))
      say(bench, kNothing);
  }
  EXPECT_EQ(bench.only()->state, call::State::cancelled);
  EXPECT_TRUE(bench.is_code(bench.arrive({.key = "k1"}), "cancelled"));
  EXPECT_EQ(bench.only()->attempts, 1);
}

// An outage leaves many in doubt whose keys go at the same time.
TEST(Verify, only_so_many_are_asked_about_at_their_end_at_once) {
  Bench bench([](auto& upstream, auto& route) {
    verified(upstream, route);
    route.wait = Duration::seconds(2);
    upstream.concurrency = 8;
  });
  for (int i = 0; i < 200; ++i) {
    bench.arrive({.key = "k" + std::to_string(i)});
    bench.end(lost());
    bench.pass_to_attempt(Duration::seconds(1));
    while (!bench.running.empty())
      bench.end(answer(502, "<html>"));
    bench.pass(Duration::seconds(3));
    while (!bench.running.empty())
      bench.end(answer(502, "<html>"));
  }
  for (auto& [id, call] : bench.stored) {
    auto due = std::make_shared<call::Call>(*call);
    due->next_attempt_at = bench.now.wall;
    call = due;
  }
  bench.crash();
  std::uint64_t most = 0;
  const auto left = [&] {
    return std::count_if(bench.stored.begin(), bench.stored.end(), [](const auto& entry) {
      return entry.second->state == call::State::open;
    });
  };
  EXPECT_EQ(left(), 200);
  for (int i = 0; i < 4000 && left() > 0; ++i) {
    most = std::max(most, bench.engine().stats(bench.now).active_calls);
    if (!bench.running.empty() || bench.pass_to_attempt(Duration::seconds(5)))
      bench.end(answer(200, kDone));
  }
  EXPECT_EQ(left(), 0);
  EXPECT_LE(most, 80U);
}

// It was not held, and does not become so because the journal could not be read.
TEST(Verify, an_open_call_that_cannot_be_read_at_its_end_steps_aside_as_it_is) {
  Bench bench([](auto& upstream, auto& route) {
    verified(upstream, route);
    route.wait = Duration::seconds(2);
    upstream.concurrency = 1;
  });
  const auto client = bench.arrive({.key = "k1"});
  bench.end(lost());
  while (bench.unanswered(client)) {
    if (bench.pass_to_attempt(Duration::seconds(5))) say(bench, kNothing);
  }
  ASSERT_EQ(bench.only()->state, call::State::open);
  bench.hold_reads = true;
  const auto read_on = [&bench] {
    int failed = 0;
    for (int i = 0; i < 100 && !bench.reads.empty(); ++i) {
      bench.fail_reads = std::holds_alternative<ReadCall>(bench.reads.front());
      failed += bench.fail_reads ? 1 : 0;
      bench.answer_read();
    }
    bench.fail_reads = false;
    return failed;
  };
  for (int i = 0; i < 1000 && read_on() == 0; ++i)
    bench.pass(Duration::hours(1));
  EXPECT_TRUE(bench.noted("call_unreadable"));
  EXPECT_EQ(bench.only()->state, call::State::open);
  EXPECT_FALSE(bench.only()->held);
  EXPECT_GE(bench.only()->next_attempt_at, bench.now.wall + Duration::minutes(30));
  // Its slot is free, and later it can be read.
  bench.hold_reads = false;
  ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(2)));
  ASSERT_TRUE(looks_up(bench));
  bench.end(answer(200, kDone));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

}  // namespace
}  // namespace hf::engine
