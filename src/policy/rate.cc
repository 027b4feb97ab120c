#include "policy/rate.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace hf::policy {
namespace {

int default_burst(const std::optional<Rate>& rate) {
  if (!rate) return 1;
  return static_cast<int>(
      std::clamp<std::int64_t>(rate->count / 10, 1, std::numeric_limits<int>::max()));
}

}  // namespace

RateLimit::RateLimit(std::optional<Rate> rate, int burst)
    : rate_(rate), burst_(burst == 0 ? default_burst(rate) : burst) {
  HF_CHECK(burst >= 0);
  HF_CHECK(!rate || (rate->count > 0 && rate->per.ns > 0));
}

bool RateLimit::try_take(Instant now) {
  if (!rate_) return true;
  const Wide arrival = arrival_at(now);
  if (arrival_ && now < latest_) {
    arrival_before_ -= *arrival_ - arrival;
    arrival_ = arrival;
  }
  latest_ = now;
  const Wide here = scaled(now);
  if (arrival - here > tolerance()) return false;
  arrival_before_ = arrival;
  arrival_ = std::max(arrival, here) + rate_->per.ns;
  return true;
}

Instant RateLimit::next_free(Instant now) const {
  if (!rate_) return now;
  const Wide free = arrival_at(now) - tolerance();
  if (free <= scaled(now)) return now;
  // Rounded up, away from zero or towards it; the clock may start below zero.
  const Wide count = rate_->count;
  const Wide ns = free / count + (free > 0 && free % count != 0 ? 1 : 0);
  return {static_cast<std::int64_t>(std::min<Wide>(ns, Instant::max().ns))};
}

void RateLimit::give_back() {
  if (arrival_) arrival_ = arrival_before_;
}

RateLimit::Wide RateLimit::scaled(Instant t) const {
  return static_cast<Wide>(t.ns) * rate_->count;
}

RateLimit::Wide RateLimit::tolerance() const {
  return static_cast<Wide>(burst_ - 1) * rate_->per.ns;
}

// The arrival time as the clock of `now` sees it.
RateLimit::Wide RateLimit::arrival_at(Instant now) const {
  if (!arrival_) return scaled(now);
  return now >= latest_ ? *arrival_ : *arrival_ - (scaled(latest_) - scaled(now));
}

}  // namespace hf::policy
