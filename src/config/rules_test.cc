// The documentation and the code list the same rules and presets.
#include "config/rules.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/bytes.h"
#include "call/classify.h"
#include "config/presets.h"
#include "config/rule_table_testing.h"

namespace hf::config {
namespace {

TEST(Rules, DocumentationHasTheSameTable) {
  std::set<std::string> expected;
  for (const auto& row : rules()) {
    expected.insert(fmt::format("| `{}` | {} | {} |", row.id,
                                row.level == Level::error ? "error" : "warning", row.meaning));
  }
  EXPECT_EQ(expected.size(), rules().size());
  EXPECT_EQ(rule_rows(document("configuration.md")), expected);
}

TEST(Rules, RowsStandInTheOrderOfTheEnum) {
  for (const auto& row : rules())
    EXPECT_EQ(&row_of(row.rule), &row);
}

TEST(Presets, AreDocumentedWithTheirHost) {
  const std::string text = document("presets.md");
  for (const auto& preset : presets()) {
    EXPECT_NE(text.find(fmt::format("## `{}`", preset.name)), std::string::npos) << preset.name;
    EXPECT_EQ(find_preset(preset.name), &preset);
    if (preset.host.empty()) continue;
    EXPECT_NE(text.find(fmt::format("`{}`", preset.host)), std::string::npos) << preset.host;
    EXPECT_EQ(preset_for_host(preset.host), &preset);
  }
  EXPECT_EQ(preset_for_host(""), nullptr);
  EXPECT_EQ(find_preset("strip"), nullptr);
  EXPECT_EQ(preset_for_host("stripe.com"), nullptr);
}

TEST(Presets, Stripe) {
  const auto& rules = find_preset("stripe")->idempotency;
  EXPECT_EQ(rules.mode, call::Mode::key);
  EXPECT_EQ(rules.lifetime, Duration::hours(24));
  EXPECT_EQ(rules.refused, (std::vector<int>{421, 425, 429}));
  EXPECT_EQ(rules.in_progress, std::vector<int>{409});
  EXPECT_EQ(rules.settles, (std::vector<int>{400, 402, 404}));
  EXPECT_EQ(rules.settles_field, "request-id");
  EXPECT_EQ(rules.settles_unless_type, "idempotency_error");
  EXPECT_EQ(rules.replay_marker, "Idempotent-Replayed");
}

TEST(Presets, LanguageModelsAreRepeatableAndSlow) {
  for (const auto* name : {"openai", "anthropic"}) {
    const auto* preset = find_preset(name);
    ASSERT_NE(preset, nullptr);
    EXPECT_EQ(preset->idempotency.mode, call::Mode::repeatable);
    EXPECT_EQ(preset->timeouts.head, Duration::minutes(10));
    const auto& refused = preset->idempotency.refused;
    EXPECT_EQ(std::count(refused.begin(), refused.end(), 529), 0);
    EXPECT_EQ(std::count(refused.begin(), refused.end(), 429), 1);
  }
}

// What the preset makes of an answer, as a word; empty: its status speaks.
std::string meant(const char* preset, int status, std::string body, Fields fields = {},
                  const std::string& type = "application/json") {
  call::AttemptOutcome answer;
  answer.evidence = call::Evidence::answer_complete;
  answer.head.status = status;
  answer.head.fields = std::move(fields);
  answer.head.fields.push_back({"Content-Type", type});
  answer.body = make_body(std::move(body));
  const auto* rule = call::classify(find_preset(preset)->classify, answer);
  return rule == nullptr ? "" : std::string(to_string(rule->means));
}

TEST(Presets, Slack) {
  EXPECT_EQ(meant("slack", 200, R"({"ok":true})"), "");
  EXPECT_EQ(meant("slack", 200, R"({"ok":false,"error":"ratelimited"})"), "refused");
  EXPECT_EQ(meant("slack", 200, R"({"ok":false,"error":"fatal_error"})"), "unresolved");
  EXPECT_EQ(meant("slack", 200, R"({"ok":false,"error":"token_revoked"})"), "credentials");
  EXPECT_EQ(meant("slack", 200, R"({"ok":false,"error":"channel_not_found"})"), "error");
  EXPECT_EQ(meant("slack", 500, R"({"ok":false,"error":"ratelimited"})"), "");
}

TEST(Presets, Github) {
  EXPECT_EQ(meant("github", 403, R"({"message":"Must have admin rights"})"), "");
  EXPECT_EQ(meant("github", 403, "{}", {{"X-RateLimit-Remaining", "0"}}), "refused");
  EXPECT_EQ(meant("github", 403, "{}", {{"X-RateLimit-Remaining", "7"}}), "");
  EXPECT_EQ(meant("github", 403, "{}", {{"Retry-After", "60"}}), "refused");
  EXPECT_EQ(meant("github", 403, R"({"message":"You have exceeded a secondary rate limit."})"),
            "refused");
  EXPECT_EQ(meant("github", 429, "{}"), "refused");
  EXPECT_EQ(meant("github", 200, "{}", {{"X-RateLimit-Remaining", "0"}}), "") << "the last one";
}

TEST(Presets, Aws) {
  const auto xml = [](const std::string& code) {
    return "<ErrorResponse><Error><Type>Sender</Type><Code>" + code +
           "</Code><Message>m</Message></Error></ErrorResponse>";
  };
  EXPECT_EQ(meant("aws-query", 400, xml("Throttling"), {}, "text/xml"), "refused");
  EXPECT_EQ(meant("aws-query", 503, xml("RequestLimitExceeded"), {}, "text/xml"), "refused");
  EXPECT_EQ(meant("aws-query", 503, xml("ServiceUnavailable"), {}, "text/xml"), "");
  EXPECT_EQ(meant("aws-query", 500, xml("Throttling"), {}, "text/xml"), "");
  const std::string type = "application/x-amz-json-1.0";
  EXPECT_EQ(meant("aws-json", 400, R"({"__type":"com.amazonaws.sqs#RequestThrottled"})", {}, type),
            "refused");
  EXPECT_EQ(meant("aws-json", 400, R"({"__type":"ThrottlingException"})", {}, type), "refused");
  EXPECT_EQ(meant("aws-json", 400, R"({"__type":"x#NotThrottlingException"})", {}, type), "");
  EXPECT_EQ(meant("aws-json", 503, R"({"__type":"x#ServiceUnavailable"})", {}, type), "");
  // A message that quotes the word is no refusal.
  EXPECT_EQ(
      meant("aws-json", 400,
            R"({"__type":"x#ValidationException","message":"#ThrottlingException\""})", {}, type),
      "");
}

}  // namespace
}  // namespace hf::config
