// A provider without keys that can be asked, and what it does to those who ask.
#include "sandbox/charges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sandbox/world.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

struct Scene {
  explicit Scene(const SandboxOptions& options = {}) : world(World::make(options).value()) {}

  World world;
  WallTime now{1'000'000};

  static Request charge(const std::string& ref, const std::string& fault = {}) {
    Request request{"POST", "/charges", {}, {}, "ref=" + ref + "&amount=4200&customer=cus_1"};
    if (!fault.empty()) request.fields.push_back({"Sandbox-Fault", fault});
    return request;
  }
  Answer ask(const Request& request) {
    auto arrival = world.arrive(request, now);
    return arrival.ticket != 0 ? world.finish(arrival.ticket, now) : arrival.answer.value();
  }
  Answer look(const std::string& query) { return ask({"GET", "/charges", query, {}, {}}); }
  std::vector<std::string> listed(const std::string& ref) {
    std::vector<std::string> out;
    const auto page = json::parse(look("ref=" + ref).body);
    for (const auto& each : page.at("data").as_array()) {
      out.emplace_back(each.at("status").as_string().c_str());
    }
    return out;
  }
  std::size_t effects() const { return world.ledger().effects().size(); }
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Charges, EveryPostIsOneMoreAndLookupsTellWhichThereAre) {
  Scene scene;
  auto first = Scene::charge("r1");
  first.fields.push_back({"Idempotency-Key", "k"});
  const auto made = scene.ask(first);
  EXPECT_EQ(made.status, 201);
  scene.ask(first);
  Request in_json{"POST", "/charges", {}, {{"Content-Type", "application/json"}}, {}};
  in_json.body = R"({"ref":"r2","amount":100,"customer":"cus_2"})";
  scene.ask(in_json);

  const auto page = json::parse(scene.look("ref=r1").body);
  ASSERT_EQ(page.at("data").as_array().size(), 2U);
  EXPECT_EQ(page.at("data").at(0), json::parse(made.body));
  EXPECT_EQ(page.at("data").at(0).at("amount"), 4200);
  EXPECT_EQ(page.at("has_more"), false);
  EXPECT_EQ(json::parse(scene.look("").body).at("data").as_array().size(), 3U);
  EXPECT_EQ(json::parse(scene.look("customer=cus_2").body).at("data").as_array().size(), 1U);
  EXPECT_THAT(scene.listed("r3"), IsEmpty());
  ASSERT_EQ(scene.effects(), 3U);
  EXPECT_EQ(scene.world.ledger().effects()[1].duplicate_of, 1U);
  EXPECT_EQ(scene.world.ledger().effects()[1].order, "r1");
}

TEST(Charges, OneIsReadByItsIdAndOthersAreNotThere) {
  Scene scene;
  const auto made = scene.ask(Scene::charge("r1"));
  const std::string id(json::parse(made.body).at("id").as_string().c_str());
  EXPECT_EQ(scene.ask({"GET", "/charges/" + id, {}, {}, {}}).body, made.body);
  EXPECT_EQ(scene.ask({"GET", "/charges/chg_0", {}, {}, {}}).status, 404);
  EXPECT_EQ(scene.ask({"DELETE", "/charges/" + id, {}, {}, {}}).status, 404);
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(Charges, WithoutRefOrAmountNothingIsCharged) {
  Scene scene;
  for (const auto* body :
       {"amount=1", "ref=r", "ref=r&amount=x", "ref=r&amount=0", "ref=&amount=1"}) {
    auto request = Scene::charge("r");
    request.body = body;
    EXPECT_EQ(scene.ask(request).status, 400) << body;
  }
  EXPECT_EQ(scene.effects(), 0U);
}

TEST(Charges, LookupsLagBehind) {
  SandboxOptions options;
  options.lookup_lag_ms = 3000;
  Scene scene(options);
  const auto made = scene.ask(Scene::charge("r1"));
  const std::string id(json::parse(made.body).at("id").as_string().c_str());
  scene.now.ms += 2999;
  EXPECT_THAT(scene.listed("r1"), IsEmpty());
  EXPECT_EQ(scene.ask({"GET", "/charges/" + id, {}, {}, {}}).status, 404);
  scene.now.ms += 1;
  EXPECT_THAT(scene.listed("r1"), ElementsAre("succeeded"));
  EXPECT_EQ(scene.ask({"GET", "/charges/" + id, {}, {}, {}}).status, 200);
}

TEST(Charges, PendingIsListedUntilItTakesEffect) {
  Scene scene;
  const auto late = scene.world.arrive(Scene::charge("r1", "listed_pending=700"), scene.now);
  EXPECT_TRUE(late.reset_now);
  EXPECT_EQ(late.delay_ms, 700);
  EXPECT_THAT(scene.listed("r1"), ElementsAre("pending"));
  EXPECT_EQ(scene.effects(), 0U);
  scene.world.finish(late.ticket, scene.now);
  EXPECT_THAT(scene.listed("r1"), ElementsAre("succeeded"));
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(Charges, FailedIsListedAndIsNoEffect) {
  Scene scene;
  const auto lost = scene.world.arrive(Scene::charge("r1", "listed_failed"), scene.now);
  EXPECT_EQ(lost.ending, Ending::reset);
  scene.world.finish(lost.ticket, scene.now);
  EXPECT_THAT(scene.listed("r1"), ElementsAre("failed"));
  EXPECT_EQ(scene.effects(), 0U);
}

TEST(Charges, ALateEffectIsNotListedBefore) {
  Scene scene;
  const auto late = scene.world.arrive(Scene::charge("r1", "late_apply=700"), scene.now);
  EXPECT_THAT(scene.listed("r1"), IsEmpty());
  scene.world.finish(late.ticket, scene.now);
  EXPECT_THAT(scene.listed("r1"), ElementsAre("succeeded"));
}

TEST(Charges, LookupFaultsMeetLookupsOnly) {
  SandboxOptions options;
  options.lookup_faults = "body:html=1000";
  Scene scene(options);
  EXPECT_EQ(scene.ask(Scene::charge("r1")).status, 201);
  const auto answer = scene.look("ref=r1");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(field_or_empty(answer.fields, "Content-Type"), "text/html");
  EXPECT_EQ(scene.ask({"GET", "/elsewhere", {}, {}, {}}).status, 200);
  const auto set = [&scene](const std::string& body) {
    return scene.world.control({"POST", "/_faults", {}, {}, body}, false, scene.now).answer.status;
  };
  ASSERT_EQ(set(R"({"lookup_faults":"body:torn=1000"})"), 200);
  json::error_code error;
  json::parse(scene.look("ref=r1").body, error);
  EXPECT_TRUE(error);
  ASSERT_EQ(set(R"({"lookup_faults":"body:other=1000","lookup_lag_ms":5})"), 200);
  EXPECT_TRUE(json::parse(scene.look("ref=r1").body).at("data").is_string());
  ASSERT_EQ(set(R"({"lookup_faults":"status:500=1000"})"), 200);
  EXPECT_EQ(scene.look("ref=r1").status, 500);
  ASSERT_EQ(set(R"({"lookup_faults":""})"), 200);
  EXPECT_EQ(scene.listed("r1").size(), 0U);  // the lag that was set
  EXPECT_EQ(set(R"({"lookup_faults":"nonsense=1"})"), 400);
  EXPECT_EQ(scene.effects(), 1U);
}

TEST(Charges, AResetForgetsThem) {
  Scene scene;
  scene.ask(Scene::charge("r1"));
  const auto late = scene.world.arrive(Scene::charge("r2", "listed_pending=1"), scene.now);
  scene.world.control({"POST", "/_reset", {}, {}, {}}, false, scene.now);
  scene.world.finish(late.ticket, scene.now);
  EXPECT_EQ(json::parse(scene.look("").body).at("data").as_array().size(), 0U);
  EXPECT_EQ(scene.effects(), 0U);
}

}  // namespace
}  // namespace hf::sandbox
