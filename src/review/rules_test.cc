// Every rule has a configuration that it speaks of, and one, a line or two away, that it does not.
// And the documentation lists the same rules.
#include "review/rules.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "config/rule_table_testing.h"
#include "review/review.h"

namespace hf::review {
namespace {

struct Pair {
  std::string fires;
  std::string quiet;
};

struct Text {
  std::string top = {};
  std::string upstream = {};
  std::string route = {};
};

// One upstream and one route, which a test adds lines to.
std::string yaml(const Text& text, std::string_view path = "/pay") {
  return fmt::format(
      "journal: {{ path: /var/lib/holdfast }}\n{}\nupstreams:\n  up:\n    url: https://up.example\n"
      "{}\nroutes:\n  - path: {}\n    upstream: up\n{}\n",
      text.top, text.upstream, path, text.route);
}

constexpr const char* kKeyed = "    key: { required: true, from: [ { header: Idempotency-Key } ] }";
constexpr const char* kModeKey =
    "    idempotency: { mode: key, lifetime: 24h, settles: [402] }\n    credentials: stored";
constexpr const char* kVerify =
    "    idempotency: { mode: verify, lookup: { get: \"/x?ref={form:ref}\", found: /data/0, "
    "where: { /state: done }, settle: 35s } }\n    credentials: stored";
constexpr const char* kHeld =
    "    key: { required: true, from: [ { form: ref } ] }\n    hold: on_failure";

// A route of two upstreams, for what needs more than one.
constexpr const char* kShadowed = R"(
upstreams: { up: { url: "https://up.example" } }
routes:
  - { path: /pay, upstream: up }
  - { path: /pay, upstream: up, methods: [GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE] }
)";
constexpr const char* kNotShadowed = R"(
upstreams: { up: { url: "https://up.example" } }
routes:
  - { path: /pay, upstream: up }
  - { path: /pay, upstream: up, methods: [GET, HEAD, OPTIONS, PUT, PATCH, DELETE] }
)";

std::map<Rule, Pair> retry_pairs() {
  return {
      {Rule::repeat_doubles, {yaml({}), yaml({.route = kKeyed})}},
      {Rule::key_optional,
       {yaml({.route = "    key: { from: [ { header: Idempotency-Key } ] }"}),
        yaml({.route = kKeyed})}},
      {Rule::fresh_key,
       {yaml({.route = kKeyed}),
        yaml({.route = "    key: { required: true, stable: true, from: [ { header: "
                       "Idempotency-Key } ] }"})}},
      {Rule::key_never,
       {yaml({.route = "    key: { required: true, from: [ { body: /id }, { form: id } ] }"}),
        yaml({.route = "    key: { required: true, from: [ { body: /id }, { body: /no } ] }"})}},
      {Rule::route_unreached, {kShadowed, kNotShadowed}},
      {Rule::owner_anyone,
       {yaml({.route = std::string(kKeyed) + "\n    owner: anyone"}), yaml({.route = kKeyed})}},
      {Rule::derive_window,
       {yaml({.route = "    key: { derive: [owner, body], window: 5s }"}),
        yaml({.route = "    key: { derive: [owner, body], window: 1m }"})}},
      {Rule::limit_final,
       {yaml({.upstream = "    idempotency: { mode: none, refused: [421] }", .route = kKeyed}),
        yaml({.upstream = "    idempotency: { mode: none, refused: [421, 429] }",
              .route = kKeyed})}},
      {Rule::method_idempotent,
       {yaml({.route = "    methods: [PUT]"}),
        yaml(
            {.upstream = "    idempotency: { mode: repeatable }", .route = "    methods: [PUT]"})}},
  };
}

std::map<Rule, Pair> outcome_pairs() {
  const std::string unsettled = "    idempotency: { mode: key, lifetime: 24h }";
  return {
      {Rule::doubt_needs_person,
       {yaml({.route = kKeyed}), yaml({.upstream = kModeKey, .route = kKeyed})}},
      {Rule::settles_nothing,
       {yaml({.upstream = unsettled, .route = kKeyed}),
        yaml({.upstream = kModeKey, .route = kKeyed})}},
      {Rule::lookup_never,
       {yaml({.upstream = kVerify, .route = "    key: { required: true, from: [ { body: /a } ] }"}),
        yaml(
            {.upstream = kVerify, .route = "    key: { required: true, from: [ { form: a } ] }"})}},
      {Rule::verify_outlasts_wait,
       {yaml(
            {.upstream = kVerify, .route = "    key: { required: true, from: [ { form: ref } ] }"}),
        yaml({.upstream = kVerify, .route = kHeld})}},
      {Rule::open_forgotten,
       {yaml({.upstream = kModeKey, .route = kKeyed}),
        yaml({.upstream = kModeKey,
              .route = "    key: { required: true, stable: true, from: [ { header: "
                       "Idempotency-Key } ] }\n    hold: on_failure"})}},
      {Rule::nobody_told,
       {yaml({.route = kKeyed}),
        yaml(
            {.top = "alerts: { webhook: { url: \"https://chat.example/x\" } }", .route = kKeyed})}},
      {Rule::no_admin,
       {yaml({.route = kKeyed}), yaml({.top = "admin: 127.0.0.1:8081", .route = kKeyed})}},
      {Rule::no_health,
       {yaml({.route = kKeyed}), yaml({.top = "health: 127.0.0.1:8082", .route = kKeyed})}},
  };
}

std::map<Rule, Pair> place_pairs() {
  const std::string routes =
      "upstreams: { up: { url: \"https://up.example\" } }\nroutes: [ { path: /, upstream: up, "
      "key: { from: [ { header: K } ] } } ]\n";
  const std::string held = std::string(kHeld) + "\n    limits: { body: 1MiB }";
  return {
      {Rule::journal_volatile,
       {"journal: { path: /tmp/holdfast }\n" + routes,
        "journal: { path: /var/lib/hf }\n" + routes}},
      {Rule::journal_relative, {routes, "journal: { path: /var/lib/hf }\n" + routes}},
      {Rule::bodies_fill_memory,
       {yaml({.top = "buffers: 16MiB", .route = kKeyed}),
        yaml({.top = "buffers: 16MiB",
              .route = std::string(kKeyed) + "\n    limits: { body: 256KiB }"})}},
      {Rule::budget_high,
       {yaml({.route = "    retry: { budget: 80% }"}),
        yaml({.route = "    retry: { budget: 50% }"})}},
      {Rule::journal_small,
       {"journal: { path: /var/lib/hf, max_bytes: 64MiB }\n" +
            yaml({.upstream = kModeKey, .route = held}).substr(37),
        yaml({.upstream = kModeKey, .route = held})}},
  };
}

std::map<Rule, Pair> less_pairs() {
  const std::string reads = "    methods: [GET]";
  const std::string callbacks =
      "callbacks: { allow: [ \"https://app.example/\" ], secrets: [ \"${env:S}\" ] }";
  const std::string plain = "upstreams: { up: { url: \"https://up.example\" } }\n";
  return {
      {Rule::less_safe_only,
       {yaml({.upstream = "    credentials: stored",
              .route = reads + "\n    hold: on_failure\n    held_answer: 202"}),
        yaml({.route = reads})}},
      {Rule::less_client_enough,
       {yaml({.route = reads}), yaml({.upstream = "    rate: 10/s", .route = reads})}},
      {Rule::less_journal,
       {yaml({.route = reads}), plain + "routes: [ { path: /, upstream: up, methods: [GET] } ]\n"}},
      {Rule::less_key_repeatable,
       {yaml({.upstream = "    idempotency: { mode: repeatable }", .route = kKeyed}),
        yaml({.upstream = "    idempotency: { mode: repeatable }"})}},
      {Rule::less_callbacks,
       {yaml({.top = callbacks, .upstream = kModeKey}),
        yaml({.top = callbacks, .upstream = kModeKey, .route = kHeld})}},
      {Rule::less_credentials,
       {yaml({.upstream = kModeKey, .route = kKeyed}),
        yaml({.upstream = kModeKey, .route = kHeld})}},
      {Rule::accept_stale,
       {yaml({.route = std::string(kKeyed) + "\n    review: { accept: { key-optional: why } }"}),
        yaml({.route = std::string(kKeyed) + "\n    review: { accept: { fresh-key: why } }"})}},
  };
}

std::map<Rule, Pair> all_pairs() {
  std::map<Rule, Pair> out = retry_pairs();
  out.merge(outcome_pairs());
  out.merge(place_pairs());
  out.merge(less_pairs());
  return out;
}

Report reviewed(const std::string& text, const Choice& choice = {}) {
  const auto loaded = config::load_text(text, "t.yaml");
  std::string errors;
  for (const auto& finding : loaded.findings)
    errors += config::format(finding) + "\n";
  EXPECT_NE(loaded.settings, nullptr) << errors << text;
  if (loaded.settings == nullptr) return {};
  return review(loaded, choice);
}

const Finding* find(const std::vector<Finding>& findings, Rule rule) {
  for (const Finding& finding : findings) {
    if (finding.rule == rule) return &finding;
  }
  return nullptr;
}

std::string names(const Report& report) {
  std::string out;
  for (const Finding& finding : report.findings)
    out += std::string(row_of(finding.rule).id) + " ";
  return out;
}

TEST(ReviewRules, EachHasAConfigurationThatItSpeaksOfAndOneThatItDoesNot) {
  const auto pairs = all_pairs();
  for (const RuleRow& row : rules()) {
    const auto found = pairs.find(row.rule);
    ASSERT_NE(found, pairs.end()) << row.id << " has no pair of configurations";
    const Report fires = reviewed(found->second.fires);
    const Report quiet = reviewed(found->second.quiet);
    EXPECT_NE(find(fires.findings, row.rule), nullptr) << row.id << "\n"
                                                       << found->second.fires << "\n"
                                                       << names(fires);
    EXPECT_EQ(find(quiet.findings, row.rule), nullptr) << row.id << "\n"
                                                       << found->second.quiet << "\n"
                                                       << names(quiet);
  }
}

TEST(ReviewRules, EachSaysWhereAndWhatWouldGoWrongAndWhatToWrite) {
  for (const auto& [rule, pair] : all_pairs()) {
    const Report report = reviewed(pair.fires);
    const Finding* finding = find(report.findings, rule);
    ASSERT_NE(finding, nullptr) << row_of(rule).id;
    EXPECT_GE(finding->place.at.line, 1) << row_of(rule).id;
    EXPECT_GE(finding->change.place.at.line, 1) << row_of(rule).id;
    EXPECT_FALSE(finding->message.empty() || finding->message.ends_with('.')) << finding->message;
    EXPECT_FALSE(finding->change.text.empty()) << row_of(rule).id;
    // Where less would do nothing goes wrong.
    const bool harmless = !row_of(rule).question.has_value();
    EXPECT_EQ(finding->story.empty(), harmless) << row_of(rule).id;
    EXPECT_LE(finding->story.size(), 10U) << row_of(rule).id;
  }
}

TEST(ReviewRules, EachCanBeSkippedAndAskedForAlone) {
  for (const auto& [rule, pair] : all_pairs()) {
    const std::string id(row_of(rule).id);
    EXPECT_EQ(find(reviewed(pair.fires, {{}, {id}}).findings, rule), nullptr) << id;
    // What is accepted is compared with what was looked for.
    if (rule == Rule::accept_stale) continue;
    const Report only = reviewed(pair.fires, {{id}, {}});
    EXPECT_NE(find(only.findings, rule), nullptr) << id;
    for (const Finding& finding : only.findings)
      EXPECT_EQ(finding.rule, rule) << id;
  }
}

// At the service everything can be accepted, whatever it is about.
TEST(ReviewRules, EachCanBeAccepted) {
  for (const auto& [rule, pair] : all_pairs()) {
    if (rule == Rule::accept_stale) continue;
    const std::string id(row_of(rule).id);
    const Report report =
        reviewed(fmt::format("review: {{ accept: {{ {}: we know }} }}\n{}", id, pair.fires));
    EXPECT_EQ(find(report.findings, rule), nullptr) << id;
    const Finding* accepted = find(report.accepted, rule);
    ASSERT_NE(accepted, nullptr) << id;
    EXPECT_EQ(accepted->accepted, "we know");
    EXPECT_EQ(find(report.findings, Rule::accept_stale), nullptr) << id;
  }
}

TEST(ReviewRules, AWordAtARouteCountsForThatRouteAlone) {
  const std::string text = R"(
upstreams: { up: { url: "https://up.example" }, other: { url: "https://o.example" } }
routes:
  - { path: /a, upstream: up, review: { accept: { repeat-doubles: "a second one is fine" } } }
  - { path: /b, upstream: up }
  - { path: /c, upstream: other }
)";
  const Report report = reviewed(text);
  std::set<std::string> open;
  for (const Finding& finding : report.findings) {
    if (finding.rule == Rule::repeat_doubles) open.insert(finding.subject);
  }
  EXPECT_EQ(open, (std::set<std::string>{"POST /b", "POST /c"}));
  ASSERT_EQ(report.accepted.size(), 1U);
  EXPECT_EQ(report.accepted[0].subject, "POST /a");
}

TEST(ReviewRules, AWordAtAnUpstreamCountsForItsRoutes) {
  const std::string text = R"(
upstreams:
  up: { url: "https://up.example", review: { accept: { repeat-doubles: why } } }
  other: { url: "https://o.example" }
routes: [ { path: /a, upstream: up }, { path: /b, upstream: other } ]
)";
  const Report report = reviewed(text);
  ASSERT_EQ(report.accepted.size(), 1U);
  EXPECT_EQ(report.accepted[0].subject, "POST /a");
  EXPECT_NE(find(report.findings, Rule::repeat_doubles), nullptr);
}

TEST(ReviewRules, AMisspeltWordIsTold) {
  const Report report = reviewed(yaml({.top = "review: { accept: { repeat-double: why } }"}));
  const Finding* stale = find(report.findings, Rule::accept_stale);
  ASSERT_NE(stale, nullptr);
  EXPECT_NE(stale->message.find("no such rule"), std::string::npos) << stale->message;
}

TEST(ReviewRules, RowsStandInTheOrderOfTheEnum) {
  std::set<std::string_view> ids;
  for (const RuleRow& row : rules()) {
    EXPECT_EQ(&row_of(row.rule), &row);
    EXPECT_EQ(find_rule(row.id), &row);
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    EXPECT_TRUE(row.title.ends_with('.') && row.help.ends_with('.')) << row.id;
  }
  EXPECT_EQ(find_rule("no-such-rule"), nullptr);
}

TEST(ReviewRules, DocumentationHasTheSameTable) {
  std::set<std::string> expected;
  for (const RuleRow& row : rules()) {
    expected.insert(fmt::format("| `{}` | {} | {} |", row.id, to_string(row.level), row.title));
  }
  EXPECT_EQ(config::rule_rows(config::document("review.md")), expected);
}

}  // namespace
}  // namespace hf::review
