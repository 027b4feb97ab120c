// Answers that mean something else than their status: what becomes of the call, live and held, with
// a journal and without one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/test_scenes.h"

namespace hf::engine {
namespace {

using call::AnswerRule;
using call::AnswerTest;
using call::Meaning;

const Fields kJson{{"Content-Type", "application/json"}};

AnswerRule says(const std::string& error, Meaning means) {
  AnswerRule out;
  out.status = {200};
  out.json = {{AnswerTest::Kind::equals, "/ok", {"false"}},
              {AnswerTest::Kind::equals, "/error", {error}}};
  out.means = means;
  return out;
}

void classify(call::UpstreamSettings& upstream) {
  upstream.classify = {says("limited", Meaning::refused), says("broken", Meaning::unresolved),
                       says("token", Meaning::credentials), says("wrong", Meaning::error)};
}

const auto kPlain = [](call::UpstreamSettings& upstream, call::RouteSettings&) {
  classify(upstream);
};
const auto kClassedKey = [](call::UpstreamSettings& upstream, call::RouteSettings&) {
  keyed(upstream);
  classify(upstream);
};
const auto kClassedHold = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  kKeyedHold(upstream, route);
  classify(upstream);
};

call::AttemptOutcome limited(Fields fields = {}) {
  fields.insert(fields.end(), kJson.begin(), kJson.end());
  return answer(200, std::string(kDidNothing) + R"(,"error":"limited"})", std::move(fields));
}
call::AttemptOutcome failed(const std::string& error) {
  return answer(200, R"({"ok":false,"error":")" + error + "\"}", kJson);
}
call::AttemptOutcome fine() {
  return answer(200, R"({"ok":true})", kJson);
}

CallId only_call(const Bench& bench) {
  EXPECT_EQ(bench.stored.size(), 1U);
  return bench.stored.empty() ? CallId{} : bench.stored.begin()->first;
}

std::string last_rule(const Bench& bench, const CallId& call) {
  std::string out;
  for (const auto& event : bench.timeline.at(call)) {
    if (event.what == call::Happening::attempt_ended) out = event.rule;
  }
  return out;
}

TEST(Classified, a_refusal_in_a_200_is_tried_again_after_its_pause) {
  Bench bench(kPlain);
  const auto asked = bench.arrive({.key = "k"});
  bench.end(limited({{"Retry-After", "2"}}));
  EXPECT_EQ(last_rule(bench, only_call(bench)), "classified-refusal");
  EXPECT_FALSE(bench.pass_to_attempt(Duration::millis(1900)));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(2)));
  bench.end(fine());
  EXPECT_EQ(bench.status(asked), 200);
  EXPECT_TRUE(bench.says(asked, R"({"ok":true})"));
}

TEST(Classified, a_refusal_that_is_all_there_is_says_that_nothing_was_done) {
  Bench bench([](auto& upstream, auto& route) {
    classify(upstream);
    route.retry.live_attempts = 1;
  });
  const auto asked = bench.arrive({.key = "k"});
  bench.end(limited());
  EXPECT_EQ(bench.status(asked), 200);
  EXPECT_EQ(bench.field(asked, "Holdfast-Effect"), "none");
}

TEST(Classified, without_a_journal_the_body_is_read_first) {
  Bench bench(kPlain);
  const auto asked = bench.arrive({.body = "x"});
  bench.head(bench.attempt(), 200, false, kJson);
  ASSERT_EQ(bench.words.size(), 1U);
  EXPECT_EQ(bench.words[0].second, "capture");
  EXPECT_TRUE(bench.forwards.empty());
  bench.end(limited());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(5)));
  bench.head(bench.attempt(), 200, false, kJson);
  EXPECT_EQ(bench.words.size(), 2U);
  bench.end(fine());
  EXPECT_EQ(bench.status(asked), 200);
}

TEST(Classified, what_is_too_large_or_of_another_kind_is_forwarded) {
  Bench bench(kPlain);
  const auto large = bench.arrive({.body = "x"});
  bench.head(bench.attempt(), 200, false, kJson);
  EXPECT_FALSE(bench.forwards.contains(large));
  bench.head(bench.attempt(), 200, true, kJson);
  EXPECT_TRUE(bench.forwards.contains(large));
  bench.end(forwarded_answer(200));
  const auto stream = bench.arrive({.body = "y"});
  bench.head(bench.attempt(), 200, false, {{"Content-Type", "text/event-stream"}});
  EXPECT_TRUE(bench.forwards.contains(stream));
  bench.end(forwarded_answer(200));
  const auto error = bench.arrive({.body = "z"});
  bench.head(bench.attempt(), 404, false, kJson);
  EXPECT_TRUE(bench.forwards.contains(error)) << "no rule is about this status";
}

TEST(Classified, a_200_that_leaves_doubt_is_not_sent_again_without_keys) {
  Bench bench(kPlain);
  const auto asked = bench.arrive({.key = "k"});
  bench.end(failed("broken"));
  EXPECT_EQ(bench.status(asked), 200) << "the upstream's own words";
  EXPECT_EQ(bench.field(asked, "Holdfast-Effect"), "unknown");
  EXPECT_EQ(bench.stored.at(only_call(bench))->state, call::State::unknown);
  bench.pass(Duration::seconds(30));
  EXPECT_EQ(bench.started.size(), 1U);
}

TEST(Classified, a_200_that_leaves_doubt_is_sent_again_under_its_key) {
  Bench bench(kClassedKey);
  const auto asked = bench.arrive({.key = "k"});
  bench.end(failed("broken"));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(5)));
  // An error as such would be the end of a call without doubt. Of this one it settles nothing.
  bench.end(failed("wrong"));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(5)));
  bench.end(fine());
  EXPECT_EQ(bench.status(asked), 200);
  EXPECT_TRUE(bench.says(asked, R"({"ok":true})"));
}

TEST(Classified, an_error_in_a_200_is_an_end) {
  Bench bench(kClassedKey);
  const auto asked = bench.arrive({.key = "k"});
  bench.end(failed("wrong"));
  EXPECT_EQ(bench.status(asked), 200);
  EXPECT_EQ(last_rule(bench, only_call(bench)), "classified-error");
  EXPECT_EQ(bench.stored.at(only_call(bench))->state, call::State::answered);
}

TEST(Classified, a_held_call_waits_for_credentials) {
  Bench bench(kClassedHold);
  bench.arrive({.key = "k"});
  bench.end(not_connected());
  bench.pass(Duration::seconds(3));
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  bench.end(failed("token"));
  const auto& stored = *bench.stored.at(only_call(bench));
  EXPECT_EQ(stored.state, call::State::waiting);
  EXPECT_EQ(stored.reason, call::WaitReason::credentials);
}

// ---- pauses

const auto kPausing = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  AnswerRule rule;
  rule.status = {403};
  rule.headers = {{AnswerTest::Kind::equals, "X-Remaining", {"0"}}};
  rule.means = Meaning::refused;
  rule.pause_until = "X-Reset";
  rule.pause = Duration::seconds(20);
  upstream.classify = {rule};
  route.wait = Duration::seconds(60);
};

// How long the second attempt was waited for, rounded down to a second.
std::int64_t paused_for(Fields fields) {
  Bench bench(kPausing);
  bench.arrive({.key = "k"});
  fields.push_back({"X-Remaining", "0"});
  const Instant before = bench.now.mono;
  for (auto& field : fields) {
    if (field.name == "X-Reset") {
      field.value = std::to_string(bench.now.wall.ms / 1000 + std::stoll(field.value));
    }
  }
  bench.end(answer(403, std::string(kDidNothing), fields));
  EXPECT_TRUE(bench.pass_to_attempt(Duration::seconds(50)));
  return (bench.now.mono - before).ms() / 1000;
}

TEST(Classified, a_refusal_tells_when_to_come_back) {
  EXPECT_EQ(paused_for({{"X-Reset", "7"}}), 7);
  EXPECT_EQ(paused_for({{"X-Reset", "7"}, {"Retry-After", "3"}}), 3) << "the standard goes first";
  EXPECT_EQ(paused_for({}), 20) << "what the rule knows";
  EXPECT_EQ(paused_for({{"Retry-After", "soon"}}), 20);
}

}  // namespace
}  // namespace hf::engine
