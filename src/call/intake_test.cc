#include "call/intake.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "call/intake_index.h"
#include "call/owner.h"

namespace hf::call {
namespace {

Hasher hasher() {
  return Hasher({});
}

class World {
 public:
  RouteSettings route;
  UpstreamSettings upstream;
  IncomingHead head;
  ClientAddressSettings proxies;

  World() {
    upstream.name = "u";
    upstream.urls = {Url{false, "u.example", 80, ""}};
    route.path = "/";
    route.upstream = "u";
    head.method = "POST";
    head.target = "/pay?x=1";
    head.client_address = "192.0.2.1:4711";
    head.fields = {{"Host", "proxy.example"}};
  }

  World& field(std::string name, std::string value) {
    head.fields.push_back({std::move(name), std::move(value)});
    return *this;
  }
  World& keyed() {
    route.key.from = {{Part::Kind::header, "Idempotency-Key"}};
    return *this;
  }
  World& holding(Hold hold) {
    route.hold = hold;
    upstream.credentials_stored = true;
    return *this;
  }

  [[nodiscard]] Intake intake() const {
    auto settings = std::make_shared<Settings>();
    settings->callbacks.allow = {"https://app.example/hooks"};
    settings->traffic.client_address = proxies;
    settings->upstreams["u"] = std::make_shared<const UpstreamSettings>(upstream);
    settings->routes = {std::make_shared<const RouteSettings>(route)};
    return Intake(settings, hasher());
  }
  [[nodiscard]] HeadVerdict on_head() const { return intake().on_head(head); }
  [[nodiscard]] CallVerdict on_request(const std::string& body = "{}") const {
    return intake().on_request(head, make_body(body));
  }
  // What becomes of the head, in a word: the code of a refusal, or which of the others.
  [[nodiscard]] std::string said() const {
    const auto verdict = on_head();
    if (const auto* reply = std::get_if<Reply>(&verdict)) return code_of(*reply);
    if (std::holds_alternative<Streamed>(verdict)) return "streamed";
    return std::holds_alternative<Buffered>(verdict) ? "buffered" : "ask";
  }
  [[nodiscard]] NewCall call(const std::string& body = "{}") const {
    const auto verdict = on_head();
    if (const auto* streamed = std::get_if<Streamed>(&verdict)) return streamed->call;
    if (!std::holds_alternative<Buffered>(verdict)) ADD_FAILURE() << said();
    const auto made = on_request(body);
    if (const auto* reply = std::get_if<Reply>(&made)) {
      ADD_FAILURE() << view(reply->body);
      return {};
    }
    return std::get<NewCall>(made);
  }
  static std::string code_of(const Reply& reply) {
    constexpr std::string_view kStart = "urn:holdfast:problem:";
    const auto body = view(reply.body);
    const auto at = body.find(kStart) + kStart.size();
    return std::to_string(reply.status) + " " +
           std::string(body.substr(at, body.find('"', at) - at));
  }
};

std::string value_of(const Fields& fields, std::string_view name) {
  const Field* field = find_field(fields, name);
  return field == nullptr ? "(none)" : field->value;
}

TEST(OnHead, NoRoute) {
  World world;
  world.route.path = "/v1/";
  EXPECT_EQ(world.said(), "404 no-route");
  const auto reply = std::get<Reply>(world.on_head());
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Effect"), "none");
  EXPECT_EQ(value_of(reply.fields, "x-should-retry"), "false");
}

TEST(Callback, IsTheRequestsElseTheRoutes) {
  World world;
  world.keyed().holding(Hold::on_failure);
  world.route.key.stable = true;
  world.route.callback = "https://app.example/hooks/all";
  EXPECT_EQ(world.call().asked.callback, "https://app.example/hooks/all");
  world.field("Holdfast-Callback", " https://app.example/hooks/mine ");
  EXPECT_EQ(world.call().asked.callback, "https://app.example/hooks/mine");
  EXPECT_EQ(value_of(world.call().request->fields, "Holdfast-Callback"), "(none)");
}

TEST(Callback, ThatCannotBeMadeIsRefused) {
  const auto said = [](const std::string& url, Hold hold = Hold::on_failure) {
    return World().keyed().holding(hold).field("Holdfast-Callback", url).said();
  };
  EXPECT_EQ(said("https://app.example/hooks/x"), "buffered");
  EXPECT_EQ(said("https://evil.example/hooks/x"), "400 bad-request");
  EXPECT_EQ(said("https://app.example/hooks/../x"), "400 bad-request");
  EXPECT_EQ(said(""), "400 bad-request");
  EXPECT_EQ(said("https://app.example/hooks/x", Hold::never), "400 bad-request");
  World twice;
  twice.keyed().holding(Hold::always).field("Holdfast-Callback", "https://app.example/hooks");
  EXPECT_EQ(twice.said(), "buffered");
  twice.field("Holdfast-Callback", "https://app.example/hooks");
  EXPECT_EQ(twice.said(), "400 bad-request");
  World put;
  put.keyed().holding(Hold::always).field("Holdfast-Callback", "https://app.example/hooks");
  put.head.method = "PUT";  // never held
  EXPECT_EQ(put.said(), "400 bad-request");
}

TEST(OnHead, AWebhookRouteTakesPostsOnlyAndReadsThemWhole) {
  World world;
  world.route.webhook.emplace();
  EXPECT_EQ(world.said(), "buffered");
  const auto verdict = world.on_request("{}");
  ASSERT_TRUE(std::holds_alternative<Reply>(verdict)) << "unsigned";
  EXPECT_EQ(World::code_of(std::get<Reply>(verdict)), "503 overloaded") << "no secret is there";
  world.head.method = "GET";
  EXPECT_EQ(world.said(), "400 not-supported");
}

TEST(OnHead, RefusedWhateverTheRouteSays) {
  // What this call cannot give is refused, not ignored.
  for (const char* name : {"Holdfast-Not-Before", "Holdfast-Order"}) {
    EXPECT_EQ(World().field(name, "1").said(), "400 not-supported") << name;
  }
  EXPECT_EQ(World().field("holdfast-deadline", "1").said(), "streamed");
  for (const char* name : {"Holdfast-Not-Before", "Holdfast-Deadline"}) {
    EXPECT_EQ(World().field(name, "soon").said(), "400 bad-request") << name;
    EXPECT_EQ(World().field(name, "1").field(name, "1").said(), "400 bad-request") << name;
  }
  EXPECT_EQ(World().field("Holdfast-Else", "1").said(), "streamed");
  EXPECT_EQ(World().field("Expect", "more").said(), "417 expectation-failed");
  EXPECT_EQ(World().field("Expect", "100-Continue").said(), "streamed");
  EXPECT_EQ(World().field("Authorization", "a").field("authorization", "b").said(),
            "400 bad-request");
  EXPECT_EQ(World().field("Via", "1 holdfast,1 holdfast,1 holdfast,1 holdfast,1 holdfast").said(),
            "streamed");
  EXPECT_EQ(World()
                .field("Via", "1 holdfast,1 holdfast,1 holdfast,1 holdfast,1 holdfast")
                .field("Via", "1.1 holdfast")
                .said(),
            "508 loop");
}

TEST(OnHead, HeadLimit) {
  World world;
  // POST /pay?x=1 HTTP/1.1, Host: proxy.example, an empty line
  world.route.limits.head = 24 + 21 + 2;
  EXPECT_EQ(world.said(), "streamed");
  world.route.limits.head -= 1;
  EXPECT_EQ(world.said(), "431 head-too-large");
  const auto refused = std::get<Reply>(world.on_head());
  EXPECT_EQ(refused.problem->measure->rule, "limits.head");
  EXPECT_EQ(refused.problem->measure->measured, refused.problem->measure->threshold + 1);
}

TEST(OnHead, BodyLimit) {
  World world;
  world.keyed().route.limits.body = 10;
  world.head.has_body = true;
  world.head.length = 10;
  EXPECT_EQ(world.said(), "buffered");
  EXPECT_EQ(std::get<Buffered>(world.on_head()).body_max, 10U);
  world.head.length = 11;
  EXPECT_EQ(world.said(), "413 body-too-large");
  world.head.length.reset();
  EXPECT_EQ(world.said(), "buffered");
  EXPECT_EQ(World::code_of(std::get<Reply>(world.on_request("12345678901"))), "413 body-too-large");
  EXPECT_TRUE(std::holds_alternative<NewCall>(world.on_request("1234567890")));

  World flowing;
  flowing.route.limits.body = 10;
  flowing.head.length = 1ULL << 30;
  EXPECT_EQ(flowing.said(), "streamed");
}

TEST(OnHead, WhatIsBuffered) {
  const auto said = [](bool keyed, Mode mode, Hold hold, std::string method) {
    World world;
    if (keyed) world.keyed();
    world.upstream.idempotency.mode = mode;
    world.holding(hold);
    world.head.method = std::move(method);
    return world.said();
  };
  EXPECT_EQ(said(false, Mode::none, Hold::never, "POST"), "streamed");
  EXPECT_EQ(said(false, Mode::repeatable, Hold::never, "POST"), "streamed");
  EXPECT_EQ(said(true, Mode::none, Hold::never, "POST"), "buffered");
  EXPECT_EQ(said(false, Mode::key, Hold::never, "DELETE"), "buffered");
  EXPECT_EQ(said(false, Mode::none, Hold::on_failure, "PUT"), "buffered");
  EXPECT_EQ(said(true, Mode::key, Hold::always, "GET"), "streamed");
}

TEST(OnHead, AKeyFaultIsToldBeforeTheBodyIsRead) {
  EXPECT_EQ(World().keyed().field("Idempotency-Key", "a b").said(), "400 key-invalid");
  World required;
  required.keyed().route.key.required = true;
  EXPECT_EQ(required.said(), "400 key-missing");
  required.head.method = "GET";
  EXPECT_EQ(required.said(), "streamed");
}

TEST(OnRequest, AKeyFaultInTheBody) {
  World world;
  world.route.key.from = {{Part::Kind::body, "/order"}};
  world.route.key.required = true;
  EXPECT_EQ(World::code_of(std::get<Reply>(world.on_request("{}"))), "400 key-missing");
  EXPECT_EQ(World::code_of(std::get<Reply>(world.on_request(R"({"order":[1]})"))),
            "400 key-missing");
  EXPECT_EQ(World::code_of(std::get<Reply>(world.on_request(R"({"order":1,"order":2})"))),
            "400 key-invalid");
  EXPECT_TRUE(world.call(R"({"order":1})").key->business);
}

TEST(OnRequest, NoBodyAtAll) {
  const World world = World().keyed();
  const auto verdict = world.intake().on_request(world.head, nullptr);
  const auto& call = std::get<NewCall>(verdict);
  EXPECT_EQ(call.request->body, nullptr);
  EXPECT_FALSE(call.has_body);
}

TEST(OwnPath, Asks) {
  const CallId id = CallId::make(WallTime{5}, 6, 7);
  const auto ask = [&](std::string method, const std::string& rest) {
    World world;
    world.field("Authorization", "Bearer a");
    world.head.method = std::move(method);
    world.head.target = "/.holdfast" + rest;
    return world;
  };
  const std::string calls = "/calls/" + id.text();
  const auto what = [&](std::string method, const std::string& rest) {
    const auto verdict = ask(std::move(method), rest).on_head();
    const auto& got = std::get<CallAsk>(verdict);
    EXPECT_EQ(got.call, id);
    EXPECT_EQ(got.owner_anyone, owner_anyone(hasher()));
    EXPECT_EQ(got.owner_credential, owner_of({}, {{"Authorization", "Bearer a"}}, hasher()));
    EXPECT_EQ(got.owners.size(), 2U);
    return got.what;
  };
  EXPECT_EQ(what("GET", calls), CallAsk::What::status);
  EXPECT_EQ(what("HEAD", calls + "?x"), CallAsk::What::status);
  EXPECT_EQ(what("GET", calls + "/response"), CallAsk::What::response);
  EXPECT_EQ(what("DELETE", calls), CallAsk::What::cancel);

  EXPECT_EQ(ask("GET", "/calls/" + id.text().substr(1)).said(), "404 no-such-call");
  EXPECT_EQ(ask("GET", "/calls/").said(), "404 no-such-call");
  for (const auto& rest : {calls + "/", calls + "/responses", calls + "/response/x"}) {
    EXPECT_EQ(ask("GET", rest).said(), "404 no-route") << rest;
  }
  EXPECT_EQ(ask("POST", calls).said(), "404 no-route");
  EXPECT_EQ(ask("DELETE", calls + "/response").said(), "404 no-route");
  EXPECT_EQ(ask("GET", "").said(), "404 no-route");
  EXPECT_EQ(ask("GET", "/").said(), "404 no-route");
  EXPECT_EQ(ask("GET", "/callsx").said(), "404 no-route");
  EXPECT_EQ(ask("POST", "x").said(), "streamed");  // /.holdfastx is the route's
  EXPECT_EQ(ask("GET", calls).field("authorization", "Bearer b").said(), "400 bad-request");
}

TEST(FrozenRequest, KeepsOrderAndSpellingAndDropsWhatEndsHere) {
  World world;
  world.field("X-b", "2")
      .field("x-a", "1")
      .field("X-b", "1")
      .field("Connection", "close, x-gone, authorization")
      .field("X-Gone", "1")
      .field("Keep-Alive", "timeout=5")
      .field("TE", "trailers")
      .field("Transfer-Encoding", "chunked")
      .field("Content-Length", "2")
      .field("Content-Encoding", "gzip")
      .field("Expect", "100-continue")
      .field("Holdfast-Call", "forged")
      .field("Forwarded", "for=inner")
      .field("Via", "1.0 fred")
      .field("traceparent", "00-aa-bb-01")
      .field("tracestate", "a=1")
      .field("tracestate", "b=2")
      .field("Priority", "u=1")
      .field("Authorization", "Bearer a");
  const NewCall call = world.call();
  EXPECT_TRUE(call.streamed);
  EXPECT_EQ(call.request->method, "POST");
  EXPECT_EQ(call.request->target, "/pay?x=1");
  EXPECT_EQ(call.request->fields, (Fields{{"X-b", "2"},
                                          {"x-a", "1"},
                                          {"X-b", "1"},
                                          {"Content-Encoding", "gzip"},
                                          {"Priority", "u=1"},
                                          {"Authorization", "Bearer a"}}));
  EXPECT_EQ(call.per_attempt, (Fields{{"traceparent", "00-aa-bb-01"},
                                      {"tracestate", "a=1"},
                                      {"tracestate", "b=2"},
                                      {"Via", "1.0 fred, 1.1 holdfast"}}));
}

TEST(FrozenRequest, ConnectionCannotNameAwayKeyCredentialOrScope) {
  World world;
  world.keyed().route.key.scope = {{Part::Kind::header, "Stripe-Account"}};
  world.route.owner = {OwnerRule::Kind::header, "X-User"};
  world.field("Connection", "idempotency-key, stripe-account, x-user, x-api-key, x-other")
      .field("Idempotency-Key", "k")
      .field("Stripe-Account", "acct_1")
      .field("X-User", "ann")
      .field("X-Api-Key", "secret")
      .field("X-Other", "1");
  const auto fields = world.call().request->fields;
  EXPECT_EQ(fields, (Fields{{"Idempotency-Key", "k"},
                            {"Stripe-Account", "acct_1"},
                            {"X-User", "ann"},
                            {"X-Api-Key", "secret"}}));
}

TEST(FrozenRequest, AnInjectedFieldReplacesTheClients) {
  World world;
  world.upstream.inject = {{"authorization", "Bearer ours"}};
  world.field("Authorization", "Bearer theirs").field("X-Api-Key", "k");
  const NewCall call = world.call();
  EXPECT_EQ(call.request->fields, (Fields{{"X-Api-Key", "k"}}));
  EXPECT_EQ(call.owner, owner_of({}, world.head.fields, hasher()));  // still whose it is
}

TEST(FrozenRequest, HostKeepBringsForwarded) {
  World world;
  world.route.host_keep = true;
  world.head.tls = true;
  world.head.client_address = "[2001:db8::1]:4711";
  world.field("Forwarded", "for=a").field("Forwarded", "for=b;proto=http");
  NewCall call = world.call();
  EXPECT_EQ(call.request->fields, (Fields{{"Host", "proxy.example"}}));
  EXPECT_EQ(value_of(call.per_attempt, "Forwarded"),
            "for=a, for=b;proto=http, "
            "for=\"[2001:db8::1]:4711\";host=\"proxy.example\";proto=https");
  world.head.fields = {{"Host", "a\"b\\"}};
  world.head.tls = false;
  call = world.call();
  EXPECT_EQ(value_of(call.per_attempt, "Forwarded"),
            R"(for="[2001:db8::1]:4711";host="a\"b\\";proto=http)");
}

TEST(FrozenRequest, CarriesTheKeyForTheUpstream) {
  World world;
  world.upstream.idempotency.mode = Mode::key;
  world.route.key.from = {{Part::Kind::body, "/order"}};
  const NewCall call = world.field("Idempotency-Key", "sdk").call(R"({"order":1})");
  EXPECT_EQ(call.request->fields, (Fields{{"Idempotency-Key", call.key->value}}));
  EXPECT_TRUE(call.key->value.starts_with("hf1-"));
  EXPECT_EQ(view(call.request->body), R"({"order":1})");
}

TEST(NewCall, ASafeMethodsKeyIsForwardedAndIgnored) {
  World world;
  world.keyed().upstream.idempotency.mode = Mode::key;
  world.head.method = "GET";
  const NewCall call = world.field("Idempotency-Key", "not a key").call();
  EXPECT_TRUE(call.safe);
  EXPECT_TRUE(call.streamed);
  EXPECT_FALSE(call.key);
  EXPECT_FALSE(call.may_hold);
  EXPECT_EQ(value_of(call.request->fields, "Idempotency-Key"), "not a key");
}

TEST(NewCall, FingerprintAndOwnerOfTheSameRequestAgree) {
  World world;
  world.keyed().field("Idempotency-Key", "k").field("Authorization", "Bearer a");
  const NewCall one = world.call("{}");
  const NewCall two = world.call("{}");
  EXPECT_EQ(one.fingerprint, two.fingerprint);
  EXPECT_NE(one.fingerprint, world.call("{ }").fingerprint);
  EXPECT_NE(one.fingerprint, Digest{});
  EXPECT_EQ(one.owner, two.owner);
  world.head.fields.back().value = "Bearer b";
  const NewCall other = world.call("{}");
  EXPECT_NE(other.owner, one.owner);
  EXPECT_NE(other.account, one.account);
  EXPECT_NE(other.limit_key, one.limit_key);
  EXPECT_EQ(other.fingerprint, one.fingerprint);  // the owner stands beside it
  EXPECT_EQ(other.key->identity, one.key->identity);
}

TEST(Prefer, ConsumedWhereTheRouteMayHold) {
  World world;
  world.holding(Hold::on_failure).route.wait = Duration::seconds(10);
  world.field("Prefer", "respond-async, wait=30, handling=lenient");
  NewCall call = world.call();
  EXPECT_TRUE(call.respond_async);
  EXPECT_EQ(call.wait, Duration::seconds(10));  // capped by the route
  EXPECT_EQ(value_of(call.request->fields, "Prefer"), "handling=lenient");
  EXPECT_TRUE(call.may_hold);

  world.head.fields.back().value = "wait=3";
  call = world.call();
  EXPECT_FALSE(call.respond_async);
  EXPECT_EQ(call.wait, Duration::seconds(3));
  EXPECT_EQ(value_of(call.request->fields, "Prefer"), "(none)");
  EXPECT_FALSE(call.may_hold);
}

TEST(Prefer, IgnoredElsewhereAndPassedOn) {
  World world;
  world.keyed().field("Prefer", "respond-async, wait=3");
  NewCall call = world.call();
  EXPECT_FALSE(call.respond_async);
  EXPECT_FALSE(call.wait);
  EXPECT_EQ(value_of(call.request->fields, "Prefer"), "respond-async, wait=3");

  world.holding(Hold::on_failure).head.method = "PUT";  // cannot be held: what is left is the wait
  call = world.call();
  EXPECT_FALSE(call.respond_async);
  EXPECT_EQ(call.wait, Duration::seconds(3));
  EXPECT_EQ(value_of(call.request->fields, "Prefer"), "respond-async");
}

struct HoldCase {
  std::string name;
  bool expected;
  void (*arrange)(World&);
};

class MayHold : public testing::TestWithParam<HoldCase> {};

TEST_P(MayHold, OnlyIfARepeatIsRecognisedOrA202WasAgreed) {
  World world;
  world.holding(Hold::on_failure);
  GetParam().arrange(world);
  EXPECT_EQ(world.call(R"({"order":1})").may_hold, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Section3, MayHold,
    testing::Values(
        HoldCase{"no key", false, [](World&) {}},
        HoldCase{"an unstable key", false,
                 [](World& w) { w.keyed().field("Idempotency-Key", "k"); }},
        HoldCase{"a stable key", true,
                 [](World& w) { w.keyed().field("Idempotency-Key", "k").route.key.stable = true; }},
        HoldCase{"a PUT", false,
                 [](World& w) {
                   w.keyed().field("Idempotency-Key", "k").route.key.stable = true;
                   w.head.method = "PUT";
                 }},
        HoldCase{"a PUT that has an order", true,
                 [](World& w) {
                   w.keyed().field("Idempotency-Key", "k").route.key.stable = true;
                   w.field("Holdfast-Order", "line").head.method = "PUT";
                 }},
        HoldCase{"a stable rule but no key", false,
                 [](World& w) { w.keyed().route.key.stable = true; }},
        HoldCase{"the SDK's key on a stable route", false,
                 [](World& w) {
                   w.keyed().field("Idempotency-Key", "stripe-node-retry-1");
                   w.route.key.stable = true;
                   w.upstream.preset = "stripe";
                 }},
        HoldCase{"a business key", true,
                 [](World& w) {
                   w.route.key.from = {{Part::Kind::body, "/order"}};
                 }},
        HoldCase{"a business key without its part", false,
                 [](World& w) {
                   w.route.key.from = {{Part::Kind::body, "/other"}};
                 }},
        HoldCase{"202 configured", true,
                 [](World& w) { w.route.held_answer = HeldAnswer::accepted; }},
        HoldCase{"202 asked for", true, [](World& w) { w.field("Prefer", "respond-async"); }},
        HoldCase{"always", true, [](World& w) { w.route.hold = Hold::always; }},
        HoldCase{
            "never", false,
            [](World& w) { w.keyed().field("Prefer", "respond-async").route.hold = Hold::never; }},
        HoldCase{"a method without order", false,
                 [](World& w) {
                   w.route.hold = Hold::always;
                   w.head.method = "PATCH";
                 }},
        HoldCase{"a safe method", false,
                 [](World& w) {
                   w.route.hold = Hold::always;
                   w.head.method = "GET";
                 }},
        HoldCase{"no credential to send later", false,
                 [](World& w) {
                   w.route.hold = Hold::always;
                   w.upstream.credentials_stored = false;
                 }},
        HoldCase{"an injected credential", true,
                 [](World& w) {
                   w.route.hold = Hold::always;
                   w.upstream.credentials_stored = false;
                   w.upstream.inject = {{"Authorization", "x"}};
                 }}),
    [](const testing::TestParamInfo<HoldCase>& param_info) {
      std::string name = param_info.param.name;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

TEST(IntakeIndex, TakesDeclaredFieldsAndHashesSensitiveOnes) {
  World world;
  world.keyed().field("Idempotency-Key", "k").field("X-Tenant", "t1");
  world.route.index = {{"amount", {Part::Kind::body, "/amount"}, false},
                       {"card", {Part::Kind::body, "/card"}, true},
                       {"tenant", {Part::Kind::header, "X-Tenant"}, false},
                       {"missing", {Part::Kind::body, "/no"}, false},
                       {"long", {Part::Kind::body, "/long"}, false}};
  const std::string text(257, 'x');
  const auto call =
      world.call(R"({"amount":4200,"card":"4242424242424242","long":")" + text + "\"}");
  ASSERT_EQ(call.index.size(), 4U);
  EXPECT_EQ(call.index[0], (IndexValue{"amount", "4200", false}));
  EXPECT_EQ(call.index[1].value, hashed_value("4242424242424242", hasher()));
  EXPECT_TRUE(call.index[1].hashed);
  EXPECT_EQ(call.index[2], (IndexValue{"tenant", "t1", false}));
  EXPECT_EQ(call.index[3], (IndexValue{"long", hashed_value(text, hasher()), true}));
}

TEST(IntakeLikeness, OnlyWhereTheRouteLooksForSuspects) {
  World world;
  world.keyed().field("Idempotency-Key", "k");
  EXPECT_TRUE(world.call().likeness);
  EXPECT_TRUE(world.call().content);
  EXPECT_NE(world.call("{}").content->digest(), world.call("{ }").content->digest());
  world.route.suspect.action = OnSuspect::off;
  EXPECT_FALSE(world.call().likeness);
}

TEST(IntakeDerive, OnlyWhereTheClientHasNoKey) {
  World world;
  world.route.key.derive = {Derive::owner, Derive::body};
  EXPECT_EQ(world.said(), "buffered");
  const auto call = world.call("a");
  ASSERT_TRUE(call.key && call.key->derived);
  EXPECT_EQ(call.key->identity, world.call("a").key->identity);
  EXPECT_NE(call.key->identity, world.call("b").key->identity);
  EXPECT_FALSE(call.may_hold);
  world.keyed().field("Idempotency-Key", "k");
  EXPECT_FALSE(world.call("a").key->derived);
}

TEST(Intake, TurnsGoByTheClientNotByTheProxyBeforeUs) {
  const auto share = [](std::string peer, const std::string& forwarded, bool trusted) {
    World world;
    world.head.client_address = std::move(peer);
    world.field("X-Forwarded-For", forwarded);
    if (trusted) world.proxies.trusted = {*parse_network("10.0.0.0/8")};
    return world.call().share.address;
  };
  EXPECT_EQ(share("10.0.0.1:1", "198.51.100.7", true), share("10.0.0.2:9", "198.51.100.7", true));
  EXPECT_NE(share("10.0.0.1:1", "198.51.100.7", true), share("10.0.0.1:1", "198.51.100.8", true));
  EXPECT_EQ(share("10.0.0.1:1", "198.51.100.7", false), share("10.0.0.1:2", "8.8.8.8", false));
  // A client of IPv6 has a network of addresses, and one turn.
  EXPECT_EQ(share("[2001:db8::1]:1", "", false), share("[2001:db8::2]:1", "", false));
}

}  // namespace
}  // namespace hf::call
