#include "config/places.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace hf::config {
namespace {

constexpr std::string_view kText = R"(listen: 127.0.0.1:1
upstreams:
  stripe.eu:
    url: https://api.stripe.com
    preset: stripe
    idempotency: { settles: [402] }
  llm: { url: "https://api.openai.com", preset: openai, idempotency: { mode: none } }
routes:
  - path: /pay/
    upstream: stripe.eu
    retry:
      live: { attempts: 2 }
  - { path: /llm/, upstream: llm }
  - path: /hooks
    upstream: llm
    methods: [POST]
    webhook: { scheme: stripe, secrets: [ "${env:S}" ] }
)";

struct PlacesTest : testing::Test {
  Loaded loaded = load_text(kText, "h.yaml");
  [[nodiscard]] std::string route(std::size_t index, std::string_view key) const {
    const auto& settings = *loaded.settings;
    const auto& one = *settings.routes[index];
    return loaded.places.text(
        loaded.places.of_route(index, one, *settings.upstreams.at(one.upstream), key));
  }
  [[nodiscard]] Place upstream(const std::string& name, std::string_view key) const {
    return loaded.places.of_upstream(*loaded.settings->upstreams.at(name), key);
  }
  [[nodiscard]] std::string text(const Place& place) const { return loaded.places.text(place); }
};

TEST_F(PlacesTest, WhatIsWrittenHasItsLine) {
  ASSERT_NE(loaded.settings, nullptr);
  EXPECT_EQ(text(loaded.places.of_service("listen")), "h.yaml:1");
  EXPECT_EQ(text(upstream("stripe.eu", "url")), "h.yaml:4");
  EXPECT_EQ(text(upstream("stripe.eu", "idempotency.settles")), "h.yaml:6");
  EXPECT_EQ(route(0, "retry.live.attempts"), "h.yaml:12");
  EXPECT_EQ(route(0, ""), "h.yaml:9");
  EXPECT_EQ(loaded.places.of_route(0, *loaded.settings->routes[0], {}, "path").path,
            "routes[0].path");
}

TEST_F(PlacesTest, APresetIsNamed) {
  EXPECT_EQ(text(upstream("stripe.eu", "idempotency.mode")), "preset stripe");
  EXPECT_EQ(text(upstream("stripe.eu", "idempotency.lifetime")), "preset stripe");
  EXPECT_EQ(text(upstream("llm", "timeouts.head")), "preset openai");
  EXPECT_EQ(route(0, "key.scope"), "preset stripe");
  // Of stripe the times are everybody's, and a mode that is not the preset's takes its keys away.
  EXPECT_EQ(text(upstream("stripe.eu", "timeouts.head")), "default");
  EXPECT_EQ(text(upstream("llm", "idempotency.mode")), "h.yaml:7");
  EXPECT_EQ(text(upstream("llm", "idempotency.settles")), "default");
  EXPECT_EQ(text(upstream("llm", "idempotency.refused")), "preset openai");
}

TEST_F(PlacesTest, WhatNobodyWroteIsTheDefaultNearWhereItWouldStand) {
  EXPECT_EQ(route(1, "hold"), "default");
  const Place hold = loaded.places.of_route(1, *loaded.settings->routes[1], {}, "hold");
  EXPECT_EQ(loaded.places.line(hold), "h.yaml:13");
  const Place backoff =
      loaded.places.of_route(0, *loaded.settings->routes[0], {}, "retry.live.backoff");
  EXPECT_EQ(backoff.from, Place::From::standard);
  EXPECT_EQ(loaded.places.line(backoff), "h.yaml:12");
  EXPECT_EQ(text(loaded.places.of_service("journal.path")), "default");
}

TEST_F(PlacesTest, AWebhookSaysItsKey) {
  EXPECT_EQ(route(2, "key.from"), "webhook, h.yaml:17");
  EXPECT_EQ(route(2, "hold"), "default");
}

TEST_F(PlacesTest, OfNothingNothingIsAnywhere) {
  const Places none;
  EXPECT_EQ(none.of_service("listen").at, Position{});
  EXPECT_EQ(none.of_upstream({}, "url").from, Place::From::standard);
}

}  // namespace
}  // namespace hf::config
