// Answers that stand in for errors: between a server and a driver that the test plays.
#include "runtime/stale_answers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/stale_watch.h"

namespace hf::runtime {
namespace {

struct SetClock final : ports::Clock {
  Now now{Instant{1'000'000'000'000}, WallTime{1'700'000'000'000}, BootId{1}};
  Now read() noexcept override { return now; }
  void pass(Duration time) {
    now.mono = now.mono + time;
    now.wall = now.wall + time;
  }
};

struct Sink final : ports::AnswerSink {
  std::string text;
  void write(std::string bytes, std::function<void(bool)> ready) override {
    text += bytes;
    ready(true);
  }
};

struct Server final : ports::Clients {
  std::map<ExchangeId, call::Reply> replies;
  std::map<ExchangeId, std::shared_ptr<Sink>> sinks;
  std::map<ExchangeId, bool> finished;
  void reply(ExchangeId id, call::Reply answer) override {
    ASSERT_FALSE(replies.contains(id)) << "one answer an exchange";
    replies.emplace(id, std::move(answer));
  }
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead) override {
    EXPECT_FALSE(replies.contains(id)) << "one answer an exchange";
    return sinks[id] = std::make_shared<Sink>();
  }
  void finish(ExchangeId id, bool complete) override { finished[id] = complete; }
};

struct Engine final : ports::ClientEvents, ports::UpstreamEvents {
  std::vector<call::NewCall> calls;
  int asks = 0, gone = 0, heads = 0, ends = 0;
  void on_call(ExchangeId, call::NewCall call, std::shared_ptr<ports::BodySource>) override {
    calls.push_back(std::move(call));
  }
  void on_ask(ExchangeId, call::CallAsk) override { ++asks; }
  void on_gone(ExchangeId) override { ++gone; }
  void on_answer_head(AttemptId, call::AnswerHead, bool) override { ++heads; }
  void on_attempt_done(AttemptId, call::AttemptOutcome) override { ++ends; }
};

struct Sender final : ports::Upstream {
  int started = 0, cancelled = 0, forwarded = 0, captured = 0;
  void start(ports::AttemptSpec) override { ++started; }
  void cancel(AttemptId) override { ++cancelled; }
  void forward(AttemptId, std::shared_ptr<ports::AnswerSink>) override { ++forwarded; }
  void capture(AttemptId, std::uint64_t) override { ++captured; }
};

class StaleAnswersTest : public testing::Test {
 protected:
  StaleAnswersTest() {
    auto upstream = std::make_shared<call::UpstreamSettings>();
    upstream->name = "app";
    upstream->urls = {call::Url{false, "app.test", 80, ""}};
    upstream_ = upstream;
    auto route = std::make_shared<call::RouteSettings>();
    route->upstream = "app";
    route->stale_if_error = Duration::hours(1);
    route_ = route;
    settings_.upstreams["app"] = upstream_;
    settings_.routes = {route_};
    answers_.emplace(StaleParts{
        &server_, &engine_, &clock_, hasher(), 4 << 20,
        [this](const StaleServed& one) { told_.push_back(one.route + " " + one.reason); }});
    watch_.emplace(settings_, hasher(), sender_, *answers_);
    watch_->lead_to(engine_);
  }
  static call::Hasher hasher() { return call::Hasher{{9}}; }

  std::shared_ptr<const call::Request> request(std::string method, std::string target,
                                               Fields fields) {
    return std::make_shared<const call::Request>(
        call::Request{std::move(method), std::move(target), std::move(fields), nullptr});
  }
  ExchangeId ask(Fields fields = {}, std::string target = "/a", std::string method = "GET") {
    const ExchangeId id{next_++};
    call::NewCall call;
    call.route = route_;
    call.upstream = upstream_;
    call.request = request(std::move(method), std::move(target), std::move(fields));
    answers_->on_call(id, std::move(call), nullptr);
    return id;
  }
  static call::Reply whole(int status, std::string body, Fields fields = {}) {
    return {status, std::move(fields), make_body(std::move(body))};
  }
  // A reader and its answer, whole.
  ExchangeId read(call::Reply answer, Fields fields = {}, std::string target = "/a") {
    const ExchangeId id = ask(std::move(fields), std::move(target));
    answers_->reply(id, std::move(answer));
    return id;
  }
  // A reader whose answer flows.
  ExchangeId stream(std::vector<std::string> pieces, bool complete, Fields fields = {}) {
    const ExchangeId id = ask();
    const auto sink = answers_->begin(id, {200, std::move(fields)});
    for (std::string& piece : pieces)
      sink->write(std::move(piece), [](bool) {});
    answers_->finish(id, complete);
    return id;
  }
  static call::Reply problem(call::Code code) {
    call::ProblemSpec spec;
    spec.code = code;
    spec.attempts = 3;
    return call::problem(spec);
  }
  // What a reader gets while nothing can be had.
  std::string down(Fields fields = {}, std::string target = "/a", std::string method = "GET") {
    const ExchangeId id = ask(std::move(fields), std::move(target), std::move(method));
    answers_->reply(id, problem(call::Code::unreachable));
    const call::Reply& got = server_.replies.at(id);
    return got.status == 200 ? std::string(view(got.body)) : std::to_string(got.status);
  }
  const call::Reply& sent(ExchangeId id) { return server_.replies.at(id); }
  std::string field(ExchangeId id, std::string_view name) {
    const Field* found = find_field(sent(id).fields, name);
    return found == nullptr ? "" : found->value;
  }
  void attempt(std::uint64_t id, call::Evidence evidence, int status,
               call::Cause cause = call::Cause::none, const std::string& method = "GET",
               const std::string& target = "/a") {
    ports::AttemptSpec spec;
    spec.id = AttemptId{id};
    spec.upstream = upstream_;
    spec.request = request(method, target, {});
    watch_->start(std::move(spec));
    call::AttemptOutcome outcome;
    outcome.evidence = evidence;
    outcome.cause = cause;
    outcome.head.status = status;
    watch_->on_attempt_done(AttemptId{id}, std::move(outcome));
  }
  void write(std::uint64_t id, int status, const std::string& target = "/a",
             const std::string& method = "POST") {
    attempt(id, call::Evidence::answer_complete, status, call::Cause::none, method, target);
  }

  SetClock clock_;
  Server server_;
  Engine engine_;
  Sender sender_;
  call::Settings settings_;
  std::shared_ptr<const call::UpstreamSettings> upstream_;
  std::shared_ptr<const call::RouteSettings> route_;
  std::optional<StaleAnswers> answers_;
  std::optional<StaleWatch> watch_;
  std::vector<std::string> told_;
  std::uint64_t next_ = 1;
};

TEST_F(StaleAnswersTest, StandsInForWhatCannotBeHad) {
  read(whole(200, "fresh", {{"ETag", "\"1\""}, {"Content-Length", "5"}}));
  clock_.pass(Duration::seconds(90));
  const ExchangeId id = ask();
  answers_->reply(id, problem(call::Code::unreachable));
  EXPECT_EQ(sent(id).status, 200);
  EXPECT_EQ(view(sent(id).body), "fresh");
  EXPECT_EQ(field(id, "Age"), "90");
  EXPECT_EQ(field(id, "ETag"), "\"1\"");
  EXPECT_EQ(field(id, "Cache-Status"),
            "holdfast; hit; ttl=-90; detail=\"stale-if-error unreachable\"");
  EXPECT_EQ(field(id, "Holdfast-Attempts"), "3");
  EXPECT_EQ(field(id, "Holdfast-Effect"), "");
  EXPECT_EQ(field(id, "Retry-After"), "");
  EXPECT_EQ(field(id, "Content-Type"), "");
  EXPECT_EQ(told_, std::vector<std::string>{"/ unreachable"});
  EXPECT_EQ(answers_->under_way(), 0U);
}

TEST_F(StaleAnswersTest, ForErrorsAloneAndNeverForARefusal) {
  read(whole(200, "kept"));
  using call::Code;
  for (const Code code : {Code::unreachable, Code::connection_lost, Code::invalid_answer,
                          Code::breaker_open, Code::overloaded, Code::timeout}) {
    const ExchangeId id = ask();
    answers_->reply(id, problem(code));
    EXPECT_EQ(view(sent(id).body), "kept") << call::to_string(code);
    EXPECT_NE(field(id, "Cache-Status").find(call::to_string(code)), std::string::npos);
  }
  for (const Code code :
       {Code::paused, Code::limited, Code::draining, Code::deadline, Code::bad_request}) {
    const ExchangeId id = ask();
    answers_->reply(id, problem(code));
    EXPECT_EQ(sent(id).status, call::status_of(code)) << call::to_string(code);
  }
  for (const int status : {500, 502, 503, 504}) {
    const ExchangeId id = read(whole(status, "its own"));
    EXPECT_EQ(view(sent(id).body), "kept") << status;
    EXPECT_EQ(field(id, "Cache-Status"),
              "holdfast; fwd=stale; fwd-status=" + std::to_string(status) +
                  "; ttl=0; detail=\"stale-if-error upstream-" + std::to_string(status) + "\"");
  }
  for (const int status : {400, 429, 501, 505})
    EXPECT_EQ(sent(read(whole(status, "its own"))).status, status);
}

TEST_F(StaleAnswersTest, NothingOfAnUpstreamsTextGoesIntoAField) {
  read(whole(200, "kept"));
  const ExchangeId id = read(whole(503, R"({"type":"x","error":{"type":"a","code":"b)"
                                        "\r\nSet-Cookie: c\"}}"));
  EXPECT_EQ(field(id, "Cache-Status"),
            "holdfast; fwd=stale; fwd-status=503; ttl=0; detail=\"stale-if-error upstream-503\"");
}

TEST_F(StaleAnswersTest, AFlowingAnswerIsCopiedBesideItsWay) {
  const ExchangeId id = stream({"ab", "cd"}, true);
  EXPECT_EQ(server_.sinks[id]->text, "abcd");
  EXPECT_TRUE(server_.finished.at(id));
  EXPECT_EQ(answers_->store().copying(), 0U);
  EXPECT_EQ(down(), "abcd");
}

TEST_F(StaleAnswersTest, WhatBreaksOffIsNotKeptAndCostsNothingThatWas) {
  stream({"old"}, true);
  const ExchangeId id = stream({"ne"}, false);
  EXPECT_FALSE(server_.finished.at(id));
  EXPECT_EQ(down(), "old");
  stream({"short"}, true, {{"Content-Length", "6"}});
  EXPECT_EQ(down(), "old") << "less than it said";
  EXPECT_EQ(answers_->counts().not_kept.at({"/", "cut"}), 2U);
  const ExchangeId left = ask();
  const auto sink = answers_->begin(left, {200, {}});
  sink->write("half", [](bool) {});
  EXPECT_GT(answers_->store().copying(), 0U);
  answers_->on_gone(left);
  EXPECT_EQ(engine_.gone, 1);
  sink->write("more", [](bool) {});
  EXPECT_EQ(answers_->store().copying(), 0U) << "nobody will ask for it";
  EXPECT_EQ(answers_->under_way(), 0U);
}

TEST_F(StaleAnswersTest, LargeOnesFlowUncopied) {
  const std::string piece(300'000, 'x');
  const ExchangeId id = stream({piece, piece, piece, piece}, true);
  EXPECT_EQ(server_.sinks[id]->text.size(), 1'200'000U);
  EXPECT_EQ(down(), "502");
  stream({piece}, true, {{"Content-Length", "1200000"}});
  EXPECT_EQ(answers_->counts().not_kept.at({"/", "too-large"}), 2U);
  read(whole(200, std::string(1'100'000, 'x')));
  EXPECT_EQ(answers_->store().size(), 0U);
  EXPECT_EQ(answers_->store().bytes(), 0U);
}

TEST_F(StaleAnswersTest, AnUpstreamsLongErrorIsReadAwayAndNoFurther) {
  read(whole(200, "kept"));
  const ExchangeId id = ask();
  const auto sink = answers_->begin(id, {503, {}});
  EXPECT_EQ(view(sent(id).body), "kept") << "at once";
  bool more = false;
  sink->write(std::string(60'000, 'x'), [&](bool go_on) { more = go_on; });
  EXPECT_TRUE(more);
  sink->write(std::string(60'000, 'x'), [&](bool go_on) { more = go_on; });
  EXPECT_FALSE(more);
  answers_->finish(id, false);
  EXPECT_FALSE(server_.finished.contains(id));
  EXPECT_EQ(answers_->under_way(), 0U);
  const ExchangeId unknown = ask({}, "/other");
  EXPECT_TRUE(answers_->begin(unknown, {503, {}}));
  answers_->finish(unknown, true);
  EXPECT_TRUE(server_.finished.at(unknown)) << "nothing is kept: it goes out as it is";
}

TEST_F(StaleAnswersTest, UsersNeverSeeEachOthers) {
  const Fields ann{{"Authorization", "Bearer ann"}};
  const Fields bob{{"Authorization", "Bearer bob"}};
  read(whole(200, "anns"), ann);
  EXPECT_EQ(down(ann), "502");
  EXPECT_EQ(down(bob), "502");
  read(whole(200, "everybodys", {{"Cache-Control", "public"}}), ann);
  EXPECT_EQ(down(bob), "everybodys");
  // Applications that look at a session seldom say so.
  for (const std::string name : {"Cookie", "X-Api-Key", "Api-Key"}) {
    const std::string target = "/" + name;
    read(whole(200, "anns"), {{name, "ann"}}, target);
    EXPECT_EQ(down({{name, "ann"}}, target), "anns");
    EXPECT_EQ(down({{name, "bob"}}, target), "502");
    EXPECT_EQ(down({}, target), "502");
  }
  read(whole(200, "html", {{"Vary", "Accept"}}), {{"Accept", "text/html"}}, "/v");
  EXPECT_EQ(down({{"Accept", "text/html"}}, "/v"), "html");
  EXPECT_EQ(down({{"Accept", "application/json"}}, "/v"), "502");
  EXPECT_GT(answers_->counts().missed.at({"/", "nothing-kept"}), 5U);
}

TEST_F(StaleAnswersTest, ItsAuthorTakesItBack) {
  read(whole(200, "old"));
  read(whole(200, "now secret", {{"Cache-Control", "no-store"}}));
  EXPECT_EQ(down(), "502");
  for (const int status : {404, 410, 302}) {
    read(whole(200, "old"));
    read(whole(status, "gone"));
    EXPECT_EQ(down(), "502") << status;
  }
  const Fields ann{{"Cookie", "ann"}};
  read(whole(200, "anns"), ann);
  read(whole(200, "all", {{"Cache-Control", "public"}}), {}, "/b");
  read(whole(403, "no"), ann);
  read(whole(403, "no"), {}, "/b");
  EXPECT_EQ(down(ann), "502");
  EXPECT_EQ(down({}, "/b"), "all");
}

TEST_F(StaleAnswersTest, AWriteEndsWhatIsKept) {
  read(whole(200, "old"));
  write(1, 503);
  EXPECT_EQ(down(), "old") << "it did nothing";
  write(2, 201, "/b");
  EXPECT_EQ(down(), "old") << "another target";
  // A reader who asked before the write may have read what was there before it.
  const ExchangeId early = ask();
  write(3, 204);
  EXPECT_EQ(down(), "502");
  answers_->reply(early, whole(200, "old"));
  EXPECT_EQ(down(), "502");
  EXPECT_EQ(answers_->counts().not_kept.at({"/", "outdated"}), 1U);
  read(whole(200, "new"));
  write(4, 200, "/a", "GET");
  EXPECT_EQ(down(), "new");
  EXPECT_EQ(watch_->under_way(), 0U);
  EXPECT_EQ(sender_.started, 4);
  EXPECT_EQ(engine_.ends, 4);
}

TEST_F(StaleAnswersTest, TheUpstreamSideIsOnlyLookedAt) {
  watch_->cancel(AttemptId{1});
  watch_->forward(AttemptId{1}, nullptr);
  watch_->capture(AttemptId{1}, 1);
  watch_->on_answer_head(AttemptId{1}, {}, false);
  EXPECT_EQ(sender_.cancelled + sender_.forwarded + sender_.captured + engine_.heads, 4);
}

TEST_F(StaleAnswersTest, HeadAndConditionsAreAnsweredFromAGet) {
  read(whole(200, "text", {{"ETag", "\"1\""}, {"Content-Type", "text/plain"}}));
  EXPECT_EQ(down({}, "/a", "HEAD"), "text") << "the server leaves the body out";
  EXPECT_EQ(down({{"If-None-Match", "\"2\""}}), "text");
  EXPECT_EQ(down({{"If-None-Match", "\"1\""}}), "304");
  EXPECT_EQ(down({{"If-Match", "\"1\""}}), "502");
  EXPECT_EQ(down({{"Cache-Control", "no-cache"}}), "502");
  const ExchangeId id = ask({}, "/h", "HEAD");
  answers_->reply(id, whole(200, ""));
  EXPECT_EQ(down({}, "/h"), "502") << "a HEAD has no body to keep";
}

TEST_F(StaleAnswersTest, A304KeepsItYoung) {
  read(whole(200, "text", {{"ETag", "\"1\""}}));
  clock_.pass(Duration::minutes(50));
  read(whole(304, "", {{"ETag", "\"1\""}}), {{"If-None-Match", "\"1\""}});
  clock_.pass(Duration::minutes(50));
  EXPECT_EQ(down(), "text");
  clock_.pass(Duration::minutes(11));
  EXPECT_EQ(down(), "502");
  EXPECT_EQ(answers_->counts().missed.at({"/", "too-old"}), 1U);
  read(whole(200, "text", {{"ETag", "\"1\""}}));
  read(whole(304, "", {{"ETag", "\"1\""}, {"Cache-Control", "private"}}));
  EXPECT_EQ(down(), "502");
}

TEST_F(StaleAnswersTest, ReadersWaitLessWhileItIsDownAndSomethingIsKept) {
  answers_->attempted("app", true);
  ask();
  EXPECT_EQ(engine_.calls.back().route->wait, Duration::seconds(10));
  read(whole(200, "x"));
  answers_->attempted("app", false);
  ask();
  EXPECT_EQ(engine_.calls.back().route->wait, Duration::seconds(10)) << "it is well";
  answers_->attempted("app", true);
  answers_->attempted("other", false);
  ask();
  EXPECT_EQ(engine_.calls.back().route->wait, kStaleWait);
  EXPECT_EQ(engine_.calls.back().route->path, "/");
  ask({{"Cache-Control", "no-cache"}});
  EXPECT_EQ(engine_.calls.back().route->wait, Duration::seconds(10));
  clock_.pass(Duration::hours(2));
  ask();
  EXPECT_EQ(engine_.calls.back().route->wait, Duration::seconds(10));
}

TEST_F(StaleAnswersTest, WhatAnUpstreamDeclaresToBeNoAnswerIsNotKept) {
  auto upstream = std::make_shared<call::UpstreamSettings>(*upstream_);
  call::AnswerRule rule;
  rule.status = {200};
  rule.contains = {"\"ok\": false"};
  upstream->classify = {rule};
  upstream_ = upstream;
  read(whole(200, R"({"ok": false})"));
  EXPECT_EQ(down(), "502");
  read(whole(200, R"({"ok": true})"));
  EXPECT_EQ(down(), R"({"ok": true})");
}

TEST_F(StaleAnswersTest, OthersPassBy) {
  auto route = std::make_shared<call::RouteSettings>(*route_);
  route->stale_if_error.reset();
  const auto with = route_;
  route_ = route;
  read(whole(200, "x"));
  EXPECT_EQ(down(), "502");
  route_ = with;
  EXPECT_EQ(down(), "502") << "nothing was kept";
  const ExchangeId id = ask({}, "/a", "POST");
  EXPECT_EQ(answers_->under_way(), 0U);
  EXPECT_TRUE(answers_->begin(id, {200, {}}));
  answers_->finish(id, true);
  answers_->on_ask(ExchangeId{77}, {});
  answers_->on_gone(ExchangeId{78});
  EXPECT_EQ(engine_.asks + engine_.gone, 2);
  EXPECT_TRUE(server_.finished.at(id));
}

// An application in maintenance says 503 and Retry-After, which pauses it: its readers get the last
// answer. One that limits us says 429: that is a refusal, and stays one.
TEST_F(StaleAnswersTest, APauseIsAnErrorWhileTheUpstreamIsDown) {
  read(whole(200, "kept"));
  const auto refused = [&](call::Code code) {
    const ExchangeId id = ask();
    answers_->reply(id, problem(code));
    return sent(id).status;
  };
  EXPECT_EQ(refused(call::Code::paused), 429);
  attempt(1, call::Evidence::answer_complete, 503);
  EXPECT_EQ(refused(call::Code::paused), 200);
  EXPECT_EQ(refused(call::Code::limited), 200);
  EXPECT_EQ(sent(read(whole(429, "its own"))).status, 429);
  attempt(2, call::Evidence::answer_complete, 429);
  EXPECT_EQ(refused(call::Code::paused), 429);
  attempt(3, call::Evidence::nothing_sent, 0, call::Cause::connect_refused);
  EXPECT_EQ(refused(call::Code::paused), 200);
  attempt(4, call::Evidence::answer_complete, 200);
  EXPECT_EQ(refused(call::Code::paused), 429);
  attempt(5, call::Evidence::sent, 0, call::Cause::cancelled);
  EXPECT_EQ(refused(call::Code::paused), 429) << "given up by ourselves";
  EXPECT_EQ(watch_->under_way(), 0U);
}

TEST_F(StaleAnswersTest, TwoUpstreamsAtOneAddressShareWritesAndNoAnswers) {
  auto other = std::make_shared<call::UpstreamSettings>(*upstream_);
  other->name = "app-as-admin";  // with another credential put in
  read(whole(200, "everybodys"));
  const auto first = upstream_;
  upstream_ = other;
  EXPECT_EQ(down(), "502");
  write(1, 200);
  upstream_ = first;
  EXPECT_EQ(down(), "502") << "what was written there is the same thing";
}

TEST_F(StaleAnswersTest, WhatAnAnswerIsAbout) {
  const auto of = [&](const call::Url& url, const std::string& target) {
    call::UpstreamSettings upstream;
    upstream.urls = {url};
    return target_of(hasher(), upstream, *request("GET", target, {{"Host", "x"}}), false);
  };
  const call::Url plain{false, "a.test", 443, ""};
  EXPECT_EQ(of(plain, "/a"), of(plain, "/a"));
  EXPECT_NE(of(plain, "/a"), of(plain, "/a?"));
  EXPECT_NE(of(plain, "/a"), of({true, "a.test", 443, ""}, "/a"));
  EXPECT_NE(of(plain, "/a"), of({false, "a.test", 80, ""}, "/a"));
  EXPECT_NE(of(plain, "/a"), of({false, "b.test", 443, ""}, "/a"));
}

TEST_F(StaleAnswersTest, AServerOverAnotherHostIsAnotherPlace) {
  auto route = std::make_shared<call::RouteSettings>(*route_);
  route->host_keep = true;
  route_ = route;
  read(whole(200, "ones"), {{"Host", "One.test"}});
  EXPECT_EQ(down({{"Host", "one.test"}}), "ones");
  EXPECT_EQ(down({{"Host", "two.test"}}), "502");
}

}  // namespace
}  // namespace hf::runtime
