// The owner's and the operator's words.
#include "call/operator_word.h"
#include "engine/test_scenes.h"

namespace hf::engine {
namespace {

using What = OperatorCommand::What;
using AskWhat = call::CallAsk::What;

TEST(Ask, delete_of_each_state) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "proven"});
  bench.end(not_connected());
  const CallId id = bench.only()->id;
  EXPECT_EQ(bench.status(bench.ask(AskWhat::cancel, id, "mallory")), 404);
  EXPECT_EQ(bench.status(bench.ask(AskWhat::status, id, "mallory")), 404);
  EXPECT_EQ(bench.status(bench.ask(AskWhat::status, CallId{})), 404);
  const auto cancelled = bench.ask(AskWhat::cancel, id);
  EXPECT_EQ(bench.status(cancelled), 200);
  EXPECT_TRUE(bench.says(cancelled, "cancelled"));
  const auto twice = bench.ask(AskWhat::cancel, id);
  EXPECT_TRUE(bench.is_code(twice, "already-ended"));
}

TEST(Ask, delete_of_an_unresolved_call_makes_it_unknown) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(lost());
  const auto asked = bench.ask(AskWhat::cancel, bench.only()->id);
  EXPECT_EQ(bench.status(asked), 409);
  EXPECT_TRUE(bench.is_code(asked, "outcome-unknown"));
  EXPECT_EQ(bench.only()->state, call::State::unknown);
}

TEST(Ask, delete_while_an_attempt_runs_allows_no_further_one) {
  for (const bool proven : {true, false}) {
    for (const int status : {0, 401, 409}) {
      Bench bench([](auto& upstream, auto& route) {
        keyed(upstream);
        route.hold = call::Hold::always;
      });
      bench.arrive({.key = "k"});
      const auto asked = bench.ask(AskWhat::cancel, bench.only()->id);
      EXPECT_EQ(bench.status(asked), 202);
      bench.end(status != 0 ? answer(status) : proven ? not_connected() : lost());
      EXPECT_EQ(bench.only()->state,
                proven || status != 0 ? call::State::cancelled : call::State::unknown);
      bench.pass(Duration::hours(30));
      EXPECT_EQ(bench.started.size(), 1U);
    }
  }
}

TEST(Ask, delete_while_the_body_is_read_sends_nothing) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  bench.pass(Duration::seconds(3));
  bench.crash();
  bench.hold_reads = true;
  bench.pass(Duration::minutes(1));
  while (!bench.reads.empty() && !std::holds_alternative<ReadCall>(bench.reads.front())) {
    bench.answer_read();
    bench.pass(Duration::minutes(1));
  }
  ASSERT_FALSE(bench.reads.empty());
  const auto asked = bench.ask(AskWhat::cancel, bench.only()->id);
  bench.hold_reads = false;
  bench.answer_reads();
  EXPECT_NE(bench.status(asked), 0);
  EXPECT_EQ(bench.started.size(), 1U);
  EXPECT_EQ(bench.only()->state, call::State::cancelled);
}

TEST(Ask, two_deletes_that_share_a_read_do_not_act_on_old_news) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  bench.pass(Duration::seconds(3));
  bench.hold_reads = true;
  const auto a = bench.ask(AskWhat::cancel, bench.only()->id);
  const auto b = bench.ask(AskWhat::cancel, bench.only()->id);
  bench.hold_reads = false;
  bench.answer_reads();
  EXPECT_EQ(bench.status(a), 200);
  EXPECT_TRUE(bench.is_code(b, "already-ended"));
}

TEST(Ask, response_before_the_end_is_202) {
  Bench bench(kKeyedHold);
  bench.arrive({.key = "k"});
  bench.end(lost());
  EXPECT_EQ(bench.status(bench.ask(AskWhat::response, bench.only()->id)), 202);
}

TEST(Operator, unknown_is_resolved_not_retried) {
  Bench bench;
  bench.arrive({.key = "k"});
  bench.end(lost());
  const CallId id = bench.only()->id;
  ASSERT_EQ(bench.only()->state, call::State::unknown);
  EXPECT_FALSE(bench.command(What::retry, id).ok);
  EXPECT_FALSE(bench.command(What::cancel, id).ok);
  EXPECT_EQ(bench.engine().stats(bench.now).unknown_calls, 1U);
  EXPECT_TRUE(bench.command(What::resolve_not_applied, id).ok);
  EXPECT_EQ(bench.only()->state, call::State::dead);
  EXPECT_EQ(bench.only()->proof, call::Proof::operator_word);
  EXPECT_EQ(bench.engine().stats(bench.now).unknown_calls, 0U);
  bench.may_have_applied.clear();
  bench.pass(Duration::minutes(10));  // no alarm of earlier days may help
  EXPECT_TRUE(bench.command(What::retry, id).ok);
  EXPECT_TRUE(bench.pass_to_attempt(Duration::millis(10)));
  EXPECT_FALSE(bench.command(What::resolve_applied, id).ok) << "an attempt runs";
  EXPECT_FALSE(bench.command(What::resolve_applied, CallId{}).ok) << "no such call";
}

TEST(Operator, a_call_that_changed_since_it_was_looked_at_is_left_alone) {
  Bench bench;
  bench.arrive({.key = "k"});
  bench.end(lost());
  const CallId id = bench.only()->id;
  const std::uint64_t seen = bench.only()->epoch;
  const auto settle = [&] {
    return bench.command(What::resolve_not_applied, id, [&](auto& command) {
      command.if_epoch = seen;
      command.operation = "bulk 1";
    });
  };
  EXPECT_TRUE(settle().ok);
  const auto again = settle();
  EXPECT_FALSE(again.ok);
  EXPECT_EQ(again.message, call::kChangedMeanwhile);
  std::vector<std::string> operations;
  for (const auto& event : bench.timeline[id]) {
    if (event.who == call::Actor::operator_person) operations.push_back(event.where);
  }
  EXPECT_EQ(operations, (std::vector<std::string>{"bulk 1"}));
}

TEST(Operator, applied_with_an_answer_is_replayed) {
  Bench bench;
  bench.arrive({.key = "k"});
  bench.end(lost());
  bench.command(What::resolve_applied, bench.only()->id, [](auto& command) {
    call::Answer found;
    found.status = 200;
    found.body = make_body("found");
    command.answer = found;
  });
  const auto again = bench.arrive({.key = "k"});
  EXPECT_EQ(bench.status(again), 200);
  EXPECT_EQ(*bench.reply(again).body, "found");
}

}  // namespace
}  // namespace hf::engine
