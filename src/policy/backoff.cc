#include "policy/backoff.h"

#include <algorithm>

#include "base/check.h"

namespace hf::policy {
namespace {

constexpr Duration kWithoutSteps = Duration::minutes(1);

}  // namespace

Duration full_jitter(const Backoff& backoff, int retry, Prng& prng) {
  HF_CHECK(retry >= 1);
  // 63 doublings take one nanosecond past any cap.
  auto longest = backoff.base;
  for (int i = 1; i < std::min(retry, 64) && longest < backoff.cap; ++i)
    longest = longest * 2;
  longest = std::clamp(longest, Duration{}, std::max(backoff.cap, Duration{}));
  return {prng.between(0, longest.ns)};
}

Duration spread(Duration around, int permille, Prng& prng) {
  HF_CHECK(permille >= 0 && permille <= 1000);
  if (around.ns <= 0) return around;
  // In two parts, so that nothing overflows.
  const auto reach = around.ns / 1000 * permille + around.ns % 1000 * permille / 1000;
  const Duration low = around - Duration{reach};
  const Duration high = around + Duration{reach};
  return {prng.between(low.ns, high.ns)};
}

Duration Schedule::after(int attempts_made) const {
  HF_CHECK(attempts_made >= 1);
  if (steps.empty()) return kWithoutSteps;
  const auto index = std::min(static_cast<std::size_t>(attempts_made), steps.size()) - 1;
  return steps[index];
}

}  // namespace hf::policy
