// The contract of ports::Upstream: the way of an answer to its owner, and which connections are
// used again.
#include "sim/contract/upstream_contract.h"

namespace hf::sim::testing {
namespace {

template <typename Way>
class UpstreamAnswerContract : public UpstreamContract<Way> {};
TYPED_TEST_SUITE(UpstreamAnswerContract, Ways);

// The answer's way.

TYPED_TEST(UpstreamAnswerContract, AForwardedAnswerEndsWithItsLastByteTaken) {
  this->way.next({.body = "streamed"});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  EXPECT_FALSE(this->way.heads[id][0].overflow);
  const auto sink = std::make_shared<FakeSink>(false);
  this->forward(id, sink);
  this->way.run_until([&] { return sink->writes == 1; });
  this->way.settle();
  EXPECT_FALSE(this->way.ended(id)) << "the last piece has not been taken";
  sink->go();
  EXPECT_FALSE(this->way.ended(id)) << "raised from within";
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_TRUE(outcome.forwarded);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_EQ(sink->text, "streamed");
  EXPECT_EQ(this->way.heads[id].size(), 1U);
}

TYPED_TEST(UpstreamAnswerContract, AnEmptyAnswerForwardsNothing) {
  for (const int status : {200, 204}) {
    this->way.next({.answer = {status, {}}});
    const auto id = this->begin_and_await_head(this->way.spec(0));
    const auto sink = std::make_shared<FakeSink>();
    this->forward(id, sink);
    const auto outcome = this->end_of(id);
    expect(outcome, Evidence::answer_complete, Cause::none);
    EXPECT_FALSE(outcome.forwarded);
    EXPECT_EQ(sink->writes, 0);
  }
}

TYPED_TEST(UpstreamAnswerContract, ALargeAnswerFlowsAtTheClientsPace) {
  constexpr std::size_t kSize = 600'000;
  this->way.next({.body = std::string(kSize, 'x')});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  const auto sink = std::make_shared<FakeSink>(false);
  this->forward(id, sink);
  while (!this->way.ended(id) && !this->HasFailure()) {
    this->way.run_until([&] { return sink->pending || this->way.ended(id); });
    this->way.advance(kPatience * 2);  // a slow client is not the upstream's fault
    this->way.settle();
    if (sink->pending) sink->go();
  }
  expect(this->end_of(id), Evidence::answer_complete, Cause::none);
  EXPECT_EQ(sink->total, kSize);
  EXPECT_GT(sink->writes, 1);
}

TYPED_TEST(UpstreamAnswerContract, AClientThatIsGoneEndsAnAnswerThatIsNotWhole) {
  this->way.next({.body = "0123456789", .sends = 4, .then = Then::silent});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  const auto sink = std::make_shared<FakeSink>(false);
  this->forward(id, sink);
  this->way.run_until([&] { return sink->pending != nullptr; });
  sink->go(false);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_begun, Cause::cancelled);
  EXPECT_TRUE(outcome.forwarded);
}

TYPED_TEST(UpstreamAnswerContract, AClientThatIsGoneDoesNotHarmAWholeAnswer) {
  this->way.next({.body = "small"});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  const auto sink = std::make_shared<FakeSink>(false);
  this->forward(id, sink);
  this->way.run_until([&] { return sink->pending != nullptr; });
  sink->go(false);
  expect(this->end_of(id), Evidence::answer_complete, Cause::none);
}

TYPED_TEST(UpstreamAnswerContract, ACutForwardedAnswerTellsWhetherAByteWent) {
  for (const std::size_t sends : {std::size_t{0}, std::size_t{4}}) {
    this->way.next({.body = "0123456789", .sends = sends, .then = Then::closes});
    const auto id = this->begin_and_await_head(this->way.spec(0));
    const auto sink = std::make_shared<FakeSink>();
    this->forward(id, sink);
    const auto outcome = this->end_of(id);
    expect(outcome, Evidence::answer_begun, Cause::closed);
    EXPECT_EQ(outcome.forwarded, sends > 0);
    EXPECT_EQ(sink->total, sends);
  }
}

TYPED_TEST(UpstreamAnswerContract, BrokenFramingMayEndAnAnswerThatWaits) {
  this->way.next(
      {.body = "0123456789", .framing = Framing::chunked, .sends = 4, .spoils_framing = true});
  const auto id = this->begin(this->way.spec(0));
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_begun, Cause::invalid_answer);
  EXPECT_FALSE(outcome.forwarded);
  EXPECT_EQ(this->way.heads[id].size(), 1U) << "the head came first";
}

TYPED_TEST(UpstreamAnswerContract, AnAnswerMayBeCapturedAfterItsHead) {
  this->way.next({.answer = {500, {}}, .body = "looked at"});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  this->capture(id, kLarge);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(view(outcome.body), "looked at");
  EXPECT_FALSE(outcome.forwarded);
}

TYPED_TEST(UpstreamAnswerContract, ACaptureThatIsOutgrownWaitsAgain) {
  this->way.next({.body = "0123456789"});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  this->capture(id, 5);
  this->way.run_until([&] { return this->way.heads[id].size() == 2; });
  EXPECT_TRUE(this->way.heads[id][1].overflow);
  const auto sink = std::make_shared<FakeSink>();
  this->forward(id, sink);
  expect(this->end_of(id), Evidence::answer_complete, Cause::none);
  EXPECT_EQ(sink->text, "0123456789");
}

TYPED_TEST(UpstreamAnswerContract, ACaptureOfACutBodyIsNoBody) {
  this->way.next({.body = "0123456789", .sends = 4, .then = Then::closes});
  const auto id = this->begin_and_await_head(this->way.spec(0));
  this->capture(id, kLarge);
  const auto outcome = this->end_of(id);
  expect(outcome, Evidence::answer_begun, Cause::closed);
  EXPECT_EQ(outcome.body, nullptr);
}

TYPED_TEST(UpstreamAnswerContract, AnAnswerThatOutgrowsItsCaptureIsForwardedFromItsStart) {
  const std::string body(200'000, 'y');
  for (const Framing framing : {Framing::length, Framing::chunked}) {
    this->way.next({.body = body, .framing = framing});
    const auto id = this->begin_and_await_head(this->way.spec(1000));
    EXPECT_TRUE(this->way.heads[id][0].overflow);
    const auto sink = std::make_shared<FakeSink>();
    this->forward(id, sink);
    const auto outcome = this->end_of(id);
    expect(outcome, Evidence::answer_complete, Cause::none);
    EXPECT_TRUE(outcome.forwarded);
    EXPECT_EQ(outcome.body, nullptr);
    EXPECT_EQ(sink->text, body);
  }
}

TYPED_TEST(UpstreamAnswerContract, AnEventStreamIsNotCaptured) {
  this->way.next({.answer = {200, {{"Content-Type", "text/event-stream; charset=utf-8"}}},
                  .body = "data: 1\n\n",
                  .framing = Framing::chunked});
  const auto id = this->begin_and_await_head(this->way.spec());
  EXPECT_TRUE(this->way.heads[id][0].overflow);
  const auto sink = std::make_shared<FakeSink>();
  this->forward(id, sink);
  expect(this->end_of(id), Evidence::answer_complete, Cause::none);
  EXPECT_EQ(sink->text, "data: 1\n\n");
}

TYPED_TEST(UpstreamAnswerContract, WholeIfReadyTakesOnlyWhatIsThereWithItsLength) {
  const auto ready = [this] {
    auto spec = this->way.spec(0);
    spec.whole_if_ready = true;
    return spec;
  };
  this->way.next({.body = "small"});
  const auto outcome = this->run(ready());
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(view(outcome.body), "small");
  EXPECT_FALSE(outcome.forwarded);
  EXPECT_TRUE(this->way.heads.empty());
  PeerAct late{.body = "small", .at_once = false};
  PeerAct cut{.body = "small", .sends = 2, .then = Then::closes};
  PeerAct chunked{.body = "small", .framing = Framing::chunked};
  PeerAct bodyless{.answer = {204, {}}};
  for (PeerAct& act : std::vector<PeerAct>{late, cut, chunked, bodyless}) {
    this->way.next(act);
    const auto id = this->begin_and_await_head(ready());
    EXPECT_FALSE(this->way.heads[id][0].overflow);
    this->cancel(id);
    this->end_of(id);
    this->way.let_go_on();
  }
}

// Connections.

TYPED_TEST(UpstreamAnswerContract, AConnectionIsUsedAgain) {
  EXPECT_FALSE(this->run(PeerAct{.body = "one"}).reused);
  EXPECT_EQ(this->way.idle(), 1U);
  const auto second = this->run(PeerAct{.body = "two"});
  EXPECT_TRUE(second.reused);
  EXPECT_EQ(view(second.body), "two");
  EXPECT_EQ(this->way.accepted(), 1);
}

TYPED_TEST(UpstreamAnswerContract, NotWhenTheOtherEndSaysThatItIsTheLast) {
  this->run(PeerAct{.body = "one", .last = true});
  EXPECT_EQ(this->way.idle(), 0U);
}

TYPED_TEST(UpstreamAnswerContract, NotWhenMoreCameThanTheAnswer) {
  const auto outcome = this->run(PeerAct{.body = "one", .speaks_on = true});
  expect(outcome, Evidence::answer_complete, Cause::none);
  EXPECT_EQ(this->way.idle(), 0U);
}

TYPED_TEST(UpstreamAnswerContract, ACarefulRequestTakesOnlyAConnectionUsedLately) {
  for (const bool careful : {true, false}) {
    this->run(PeerAct{.body = "one"});
    this->way.advance(Duration::seconds(2));
    auto spec = this->way.spec();
    spec.careful_reuse = careful;
    EXPECT_EQ(this->run(std::move(spec)).reused, !careful);
  }
}

TYPED_TEST(UpstreamAnswerContract, AHintIsKeptWithAMargin) {
  this->run(PeerAct{.body = "one", .keep_alive = Duration::seconds(5)});
  this->way.advance(Duration::millis(4500));
  EXPECT_FALSE(this->run(this->way.spec()).reused);
}

TYPED_TEST(UpstreamAnswerContract, WhatHappenedToAnIdleConnectionIsFoundBeforeItIsReused) {
  for (const Stir stir : {Stir::closes, Stir::resets, Stir::speaks}) {
    this->run(PeerAct{.body = "one"});
    this->way.stir(stir);
    const auto outcome = this->run(PeerAct{.body = "two"});
    EXPECT_FALSE(outcome.reused);
    expect(outcome, Evidence::answer_complete, Cause::none);
    EXPECT_EQ(view(outcome.body), "two");
    this->way.stir(Stir::closes);
    this->way.run_until([this] { return this->way.idle() == 0; });
  }
}

TYPED_TEST(UpstreamAnswerContract, AReusedConnectionThatEndsUnderARequestIsSentAndNotSentAgain) {
  for (const bool careful : {true, false}) {
    for (const Then then : {Then::closes, Then::resets}) {
      this->run(PeerAct{.body = "one"});
      const int before = this->way.accepted();
      this->way.next({.head = Head::none, .then = then});
      auto spec = this->way.spec();
      spec.careful_reuse = careful;
      const auto outcome = this->run(std::move(spec));
      EXPECT_TRUE(outcome.reused);
      expect(outcome, Evidence::sent, then == Then::closes ? Cause::closed : Cause::reset);
      EXPECT_EQ(this->way.accepted(), before) << "nothing may be sent again silently";
    }
  }
}

// Whoever came later would read the answer of the one before.
TYPED_TEST(UpstreamAnswerContract, AnAbandonedExchangeTakesItsConnectionWithIt) {
  this->way.next({.body = "first", .at_once = false});
  const auto cut = this->begin_and_await_head(this->way.spec(0));
  this->cancel(cut);
  this->end_of(cut);
  this->way.let_go_on();
  EXPECT_EQ(this->way.idle(), 0U);
  this->way.next({.head = Head::none, .then = Then::silent});
  const auto timed_out = this->begin(this->way.spec());
  this->await_act(2);
  this->way.advance(kPatience);
  EXPECT_EQ(this->end_of(timed_out).cause, Cause::head_timeout);
  EXPECT_EQ(this->way.idle(), 0U);
  const auto later = this->run(PeerAct{.body = "later"});
  EXPECT_FALSE(later.reused);
  EXPECT_EQ(view(later.body), "later");
}

TYPED_TEST(UpstreamAnswerContract, AttemptsRunSideBySideEachOnItsOwnConnection) {
  this->way.next({.head = Head::none, .then = Then::silent});
  const auto waits = this->begin(this->way.spec());
  this->await_act();
  const auto other = this->run(PeerAct{.body = "other"});
  EXPECT_FALSE(other.reused);
  EXPECT_EQ(view(other.body), "other");
  EXPECT_FALSE(this->way.ended(waits));
  this->cancel(waits);
  EXPECT_EQ(this->end_of(waits).evidence, Evidence::sent);
}

}  // namespace
}  // namespace hf::sim::testing
