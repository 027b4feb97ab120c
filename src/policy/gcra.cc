#include "policy/gcra.h"

#include <algorithm>

#include "base/check.h"

namespace hf::policy {
namespace {

// Beyond it sums with an instant could overflow; 146 years.
constexpr std::int64_t kLongest = INT64_MAX / 2;

}  // namespace

Gcra::Gcra(Rate rate, std::int64_t burst) : burst_(burst) {
  HF_CHECK(rate.count > 0 && rate.per.ns > 0 && burst > 0);
  interval_ = (rate.per.ns - 1) / rate.count + 1;
  tolerance_ = std::min((Duration{interval_} * burst).ns, kLongest);
}

std::int64_t Gcra::owed(std::int64_t arrival, Instant now) const {
  return std::clamp<std::int64_t>(arrival - now.ns, 0, tolerance_);
}

Gcra::Verdict Gcra::look(std::int64_t arrival, Instant now) const {
  Verdict out;
  out.full_after = {owed(arrival, now)};
  out.remaining = (tolerance_ - out.full_after.ns) / interval_;
  return out;
}

Gcra::Verdict Gcra::ask(std::int64_t arrival, Instant now, std::int64_t cost) const {
  HF_CHECK(cost > 0);
  const std::int64_t before = owed(arrival, now);
  const std::int64_t after = (Duration{interval_} * cost + Duration{before}).ns;
  Verdict out;
  out.admitted = after <= tolerance_;
  const std::int64_t kept = out.admitted ? after : before;
  out.arrival = now.ns + kept;
  out.used = (after - 1) / interval_ + 1;
  out.remaining = (tolerance_ - kept) / interval_;
  out.full_after = {kept};
  if (!out.admitted) {
    out.again_after = cost > burst_ ? Duration::max() : Duration{after - tolerance_};
  }
  return out;
}

}  // namespace hf::policy
