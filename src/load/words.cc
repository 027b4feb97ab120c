#include "load/words.h"

#include <fmt/format.h>

#include <cmath>

namespace hf::load {
namespace {

// Three digits that matter, and no more: 0.0821, 8.21, 82.1, 821, 8210.
std::string three_digits(double value) {
  if (value >= 100 || value == 0) return fmt::format("{:.0f}", value);
  std::string out = fmt::format("{:.{}f}", value, value >= 10 ? 1 : value >= 1 ? 2 : 3);
  while (out.back() == '0')
    out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

}  // namespace

std::string brief(Duration duration) {
  if (duration.ns == 0) return "0 s";
  const auto ns = static_cast<double>(duration.ns);
  if (duration.ns < 1'000'000) return three_digits(ns / 1e3) + " us";
  if (duration.ns < 1'000'000'000) return three_digits(ns / 1e6) + " ms";
  if (duration < Duration::seconds(120)) return three_digits(ns / 1e9) + " s";
  const std::int64_t seconds = duration.ns / 1'000'000'000;
  return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
}

std::string per_second(double rate) {
  if (rate < 100) return three_digits(rate) + "/s";
  return grouped(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
}

std::string percent(double share) {
  return three_digits(share * 100) + "%";
}

std::string grouped(std::uint64_t count) {
  const std::string digits = std::to_string(count);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace hf::load
