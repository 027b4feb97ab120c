// Calls of routes that only observe: sent once and at once whatever happens, judged beside that.
#include "runtime/relay.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "call/relayed.h"

namespace hf::runtime {
namespace {

struct SetClock final : ports::Clock {
  Now now{Instant{1'000'000'000}, WallTime{1'700'000'000'000}, BootId{1}};
  Now read() noexcept override { return now; }
};

struct Sink final : ports::AnswerSink {
  std::string text;
  std::function<void(bool)> ready;
  void write(std::string bytes, std::function<void(bool)> done) override {
    text += bytes;
    ready = std::move(done);
  }
};

struct Listeners final : ports::Clients {
  std::vector<std::pair<ExchangeId, call::Reply>> replies;
  std::map<ExchangeId, std::shared_ptr<Sink>> sinks;
  std::map<ExchangeId, bool> finished;
  void reply(ExchangeId id, call::Reply answer) override {
    replies.emplace_back(id, std::move(answer));
  }
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead) override {
    return sinks[id] = std::make_shared<Sink>();
  }
  void finish(ExchangeId id, bool complete) override { finished[id] = complete; }
};

struct Sender final : ports::Upstream {
  std::vector<ports::AttemptSpec> started;
  std::vector<AttemptId> cancelled;
  std::shared_ptr<ports::AnswerSink> sink;
  void start(ports::AttemptSpec spec) override { started.push_back(std::move(spec)); }
  void cancel(AttemptId id) override { cancelled.push_back(id); }
  void forward(AttemptId, std::shared_ptr<ports::AnswerSink> to) override { sink = std::move(to); }
  void capture(AttemptId, std::uint64_t) override {}
};

// What is not the relay's goes here.
struct Others final : ports::ClientEvents, ports::UpstreamEvents {
  int calls = 0, asks = 0, gone = 0, heads = 0, ends = 0;
  void on_call(ExchangeId, call::NewCall, std::shared_ptr<ports::BodySource>) override { ++calls; }
  void on_ask(ExchangeId, call::CallAsk) override { ++asks; }
  void on_gone(ExchangeId) override { ++gone; }
  void on_answer_head(AttemptId, call::AnswerHead, bool) override { ++heads; }
  void on_attempt_done(AttemptId, call::AttemptOutcome) override { ++ends; }
};

// A body that comes when the test says so.
struct Coming final : ports::BodySource {
  Deliver wanted;
  bool stopped = false;
  void read(Deliver deliver) override { wanted = std::move(deliver); }
  void stop() override {
    stopped = true;
    wanted = nullptr;
  }
  [[nodiscard]] bool replayable() const override { return true; }
  void rewind() override { ADD_FAILURE() << "nothing is sent twice"; }
  [[nodiscard]] std::int64_t length() const override { return -1; }
  void give(What what, std::string bytes = {}) {
    ASSERT_TRUE(wanted);
    std::exchange(wanted, nullptr)(what, std::move(bytes));
  }
};
using What = ports::BodySource::What;

class RelayTest : public testing::Test {
 protected:
  RelayTest() {
    auto upstream = std::make_shared<call::UpstreamSettings>();
    upstream->name = "up";
    upstream->urls = {call::Url{false, "up.test", 80, ""}};
    auto route = std::make_shared<call::RouteSettings>();
    route->upstream = "up";
    route->mode = call::RouteMode::observe;
    route->key.from = {{call::Part::Kind::body, "/order"}};
    route->limits.body = 100;
    auto settings = std::make_shared<call::Settings>();
    settings->upstreams["up"] = upstream;
    settings->routes = {route};
    intake_.emplace(settings, hasher());
    auto acts = std::make_shared<const call::Settings>(call::acting(*settings));
    RelayParts parts;
    parts.upstream = &sender_;
    parts.clients = &clients_;
    parts.clock = &clock_;
    parts.calls = &others_;
    parts.attempts = &others_;
    parts.intake = std::make_shared<const call::Intake>(acts, hasher());
    parts.settings = acts;
    parts.copies_max = 150;
    parts.ended = [this](const Passage& passage, const std::vector<engine::Sighting>& seen) {
      std::string words = passage.method + " " + passage.path;
      for (const auto& one : seen)
        words += "; " + std::string(to_string(one.would)) + " " + one.rule;
      ended_.push_back(std::move(words));
    };
    relay_.emplace(std::move(parts));
  }

  static call::Hasher hasher() { return call::Hasher{{9}}; }

  // A POST whose body is to come; gives its exchange.
  ExchangeId post(const std::shared_ptr<Coming>& body,
                  const std::string& target = "/pay?q=secret") {
    call::IncomingHead head;
    head.method = "POST";
    head.target = target;
    head.fields = {{"Host", "x"}, {"Content-Type", "application/json"}};
    head.has_body = body != nullptr;
    auto verdict = intake_->on_head(head);
    const ExchangeId id{next_++};
    relay_->on_call(id, std::get<call::Streamed>(verdict).call, body);
    return id;
  }
  AttemptId last() { return sender_.started.back().id; }
  // What the transport does with a body: asks on until its end. The spec of `sender_` owns it.
  void take(const std::shared_ptr<ports::BodySource>& body) { take_from(*body); }
  void take_from(ports::BodySource& body) {
    body.read([this, &body](What what, const std::string& bytes) {
      sent_ += bytes;
      if (what == What::data) take_from(body);
    });
  }
  void end(AttemptId id, call::Evidence evidence, int status = 0,
           call::Cause cause = call::Cause::none) {
    call::AttemptOutcome outcome;
    outcome.evidence = evidence;
    outcome.cause = cause;
    outcome.head.status = status;
    if (evidence == call::Evidence::answer_complete) outcome.body = make_body("ok");
    relay_->on_attempt_done(id, std::move(outcome));
  }

  SetClock clock_;
  Sender sender_;
  Listeners clients_;
  Others others_;
  std::optional<call::Intake> intake_;
  std::optional<Relay> relay_;
  std::vector<std::string> ended_;
  std::string sent_;
  std::uint64_t next_ = 1;
};

TEST_F(RelayTest, IsSentAtOnceAndJudgedWhenItsBodyIsThrough) {
  const auto body = std::make_shared<Coming>();
  const ExchangeId id = post(body);
  ASSERT_EQ(sender_.started.size(), 1U) << "before a byte of the body";
  EXPECT_EQ(sender_.started[0].capture_max, 0U);
  take(sender_.started[0].body);
  body->give(What::data, R"({"order":)");
  EXPECT_EQ(relay_->copies(), 9U);
  body->give(What::data, "7}");
  body->give(What::end);
  EXPECT_EQ(sent_, R"({"order":7})");
  EXPECT_EQ(relay_->copies(), 0U);
  end(last(), call::Evidence::answer_complete, 201);
  ASSERT_EQ(clients_.replies.size(), 1U);
  EXPECT_EQ(clients_.replies[0].first, id);
  EXPECT_EQ(clients_.replies[0].second.status, 201);
  EXPECT_EQ(ended_, std::vector<std::string>{"POST /pay"});

  const auto again = std::make_shared<Coming>();
  post(again);
  take(sender_.started[1].body);
  again->give(What::data, R"({"order":7})");
  again->give(What::end);
  end(last(), call::Evidence::answer_complete, 201);
  EXPECT_EQ(ended_.back(), "POST /pay; replay answered; doubled answered-twice");
  EXPECT_EQ(relay_->under_way(), 0U);
}

TEST_F(RelayTest, ABodyBeyondTheRoutesLimitFlowsOn) {
  const auto body = std::make_shared<Coming>();
  post(body);
  take(sender_.started[0].body);
  for (int i = 0; i < 20; ++i)
    body->give(What::data, std::string(10, 'x'));
  body->give(What::end);
  EXPECT_EQ(sent_.size(), 200U);
  EXPECT_EQ(relay_->copies(), 0U);
  end(last(), call::Evidence::answer_complete, 200);
  EXPECT_EQ(ended_.back(), "POST /pay; refuse body-too-large");
}

TEST_F(RelayTest, WithoutRoomForACopyItGoesUnseenAndIsSentAllTheSame) {
  const auto first = std::make_shared<Coming>();
  const auto second = std::make_shared<Coming>();
  post(first);
  take(sender_.started[0].body);
  first->give(What::data, std::string(90, 'a'));
  post(second);
  take(sender_.started[1].body);
  second->give(What::data, std::string(70, 'b'));
  EXPECT_EQ(relay_->copies(), 90U);
  second->give(What::end);
  EXPECT_EQ(sent_.size(), 160U);
  end(sender_.started[1].id, call::Evidence::answer_complete, 200);
  EXPECT_EQ(ended_.back(), "POST /pay; unseen memory");
  end(sender_.started[0].id, call::Evidence::answer_complete, 200);
  EXPECT_EQ(ended_.back(), "POST /pay; unseen body-not-read") << "answered before it was through";
  EXPECT_EQ(relay_->copies(), 0U);
}

TEST_F(RelayTest, WithoutAnAnswerTheRestOfTheBodyIsReadToKnowIt) {
  const auto body = std::make_shared<Coming>();
  post(body);
  body->wanted = nullptr;
  end(last(), call::Evidence::nothing_sent, 0, call::Cause::connect_refused);
  EXPECT_TRUE(clients_.replies.empty());
  body->give(What::data, R"({"order":)");
  body->give(What::data, "8}");
  body->give(What::end);
  ASSERT_EQ(clients_.replies.size(), 1U);
  EXPECT_EQ(clients_.replies[0].second.status, 502);
  EXPECT_EQ(find_field(clients_.replies[0].second.fields, "Proxy-Status"), nullptr);
  EXPECT_EQ(ended_.back(), "POST /pay; retry no-byte-sent");
  EXPECT_EQ(sender_.started.size(), 1U) << "told, not done";
}

TEST_F(RelayTest, WhoLeavesMeanwhileTakesItAlong) {
  const auto body = std::make_shared<Coming>();
  const ExchangeId id = post(body);
  end(last(), call::Evidence::nothing_sent, 0, call::Cause::connect_refused);
  relay_->on_gone(id);
  EXPECT_EQ(relay_->under_way(), 0U);
  EXPECT_TRUE(clients_.replies.empty());
  EXPECT_EQ(ended_.back(), "POST /pay; unseen body-not-read");

  const ExchangeId other = post(nullptr);
  relay_->on_gone(other);
  EXPECT_EQ(sender_.cancelled.back(), last());
  end(last(), call::Evidence::sent, 0, call::Cause::cancelled);
  EXPECT_TRUE(clients_.replies.empty());
  EXPECT_EQ(others_.gone, 0);
}

TEST_F(RelayTest, AnswersFlowAndCutOnesAreCut) {
  const ExchangeId id = post(nullptr);
  relay_->on_answer_head(last(), {200, {}}, false);
  ASSERT_TRUE(sender_.sink);
  bool more = false;
  sender_.sink->write("part", [&](bool go_on) { more = go_on; });
  EXPECT_EQ(clients_.sinks[id]->text, "part");
  clients_.sinks[id]->ready(true);
  EXPECT_TRUE(more);
  end(last(), call::Evidence::answer_begun, 200, call::Cause::reset);
  EXPECT_FALSE(clients_.finished.at(id));
  EXPECT_TRUE(clients_.replies.empty());
}

TEST_F(RelayTest, LimitsAreToldAsAGatewayTellsThem) {
  post(nullptr);
  end(last(), call::Evidence::sent, 0, call::Cause::head_timeout);
  EXPECT_EQ(clients_.replies[0].second.status, 504);
}

TEST_F(RelayTest, WhatIsNotObservedPassesBy) {
  relay_->on_call(ExchangeId{50}, call::NewCall{}, nullptr);
  relay_->on_ask(ExchangeId{51}, {});
  relay_->on_gone(ExchangeId{50});
  relay_->on_answer_head(AttemptId{1}, {}, false);
  relay_->on_attempt_done(AttemptId{1}, {});
  EXPECT_EQ(others_.calls, 1);
  EXPECT_EQ(others_.asks, 1);
  EXPECT_EQ(others_.gone, 1);
  EXPECT_EQ(others_.heads, 1);
  EXPECT_EQ(others_.ends, 1);
  EXPECT_TRUE(sender_.started.empty());
}

}  // namespace
}  // namespace hf::runtime
