#include "call/selection.h"

#include <gtest/gtest.h>

#include <functional>

namespace hf::call {
namespace {

constexpr WallTime kBorn{1'800'000'000'000};

Call held() {
  Call out;
  out.id = CallId::make(kBorn, 1, 2);
  out.state = State::waiting;
  out.reason = WaitReason::breaker;
  out.held = true;
  out.route = "/v1/";
  out.upstream = "stripe";
  out.accepted.wall = kBorn;
  out.attempts = 3;
  out.last_cause = Cause::reset;
  out.last_status = 503;
  out.key = KeyUse{};
  out.key->identity.bytes[0] = 7;
  out.index = {{"customer", "cus_1", false}, {"card", "abc", true}};
  return out;
}

bool fits_with(const std::function<void(Selection&)>& change, const Call& call = held()) {
  Selection selection;
  change(selection);
  EXPECT_FALSE(selects_all(selection)) << "what restricts is no empty filter";
  return fits(call, selection);
}

TEST(Selection, NothingAskedFitsEverything) {
  EXPECT_TRUE(fits(held(), {}));
  EXPECT_TRUE(fits(Call{}, {}));
  EXPECT_TRUE(selects_all({}));
}

TEST(Selection, EachPartHasItsSay) {
  EXPECT_TRUE(fits_with([](auto& s) { s.states = {State::dead, State::waiting}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.states = {State::dead}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.reasons = {WaitReason::breaker}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.reasons = {WaitReason::backoff}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.upstreams = {"sms", "mail"}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.routes = {"/v1/"}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.routes = {"/v1"}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.effects = {Effect::pending}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.effects = {Effect::applied}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.causes = {Cause::reset}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.causes = {Cause::none}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.statuses = {{404, 404}, {500, 599}}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.statuses = {{500, 502}}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.attempts_min = 3; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.attempts_min = 4; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.attempts_max = 2; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.from = kBorn; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.until = kBorn; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.matches = {{"card", "4242", "abc"}}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.matches = {{"card", "abc", ""}}; }));
  EXPECT_TRUE(fits_with([](auto& s) { s.keys = {held().key->identity}; }));
  EXPECT_FALSE(fits_with([](auto& s) { s.keys.emplace(); }));
}

TEST(Selection, AReasonIsOfThoseThatWait) {
  Call sending = held();
  sending.state = State::sending;
  EXPECT_FALSE(fits_with([](auto& s) { s.reasons = {WaitReason::breaker}; }, sending));
}

TEST(Selection, TheAnswerIsTheLastOne) {
  Call answered = held();
  answered.answer = Answer{};
  answered.answer->status = 201;
  EXPECT_EQ(last_answer_status(answered), 201);
  EXPECT_FALSE(fits_with([](auto& s) { s.statuses = {{503, 503}}; }, answered));
}

TEST(Selection, AsOfAMoment) {
  Selection selection;
  selection.as_of = kBorn;
  EXPECT_TRUE(selects_all(selection)) << "a moment alone is no filter";
  EXPECT_TRUE(fits(held(), selection));
  Call dead = held();
  dead.state = State::dead;
  dead.ended = Stamp{kBorn + Duration::seconds(9), {}, {}};
  EXPECT_FALSE(fits(dead, selection));
  selection.as_of = kBorn + Duration::seconds(9);
  EXPECT_TRUE(fits(dead, selection));
  Call retried = dead;  // by somebody else, since then
  retried.state = State::waiting;
  retried.ended.reset();
  retried.accepted.wall = kBorn + Duration::seconds(10);
  EXPECT_FALSE(fits(retried, selection));
}

TEST(Selection, WordsReadBack) {
  EXPECT_EQ(parse_reason("set_aside"), WaitReason::set_aside);
  EXPECT_FALSE(parse_reason("none"));
  EXPECT_EQ(parse_effect("applied"), Effect::applied);
  EXPECT_EQ(parse_cause("head_timeout"), Cause::head_timeout);
  for (int i = 0; i <= static_cast<int>(kLastCause); ++i) {
    const auto cause = static_cast<Cause>(i);
    EXPECT_EQ(parse_cause(to_string(cause)), cause);
  }
  EXPECT_FALSE(parse_cause("tired"));
  EXPECT_EQ(known_effects(), "none, unknown, pending, applied");
  EXPECT_EQ(known_states(),
            "waiting, sending, verifying, unknown, open, answered, dead, cancelled");
}

}  // namespace
}  // namespace hf::call
