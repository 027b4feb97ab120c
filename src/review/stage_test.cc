// The stage is the engine among a scripted client, upstream and journal: what it shows must be what
// the engine does.
#include "review/stage.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "review/json_tree.h"
#include "review/scene.h"

namespace hf::review {
namespace {

std::shared_ptr<const call::Settings> settings_of(const std::string& yaml) {
  const auto loaded = config::load_text(yaml, "t.yaml");
  EXPECT_NE(loaded.settings, nullptr)
      << (loaded.findings.empty() ? "" : config::format(loaded.findings.front()));
  return loaded.settings;
}

const std::string kKeyed = R"(
upstreams:
  up: { url: "https://up.example", idempotency: { mode: key, lifetime: 24h }, credentials: stored }
routes:
  - path: /pay
    upstream: up
    key: { from: [ { body: /order } ] }
    hold: on_failure
    retry: { held: [1s, 2s, 4s] }
)";

struct On {
  std::shared_ptr<const call::Settings> settings;
  Stage stage;
  explicit On(const std::string& yaml) : settings(settings_of(yaml)), stage(settings) {}

  int ask(const SampleAsk& ask = {}) {
    const auto& route = *settings->routes.front();
    return stage.ask(
        sample_for(route, *settings->upstreams.at(route.upstream), ask, stage.now().wall));
  }
};

TEST(Stage, AnAnswerIsGiven) {
  On on(kKeyed);
  const int number = on.ask();
  on.stage.pass(Duration::seconds(1));
  ASSERT_NE(on.stage.told(number), nullptr);
  EXPECT_EQ(on.stage.told(number)->status, 200);
  EXPECT_EQ(on.stage.copies(), 1);
  EXPECT_EQ(on.stage.effects(), 1);
  EXPECT_EQ(on.stage.call()->state, call::State::answered);
}

TEST(Stage, AnUpstreamThatHonoursKeysDoesItOnce) {
  On on(kKeyed);
  on.stage.upstream = [](const Copy& copy) {
    EXPECT_EQ(copy.joined, copy.number > 1);
    return copy.number == 1 ? answer_lost(true) : answers(200, true);
  };
  const int number = on.ask();
  on.stage.pass(Duration::seconds(5));
  EXPECT_EQ(on.stage.copies(), 2);
  EXPECT_EQ(on.stage.effects(), 1);
  EXPECT_EQ(on.stage.told(number)->status, 200);
}

TEST(Stage, OneThatHonoursNoneDoesItEachTime) {
  On on(R"(
upstreams: { up: { url: "https://up.example" } }
routes: [ { path: /pay, upstream: up } ]
)");
  on.ask();
  on.ask();
  on.stage.pass(Duration::seconds(1));
  EXPECT_EQ(on.stage.copies(), 2);
  EXPECT_EQ(on.stage.effects(), 2);
  EXPECT_EQ(on.stage.call(), nullptr) << "such a call is not journaled";
}

TEST(Stage, AKeyIsForgottenAtTheEndOfItsLifetime) {
  On on(R"(
journal: { retention: { keys: 1h } }
upstreams: { up: { url: "https://up.example", idempotency: { mode: key, lifetime: 2h } } }
routes:
  - { path: /pay, upstream: up, key: { from: [ { body: /order } ] } }
)");
  on.stage.upstream = [](const Copy&) { return answers(200, true); };
  on.ask();
  on.stage.pass(Duration::hours(3));
  EXPECT_EQ(on.stage.effects(), 1);
}

TEST(Stage, ACrashIsABrokenConnectionAndTheJournalGoesOn) {
  On on(kKeyed);
  on.stage.upstream = [](const Copy& copy) {
    return copy.number == 1 ? silence(Duration::seconds(20)) : answers(200, true);
  };
  const int number = on.ask();
  on.stage.pass(Duration::millis(10));
  EXPECT_EQ(on.stage.told(number), nullptr);
  on.stage.crash(Duration::seconds(3));
  ASSERT_NE(on.stage.told(number), nullptr);
  EXPECT_EQ(on.stage.told(number)->status, 0);
  on.stage.pass(Duration::minutes(1));
  EXPECT_EQ(on.stage.call()->state, call::State::answered);
  EXPECT_EQ(on.stage.effects(), 1);
  EXPECT_EQ(on.stage.copies(), 2);
}

TEST(Stage, AFullJournalRefuses) {
  On on(kKeyed);
  on.stage.fill_journal();
  const int number = on.ask();
  EXPECT_EQ(on.stage.told(number)->code, "journal-unavailable");
  EXPECT_EQ(on.stage.told(number)->effect, "none");
  EXPECT_EQ(on.stage.copies(), 0);
}

TEST(Stage, WhoGivesUpIsToldNothing) {
  On on(kKeyed);
  on.stage.upstream = [](const Copy&) {
    Act slow = answers(200, true);
    slow.takes = Duration::seconds(2);
    return slow;
  };
  const int number = on.ask();
  on.stage.pass(Duration::seconds(1));
  on.stage.give_up(number);
  on.stage.pass(Duration::minutes(1));
  EXPECT_EQ(on.stage.told(number), nullptr);
  EXPECT_EQ(on.stage.call()->state, call::State::answered);
}

// Of a schedule that would repeat itself for a month the middle is left out, and it ends.
TEST(Stage, WhatRepeatsItselfForEverEnds) {
  On on(R"(
upstreams: { up: { url: "https://up.example", credentials: stored, breaker: { open: 1ms..1ms } } }
routes: [ { path: /pay, upstream: up, key: { from: [ { body: /order } ] }, hold: on_failure,
            deadline: 30d, retry: { held: [1ms] } } ]
)");
  on.stage.upstream = [](const Copy&) { return unreached(); };
  on.ask();
  on.stage.pass(Duration::hours(24 * 31));
  EXPECT_EQ(on.stage.call()->state, call::State::dead);
  EXPECT_LT(on.stage.moments().size(), 20'000U);
}

TEST(Stage, TheTimelineNamesTheRules) {
  On on(kKeyed);
  on.stage.upstream = [](const Copy&) { return unreached(); };
  on.ask();
  on.stage.pass(Duration::hours(24));
  ASSERT_FALSE(on.stage.timeline().empty());
  EXPECT_EQ(on.stage.timeline().front().what, call::Happening::accepted);
  EXPECT_EQ(on.stage.timeline().back().rule, "deadline");
  EXPECT_EQ(on.stage.errors(), std::vector<std::string>{"call_dead"});
}

TEST(Stage, CallbacksAreTold) {
  On on(R"(
callbacks: { allow: [ "https://app.example/" ], secrets: [ "${env:S}" ] }
upstreams: { up: { url: "https://up.example", credentials: stored } }
routes: [ { path: /pay, upstream: up, key: { from: [ { body: /order } ] }, hold: on_failure,
            callback: "https://app.example/h" } ]
)");
  on.stage.upstream = [](const Copy&) { return unreached(); };
  on.ask();
  on.stage.pass(Duration::hours(24));
  EXPECT_TRUE(on.stage.callback_made());
  EXPECT_EQ(on.stage.call()->state, call::State::dead);
}

// Whatever a lookup looks for, the stage's answer holds it, or says that there is nothing.
TEST(Stage, LookupsAreAnsweredAsTheyAreDeclared) {
  for (const std::string found :
       {"found: /data/0", "found: /0", "found: \"\", absent_status: [404]",
        "found: /a~1b/1/c, absent_status: [410]"}) {
    const std::string yaml = R"(
upstreams:
  up:
    url: https://up.example
    credentials: stored
    idempotency:
      mode: verify
      lookup: { get: "/x?ref={key}", where: { /state: [done, ok] }, settle: 1s, )" +
                             found + R"( }
routes: [ { path: /pay, upstream: up, key: { from: [ { body: /order } ] }, hold: on_failure } ]
)";
    for (const bool applied : {true, false}) {
      On on(yaml);
      on.stage.upstream = [applied](const Copy& copy) {
        return copy.number == 1 ? answer_lost(applied) : answers(200, true);
      };
      on.ask();
      on.stage.pass(Duration::minutes(5));
      EXPECT_EQ(on.stage.call()->state, call::State::answered) << found;
      EXPECT_EQ(on.stage.effects(), 1) << found;
      EXPECT_EQ(on.stage.copies(), applied ? 1 : 2) << found;
      EXPECT_GE(on.stage.lookups(), applied ? 1 : 2) << found;
    }
  }
}

TEST(Sample, EveryKindOfWebhookIsSignedWell) {
  for (const std::string scheme :
       {"scheme: stripe", "scheme: standard", "scheme: hmac, header: X-S, prefix: \"sha256=\"",
        "scheme: hmac, header: X-S, encoding: base64"}) {
    const std::string key = scheme.find("hmac") == scheme.npos
                                ? ""
                                : "key: { required: true, from: [ { body: /id } ] },";
    On on(
        "upstreams: { up: { url: \"https://up.example\" } }\nroutes: [ { path: /h, upstream: up, " +
        key + " webhook: { secrets: [ \"${env:S}\" ], " + scheme + " } } ]\n");
    on.ask();
    ASSERT_TRUE(on.stage.taken().has_value()) << scheme << ": " << on.stage.told(1)->code;
    EXPECT_TRUE(on.stage.taken()->key.has_value()) << scheme;
  }
}

TEST(Sample, PartsOfEveryKindAreCarried) {
  for (const std::string from : {"{ header: X-Order }", "{ body: /order/id }",
                                 "{ body: /items/0/sku }, { body: /items/1/sku }",
                                 "{ form: \"metadata[order]\" }, { header: X-Tenant }",
                                 "{ body: /a~1b }", "{ form: \"a&b=c\" }"}) {
    On on(
        "upstreams: { up: { url: \"https://up.example\" } }\nroutes: [ { path: /p, upstream: up, "
        "key: { required: true, from: [ " +
        from + " ] } } ]\n");
    SampleAsk bare;
    bare.keyed = false;
    on.ask(bare);
    EXPECT_EQ(on.stage.told(1)->code, "key-missing") << from;
    on.ask();
    ASSERT_TRUE(on.stage.taken().has_value()) << from << ": " << on.stage.told(2)->code;
    EXPECT_TRUE(on.stage.taken()->key.has_value()) << from;
  }
}

TEST(JsonTree, PutsValuesWherePointersLead) {
  JsonTree tree;
  EXPECT_EQ(tree.text(), "{}");
  EXPECT_TRUE(tree.put("/a/0/b", "x"));
  EXPECT_TRUE(tree.put("/a/2", "y"));
  EXPECT_TRUE(tree.put("/c~1d", "\""));
  EXPECT_TRUE(tree.put_json("/e", "[]"));
  EXPECT_FALSE(tree.put("/a", "z")) << "something stands there";
  EXPECT_FALSE(tree.put("/e/f", "z"));
  EXPECT_EQ(tree.text(), R"({"a":[{"b":"x"},null,"y"],"c/d":"\"","e":[]})");
  JsonTree big;
  EXPECT_TRUE(big.put("/1000000", "x")) << "a long index is a name";
  EXPECT_EQ(big.text(), R"({"1000000":"x"})");
}

}  // namespace
}  // namespace hf::review
