// Calls that go one after another, and when they may begin and must have ended.
#include <gtest/gtest.h>

#include "base/prng.h"
#include "engine/test_bench.h"

namespace hf::engine {
namespace {

using What = OperatorCommand::What;

const auto kKeyedHold = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  keyed(upstream);
  route.hold = call::Hold::on_failure;
  route.wait = Duration::seconds(2);
};
const auto kPauseHour = [](OperatorCommand& command) { command.pause_for = Duration::hours(1); };

std::string key_of(const StartAttempt& start) {
  const Field* field = find_field(start.request->fields, "Idempotency-Key");
  return field == nullptr ? std::string() : field->value;
}

std::shared_ptr<const call::Call> with_key(const Bench& bench, const std::string& key) {
  const auto found = bench.keys.find(digest_of("key " + key));
  return found == bench.keys.end() ? nullptr : bench.stored.at(found->second);
}

TEST(Order, live_calls_with_one_key_go_one_after_another) {
  Bench bench(kKeyedHold);
  const auto a = bench.arrive({.key = "a", .order = "x"});
  const auto b = bench.arrive({.key = "b", .order = "x"});
  const auto other = bench.arrive({.key = "c", .order = "y"});
  ASSERT_EQ(bench.running.size(), 2U);
  bench.end(bench.running.rbegin()->first, answer(200));
  EXPECT_EQ(bench.status(other), 200);
  EXPECT_EQ(key_of(bench.running.begin()->second), "a");
  bench.end(answer(201));
  EXPECT_EQ(bench.status(a), 201);
  ASSERT_EQ(bench.running.size(), 1U);
  EXPECT_EQ(key_of(bench.running.begin()->second), "b");
  bench.end(answer(200));
  EXPECT_EQ(bench.status(b), 200);
  EXPECT_TRUE(bench.lines().empty());
}

TEST(Order, a_held_head_keeps_the_others_waiting_live_and_held) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "a", .order = "x"});
  bench.end(not_connected());
  bench.command(What::pause, {}, kPauseHour);
  const auto b = bench.arrive({.key = "b", .order = "x"});
  const auto c = bench.arrive({.key = "c", .async = true, .order = "x"});
  bench.pass(Duration::seconds(3));
  EXPECT_TRUE(bench.is_code(b, "held"));
  EXPECT_EQ(bench.status(c), 202);
  EXPECT_EQ(with_key(bench, "b")->reason, call::WaitReason::order);
  EXPECT_EQ(with_key(bench, "c")->reason, call::WaitReason::order);
  bench.command(What::resume);
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(10))) << key;
    ASSERT_EQ(bench.running.size(), 1U);
    EXPECT_EQ(key_of(bench.running.begin()->second), key);
    bench.end(answer(200));
  }
  EXPECT_TRUE(bench.lines().empty());
}

TEST(Order, an_unknown_head_blocks_its_key_until_a_person_has_settled_it) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.idempotency.mode = call::Mode::none;
  });
  bench.arrive({.key = "a", .order = "x"});
  const auto b = bench.arrive({.key = "b", .order = "x"});
  bench.end(lost());
  EXPECT_EQ(with_key(bench, "a")->state, call::State::unknown);
  bench.pass(Duration::hours(5));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_TRUE(bench.is_code(b, "held"));
  bench.crash();
  bench.pass(Duration::hours(5));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_TRUE(bench.command(What::resolve_not_applied, with_key(bench, "a")->id).ok);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  EXPECT_EQ(key_of(bench.running.begin()->second), "b");
}

TEST(Order, who_cannot_wait_is_refused_without_effect) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.wait = Duration::seconds(2);
  });
  bench.arrive({.key = "a", .order = "x"});
  const auto b = bench.arrive({.key = "b", .order = "x"});
  bench.pass(Duration::seconds(3));
  EXPECT_EQ(bench.status(b), 503);
  EXPECT_TRUE(bench.says(b, R"("effect":"none")"));
  bench.end(answer(200));
  EXPECT_TRUE(bench.running.empty());
  EXPECT_TRUE(bench.lines().empty());
}

TEST(Order, a_line_that_is_full_takes_nobody_and_says_so) {
  Bench bench(kKeyedHold);
  bench.hold_reads = true;
  const auto asked = bench.arrive({.key = "a", .order = "x"});
  while (!std::holds_alternative<ReadLine>(bench.reads.front()))
    bench.answer_read();
  LineRead read;
  read.line = std::get<ReadLine>(bench.reads.front()).line;
  read.more = true;
  bench.reads.clear();
  bench.step(std::move(read));
  EXPECT_TRUE(bench.is_code(asked, "overloaded"));
  EXPECT_TRUE(bench.says(asked, R"("limit":{"rule":"order_line","measured":10000,)"));
  EXPECT_EQ(bench.notes.back().what, "call_refused");
  EXPECT_EQ(bench.notes.back().detail, "order_line, 10000 calls, threshold 10000");
  EXPECT_TRUE(bench.running.empty());
}

TEST(Order, a_turn_that_was_cut_by_a_crash_is_given_after_the_start) {
  Bench bench(kKeyedHold);
  for (int line = 0; line < 7; ++line) {
    for (int i = 0; i < 3; ++i) {
      bench.arrive({.key = "k" + std::to_string(line * 10 + i),
                    .async = true,
                    .order = "line " + std::to_string(line)});
    }
  }
  // The head's end is synced, and the process dies before the next one is read.
  bench.hold_reads = true;
  std::map<std::string, int> next;
  const auto end_one = [&] {
    const auto key = key_of(bench.running.begin()->second);
    const std::string line = key.size() == 3 ? key.substr(0, 2) : "k0";
    EXPECT_EQ(key.back() - '0', next[line]++) << key;
    bench.end(bench.running.begin()->first, answer(200));
  };
  int ended = 0;
  for (; !bench.running.empty(); ++ended)
    end_one();
  EXPECT_GT(ended, 0);
  bench.hold_reads = false;
  bench.crash();
  for (; ended < 21; ++ended) {
    ASSERT_TRUE(!bench.running.empty() || bench.pass_to_attempt(Duration::minutes(5))) << ended;
    end_one();
  }
  EXPECT_TRUE(bench.lines().empty());
}

// Whatever happens, a call is attempted only when everybody acknowledged before it has ended.
TEST(Order, fifo_over_crashes_and_failures) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Prng prng(seed);
    Bench bench(kKeyedHold);
    std::map<std::string, std::vector<std::string>> acknowledged;
    std::size_t checked = 0;
    int made = 0;
    for (int i = 0; i < 400; ++i) {
      const auto roll = prng.below(100);
      if (roll < 35) {
        const std::string line = "line " + std::to_string(prng.below(3));
        const std::string key = "k" + std::to_string(made++);
        const auto client = bench.arrive({.key = key, .async = true, .order = line});
        if (bench.status(client) == 202) acknowledged[line].push_back(key);
      } else if (roll < 70 && !bench.running.empty()) {
        auto at = bench.running.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(prng.below(bench.running.size())));
        const auto ending = prng.below(10);
        bench.end(at->first, ending < 6 ? answer(200) : ending < 8 ? lost() : not_connected());
      } else if (roll < 97) {
        bench.pass(Duration::seconds(static_cast<std::int64_t>(prng.below(40))));
      } else {
        bench.crash();
      }
      for (; checked < bench.started.size(); ++checked) {
        const auto key = key_of(bench.started[checked]);
        for (const auto& [line, keys] : acknowledged) {
          const auto mine = std::find(keys.begin(), keys.end(), key);
          for (auto before = keys.begin(); mine != keys.end() && before != mine; ++before) {
            const auto state = with_key(bench, *before)->state;
            EXPECT_TRUE(call::terminal(state))
                << "seed " << seed << ": " << key << " before " << *before << " has ended";
          }
        }
      }
    }
    for (int i = 0; i < 2000 && !bench.lines().empty(); ++i) {
      if (bench.running.empty() && !bench.pass_to_attempt(Duration::hours(8))) break;
      bench.end(bench.running.begin()->first, answer(200));
    }
    EXPECT_TRUE(bench.lines().empty()) << "seed " << seed;
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Asked, not_before_is_held_until_then) {
  Bench bench(kKeyedHold);
  const auto client =
      bench.arrive({.key = "a", .async = true, .not_before = Duration::minutes(10)});
  EXPECT_EQ(bench.status(client), 202);
  EXPECT_EQ(bench.only()->reason, call::WaitReason::not_before);
  bench.crash();
  bench.command(What::resume);
  const auto again = bench.arrive({.key = "a"});
  EXPECT_FALSE(bench.pass_to_attempt(Duration::minutes(9)));
  EXPECT_TRUE(bench.is_code(again, "held"));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(2)));
  bench.end(answer(200));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

// As without it: 202 once it is on disk, however near its time is.
TEST(Asked, not_before_where_all_is_held_is_acknowledged_at_once) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    route.hold = call::Hold::always;
    route.wait = Duration::seconds(10);
  });
  const auto client = bench.arrive({.key = "a", .not_before = Duration::seconds(2)});
  EXPECT_EQ(bench.status(client), 202);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(3)));
  bench.end(answer(200));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

// After a reboot that set the clock behind the journal nobody knows how long ago it was asked.
TEST(Asked, a_deadline_of_before_a_reboot_with_the_clock_behind_is_over) {
  Bench bench(kKeyedHold);
  bench.command(What::pause, {}, [](auto& command) { command.pause_for = Duration::minutes(5); });
  bench.arrive({.key = "a", .async = true, .deadline = Duration::minutes(10)});
  bench.newest = bench.now.wall;
  bench.now.boot.value += 1;
  bench.now.mono = Instant{1'000'000};
  bench.now.wall = bench.now.wall - Duration::hours(1);
  bench.crash();
  EXPECT_FALSE(bench.pass_to_attempt(Duration::hours(3)));
  EXPECT_EQ(bench.only()->state, call::State::dead);
}

// A due call that waited in a page went out of it when somebody asked with its key in vain, and was
// not looked for again.
TEST(Asked, a_refused_request_does_not_lose_the_due_call_it_met) {
  Bench bench(kKeyedHold);
  bench.command(What::pause, {}, [](auto& command) { command.pause_for = Duration::minutes(5); });
  bench.arrive({.key = "a", .async = true});
  bench.crash();
  bench.pass(Duration::seconds(30));
  EXPECT_TRUE(bench.is_code(bench.arrive({.key = "a", .body = "other"}), "key-reused"));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(1)));
  bench.end(answer(200));
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

TEST(Asked, past_its_deadline_nothing_is_sent) {
  Bench bench(kKeyedHold);
  bench.command(What::pause, {}, kPauseHour);
  const auto held = bench.arrive({.key = "a", .deadline = Duration::minutes(10)});
  const auto also = bench.arrive({.key = "b", .async = true, .deadline = Duration::seconds(1)});
  EXPECT_EQ(bench.status(also), 202);
  bench.pass(Duration::hours(2));
  EXPECT_EQ(with_key(bench, "b")->state, call::State::dead);
  EXPECT_TRUE(bench.is_code(held, "held"));
  EXPECT_TRUE(bench.started.empty());
  EXPECT_EQ(with_key(bench, "a")->state, call::State::dead);
}

TEST(Asked, a_live_call_is_not_tried_again_after_its_deadline) {
  Bench bench([](auto& upstream, auto& route) {
    keyed(upstream);
    route.wait = Duration::seconds(60);
    route.retry.live_attempts = 100;
    route.retry.live_backoff = {Duration::millis(400), Duration::millis(400)};
  });
  const auto client = bench.arrive({.key = "a", .deadline = Duration::seconds(2)});
  const Instant begun = bench.now.mono;
  while (bench.unanswered(client)) {
    ASSERT_LT(bench.now.mono - begun, Duration::seconds(3));
    if (!bench.running.empty()) bench.end(not_connected());
    bench.pass_to_attempt(Duration::millis(10));
  }
  EXPECT_LE(bench.now.mono - begun, Duration::millis(2020));
  EXPECT_TRUE(bench.says(client, R"("effect":"none")"));
}

TEST(Asked, the_urgent_go_first_and_nobody_starves) {
  Bench bench([](auto& upstream, auto& route) {
    kKeyedHold(upstream, route);
    upstream.concurrency = 1;
  });
  bench.command(What::pause, {}, kPauseHour);
  for (int i = 0; i < 300; ++i) {
    bench.arrive({.key = "slow" + std::to_string(i), .async = true, .urgency = 7});
  }
  for (int i = 0; i < 40; ++i)
    bench.arrive({.key = "fast" + std::to_string(i), .async = true, .urgency = 0});
  bench.crash();
  bench.command(What::resume);
  std::vector<bool> fast;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(!bench.running.empty() || bench.pass_to_attempt(Duration::minutes(10)));
    fast.push_back(key_of(bench.running.begin()->second).starts_with("fast"));
    bench.end(bench.running.begin()->first, answer(200));
  }
  const auto count = [&](int from, int to) {
    return std::count(fast.begin() + from, fast.begin() + to, true);
  };
  EXPECT_EQ(count(0, 60), 40);
  EXPECT_GE(count(0, 46), 40) << "the urgent first";
  EXPECT_LT(count(0, 20), 20) << "but for a turn now and then";
}

}  // namespace
}  // namespace hf::engine
