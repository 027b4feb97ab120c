#include "load/arrivals.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hf::load {
namespace {

double seconds_of(Duration length) {
  return static_cast<double>(length.ns) / 1e9;
}

// When the stretch has had so many requests; nothing if it never has.
std::optional<Duration> within(const Stretch& stretch, double requests) {
  const double seconds = seconds_of(stretch.length);
  const double slope = seconds > 0 ? (stretch.last_rate - stretch.first_rate) / seconds : 0;
  double at = 0;
  if (std::abs(slope) * seconds < 1e-9 * stretch.first_rate || slope == 0) {
    if (stretch.first_rate <= 0) return std::nullopt;
    at = requests / stretch.first_rate;
  } else {
    // first * t + slope / 2 * t^2 = requests, in the form that does not cancel.
    const double under = stretch.first_rate * stretch.first_rate + 2 * slope * requests;
    if (under < 0) return std::nullopt;
    const double divisor = stretch.first_rate + std::sqrt(under);
    if (divisor <= 0) return Duration{};
    at = 2 * requests / divisor;
  }
  if (!(at < seconds)) return std::nullopt;
  return Duration::nanos(static_cast<std::int64_t>(at * 1e9));
}

}  // namespace

Arrivals::Arrivals(const ArrivalPlan& plan, std::uint64_t share, std::uint64_t shares)
    : plan_(plan), prng_(plan.seed), share_(share), shares_(shares) {
  HF_CHECK(share < shares);
  for (const Stretch& stretch : plan_.stretches)
    HF_CHECK(stretch.first_rate >= 0 && stretch.last_rate >= 0);
}

std::optional<Duration> Arrivals::time_of(double requests) {
  for (; stretch_ < plan_.stretches.size(); ++stretch_) {
    const Stretch& stretch = plan_.stretches[stretch_];
    if (const auto at = within(stretch, std::max(0.0, requests - before_))) return passed_ + *at;
    before_ += (stretch.first_rate + stretch.last_rate) / 2 * seconds_of(stretch.length);
    passed_ = passed_ + stretch.length;
  }
  return std::nullopt;
}

std::optional<Instant> Arrivals::next() {
  for (;;) {
    double at = static_cast<double>(drawn_);
    if (plan_.spacing == Spacing::poisson) {
      // 53 bits, never 0: the logarithm is finite.
      const double dice = (static_cast<double>(prng_.next() >> 11) + 1) * 0x1.0p-53;
      reached_ -= std::log(dice);
      at = reached_;
    }
    const std::uint64_t number = drawn_++;
    const auto offset = time_of(at);
    if (!offset) return std::nullopt;
    if (number % shares_ == share_) return plan_.begin + *offset;
  }
}

}  // namespace hf::load
