#include "base/quantity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>

namespace hf {
namespace {

// Products of two 64-bit numbers, so that every fraction is exact and every overflow is seen.
__extension__ typedef unsigned __int128 Wide;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 8> kDurationUnits{{{"ns", 1},
                                              {"us", 1'000},
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000},
                                              {"d", 86'400'000'000'000},
                                              {"w", 604'800'000'000'000}}};

constexpr std::array<Unit, 9> kSizeUnits{{{"TiB", 1ULL << 40},
                                          {"TB", 1'000'000'000'000},
                                          {"GiB", 1ULL << 30},
                                          {"GB", 1'000'000'000},
                                          {"MiB", 1ULL << 20},
                                          {"MB", 1'000'000},
                                          {"KiB", 1ULL << 10},
                                          {"KB", 1'000},
                                          {"B", 1}}};

constexpr std::uint64_t kMaxDuration = std::numeric_limits<std::int64_t>::max();
constexpr int kMaxFractionDigits = 9;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
  return fmt::format("\"{}\"", text.substr(0, 64));
}

// digits [ "." digits ], as mantissa / 10^scale.
struct Decimal {
  std::uint64_t mantissa = 0;
  std::uint64_t divisor = 1;
};

// Takes a decimal number from the front of `rest`; nothing when there is none or it is too long.
std::optional<Decimal> take_decimal(std::string_view& rest) {
  Decimal out;
  const auto take_digits = [&](bool fraction) {
    std::size_t count = 0;
    for (; count < rest.size() && is_digit(rest[count]); ++count) {
      if (fraction && count == kMaxFractionDigits) return false;
      const auto digit = static_cast<std::uint64_t>(rest[count] - '0');
      if (__builtin_mul_overflow(out.mantissa, 10ULL, &out.mantissa) ||
          __builtin_add_overflow(out.mantissa, digit, &out.mantissa)) {
        return false;
      }
      if (fraction) out.divisor *= 10;
    }
    rest.remove_prefix(count);
    return count > 0;
  };
  if (!take_digits(false)) return std::nullopt;
  if (rest.empty() || rest.front() != '.') return out;
  rest.remove_prefix(1);
  if (!take_digits(true)) return std::nullopt;
  return out;
}

std::string_view take_letters(std::string_view& rest) {
  std::size_t count = 0;
  while (count < rest.size() && !is_digit(rest[count]))
    ++count;
  const auto out = rest.substr(0, count);
  rest.remove_prefix(count);
  return out;
}

// mantissa / divisor * factor, if that is whole and at most `limit`.
std::optional<std::uint64_t> scale(Decimal number, std::uint64_t factor, std::uint64_t limit) {
  const Wide product = static_cast<Wide>(number.mantissa) * factor;
  if (product % number.divisor != 0 || product / number.divisor > limit) return std::nullopt;
  return static_cast<std::uint64_t>(product / number.divisor);
}

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
  const auto at =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
  return at == units.end() ? nullptr : &*at;
}

// `value` in one unit, "1.5h"; nothing below one unit ("0.1s" is shorter than "100ms" but reads
// worse) and nothing that needs more digits than a parser takes.
std::optional<std::string> in_unit(std::uint64_t value, const Unit& unit) {
  if (value < unit.factor) return std::nullopt;
  Wide rest = value % unit.factor;
  std::string fraction;
  while (rest != 0) {
    if (fraction.size() == kMaxFractionDigits) return std::nullopt;
    rest *= 10;
    fraction.push_back(static_cast<char>('0' + static_cast<int>(rest / unit.factor)));
    rest %= unit.factor;
  }
  const auto whole = value / unit.factor;
  return fraction.empty() ? fmt::format("{}{}", whole, unit.name)
                          : fmt::format("{}.{}{}", whole, fraction, unit.name);
}

// "1h1m1.5s": whole units from the largest down to minutes, then whatever is left.
std::string in_parts(std::uint64_t ns) {
  std::string out;
  for (std::size_t i = kDurationUnits.size(); i-- > 0;) {
    const auto& unit = kDurationUnits[i];
    if (ns < unit.factor) continue;
    if (unit.factor <= 1'000'000'000) return out + *in_unit(ns, unit);
    out += fmt::format("{}{}", ns / unit.factor, unit.name);
    ns %= unit.factor;
  }
  return out;
}

using Days = std::chrono::sys_days;
constexpr std::int64_t kDayMs = 86'400'000;
// Years 0000 to 9999: what four digits can say.
constexpr std::int64_t kFirstMs = -62'167'219'200'000;
constexpr std::int64_t kLastMs = 253'402'300'799'999;

constexpr std::array<std::string_view, 7> kDayNames{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonthNames{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Civil {
  int year = 0;
  unsigned month = 1;  // 1 to 12
  unsigned day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;  // 60 in a leap second
  int ms = 0;
  unsigned weekday = 0;  // 0 is Sunday
};

Civil civil(WallTime time) {
  const auto ms = std::clamp(time.ms, kFirstMs, kLastMs);
  const auto day_number = ms >= 0 ? ms / kDayMs : (ms + 1) / kDayMs - 1;
  const auto in_day = static_cast<int>(ms - day_number * kDayMs);
  const Days day{std::chrono::days{static_cast<int>(day_number)}};
  const std::chrono::year_month_day date{day};
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .hour = in_day / 3'600'000,
          .minute = in_day / 60'000 % 60,
          .second = in_day / 1000 % 60,
          .ms = in_day % 1000,
          .weekday = std::chrono::weekday{day}.c_encoding()};
}

// Nothing when there is no such day or time of day.
std::optional<WallTime> wall_time(const Civil& c) {
  const std::chrono::year_month_day date{std::chrono::year{c.year}, std::chrono::month{c.month},
                                         std::chrono::day{c.day}};
  if (!date.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  const std::int64_t days = Days{date}.time_since_epoch().count();
  return WallTime{days * kDayMs + ((c.hour * 60LL + c.minute) * 60 + c.second) * 1000 + c.ms};
}

// Walks an HTTP date; after the first mismatch ok() stays false.
class DateScanner {
 public:
  explicit DateScanner(std::string_view text) : rest_(text) {}

  void literal(std::string_view expected) {
    if (rest_.substr(0, expected.size()) != expected) return stop();
    rest_.remove_prefix(expected.size());
  }
  bool next_is(std::string_view expected) const {
    return rest_.substr(0, expected.size()) == expected;
  }
  // Exactly that many digits.
  int number(std::size_t digits) {
    const auto part = rest_.substr(0, digits);
    if (part.size() != digits || !std::all_of(part.begin(), part.end(), is_digit)) {
      stop();
      return 0;
    }
    rest_.remove_prefix(digits);
    int out = 0;
    for (const char c : part)
      out = out * 10 + (c - '0');
    return out;
  }
  // The name of a day, in full or its first three letters. Whether it is the right one for the date
  // is not checked: a peer that errs there has still said when.
  void day_name(bool full) {
    for (const auto name : kDayNames) {
      const auto wanted = full ? name : name.substr(0, 3);
      if (next_is(wanted)) return rest_.remove_prefix(wanted.size());
    }
    stop();
  }
  unsigned month() {
    for (unsigned i = 0; i < kMonthNames.size(); ++i) {
      if (!next_is(kMonthNames[i])) continue;
      rest_.remove_prefix(3);
      return i + 1;
    }
    stop();
    return 0;
  }
  void time_of_day(Civil& out) {
    out.hour = number(2);
    literal(":");
    out.minute = number(2);
    literal(":");
    out.second = number(2);
  }
  // ".123" of a second in milliseconds, whatever else it has; 0 where there is none.
  int fraction() {
    if (!next_is(".")) return 0;
    rest_.remove_prefix(1);
    if (rest_.empty() || !is_digit(rest_.front())) stop();
    int out = 0;
    for (int place = 100; !rest_.empty() && is_digit(rest_.front()); place /= 10) {
      out += (rest_.front() - '0') * place;
      rest_.remove_prefix(1);
    }
    return out;
  }
  // "Z", "+01:00": minutes to the east.
  int zone() {
    if (next_is("Z")) {
      literal("Z");
      return 0;
    }
    const bool west = next_is("-");
    literal(west ? "-" : "+");
    const int hours = number(2);
    literal(":");
    const int minutes = number(2);
    if (hours > 23 || minutes > 59) stop();
    return (west ? -1 : 1) * (hours * 60 + minutes);
  }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  void stop() { ok_ = false; }

  std::string_view rest_;
  bool ok_ = true;
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<WallTime> parse_imf_fixdate(std::string_view text) {
  DateScanner in(text);
  Civil c;
  in.day_name(false);
  in.literal(", ");
  c.day = static_cast<unsigned>(in.number(2));
  in.literal(" ");
  c.month = in.month();
  in.literal(" ");
  c.year = in.number(4);
  in.literal(" ");
  in.time_of_day(c);
  in.literal(" GMT");
  return in.done() ? wall_time(c) : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<WallTime> parse_asctime_date(std::string_view text) {
  DateScanner in(text);
  Civil c;
  in.day_name(false);
  in.literal(" ");
  c.month = in.month();
  in.literal(" ");
  if (in.next_is(" ")) {
    in.literal(" ");
    c.day = static_cast<unsigned>(in.number(1));
  } else {
    c.day = static_cast<unsigned>(in.number(2));
  }
  in.literal(" ");
  in.time_of_day(c);
  in.literal(" ");
  c.year = in.number(4);
  return in.done() ? wall_time(c) : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT". The year is the latest one with these digits that is at most 50
// years ahead of `now`.
std::optional<WallTime> parse_rfc850_date(std::string_view text, WallTime now) {
  DateScanner in(text);
  Civil c;
  in.day_name(true);
  in.literal(", ");
  c.day = static_cast<unsigned>(in.number(2));
  in.literal("-");
  c.month = in.month();
  in.literal("-");
  const int digits = in.number(2);
  in.literal(" ");
  in.time_of_day(c);
  in.literal(" GMT");
  if (!in.done()) return std::nullopt;

  const Civil today = civil(now);
  // Month, day and time as one number that orders within a year, so that no calendar is needed for
  // "50 years ahead".
  const auto in_year = [](const Civil& x) {
    return (((static_cast<std::int64_t>(x.month) * 32 + x.day) * 24 + x.hour) * 60 + x.minute) *
               61'000 +
           x.second * 1000LL + x.ms;
  };
  c.year = (today.year / 100 + 1) * 100 + digits;
  const auto too_far = [&] {
    const int ahead = c.year - today.year;
    return ahead > 50 || (ahead == 50 && in_year(c) > in_year(today));
  };
  while (too_far())
    c.year -= 100;
  return wall_time(c);
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration{};
  const auto bad = [&](std::string_view why) {
    return fail(ErrorKind::invalid, fmt::format("{} is not a duration: {}", quoted(text), why));
  };
  if (text.empty()) return bad("empty; write one like 10s, 1.5h or 1h30m");
  auto rest = text;
  std::uint64_t total = 0;
  std::uint64_t last_factor = std::numeric_limits<std::uint64_t>::max();
  while (!rest.empty()) {
    const auto number = take_decimal(rest);
    if (!number) return bad("a number like 10 or 1.5 is expected before each unit");
    const auto name = take_letters(rest);
    if (name.empty()) return bad("the unit is missing (ns us ms s m h d w)");
    const Unit* unit = find_unit(kDurationUnits, name);
    if (unit == nullptr) return bad("the units are ns us ms s m h d w");
    // "30m1h" is more likely a slip than meant.
    if (unit->factor >= last_factor) return bad("larger units come first, each once");
    last_factor = unit->factor;
    const auto part = scale(*number, unit->factor, kMaxDuration);
    if (!part) return bad("finer than a nanosecond, or longer than 292 years");
    total += *part;  // two values below 2^63
    if (total > kMaxDuration) return bad("longer than 292 years");
  }
  return Duration{static_cast<std::int64_t>(total)};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorKind::invalid, fmt::format("{} is not a size: {}", quoted(text), why));
  };
  auto rest = text;
  const auto number = take_decimal(rest);
  if (!number) return bad("write one like 64KiB or 10GB");
  const Unit* unit = find_unit(kSizeUnits, rest.empty() ? std::string_view("B") : rest);
  if (unit == nullptr) return bad("the units are B KB MB GB TB KiB MiB GiB TiB");
  const auto bytes = scale(*number, unit->factor, std::numeric_limits<std::uint64_t>::max());
  if (!bytes) return bad("not a whole number of bytes below 2^64");
  return *bytes;
}

Result<Rate> parse_rate(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(ErrorKind::invalid, fmt::format("{} is not a rate: {}", quoted(text), why));
  };
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return bad("write one like 100/s or 2/10s");
  auto head = text.substr(0, slash);
  const auto count = take_decimal(head);
  if (!count || !head.empty() || count->divisor != 1 || count->mantissa > kMaxDuration) {
    return bad("a whole number is expected before the slash");
  }
  if (count->mantissa == 0) return bad("at least 1 is needed");
  const auto per = text.substr(slash + 1);
  Rate out{static_cast<std::int64_t>(count->mantissa), {}};
  if (const Unit* unit = find_unit(kDurationUnits, per)) {
    out.per = Duration::nanos(static_cast<std::int64_t>(unit->factor));
    return out;
  }
  auto length = parse_duration(per);
  if (!length.ok()) return length.take_error().in(quoted(text));
  if (length->ns == 0) return bad("the time must be longer than 0");
  out.per = *length;
  return out;
}

Result<DurationRange> parse_duration_range(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) {
    HF_TRY(const Duration point, parse_duration(text));
    return DurationRange{point, point};
  }
  HF_TRY(const Duration low, parse_duration(text.substr(0, dots)));
  HF_TRY(const Duration high, parse_duration(text.substr(dots + 2)));
  if (low > high) {
    return fail(ErrorKind::invalid,
                fmt::format("{} is not a range: the smaller one comes first", quoted(text)));
  }
  return DurationRange{low, high};
}

Result<int> parse_permille(std::string_view text) {
  auto rest = text;
  const auto number = take_decimal(rest);
  const auto tenths = number ? scale(*number, 10, 1000) : std::nullopt;
  if (!tenths || rest != "%") {
    return fail(
        ErrorKind::invalid,
        fmt::format("{} is not a share: write one from 0% to 100% in steps of 0.1%", quoted(text)));
  }
  return static_cast<int>(*tenths);
}

std::string format_duration(Duration duration) {
  if (duration.ns == 0) return "0";
  // parse_duration takes no sign; negative lengths only come up in messages.
  const std::string sign = duration.ns < 0 ? "-" : "";
  const auto ns = duration.ns < 0 ? 0 - static_cast<std::uint64_t>(duration.ns)
                                  : static_cast<std::uint64_t>(duration.ns);
  // Among equals the smaller unit: "7d" says more than "1w".
  std::string best;
  for (const auto& unit : kDurationUnits) {
    const auto text = in_unit(ns, unit);
    if (text && (best.empty() || text->size() < best.size())) best = *text;
  }
  const auto parts = in_parts(ns);
  return sign + (parts.size() < best.size() ? parts : best);
}

std::string format_size(std::uint64_t bytes) {
  std::string best = fmt::format("{}", bytes);
  for (const auto& unit : kSizeUnits) {
    const auto text = in_unit(bytes, unit);
    if (text && text->size() <= best.size()) best = *text;
  }
  return best;
}

std::string format_rate(Rate rate) {
  const auto* unit = std::find_if(kDurationUnits.begin(), kDurationUnits.end(), [&](const Unit& u) {
    return rate.per.ns > 0 && u.factor == static_cast<std::uint64_t>(rate.per.ns);
  });
  return fmt::format(
      "{}/{}", rate.count,
      unit == kDurationUnits.end() ? format_duration(rate.per) : std::string(unit->name));
}

std::string format_permille(int permille) {
  return permille % 10 == 0 ? fmt::format("{}%", permille / 10)
                            : fmt::format("{}.{}%", permille / 10, permille % 10);
}

std::string format_rfc3339(WallTime time) {
  const Civil c = civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", c.year, c.month, c.day, c.hour,
                     c.minute, c.second, c.ms);
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  DateScanner in(text);
  Civil c;
  c.year = in.number(4);
  in.literal("-");
  c.month = static_cast<unsigned>(in.number(2));
  in.literal("-");
  c.day = static_cast<unsigned>(in.number(2));
  in.literal("T");
  c.hour = in.number(2);
  in.literal(":");
  c.minute = in.number(2);
  if (in.next_is(":")) {
    in.literal(":");
    c.second = in.number(2);
    c.ms = in.fraction();
  }
  const int east = in.zone();
  const auto time = in.done() ? wall_time(c) : std::nullopt;
  if (!time) {
    return fail(ErrorKind::invalid,
                quoted(text) + " is not a time: write one like 2026-11-21T03:39:20Z");
  }
  return *time - Duration::minutes(east);
}

std::string format_http_date(WallTime time) {
  const Civil c = civil(time);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDayNames[c.weekday].substr(0, 3),
                     c.day, kMonthNames[c.month - 1], c.year, c.hour, c.minute, c.second);
}

Result<WallTime> parse_http_date(std::string_view text, WallTime now) {
  if (const auto time = parse_imf_fixdate(text)) return *time;
  if (const auto time = parse_rfc850_date(text, now)) return *time;
  if (const auto time = parse_asctime_date(text)) return *time;
  return fail(ErrorKind::invalid, quoted(text) + " is not an HTTP date");
}

}  // namespace hf
