#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "config/print.h"
#include "config/yaml_tree.h"

namespace hf::config {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kGood =
    "upstreams: { api: { url: \"https://api.example.com\" } }\n"
    "routes: [ { path: /, upstream: api } ]\n";

std::vector<std::string> rules_of(const Loaded& loaded) {
  std::vector<std::string> out;
  for (const auto& finding : loaded.findings)
    out.push_back(finding.rule);
  return out;
}

std::string all(const Loaded& loaded) {
  std::string out;
  for (const auto& finding : loaded.findings)
    out += format(finding) + "\n";
  return out;
}

// One upstream and one route with these lines in them.
Loaded with(const std::string& upstream, const std::string& route) {
  return load_text("upstreams:\n  a:\n    url: https://a.example\n    " + upstream +
                       "\nroutes:\n  - path: /\n    upstream: a\n    " + route + "\n",
                   "f");
}

TEST(Load, DefaultsOfASmallFile) {
  const auto loaded = load_text(kGood, "f");
  ASSERT_NE(loaded.settings, nullptr) << all(loaded);
  EXPECT_TRUE(loaded.findings.empty()) << all(loaded);
  call::Settings expected;
  auto upstream = std::make_shared<call::UpstreamSettings>();
  upstream->name = "api";
  upstream->urls = {{true, "api.example.com", 443, ""}};
  expected.upstreams["api"] = upstream;
  auto route = std::make_shared<call::RouteSettings>();
  route->upstream = "api";
  expected.routes = {route};
  EXPECT_TRUE(same_settings(*loaded.settings, expected)) << print(*loaded.settings);
}

TEST(Load, FindingPointsAtLineAndColumn) {
  const auto loaded = with("tiemouts: {}", "wait: 10s");
  ASSERT_EQ(loaded.findings.size(), 1U);
  EXPECT_EQ(format(loaded.findings.front()),
            "f:4:5: error: upstreams.a: unknown key `tiemouts`; did you mean `timeouts`? "
            "[unknown-key]");
  EXPECT_EQ(loaded.settings, nullptr);
}

TEST(Load, StrictMakesWarningsErrors) {
  const auto warned = with("account: x", "retry: { budget: 0% }");
  ASSERT_NE(warned.settings, nullptr) << all(warned);
  EXPECT_THAT(rules_of(warned), Contains("budget-zero"));
  const auto strictly = strict(warned);
  EXPECT_EQ(strictly.settings, nullptr);
  EXPECT_EQ(strictly.findings.front().level, Level::error);
  EXPECT_NE(strict(load_text(kGood, "f")).settings, nullptr);
}

TEST(Load, ModeKeyExpectsA409ForWorkInProgress) {
  const auto plain = with("idempotency: { mode: key, lifetime: 2h }", "wait: 1s");
  ASSERT_NE(plain.settings, nullptr) << all(plain);
  EXPECT_EQ(plain.settings->upstreams.at("a")->idempotency.in_progress, std::vector<int>{409});
  const auto none = with("idempotency: { mode: key, lifetime: 2h, in_progress: [] }", "wait: 1s");
  ASSERT_NE(none.settings, nullptr) << all(none);
  EXPECT_TRUE(none.settings->upstreams.at("a")->idempotency.in_progress.empty());
}

TEST(Load, AnUnwrittenDeadlineFitsTheKeyLifetime) {
  const auto loaded = with("idempotency: { mode: key, lifetime: 1h }", "wait: 1s");
  ASSERT_NE(loaded.settings, nullptr) << all(loaded);
  // connect 3s + head 30s + 10s is more than a hundredth of an hour.
  EXPECT_EQ(loaded.settings->routes[0]->deadline, Duration::hours(1) - Duration::seconds(43));
  EXPECT_TRUE(loaded.findings.empty()) << all(loaded);
}

TEST(Load, InjectAllowsHoldingAndAnEmptyOneDoesNot) {
  const std::string route = "hold: on_failure\n    held_answer: 202";
  const std::string field = "inject: { Authorization: \"Bearer ${env:TOKEN}\" }";
  EXPECT_NE(with(field, route).settings, nullptr) << all(with(field, route));
  EXPECT_NE(with("credentials: stored", route).settings, nullptr);
  EXPECT_THAT(rules_of(with("inject: {}", route)), Contains("hold-credentials"));
}

TEST(Load, OnFailureNeedsAKeyThatComesAgain) {
  const std::string upstream = "credentials: stored";
  const auto lone = with(upstream, "{hold: on_failure}");
  EXPECT_EQ(lone.settings, nullptr);  // not even YAML
  const std::string held = "hold: on_failure\n    key: ";
  EXPECT_THAT(rules_of(with(upstream, held + "{ from: [ { header: K } ] }")),
              Contains("hold-unrecognised"));
  EXPECT_THAT(rules_of(with(upstream, held + "{ from: [ { header: K } ], stable: true }")),
              Not(Contains("hold-unrecognised")));
  EXPECT_THAT(rules_of(with(upstream, held + "{ from: [ { body: /id } ] }")),
              Not(Contains("hold-unrecognised")));
}

TEST(Load, SecretsStayOutOfFindingsAndPrint) {
  const auto loaded =
      with("inject: { Authorization: \"Bearer sk_canary\", X-Key: \"${bad:canary}\" }", "wait: 1s");
  EXPECT_THAT(all(loaded), Not(HasSubstr("canary")));
  const auto url = load_text(
      "upstreams: { a: { url: \"https://u:canary@a.example\" } }\nroutes: [ { path: /, upstream: a "
      "} ]",
      "f");
  EXPECT_THAT(rules_of(url), Contains("bad-url"));
  EXPECT_THAT(all(url), Not(HasSubstr("canary")));
  const auto literal = with("inject: { Authorization: \"Bearer sk_canary\" }", "wait: 1s");
  ASSERT_NE(literal.settings, nullptr) << all(literal);
  EXPECT_THAT(rules_of(literal), Contains("secret-literal"));
  EXPECT_THAT(print(*literal.settings), Not(HasSubstr("canary")));
  const auto reference = with("inject: { Authorization: \"Bearer ${file:/run/x}\" }", "wait: 1s");
  ASSERT_NE(reference.settings, nullptr);
  EXPECT_TRUE(reference.findings.empty()) << all(reference);
  EXPECT_THAT(print(*reference.settings), HasSubstr("Bearer ${file:/run/x}"));
}

TEST(Load, HostileTexts) {
  const auto rule = [](const std::string& text) {
    const auto loaded = load_text(text, "f");
    EXPECT_EQ(loaded.settings, nullptr);
    return loaded.findings.empty() ? std::string("none") : loaded.findings.front().rule;
  };
  EXPECT_EQ(rule(std::string(kMaxText + 1, ' ')), "too-large");
  EXPECT_EQ(rule(std::string(2000, '[')), "too-large");
  EXPECT_EQ(rule(std::string(2000, '{')), "too-large");
  std::string deep;
  for (int i = 0; i < 400; ++i)
    deep += "- ";
  EXPECT_EQ(rule(deep), "too-large");
  std::string many = "routes: [";
  for (std::size_t i = 0; i < kMaxNodes; ++i)
    many += "a,";
  EXPECT_EQ(rule(many + "]"), "too-large");
  std::string keys;
  for (std::size_t i = 0; i <= kMaxKeys; ++i)
    keys += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(rule(keys), "too-large");
  EXPECT_EQ(rule("listen: \xff\xfe"), "syntax");
  EXPECT_EQ(rule("listen: \xc0\xaf"), "syntax");
  EXPECT_EQ(rule("listen: \xed\xa0\x80"), "syntax");
  EXPECT_EQ(rule(std::string("listen: a\0b", 11)), "syntax");
  EXPECT_EQ(rule("listen: a\x04"), "syntax");
  EXPECT_EQ(rule("listen: \"a\\0b\""), "syntax");
  EXPECT_EQ(rule("listen: \"a\\nb\""), "syntax");
  EXPECT_EQ(rule("listen: [1, 2"), "syntax");
  EXPECT_EQ(rule("a: &x [1]\nb: [*x, *x]"), "yaml-feature");
  EXPECT_EQ(rule("<<: *x"), "syntax");  // an alias of nothing
  EXPECT_EQ(rule("{ [a]: b }"), "yaml-feature");
  EXPECT_EQ(rule("listen: !!binary aGk="), "yaml-feature");
  EXPECT_EQ(rule(""), "missing");
}

TEST(Load, FindingsAreBounded) {
  std::string text(kGood);
  for (std::size_t i = 0; i < kMaxFindings * 2; ++i)
    text += "zz" + std::to_string(i) + ": 1\n";
  const auto loaded = load_text(text, "f");
  EXPECT_EQ(loaded.findings.size(), kMaxFindings + 1);
  EXPECT_THAT(rules_of(loaded), Contains("too-many"));
}

TEST(Load, ACrowdOfWarningsNeitherStopsNorHidesAnError) {
  std::string text = "upstreams:\n";
  for (std::size_t i = 0; i < kMaxFindings * 2; ++i)
    text += "  u" + std::to_string(i) + ": { url: \"https://a.example\" }\n";
  text += "routes: [ { path: /, upstream: u0 } ]\n";
  const auto warned = load_text(text, "f");
  EXPECT_NE(warned.settings, nullptr);
  EXPECT_EQ(warned.findings.size(), kMaxFindings + 1);
  EXPECT_THAT(rules_of(warned), Contains("too-many"));
  const auto wrong = load_text(text + "zz: 1\n", "f");
  EXPECT_EQ(wrong.settings, nullptr);
  EXPECT_THAT(rules_of(wrong), Contains("unknown-key"));
}

TEST(Load, Files) {
  EXPECT_THAT(rules_of(load_file("/nonexistent/holdfast.yaml")), Contains("file"));
  EXPECT_THAT(rules_of(load_file("/")), Contains("file"));
  const auto good = load_file(std::string(HF_SOURCE_DIR) + "/golden/config/minimal.yaml");
  EXPECT_NE(good.settings, nullptr) << all(good);
}

}  // namespace
}  // namespace hf::config
