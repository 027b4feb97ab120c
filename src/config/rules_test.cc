// The documentation and the code list the same rules and presets.
#include "config/rules.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

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
    EXPECT_NE(text.find(fmt::format("`{}`", preset.host)), std::string::npos) << preset.host;
    EXPECT_EQ(find_preset(preset.name), &preset);
    EXPECT_EQ(preset_for_host(preset.host), &preset);
  }
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

}  // namespace
}  // namespace hf::config
