// Cache-Control as upstreams and clients write it (RFC 9111 section 5.2).
#include "stale/directives.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hf::stale {
namespace {

Fields cache_control(std::vector<std::string> lines) {
  Fields out;
  for (std::string& line : lines)
    out.push_back({"Cache-Control", std::move(line)});
  return out;
}

TEST(StaleDirectives, SecondsAreDigitsAlone) {
  EXPECT_EQ(parse_delta_seconds("0"), Duration{});
  EXPECT_EQ(parse_delta_seconds("3600"), Duration::hours(1));
  // Section 1.2.2: more than can be represented counts as 2^31.
  EXPECT_EQ(parse_delta_seconds("99999999999999999999999"), Duration::seconds(1LL << 31));
  for (const std::string_view text : {"", "-1", "+1", "1.5", "1h", " 1", "0x10"})
    EXPECT_EQ(parse_delta_seconds(text), std::nullopt) << text;
}

TEST(StaleDirectives, OfAnAnswer) {
  struct Row {
    std::vector<std::string> lines;
    AnswerDirectives expected;
  };
  const auto secs = [](std::int64_t n) { return Duration::seconds(n); };
  const std::vector<Row> rows{
      {{}, {}},
      {{"max-age=60"}, {.max_age = secs(60)}},
      // Names are case-insensitive, and both forms of a value are accepted (section 5.2).
      {{"MAX-AGE=\"60\" , PUBLIC"}, {.is_public = true, .max_age = secs(60)}},
      {{"s-maxage=1", "stale-if-error=2"}, {.s_maxage = secs(1), .stale_if_error = secs(2)}},
      {{"no-store"}, {.no_store = true}},
      // With field names too (sections 5.2.2.4, 5.2.2.7); a comma in quotes separates nothing.
      {{"no-cache=\"Set-Cookie, X\", max-age=5"}, {.no_cache = true, .max_age = secs(5)}},
      {{"private=\"a, public\""}, {.is_private = true}},
      {{"must-revalidate, proxy-revalidate"}, {.must_revalidate = true, .proxy_revalidate = true}},
      // Section 4.2.1: twice, or unreadable: stale.
      {{"max-age=60, max-age=60"}, {.max_age = secs(0)}},
      {{"max-age=soon"}, {.max_age = secs(0)}},
      {{"stale-if-error=-5"}, {.stale_if_error = secs(0)}},
      {{"max-age"}, {.max_age = secs(0)}},
      {{",, ,unknown, x=y,"}, {}},
      {{"foo=\"no end, no-store"}, {}},
  };
  for (const Row& row : rows)
    EXPECT_EQ(read_answer_directives(cache_control(row.lines)), row.expected)
        << (row.lines.empty() ? "" : row.lines[0]);
}

TEST(StaleDirectives, OfARequest) {
  EXPECT_EQ(read_request_directives(cache_control({"no-cache"})), (RequestDirectives{false, true}));
  EXPECT_EQ(read_request_directives(cache_control({"no-store, stale-if-error=30"})),
            (RequestDirectives{true, false, Duration::seconds(30)}));
  EXPECT_TRUE(read_request_directives({{"Pragma", "no-cache"}}).no_cache);
  EXPECT_FALSE(
      read_request_directives({{"Pragma", "no-cache"}, {"Cache-Control", "max-age=0"}}).no_cache);
}

RC_GTEST_PROP(StaleDirectives, ReadsAnything, (const std::string& text)) {
  const auto read = read_answer_directives({{"Cache-Control", "max-age=" + text}});
  const Duration age = read.max_age.value_or(Duration{});
  RC_ASSERT(age >= Duration{});
  RC_ASSERT(age <= Duration::seconds(1LL << 31));
}

}  // namespace
}  // namespace hf::stale
