// Time as values. Nothing below adapters/ reads a clock: `Now` is handed in by the driver.
// Instant is monotonic (for intervals), WallTime is for people, records and deadlines.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace hf {

// A length of time in nanoseconds. Arithmetic saturates: config and headers feed it.
struct Duration {
  std::int64_t ns = 0;

  static constexpr Duration nanos(std::int64_t n) { return {n}; }
  static constexpr Duration micros(std::int64_t n) { return scaled(n, 1'000); }
  static constexpr Duration millis(std::int64_t n) { return scaled(n, 1'000'000); }
  static constexpr Duration seconds(std::int64_t n) { return scaled(n, 1'000'000'000); }
  static constexpr Duration minutes(std::int64_t n) { return scaled(n, 60'000'000'000); }
  static constexpr Duration hours(std::int64_t n) { return scaled(n, 3'600'000'000'000); }
  static constexpr Duration max() { return {std::numeric_limits<std::int64_t>::max()}; }

  [[nodiscard]] constexpr std::int64_t ms() const { return ns / 1'000'000; }
  // Whole seconds, rounded up: what Retry-After wants.
  [[nodiscard]] constexpr std::int64_t ceil_seconds() const {
    return ns <= 0 ? 0 : (ns - 1) / 1'000'000'000 + 1;
  }

  constexpr auto operator<=>(const Duration&) const = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    std::int64_t out = 0;
    if (__builtin_add_overflow(a.ns, b.ns, &out)) {
      return {a.ns > 0 ? std::numeric_limits<std::int64_t>::max()
                       : std::numeric_limits<std::int64_t>::min()};
    }
    return {out};
  }
  friend constexpr Duration operator-(Duration a, Duration b) {
    std::int64_t out = 0;
    if (__builtin_sub_overflow(a.ns, b.ns, &out)) {
      return {a.ns >= 0 ? std::numeric_limits<std::int64_t>::max()
                        : std::numeric_limits<std::int64_t>::min()};
    }
    return {out};
  }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return scaled(a.ns, n); }
  friend constexpr Duration operator/(Duration a, std::int64_t n) { return {a.ns / n}; }

 private:
  static constexpr Duration scaled(std::int64_t n, std::int64_t unit) {
    std::int64_t out = 0;
    if (__builtin_mul_overflow(n, unit, &out)) {
      return {(n > 0) == (unit > 0) ? std::numeric_limits<std::int64_t>::max()
                                    : std::numeric_limits<std::int64_t>::min()};
    }
    return {out};
  }
};

// A point on the monotonic clock. Counts suspended time (CLOCK_BOOTTIME) so that it can be compared
// between processes of one boot.
struct Instant {
  std::int64_t ns = 0;

  static constexpr Instant max() { return {std::numeric_limits<std::int64_t>::max()}; }
  constexpr auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant t, Duration d) { return {(Duration{t.ns} + d).ns}; }
  friend constexpr Instant operator-(Instant t, Duration d) { return {(Duration{t.ns} - d).ns}; }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration{a.ns} - Duration{b.ns};
  }
};

// Milliseconds since 1970-01-01 UTC. May step; never used for an interval inside one process.
struct WallTime {
  std::int64_t ms = 0;

  constexpr auto operator<=>(const WallTime&) const = default;
  friend constexpr WallTime operator+(WallTime t, Duration d) {
    return {(Duration{t.ms} + Duration{d.ms()}).ns};  // for its saturation, not its unit
  }
  friend constexpr WallTime operator-(WallTime t, Duration d) {
    return {(Duration{t.ms} - Duration{d.ms()}).ns};
  }
  friend constexpr Duration operator-(WallTime a, WallTime b) {
    return Duration::millis((Duration{a.ms} - Duration{b.ms}).ns);
  }
};

// Which boot of the machine: Instants of different boots are not comparable.
struct BootId {
  std::uint64_t value = 0;
  constexpr auto operator<=>(const BootId&) const = default;
};

// Read once an event by the driver and passed down.
struct Now {
  Instant mono;
  WallTime wall;
  BootId boot;
};

}  // namespace hf
