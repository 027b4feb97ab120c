#include "policy/retry_after.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "base/quantity.h"

namespace hf::policy {
namespace {

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr WallTime kNow{784'111'777'000};

TEST(RetryAfter, SecondsWholeAndBroken) {
  EXPECT_EQ(parse_retry_after("120", kNow), Duration::minutes(2));
  EXPECT_EQ(parse_retry_after(" 0\t", kNow), Duration{});
  EXPECT_EQ(parse_retry_after("007", kNow), Duration::seconds(7));
  EXPECT_EQ(parse_retry_after("1.5", kNow), Duration::millis(1500));
  EXPECT_EQ(parse_retry_after("0.0000000001", kNow), Duration::nanos(1)) << "never too early";
  EXPECT_EQ(parse_retry_after("0.9999999999", kNow), Duration::seconds(1));
}

TEST(RetryAfter, DatesInAllForms) {
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", kNow), Duration::minutes(1));
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:50:37 GMT", kNow), Duration::minutes(1));
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:50:37 1994", kNow), Duration::minutes(1));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow), Duration{});
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:00:00 GMT", kNow), Duration{});
}

TEST(RetryAfter, HugeNumbersSaturate) {
  EXPECT_EQ(parse_retry_after("99999999999", kNow), Duration::max());
  EXPECT_EQ(parse_retry_after(std::string(5000, '9'), kNow), Duration::max());
  EXPECT_EQ(parse_retry_after(std::string(5000, '9') + "." + std::string(5000, '9'), kNow),
            Duration::max());
}

TEST(RetryAfter, GarbageIsNothing) {
  for (const std::string text :
       {"", " ", "-1", "+1", "1s", "1.", ".5", ".", "1.5.5", "1,5", "1e3", "0x10", "soon", "1 2",
        "Sun, 06 Nov 1994 08:49:37", "nan", "\xd9\xa3"}) {
    EXPECT_EQ(parse_retry_after(text, kNow), std::nullopt) << text;
  }
}

TEST(RateReset, SecondsEpochsAndDurations) {
  const WallTime now{1'700'000'000'500};
  EXPECT_EQ(parse_rate_reset("30", now), Duration::seconds(30));
  EXPECT_EQ(parse_rate_reset("0.25", now), Duration::millis(250));
  EXPECT_EQ(parse_rate_reset("999999999", now), Duration::seconds(999'999'999));
  EXPECT_EQ(parse_rate_reset("1700000060", now), Duration::millis(59'500));
  EXPECT_EQ(parse_rate_reset("1700000060.5001", now), Duration::millis(60'001));
  EXPECT_EQ(parse_rate_reset("1700000060500", now), Duration::minutes(1));
  EXPECT_EQ(parse_rate_reset("1600000000", now), Duration{}) << "past";
  EXPECT_EQ(parse_rate_reset("6m0s", now), Duration::minutes(6));
  EXPECT_EQ(parse_rate_reset("20ms", now), Duration::millis(20));
  EXPECT_EQ(parse_rate_reset(std::string(5000, '9') + ".9", now), Duration::max());
  for (const std::string text : {"", "-1", "soon", "1.", "2023-11-14T22:13:20Z"}) {
    EXPECT_EQ(parse_rate_reset(text, now), std::nullopt) << text;
  }
}

RC_GTEST_PROP(RetryAfter, ReadsBackWhatWeWrite, ()) {
  const auto seconds = *rc::gen::inRange<std::int64_t>(0, 9'000'000'000);
  RC_ASSERT(parse_retry_after(std::to_string(seconds), kNow) == Duration::seconds(seconds));
  const auto ahead = Duration::seconds(seconds);
  RC_ASSERT(parse_retry_after(format_http_date(kNow + ahead), kNow) == ahead);
}

RC_GTEST_PROP(RetryAfter, NoTextGivesANegativeWait, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("0123456789999.. -+smhSun, 06 Nov 1994:GMT")));
  const auto wait = parse_retry_after(text, kNow);
  if (wait) RC_ASSERT(*wait >= Duration{});
  const auto reset = parse_rate_reset(text, kNow);
  if (reset) RC_ASSERT(*reset >= Duration{});
}

}  // namespace
}  // namespace hf::policy
