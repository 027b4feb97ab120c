// Durations, sizes, rates and ranges as people write them: 10s, 1.5h, 64KiB, 100/s, 100ms..2s, 20%.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace hf {

// ns us ms s m h d w, a decimal fraction, several parts ("1h30m"). A bare number is refused but for
// 0: nobody should guess the unit.
Result<Duration> parse_duration(std::string_view text);
// B KB MB GB TB (powers of 1000), KiB MiB GiB TiB (powers of 1024), or a bare number of bytes.
Result<std::uint64_t> parse_size(std::string_view text);

struct Rate {
  std::int64_t count = 0;  // this many
  Duration per;            // in this time
  bool operator==(const Rate&) const = default;
};
// "100/s", "5/m", "2/10s", "1000/h".
Result<Rate> parse_rate(std::string_view text);

struct DurationRange {
  Duration low;
  Duration high;
  bool operator==(const DurationRange&) const = default;
};
// "100ms..2s"; a single duration is a range of one point. low <= high.
Result<DurationRange> parse_duration_range(std::string_view text);

// "20%" as parts per thousand, so that 12.5% is exact: 125. 0 to 100 %.
Result<int> parse_permille(std::string_view text);

// The shortest text that parse_* reads back to the same value.
std::string format_duration(Duration duration);
std::string format_size(std::uint64_t bytes);
std::string format_rate(Rate rate);
std::string format_permille(int permille);

// RFC 3339 in UTC with milliseconds, "2026-11-21T03:39:20.123Z".
std::string format_rfc3339(WallTime time);
// "2026-11-21T03:39:20.123Z"; seconds, or parts of one, may be missing, and "+01:00" stand for Z.
Result<WallTime> parse_rfc3339(std::string_view text);
// IMF-fixdate (RFC 9110 section 5.6.7), "Sat, 21 Nov 2026 03:39:20 GMT".
std::string format_http_date(WallTime time);
// All three forms of an HTTP date; ErrorKind::invalid else. Two-digit years by RFC 9110's rule of
// 50 years, judged from `now`.
Result<WallTime> parse_http_date(std::string_view text, WallTime now);

}  // namespace hf
