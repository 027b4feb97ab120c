#include "sandbox/world.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace hf::sandbox {
namespace {

namespace json = boost::json;

struct Scene {
  explicit Scene(const SandboxOptions& options = {}) : world(World::make(options).value()) {}

  World world;
  WallTime now{1'000'000};

  static Request charge(const std::string& key, const std::string& order,
                        const std::string& fault = {}, int amount = 100) {
    Request request{"POST", "/v1/charges", {}, {{"Authorization", "Bearer sk"}}, {}};
    if (!key.empty()) request.fields.push_back({"Idempotency-Key", key});
    if (!fault.empty()) request.fields.push_back({"Sandbox-Fault", fault});
    request.body = "amount=" + std::to_string(amount) +
                   "&currency=usd&source=tok_visa&metadata[order]=" + order;
    return request;
  }
  // Arrives and, if there is something to execute, executes it at once.
  Answer ask(const Request& request) {
    auto arrival = world.arrive(request, now);
    return arrival.ticket != 0 ? world.finish(arrival.ticket, now) : arrival.answer.value();
  }
  std::size_t effects() const { return world.ledger().effects().size(); }
};

std::string replayed(const Answer& answer) {
  return field_or_empty(answer.fields, "Idempotent-Replayed");
}

TEST(World, SameKeyIsReplayedByteForByteAndAppliedOnce) {
  Scene scene;
  const auto first = scene.ask(Scene::charge("k", "1"));
  const auto second = scene.ask(Scene::charge("k", "1"));
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(replayed(first), "");
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(replayed(second), "true");
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(World, SameKeyOtherBodyIsRefused) {
  Scene scene;
  scene.ask(Scene::charge("k", "1"));
  const auto answer = scene.ask(Scene::charge("k", "1", {}, 200));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(json::parse(answer.body).at("error").at("type"), "idempotency_error");
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(World, KeyIsBusyWhileTheFirstRunsEvenAfterItsConnectionDied) {
  Scene scene;
  const auto late = scene.world.arrive(Scene::charge("k", "1", "late_apply=700"), scene.now);
  EXPECT_TRUE(late.reset_now);
  EXPECT_EQ(late.delay_ms, 700);
  EXPECT_EQ(scene.effects(), 0U);
  EXPECT_EQ(scene.ask(Scene::charge("k", "1")).status, 409);
  scene.world.finish(late.ticket, scene.now);
  EXPECT_EQ(scene.effects(), 1U);
  EXPECT_EQ(replayed(scene.ask(Scene::charge("k", "1"))), "true");
  EXPECT_EQ(scene.world.ledger().requests().front().status_answered, 0);
}

TEST(World, KeyIsForgottenAfterItsLifetimeAndTheLedgerTellsOfTheDouble) {
  SandboxOptions options;
  options.key_lifetime_ms = 1000;
  Scene scene(options);
  scene.ask(Scene::charge("k", "1"));
  scene.now.ms += 999;
  EXPECT_EQ(replayed(scene.ask(Scene::charge("k", "1"))), "true");
  scene.now.ms += 1;
  EXPECT_EQ(replayed(scene.ask(Scene::charge("k", "1"))), "");
  ASSERT_EQ(scene.effects(), 2U);
  EXPECT_EQ(scene.world.ledger().effects()[1].duplicate_of, 1U);
}

TEST(World, KeysCountForTheirOwnerAndWhereTheyAreHonoured) {
  Scene scene;
  scene.ask(Scene::charge("k", "1"));
  auto other = Scene::charge("k", "2");
  set_field(other.fields, "Authorization", "Bearer other");
  EXPECT_EQ(scene.ask(other).status, 200);
  const Request plain{"POST", "/sms", {}, {{"Idempotency-Key", "k"}}, "hello"};
  scene.ask(plain);
  EXPECT_EQ(replayed(scene.ask(plain)), "");

  SandboxOptions all;
  all.keys = KeyMode::all;
  Scene everywhere(all);
  everywhere.ask(plain);
  EXPECT_EQ(replayed(everywhere.ask(plain)), "true");

  SandboxOptions none;
  none.keys = KeyMode::ignored;
  Scene nowhere(none);
  nowhere.ask(Scene::charge("k", "1"));
  EXPECT_EQ(replayed(nowhere.ask(Scene::charge("k", "1"))), "");
  EXPECT_EQ(nowhere.world.ledger().duplicates(), 1U);
}

TEST(World, RefusingFaultsApplyNothingAndLeaveTheKeyFree) {
  Scene scene;
  for (const auto& [fault, status] : {std::pair{"in_progress", 409},
                                      {"s429=3", 429},
                                      {"s500", 500},
                                      {"s503=2", 503},
                                      {"status=418", 418}}) {
    const auto answer = scene.ask(Scene::charge("k", "1", fault));
    EXPECT_EQ(answer.status, status) << fault;
    EXPECT_NE(field_or_empty(answer.fields, "request-id"), "") << fault;
  }
  EXPECT_EQ(field_or_empty(scene.ask(Scene::charge("k", "1", "s429=3")).fields, "Retry-After"),
            "3");
  EXPECT_EQ(scene.effects(), 0U);
  EXPECT_EQ(replayed(scene.ask(Scene::charge("k", "1"))), "");
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(World, StoredServerErrorIsReplayedAndMayHaveApplied) {
  Scene scene;
  EXPECT_EQ(scene.ask(Scene::charge("k", "1", "s500_stored")).status, 500);
  const auto again = scene.ask(Scene::charge("k", "1"));
  EXPECT_EQ(again.status, 500);
  EXPECT_EQ(replayed(again), "true");
  EXPECT_EQ(scene.effects(), 0U);
  scene.ask(Scene::charge("k2", "2", "s500_stored=applied"));
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(World, DeclineIsStoredAndValidationIsNot) {
  Scene scene;
  auto bad = Scene::charge("k", "1");
  bad.body = "currency=usd";
  EXPECT_EQ(scene.ask(bad).status, 400);
  EXPECT_EQ(scene.ask(Scene::charge("k", "1")).status, 200);
  auto declined = Scene::charge("d", "2");
  declined.body = "amount=1&currency=usd&source=tok_chargeDeclined";
  EXPECT_EQ(scene.ask(declined).status, 402);
  EXPECT_EQ(replayed(scene.ask(declined)), "true");
}

TEST(World, GatewayErrorAfterTheEffectHidesAStoredSuccess) {
  Scene scene;
  EXPECT_EQ(scene.ask(Scene::charge("k", "1", "apply_then_503")).status, 503);
  EXPECT_EQ(scene.effects(), 1U);
  EXPECT_EQ(scene.ask(Scene::charge("k", "1")).status, 200);
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(World, LlmAnswersWholeAndStreamed) {
  SandboxOptions options;
  options.llm_chunks = 3;
  Scene scene(options);
  Request request{"POST", "/v1/chat/completions", {}, {{"Authorization", "Bearer x"}}, {}};
  request.body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
  const auto whole = scene.ask(request);
  EXPECT_NE(whole.body.find("You said: hi"), std::string::npos);
  request.body = R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]})";
  const auto streamed = scene.ask(request);
  ASSERT_EQ(streamed.events.size(), 6U);  // role, three pieces, stop, [DONE]
  EXPECT_EQ(streamed.events.back(), "data: [DONE]\n\n");
  request.path = "/v1/messages";
  const auto messages = scene.ask(request);
  EXPECT_EQ(messages.events.front().rfind("event: message_start\n", 0), 0U);
  EXPECT_EQ(messages.events.back().rfind("event: message_stop\n", 0), 0U);
  request.body = "{}";
  EXPECT_EQ(scene.ask(request).status, 400);
  request.fields.clear();
  EXPECT_EQ(scene.ask(request).status, 401);
  EXPECT_EQ(scene.effects(), 3U);
}

TEST(World, LedgerIsFilteredAndCapped) {
  SandboxOptions options;
  options.max_effects = 3;
  options.max_requests = 4;
  options.max_ledger_body_bytes = 150;
  Scene scene(options);
  for (int i = 0; i < 6; ++i)
    scene.ask(Scene::charge({}, std::to_string(i % 5)));
  const auto& effects = scene.world.ledger().effects();
  ASSERT_EQ(effects.size(), 3U);
  EXPECT_EQ(effects.front().id, 4U);
  EXPECT_EQ(effects.front().body, "");  // bodies go first
  EXPECT_NE(effects.back().body, "");
  EXPECT_EQ(effects.back().duplicate_of, 1U);  // order 0 came twice
  const auto shown = scene.world.control({"GET", "/_ledger", "order=4", {}, {}}, false, scene.now);
  const auto ledger = json::parse(shown.answer.body);
  EXPECT_EQ(ledger.at("effects").as_array().size(), 1U);
  EXPECT_EQ(ledger.at("counts").at("effects"), 6);
  EXPECT_EQ(ledger.at("counts").at("dropped_effects"), 3);
  EXPECT_EQ(ledger.at("counts").at("dropped_requests"), 2);
}

TEST(World, FaultSettingsAreAllOrNothing) {
  Scene scene;
  const auto post = [&scene](const std::string& body) {
    return scene.world.control({"POST", "/_faults", {}, {}, body}, false, scene.now).answer;
  };
  EXPECT_EQ(post(R"({"seed":9,"faults":"s500=100","next":["cut"],"keys":"all"})").status, 200);
  EXPECT_EQ(post(R"({"seed":10,"next":["nonsense"]})").status, 400);
  EXPECT_EQ(post(R"({"sed":10})").status, 400);
  EXPECT_EQ(post("[]").status, 400);
  const auto shown = json::parse(post("").body);
  EXPECT_EQ(shown.at("seed"), 9);
  EXPECT_EQ(shown.at("faults"), "s500=100");
  EXPECT_EQ(shown.at("next"), json::array{"cut=fin"});
  EXPECT_EQ(shown.at("keys"), "all");
}

TEST(World, ResetForgetsEffectsKeysAndObjectsAndWhatIsUnderWay) {
  Scene scene;
  scene.ask(Scene::charge("k", "1"));
  const auto late = scene.world.arrive(Scene::charge("l", "2", "late_apply=1"), scene.now);
  scene.world.control({"POST", "/_reset", {}, {}, {}}, false, scene.now);
  scene.world.finish(late.ticket, scene.now);
  EXPECT_EQ(scene.effects(), 0U);
  EXPECT_EQ(scene.world.ledger().effect_count(), 0U);
  EXPECT_EQ(replayed(scene.ask(Scene::charge("k", "1"))), "");
}

TEST(World, BadOptionsAreRefused) {
  SandboxOptions options;
  options.faults = "nonsense=1";
  EXPECT_FALSE(World::make(options).ok());
  options.faults.clear();
  options.always = "slow=x";
  EXPECT_FALSE(World::make(options).ok());
}

}  // namespace
}  // namespace hf::sandbox
