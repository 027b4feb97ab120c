#include "load/arrivals.h"

#include <cmath>

#include "base/check.h"

namespace hf::load {

Arrivals::Arrivals(const ArrivalPlan& plan, std::uint64_t share, std::uint64_t shares)
    : plan_(plan), prng_(plan.seed), share_(share), shares_(shares) {
  HF_CHECK(plan.first_rate >= 0 && plan.last_rate >= 0 && share < shares);
}

std::optional<Duration> Arrivals::time_of(double requests) const {
  const double seconds = static_cast<double>(plan_.length.ns) / 1e9;
  const double slope = seconds > 0 ? (plan_.last_rate - plan_.first_rate) / seconds : 0;
  double at = 0;
  if (std::abs(slope) * seconds < 1e-9 * plan_.first_rate || slope == 0) {
    if (plan_.first_rate <= 0) return std::nullopt;
    at = requests / plan_.first_rate;
  } else {
    // first * t + slope / 2 * t^2 = requests, in the form that does not cancel.
    const double under = plan_.first_rate * plan_.first_rate + 2 * slope * requests;
    if (under < 0) return std::nullopt;
    const double divisor = plan_.first_rate + std::sqrt(under);
    if (divisor <= 0) return Duration{};
    at = 2 * requests / divisor;
  }
  if (!(at < seconds)) return std::nullopt;
  return Duration::nanos(static_cast<std::int64_t>(at * 1e9));
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
