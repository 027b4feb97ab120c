// What the driver may rely on from ports::Upstream, the same for the simulated way out and the real
// one: how requests get there, and what is known when they do not.
#include <gmock/gmock.h>

#include "sim/contract/upstream_contract.h"

namespace hf::sim::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TYPED_TEST_SUITE(UpstreamContract, Ways);

TYPED_TEST(UpstreamContract, ARefusedConnectionSentNothing) {
  const auto outcome = this->run(this->way.refused_spec());
  expect(outcome, Evidence::nothing_sent, Cause::connect_refused);
  EXPECT_EQ(outcome.bytes_sent, 0U);
  EXPECT_FALSE(outcome.first_byte_at.has_value());
  EXPECT_EQ(outcome.head.status, 0);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_NE(outcome.authority, "");
}

TYPED_TEST(UpstreamContract, AResetIsSentWhateverWasRead) {
  for (const Reads reads : {Reads::nothing, Reads::head, Reads::all}) {
    const auto outcome =
        this->run(PeerAct{.reads = reads, .head = Head::none, .then = Then::resets});
    expect(outcome, Evidence::sent, Cause::reset);
    EXPECT_GT(outcome.bytes_sent, 0U);
    EXPECT_TRUE(outcome.first_byte_at.has_value());
    EXPECT_EQ(outcome.head.status, 0);
  }
}

TYPED_TEST(UpstreamContract, ACloseWithoutAnAnswerIsSent) {
  expect(this->run(PeerAct{.head = Head::none, .then = Then::closes}), Evidence::sent,
         Cause::closed);
  // With something unread the end is a reset.
  expect(this->run(PeerAct{.reads = Reads::head, .head = Head::none, .then = Then::closes}),
         Evidence::sent, Cause::reset);
}

TYPED_TEST(UpstreamContract, SilenceIsEndedByTheHeadTimeout) {
  const auto outcome = this->run_into_silence({.head = Head::none, .then = Then::silent});
  expect(outcome, Evidence::sent, Cause::head_timeout);
  EXPECT_GE(outcome.took, kPatience);
  EXPECT_EQ(this->way.idle(), 0U);
}

TYPED_TEST(UpstreamContract, InterimAnswersAreNoAnswer) {
  for (const Then then : {Then::closes, Then::resets}) {
    expect(this->run(PeerAct{.interims = 2, .head = Head::none, .then = then}), Evidence::sent,
           then == Then::closes ? Cause::closed : Cause::reset);
  }
  const auto outcome = this->run(PeerAct{.interims = 2, .body = "then"});
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(outcome.head.status, 200);
  expect(this->run(PeerAct{.interims = 21, .body = "never"}), Evidence::sent,
         Cause::invalid_answer);
}

TYPED_TEST(UpstreamContract, InterimAnswersDoNotStopTheHeadTimeout) {
  expect(this->run_into_silence({.interims = 1, .head = Head::none, .then = Then::silent}),
         Evidence::sent, Cause::head_timeout);
}

TYPED_TEST(UpstreamContract, AWholeAnswerInEveryFraming) {
  for (const Framing framing : {Framing::length, Framing::chunked, Framing::until_close}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{300'000}}) {
      const Then then = framing == Framing::until_close ? Then::closes : Then::keeps;
      const std::string body(size, 'x');
      const auto outcome = this->run(
          PeerAct{.answer = {201, {{"X-A", "1"}}}, .body = body, .framing = framing, .then = then});
      expect(outcome, Evidence::answer_complete, Cause::none);
      EXPECT_EQ(outcome.head.status, 201);
      ASSERT_NE(find_field(outcome.head.fields, "X-A"), nullptr);
      ASSERT_NE(outcome.body, nullptr);
      EXPECT_EQ(view(outcome.body), body);
      EXPECT_FALSE(outcome.forwarded);
      EXPECT_EQ(outcome.authority, this->way.authority());
      EXPECT_TRUE(this->way.heads.empty());
    }
  }
}

TYPED_TEST(UpstreamContract, RefusalsAreAnswersAndKeepTheirFields) {
  const auto outcome =
      this->run(PeerAct{.answer = {429, {{"Retry-After", "2"}}}, .body = "slow down"});
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(outcome.head.status, 429);
  ASSERT_NE(find_field(outcome.head.fields, "Retry-After"), nullptr);
  EXPECT_EQ(find_field(outcome.head.fields, "Retry-After")->value, "2");
}

TYPED_TEST(UpstreamContract, FieldsThatEndHereAreDropped) {
  const auto outcome = this->run(PeerAct{
      .answer = {200, {{"Holdfast-Effect", "none"}, {"X-Hop", "1"}, {"Connection", "X-Hop"}}}});
  EXPECT_EQ(find_field(outcome.head.fields, "Holdfast-Effect"), nullptr);
  EXPECT_EQ(find_field(outcome.head.fields, "X-Hop"), nullptr);
}

TYPED_TEST(UpstreamContract, ACutBodyKeepsItsStatusAndNothingElse) {
  for (const Framing framing : {Framing::length, Framing::chunked}) {
    for (const Then then : {Then::closes, Then::resets}) {
      const auto outcome =
          this->run(PeerAct{.body = "0123456789", .framing = framing, .sends = 4, .then = then});
      expect(outcome, Evidence::answer_begun, then == Then::closes ? Cause::closed : Cause::reset);
      EXPECT_EQ(outcome.head.status, 200);
      EXPECT_EQ(outcome.body, nullptr);
    }
  }
}

TYPED_TEST(UpstreamContract, ABodyWithoutLengthIsWholeOnlyAfterACleanEnd) {
  const auto act = [](Then then) {
    return PeerAct{.body = "to the end", .framing = Framing::until_close, .then = then};
  };
  expect(this->run(act(Then::closes)), Evidence::answer_complete, Cause::none);
  expect(this->run(act(Then::resets)), Evidence::answer_begun, Cause::reset);
}

TYPED_TEST(UpstreamContract, ABodyThatStallsIsEndedByTheIdleTimeout) {
  const auto outcome =
      this->run_into_silence({.body = "0123456789", .sends = 4, .then = Then::silent});
  expect(outcome, Evidence::answer_begun, Cause::idle_timeout);
  EXPECT_EQ(outcome.head.status, 200);
  EXPECT_EQ(outcome.body, nullptr);
}

TYPED_TEST(UpstreamContract, BrokenFramingIsAnAnswerBegun) {
  const auto outcome = this->run(PeerAct{
      .body = "0123456789", .framing = Framing::chunked, .sends = 4, .spoils_framing = true});
  expect(outcome, Evidence::answer_begun, Cause::invalid_answer);
  EXPECT_EQ(outcome.head.status, 200);
  EXPECT_EQ(outcome.body, nullptr);
}

TYPED_TEST(UpstreamContract, WhatIsNoHttpIsSent) {
  const auto outcome = this->run(PeerAct{.head = Head::foreign});
  expect(outcome, Evidence::sent, Cause::invalid_answer);
  EXPECT_EQ(outcome.head.status, 0);
}

TYPED_TEST(UpstreamContract, AHeadThatBreaksShowsItsStatusOnly) {
  const call::AnswerHead answer{503, {{"X-A", "1"}}};
  auto outcome = this->run(PeerAct{.head = Head::broken, .answer = answer});
  expect(outcome, Evidence::answer_begun, Cause::invalid_answer);
  EXPECT_EQ(outcome.head.status, 503);
  EXPECT_THAT(outcome.head.fields, IsEmpty());
  for (const Then then : {Then::closes, Then::resets}) {
    outcome = this->run(PeerAct{.head = Head::half, .answer = answer, .then = then});
    expect(outcome, Evidence::answer_begun, then == Then::closes ? Cause::closed : Cause::reset);
    EXPECT_EQ(outcome.head.status, 503);
    EXPECT_THAT(outcome.head.fields, IsEmpty());
  }
}

TYPED_TEST(UpstreamContract, AHeadThatStallsIsEndedByTheHeadTimeout) {
  const auto outcome =
      this->run_into_silence({.head = Head::half, .answer = {200, {}}, .then = Then::silent});
  expect(outcome, Evidence::answer_begun, Cause::head_timeout);
  EXPECT_EQ(outcome.head.status, 200);
}

TYPED_TEST(UpstreamContract, AnAnswerWithoutBody) {
  this->way.request.method = "HEAD";
  this->way.request.body = nullptr;
  auto outcome = this->run(PeerAct{.body = "of a GET"});
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(view(outcome.body), "");
  outcome = this->run(PeerAct{.answer = {204, {}}});
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(this->way.accepted(), 1);
}

// The request.

TYPED_TEST(UpstreamContract, AnAnswerBeforeTheWholeRequestStopsIt) {
  const auto source = std::make_shared<FakeSource>(1'000'000);
  source->push(What::data, "abc");
  this->way.next({.reads = Reads::head, .answer = {413, {}}, .body = "big"});
  auto spec = this->way.spec();
  spec.body = source;
  const auto outcome = this->run(std::move(spec));
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(outcome.head.status, 413);
  EXPECT_TRUE(source->stopped);
  EXPECT_EQ(this->way.idle(), 0U) << "half a request is on that connection";
  EXPECT_THAT(this->way.requests(), IsEmpty());
}

TYPED_TEST(UpstreamContract, AResetInTheMiddleOfTheRequestIsSent) {
  this->way.request.body = make_body(std::string(32 << 20, 'x'));
  const auto outcome =
      this->run(PeerAct{.reads = Reads::head, .head = Head::none, .then = Then::resets});
  expect(outcome, Evidence::sent, Cause::reset);
  EXPECT_LT(outcome.bytes_sent, 32U << 20);
}

// The write that fails takes the reset with it, and the read that follows sees only an end.
TYPED_TEST(UpstreamContract, AResetIsNoCleanEndOfAnAnswerWithoutLength) {
  this->way.request.body = make_body(std::string(32 << 20, 'x'));
  const auto outcome = this->run(PeerAct{.reads = Reads::head,
                                         .body = "half of what it wanted to say",
                                         .framing = Framing::until_close,
                                         .then = Then::resets});
  expect(outcome, Evidence::answer_begun, Cause::reset);
  EXPECT_EQ(outcome.head.status, 200);
  EXPECT_EQ(outcome.body, nullptr);
}

TYPED_TEST(UpstreamContract, ARequestThatNobodyTakesIsEndedByTheIdleTimeout) {
  this->way.request.body = make_body(std::string(32 << 20, 'x'));
  const auto outcome =
      this->run_into_silence({.reads = Reads::head, .head = Head::none, .then = Then::silent});
  expect(outcome, Evidence::sent, Cause::idle_timeout);
  EXPECT_LT(outcome.bytes_sent, 32U << 20);
}

TYPED_TEST(UpstreamContract, AStreamedBodyArrivesInItsOrder) {
  for (const std::int64_t length : {6, -1}) {
    const auto source = std::make_shared<FakeSource>(length);
    source->push(What::data, "abc");
    auto spec = this->way.spec();
    spec.body = source;
    const auto id = this->begin(std::move(spec));
    this->way.run_until([&] { return source->asks == 2; });
    EXPECT_FALSE(this->way.ended(id)) << "it is not whole yet";
    source->push(What::data, "def");
    source->push(What::end);
    expect(this->end_of(id), Evidence::answer_complete, Cause::none);
    EXPECT_FALSE(source->stopped);
  }
  EXPECT_THAT(this->way.requests(), ElementsAre("abcdef", "abcdef"));
}

TYPED_TEST(UpstreamContract, AStreamedBodyThatBreaksOffIsTheClients) {
  for (const bool aborted : {true, false}) {
    const auto source = std::make_shared<FakeSource>(6);
    source->push(What::data, "abc");
    auto spec = this->way.spec();
    spec.body = source;
    const auto id = this->begin(std::move(spec));
    this->way.run_until([&] { return source->asks == 2; });
    source->push(aborted ? What::aborted : What::end);
    expect(this->end_of(id), Evidence::sent, Cause::client_body);
    EXPECT_EQ(this->way.idle(), 0U);
  }
}

TYPED_TEST(UpstreamContract, AStreamedBodyLongerThanDeclaredIsTheClients) {
  const auto source = std::make_shared<FakeSource>(2);
  source->push(What::data, "abc");
  auto spec = this->way.spec();
  spec.body = source;
  expect(this->run(std::move(spec)), Evidence::sent, Cause::client_body);
}

TYPED_TEST(UpstreamContract, WaitingForTheClientsBodyIsNotTheUpstreamsFault) {
  const auto source = std::make_shared<FakeSource>(3);
  auto spec = this->way.spec();
  spec.body = source;
  const auto id = this->begin(std::move(spec));
  this->way.run_until([&] { return source->asks == 1; });
  this->way.advance(kPatience * 10);
  this->way.settle();
  EXPECT_FALSE(this->way.ended(id));
  source->push(What::data, "abc");
  source->push(What::end);
  expect(this->end_of(id), Evidence::answer_complete, Cause::none);
}

// A body of which everything is kept.
class KeptSource final : public ports::BodySource {
 public:
  void read(Deliver deliver) override {
    if (std::exchange(given_, true)) return deliver(What::end, {});
    deliver(What::data, "kept");
  }
  void stop() override {}
  [[nodiscard]] bool replayable() const override { return true; }
  void rewind() override { given_ = false; }
  [[nodiscard]] std::int64_t length() const override { return 4; }

 private:
  bool given_ = false;
};

TYPED_TEST(UpstreamContract, AKeptStreamedBodyBeginsAnewWithEachAttempt) {
  const auto source = std::make_shared<KeptSource>();
  this->way.next({.head = Head::none, .then = Then::resets});
  for (const Evidence evidence : {Evidence::sent, Evidence::answer_complete}) {
    auto spec = this->way.spec();
    spec.body = source;
    EXPECT_EQ(this->run(std::move(spec)).evidence, evidence);
  }
  EXPECT_THAT(this->way.requests(), ElementsAre("kept", "kept"));
}

TYPED_TEST(UpstreamContract, ARefusedConnectionLeavesAStreamedBodyAlone) {
  const auto source = std::make_shared<FakeSource>(3);
  source->push(What::aborted);
  auto spec = this->way.refused_spec();
  spec.body = source;
  expect(this->run(std::move(spec)), Evidence::nothing_sent, Cause::connect_refused);
  EXPECT_EQ(source->asks, 0);
}

// Giving up.

TYPED_TEST(UpstreamContract, ACancelBeforeTheConnectionSentNothing) {
  const auto id = this->begin(this->way.spec());
  this->cancel(id);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::nothing_sent, Cause::cancelled);
  EXPECT_FALSE(outcome.first_byte_at.has_value());
  this->way.settle();
  EXPECT_THAT(this->way.requests(), IsEmpty());
}

TYPED_TEST(UpstreamContract, NothingLeavesOnceItIsTooLate) {
  for (const bool reused : {false, true}) {
    if (reused) expect(this->run(this->way.spec()), Evidence::answer_complete, Cause::none);
    const auto before = this->way.requests().size();
    auto spec = this->way.spec();
    spec.not_after = this->way.now();
    const auto outcome = this->run(std::move(spec));
    expect(outcome, Evidence::nothing_sent, Cause::cancelled);
    EXPECT_EQ(outcome.bytes_sent, 0U);
    EXPECT_FALSE(outcome.first_byte_at.has_value());
    this->way.settle();
    EXPECT_EQ(this->way.requests().size(), before);
  }
  auto spec = this->way.spec();
  spec.not_after = this->way.now() + kPatience;
  expect(this->run(std::move(spec)), Evidence::answer_complete, Cause::none);
}

TYPED_TEST(UpstreamContract, ACancelBeforeTheHeadIsSent) {
  this->way.next({.head = Head::none, .then = Then::silent});
  const auto id = this->begin(this->way.spec());
  this->await_act();
  this->cancel(id);
  this->cancel(id);  // twice is once
  EXPECT_FALSE(this->way.ended(id)) << "raised from within";
  expect(this->end_of(id), Evidence::sent, Cause::cancelled);
  EXPECT_EQ(this->way.idle(), 0U);
  this->cancel(id);
  this->cancel(AttemptId{4711});
  this->way.settle();
  EXPECT_EQ(this->way.ends.size(), 1U);
}

TYPED_TEST(UpstreamContract, ACancelAfterTheHeadKeepsTheHead) {
  this->way.next({.answer = {404, {}}, .body = "gone", .at_once = false});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  this->cancel(id);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_begun, Cause::cancelled);
  EXPECT_EQ(outcome.head.status, 404);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_FALSE(outcome.forwarded);
  EXPECT_EQ(this->way.idle(), 0U);
  this->way.let_go_on();
}

// The body came with the head, and nobody has said what becomes of it.
TYPED_TEST(UpstreamContract, ACancelAfterTheWholeAnswerKeepsTheEvidence) {
  this->way.next({.body = "small"});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  this->way.settle();
  EXPECT_FALSE(this->way.ended(id)) << "it waits for a word";
  this->cancel(id);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_complete, Cause::cancelled);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_EQ(this->way.idle(), 1U) << "that exchange was over";
}

TYPED_TEST(UpstreamContract, ACancelWhileForwardingTellsThatSomethingWent) {
  this->way.next({.body = "0123456789", .sends = 4, .then = Then::silent});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  const auto sink = std::make_shared<FakeSink>();
  this->forward(id, sink);
  this->way.run_until([&] { return sink->writes == 1; });
  this->cancel(id);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_begun, Cause::cancelled);
  EXPECT_TRUE(outcome.forwarded);
}

TYPED_TEST(UpstreamContract, NothingIsForwardedAfterACancel) {
  this->way.next({.body = "small"});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  this->cancel(id);
  const auto sink = std::make_shared<FakeSink>();
  this->forward(id, sink);
  this->capture(id, kLarge);
  EXPECT_EQ(this->end_of(id).cause, Cause::cancelled);
  this->way.settle();
  EXPECT_EQ(sink->writes, 0);
}

TYPED_TEST(UpstreamContract, ACancelStopsTheSource) {
  const auto source = std::make_shared<FakeSource>(-1);
  auto spec = this->way.spec();
  spec.body = source;
  const auto id = this->begin(std::move(spec));
  this->way.run_until([&] { return source->asks == 1; });
  this->cancel(id);
  expect(this->end_of(id), Evidence::sent, Cause::cancelled);
  EXPECT_TRUE(source->stopped);
}

TYPED_TEST(UpstreamContract, NobodyHearsOfAnythingAfterItsOwner) {
  this->way.next({.head = Head::none, .then = Then::silent});
  const auto waits = this->begin(this->way.spec());
  this->await_act();
  this->way.next({.body = "small"});
  const auto has_head = this->begin_and_await_head(this->way.spec(0));
  this->cancel(waits);
  this->way.forget();
  this->way.settle();
  EXPECT_FALSE(this->way.ended(waits));
  EXPECT_FALSE(this->way.ended(has_head));
}

}  // namespace
}  // namespace hf::sim::testing
