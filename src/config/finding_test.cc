#include "config/finding.h"

#include <gtest/gtest.h>

namespace hf::config {
namespace {

TEST(Finding, NearestWord) {
  const std::vector<std::string_view> known{"timeouts", "concurrency", "rate", "breaker", "url"};
  EXPECT_EQ(nearest("tiemouts", known), "timeouts");
  EXPECT_EQ(nearest("Timeout", known), "timeouts");
  EXPECT_EQ(nearest("uri", known), "url");
  EXPECT_EQ(nearest("rat", known), "rate");
  EXPECT_EQ(nearest("elephant", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(10'000, 'a'), known), "");
  EXPECT_EQ(suggest("zzzz", {"a", "b"}), "known: a, b");
  EXPECT_EQ(suggest("zzzz", {}), "");
}

TEST(Finding, QuotedTextIsSafeToShow) {
  EXPECT_EQ(in_quotes("a\x1b[2J\n"), "`a\\x1b[2J\\x0a`");
  EXPECT_EQ(in_quotes(std::string(65, 'a')), "`" + std::string(64, 'a') + "...`");
}

TEST(Finding, WithoutPlaceOrPath) {
  EXPECT_EQ(format({Level::warning, "f", 0, 0, "", "m", "", "r"}), "f: warning: m [r]");
}

}  // namespace
}  // namespace hf::config
