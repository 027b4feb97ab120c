#include "base/quantity.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace hf {
namespace {

constexpr std::int64_t kMaxNs = std::numeric_limits<std::int64_t>::max();
// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
constexpr WallTime kExample{784'111'777'000};

TEST(Quantity, DurationsAsPeopleWriteThem) {
  const std::vector<std::pair<std::string, std::int64_t>> cases{
      {"0", 0},
      {"0s", 0},
      {"1ns", 1},
      {"2us", 2'000},
      {"100ms", 100'000'000},
      {"10s", 10'000'000'000},
      {"1.5h", 5'400'000'000'000},
      {"1h30m", 5'400'000'000'000},
      {"6m0s", 360'000'000'000},
      {"7d", 604'800'000'000'000},
      {"1w", 604'800'000'000'000},
      {"0.000000001s", 1},
      {"9223372036854775807ns", kMaxNs},
  };
  for (const auto& [text, ns] : cases) {
    const auto got = parse_duration(text);
    ASSERT_TRUE(got.ok()) << text << ": " << got.error().context;
    EXPECT_EQ(got.value().ns, ns) << text;
  }
}

TEST(Quantity, DurationsThatAreRefused) {
  for (const std::string text : {"",
                                 "10",
                                 "s",
                                 "-1s",
                                 "+1s",
                                 " 1s",
                                 "1s ",
                                 "1 s",
                                 "1.s",
                                 ".5s",
                                 "1.5.5s",
                                 "1S",
                                 "1x",
                                 "1s1s",
                                 "30m1h",
                                 "0.1ns",
                                 "9223372036854775808ns",
                                 "300000000000h",
                                 "99999999999999999999s",
                                 "15250w2d",
                                 "0.0000000001h",
                                 "1h30",
                                 "00"}) {
    const auto got = parse_duration(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_EQ(got.error().kind, ErrorKind::invalid);
    EXPECT_FALSE(got.error().context.empty());
  }
}

TEST(Quantity, DurationsAreWrittenShort) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"0s", "0"},         {"500ms", "500ms"}, {"1500ms", "1.5s"}, {"60s", "1m"},
      {"90s", "90s"},      {"1.5h", "90m"},    {"3601s", "1h1s"},  {"3605s", "1h5s"},
      {"5401s", "5401s"},  {"24h", "1d"},      {"1w", "7d"},       {"14d", "2w"},
      {"30d", "30d"},      {"1d1ns", "1d1ns"}, {"36h", "36h"},     {"250us", "250us"},
      {"1001ns", "1001ns"}};
  for (const auto& [text, want] : cases) {
    EXPECT_EQ(format_duration(parse_duration(text).value()), want) << text;
  }
  EXPECT_EQ(format_duration(Duration::seconds(-5)), "-5s");
  EXPECT_EQ(format_duration({std::numeric_limits<std::int64_t>::min()}), "-9223372036854775808ns");
}

TEST(Quantity, Sizes) {
  const std::vector<std::pair<std::string, std::uint64_t>> cases{
      {"0", 0},
      {"1", 1},
      {"10B", 10},
      {"1KB", 1000},
      {"64KiB", 65536},
      {"1.5GiB", 3ULL << 29},
      {"10GB", 10'000'000'000},
      {"1TiB", 1ULL << 40},
      {"2TB", 2'000'000'000'000},
      {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()}};
  for (const auto& [text, bytes] : cases) {
    const auto got = parse_size(text);
    ASSERT_TRUE(got.ok()) << text;
    EXPECT_EQ(got.value(), bytes) << text;
  }
  for (const std::string text : {"", "KiB", "1kb", "1 KB", "-1", "1.5B", "1.5", "0.1KiB", "1KiB1",
                                 "18446744073709551616", "17000000TiB", "1M"}) {
    EXPECT_FALSE(parse_size(text).ok()) << text;
  }
  EXPECT_EQ(format_size(65536), "64KiB");
  EXPECT_EQ(format_size(1 << 20), "1MiB");
  EXPECT_EQ(format_size(1000), "1KB");
  EXPECT_EQ(format_size(1023), "1023");
  EXPECT_EQ(format_size(3ULL << 29), "1.5GiB");
  EXPECT_EQ(format_size(0), "0");
}

TEST(Quantity, Rates) {
  EXPECT_EQ(parse_rate("100/s").value(), (Rate{100, Duration::seconds(1)}));
  EXPECT_EQ(parse_rate("5/m").value(), (Rate{5, Duration::minutes(1)}));
  EXPECT_EQ(parse_rate("2/10s").value(), (Rate{2, Duration::seconds(10)}));
  EXPECT_EQ(parse_rate("1000/h").value(), (Rate{1000, Duration::hours(1)}));
  for (const std::string text : {"", "/", "100", "/s", "0/s", "1.5/s", "-1/s", "1/", "1/0", "1/0s",
                                 "1/10", "1/s/s", "1s/s"}) {
    EXPECT_FALSE(parse_rate(text).ok()) << text;
  }
  EXPECT_EQ(format_rate({100, Duration::seconds(1)}), "100/s");
  EXPECT_EQ(format_rate({2, Duration::seconds(10)}), "2/10s");
  EXPECT_EQ(format_rate({1, Duration::seconds(60)}), "1/m");
}

TEST(Quantity, Ranges) {
  EXPECT_EQ(parse_duration_range("100ms..2s").value(),
            (DurationRange{Duration::millis(100), Duration::seconds(2)}));
  EXPECT_EQ(parse_duration_range("5s").value(),
            (DurationRange{Duration::seconds(5), Duration::seconds(5)}));
  EXPECT_EQ(parse_duration_range("0..1.5s").value(), (DurationRange{{}, Duration::millis(1500)}));
  for (const std::string text :
       {"", "..", "1s..", "..1s", "2s..1s", "1s...2s", "1..2s", "1s..2s..3s"}) {
    EXPECT_FALSE(parse_duration_range(text).ok()) << text;
  }
}

TEST(Quantity, EveryShareReadsBack) {
  for (int permille = 0; permille <= 1000; ++permille) {
    ASSERT_EQ(parse_permille(format_permille(permille)).value(), permille);
  }
  EXPECT_EQ(format_permille(200), "20%");
  EXPECT_EQ(format_permille(125), "12.5%");
  EXPECT_EQ(parse_permille("12.50%").value(), 125);
  for (const std::string text :
       {"", "%", "20", "-1%", "100.1%", "101%", "12.55%", "20 %", "20%%"}) {
    EXPECT_FALSE(parse_permille(text).ok()) << text;
  }
}

RC_GTEST_PROP(Quantity, AnyDurationReadsBack, ()) {
  const auto unit = *rc::gen::element<std::int64_t>(1, 1'000'000, 1'000'000'000, 60'000'000'000);
  const auto ns = *rc::gen::inRange<std::int64_t>(0, kMaxNs / unit) * unit;
  const auto text = format_duration({ns});
  RC_LOG(text);
  const auto back = parse_duration(text);
  RC_ASSERT(back.ok());
  RC_ASSERT(back.value().ns == ns);
}

RC_GTEST_PROP(Quantity, AnySizeReadsBack, (std::uint64_t number)) {
  const auto shift = *rc::gen::inRange(0, 64);
  const auto bytes = (number >> shift) << (shift / 2);
  const auto text = format_size(bytes);
  RC_LOG(text);
  RC_ASSERT(parse_size(text).value() == bytes);
  RC_ASSERT(text.size() <= std::to_string(bytes).size());
}

RC_GTEST_PROP(Quantity, AnyRateReadsBack, ()) {
  const Rate rate{*rc::gen::inRange<std::int64_t>(1, kMaxNs),
                  {*rc::gen::inRange<std::int64_t>(1, kMaxNs)}};
  RC_ASSERT(parse_rate(format_rate(rate)).value() == rate);
}

RC_GTEST_PROP(Quantity, NoTextBreaksAParser, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("0123456789.../%smhdwKMGTiBSun, Nov-:GT \0\xff")));
  const auto duration = parse_duration(text);
  if (duration.ok()) RC_ASSERT(duration.value().ns >= 0);
  const auto permille = parse_permille(text);
  if (permille.ok()) RC_ASSERT(permille.value() >= 0 && permille.value() <= 1000);
  (void)parse_size(text).ok();
  (void)parse_rate(text).ok();
  (void)parse_duration_range(text).ok();
  (void)parse_http_date(text, kExample).ok();
}

TEST(Quantity, TimesForPeople) {
  EXPECT_EQ(format_rfc3339({0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339({-1}), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_rfc3339({1'795'232'360'123}), "2026-11-21T03:39:20.123Z");
  EXPECT_EQ(format_rfc3339({951'782'400'000}), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339({kMaxNs}), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(format_rfc3339({std::numeric_limits<std::int64_t>::min()}), "0000-01-01T00:00:00.000Z");
  EXPECT_EQ(format_http_date({1'795'232'360'123}), "Sat, 21 Nov 2026 03:39:20 GMT");
  EXPECT_EQ(format_http_date(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(Quantity, Rfc3339ReadsBack) {
  for (const std::int64_t ms : {0LL, -1LL, 1'795'232'360'123LL, 951'782'400'000LL}) {
    EXPECT_EQ(parse_rfc3339(format_rfc3339({ms})).value(), WallTime{ms});
  }
  constexpr WallTime kAt{1'795'232'360'000};
  for (const auto text : {"2026-11-21T03:39:20Z", "2026-11-21T03:39:20.000999Z",
                          "2026-11-21T04:39:20+01:00", "2026-11-20T22:09:20-05:30"}) {
    EXPECT_EQ(parse_rfc3339(text).value(), kAt) << text;
  }
  EXPECT_EQ(parse_rfc3339("2026-11-21T03:39Z").value().ms, kAt.ms - 20'000);
  for (const auto text :
       {"", "2026-11-21", "2026-11-21T03:39:20", "2026-13-21T03:39:20Z", "2026-02-30T03:39:20Z",
        "2026-11-21T24:39:20Z", "2026-11-21T03:39:20.Z", "2026-11-21T03:39:20Zz",
        "2026-11-21 03:39:20Z", "2026-11-21T03:39:20+1:00", "2026-11-21T03:39:20+99:00"}) {
    EXPECT_FALSE(parse_rfc3339(text).ok()) << text;
  }
}

TEST(Quantity, AllThreeFormsOfAnHttpDate) {
  for (const std::string text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                 "Sun Nov  6 08:49:37 1994"}) {
    const auto got = parse_http_date(text, kExample);
    ASSERT_TRUE(got.ok()) << text;
    EXPECT_EQ(got.value(), kExample) << text;
  }
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", kExample).value(),
            kExample + Duration::hours(240));
  // A leap second is the second after :59.
  EXPECT_EQ(parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", kExample).value(),
            parse_http_date("Sun, 01 Jan 2017 00:00:00 GMT", kExample).value());
  for (const std::string text :
       {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "1994-11-06T08:49:37Z"}) {
    EXPECT_FALSE(parse_http_date(text, kExample).ok()) << text;
  }
}

TEST(Quantity, TwoDigitYearsAreAtMostFiftyYearsAhead) {
  const auto at = [](std::string_view text) { return parse_http_date(text, kExample).value(); };
  const WallTime now = at("Sat, 21 Nov 2026 03:39:20 GMT");
  const auto year = [&](std::string_view text) {
    return format_rfc3339(parse_http_date(text, now).value()).substr(0, 4);
  };
  EXPECT_EQ(year("Friday, 06-Nov-26 08:49:37 GMT"), "2026");
  EXPECT_EQ(year("Friday, 20-Nov-76 08:49:37 GMT"), "2076");
  EXPECT_EQ(year("Friday, 21-Nov-76 03:39:20 GMT"), "2076");
  EXPECT_EQ(year("Friday, 21-Nov-76 03:39:21 GMT"), "1976");
  EXPECT_EQ(year("Friday, 06-Nov-94 08:49:37 GMT"), "1994");
  EXPECT_EQ(year("Friday, 06-Nov-00 08:49:37 GMT"), "2000");
}

RC_GTEST_PROP(Quantity, AnyHttpDateReadsBack, ()) {
  const WallTime time{*rc::gen::inRange<std::int64_t>(-62'167'219'200, 253'402'300'800) * 1000};
  RC_ASSERT(parse_http_date(format_http_date(time), kExample).value() == time);
}

}  // namespace
}  // namespace hf
