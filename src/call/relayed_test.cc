#include "call/relayed.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

Hasher hasher() {
  return Hasher{{1, 2, 3}};
}

struct World {
  World() {
    upstream.name = "u";
    upstream.urls = {Url{false, "up.test", 80, "/base"}};
    upstream.inject = {{"Authorization", "Bearer x"}};
    upstream.idempotency.mode = Mode::key;
    upstream.timeouts.head = Duration::seconds(1);
    route.path = "/v1/";
    route.upstream = "u";
    route.mode = RouteMode::observe;
    route.key.required = true;
    route.key.from = {{Part::Kind::header, "Idempotency-Key"}};
    head.method = "POST";
    head.target = "/v1/x?q=%20";
    head.fields = {
        {"Host", "holdfast.test"},      {"Connection", "X-Gone"},          {"X-Gone", "1"},
        {"Prefer", "respond-async"},    {"Holdfast-Deadline", "nonsense"}, {"Content-Length", "3"},
        {"Authorization", "Bearer own"}};
    head.has_body = true;
    head.length = 3;
  }
  [[nodiscard]] std::shared_ptr<const Settings> settings() const {
    auto out = std::make_shared<Settings>();
    out->upstreams["u"] = std::make_shared<const UpstreamSettings>(upstream);
    out->routes = {std::make_shared<const RouteSettings>(route)};
    return out;
  }
  UpstreamSettings upstream;
  RouteSettings route;
  IncomingHead head;
};

TEST(Relayed, NothingIsRefusedPutInOrTakenOff) {
  World world;
  const Intake intake(world.settings(), hasher());
  const auto verdict = intake.on_head(world.head);
  const auto* streamed = std::get_if<Streamed>(&verdict);
  ASSERT_NE(streamed, nullptr) << "it has no key, a bad deadline, and passes";
  const NewCall& call = streamed->call;
  const Fields expected{{"Prefer", "respond-async"},
                        {"Holdfast-Deadline", "nonsense"},
                        {"Authorization", "Bearer own"}};
  EXPECT_EQ(call.request->fields, expected);
  EXPECT_EQ(call.request->target, "/base/v1/x?q=%20");
  EXPECT_TRUE(call.per_attempt.empty()) << "no Via";
  EXPECT_TRUE(call.upstream->inject.empty());
  EXPECT_EQ(call.upstream->timeouts.head, kRelayIdle);
  EXPECT_EQ(call.route->retry.live_buffer, 0U);
  ASSERT_NE(call.relayed, nullptr);
  EXPECT_EQ(call.relayed->fields, world.head.fields);
}

TEST(Relayed, HostIsKeptWhereTheRouteKeepsIt) {
  World world;
  world.route.host_keep = true;
  const auto verdict = Intake(world.settings(), hasher()).on_head(world.head);
  const auto& call = std::get<Streamed>(verdict).call;
  EXPECT_EQ(find_field(call.request->fields, "Host")->value, "holdfast.test");
  EXPECT_EQ(find_field(call.request->fields, "Forwarded"), nullptr);
}

TEST(Relayed, ItsJudgeIsTheRouteAsIfItActed) {
  World world;
  const auto acts = std::make_shared<const Settings>(acting(*world.settings()));
  EXPECT_FALSE(acts->observes());
  EXPECT_TRUE(world.settings()->observes());
  EXPECT_FALSE(world.settings()->needs_journal());
  EXPECT_TRUE(acts->needs_journal());
  world.head.fields = {};
  const auto verdict = Intake(acts, hasher()).on_head(world.head);
  const auto* reply = std::get_if<Reply>(&verdict);
  ASSERT_NE(reply, nullptr);
  EXPECT_EQ(problem_code(*reply), "key-missing");
  EXPECT_EQ(problem_code(Reply{}), "");
}

}  // namespace
}  // namespace hf::call
