#include "policy/retry_after.h"

#include <algorithm>
#include <cstdint>

#include "base/fields.h"
#include "base/quantity.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kFirstEpochSecond = 1'000'000'000;
constexpr std::int64_t kFirstEpochMilli = 1'000'000'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;

struct Number {
  std::int64_t whole = 0;  // saturated
  std::int64_t nanos = 0;  // the fraction in 10^-9, rounded up: 0 to 10^9
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// digits [ "." digits ]
std::optional<Number> parse_number(std::string_view text) {
  const auto dot = text.find('.');
  const auto whole = text.substr(0, dot);
  const auto fraction = dot == std::string_view::npos ? "0" : text.substr(dot + 1);
  const auto digits = [](std::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), is_digit);
  };
  if (!digits(whole) || !digits(fraction)) return std::nullopt;
  Number out;
  for (const char c : whole) {
    out.whole = (Duration{out.whole} * 10 + Duration{c - '0'}).ns;  // for its saturation
  }
  std::int64_t unit = kSecondNs / 10;
  bool more = false;
  for (const char c : fraction) {
    out.nanos += (c - '0') * unit;
    more = more || (unit == 0 && c != '0');
    unit /= 10;
  }
  if (more) ++out.nanos;
  return out;
}

Duration seconds(const Number& number) {
  return Duration::seconds(number.whole) + Duration::nanos(number.nanos);
}

Duration until(WallTime then, WallTime now) {
  return std::max(Duration{}, then - now);
}

}  // namespace

std::optional<Duration> parse_retry_after(std::string_view value, WallTime now) {
  const auto text = trim_blanks(value);
  if (const auto number = parse_number(text)) return seconds(*number);
  const auto date = parse_http_date(text, now);
  if (!date.ok()) return std::nullopt;
  return until(date.value(), now);
}

std::optional<Duration> parse_rate_reset(std::string_view value, WallTime now) {
  const auto text = trim_blanks(value);
  if (const auto number = parse_number(text)) {
    if (number->whole >= kFirstEpochMilli) {
      return until(WallTime{number->whole} + Duration::millis(number->nanos > 0 ? 1 : 0), now);
    }
    if (number->whole >= kFirstEpochSecond) {
      // Up to the next millisecond: earlier than asked would only be refused again.
      return until({number->whole * 1000 + (number->nanos + 999'999) / 1'000'000}, now);
    }
    return seconds(*number);
  }
  const auto duration = parse_duration(text);
  if (!duration.ok()) return std::nullopt;
  return duration.value();
}

}  // namespace hf::policy
