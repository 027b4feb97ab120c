#include "policy/breaker.h"

#include <algorithm>

#include "base/check.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kJitterPermille = 50;
// Far above any real window, far below where a sum of ten could overflow.
constexpr int kMaxCount = 100'000'000;

void check(const BreakerConfig& config) {
  HF_CHECK(config.failure_permille >= 0 && config.failure_permille <= 1000);
  HF_CHECK(config.within.ns > 0);
  HF_CHECK(config.open_min.ns > 0 && config.open_min <= config.open_max);
}

}  // namespace

Breaker::Breaker(BreakerConfig config) : config_(config), open_for_(config.open_min) {
  check(config);
}

Admission Breaker::admit(Instant now) {
  latest_ = std::max(latest_, now);
  switch (state(now)) {
    case BreakerState::closed:
      return Admission::allow;
    case BreakerState::open:
      return Admission::reject;
    case BreakerState::half_open:
      break;
  }
  if (probing_) return Admission::reject;
  probing_ = true;
  return Admission::probe;
}

void Breaker::record(bool ok, bool was_probe, Instant now, Prng& prng) {
  latest_ = std::max(latest_, now);
  if (was_probe && probing_) {
    probing_ = false;
    if (ok) {
      close();
    } else {
      open_for_ = std::min(open_for_ * 2, config_.open_max);
      open(latest_, prng);
    }
    return;
  }
  if (open_) return;
  count(ok, latest_);
  if (ok) {
    streak_ = 0;
    return;
  }
  streak_ = std::min(streak_ + 1, kMaxCount);
  const auto seen = counts(latest_);
  const bool by_share =
      seen.total >= config_.at_least &&
      std::int64_t{seen.failed} * 1000 >= std::int64_t{config_.failure_permille} * seen.total;
  const bool by_streak = config_.consecutive > 0 && streak_ >= config_.consecutive;
  if (!by_share && !by_streak) return;
  cause_ = {by_streak, streak_, config_.consecutive};
  if (!by_streak) {
    cause_.measured = std::int64_t{seen.failed} * 1000 / seen.total;
    cause_.threshold = config_.failure_permille;
  }
  open(latest_, prng);
}

void Breaker::abandon_probe(Instant now) {
  latest_ = std::max(latest_, now);
  probing_ = false;
}

BreakerState Breaker::state(Instant now) const {
  if (!open_) return BreakerState::closed;
  return std::max(latest_, now) < open_until_ ? BreakerState::open : BreakerState::half_open;
}

void Breaker::reconfigure(BreakerConfig config) {
  check(config);
  if (config.within != config_.within) buckets_ = {};
  config_ = config;
  open_for_ = open_ ? std::clamp(open_for_, config.open_min, config.open_max) : config.open_min;
  if (open_) open_until_ = std::min(open_until_, opened_at_ + config.open_max);
}

int Breaker::failures(Instant now) const {
  return counts(now).failed;
}

int Breaker::total(Instant now) const {
  return counts(now).total;
}

std::int64_t Breaker::slot(Instant now) const {
  const auto width = std::max<std::int64_t>(config_.within.ns / kBuckets, 1);
  return now.ns / width;
}

Breaker::Counts Breaker::counts(Instant now) const {
  const auto current = slot(std::max(latest_, now));
  Counts out;
  for (const auto& bucket : buckets_) {
    // Compared this way round because an unused slot is the lowest number there is.
    if (bucket.slot < current - static_cast<std::int64_t>(kBuckets) + 1) continue;
    out.failed += bucket.failed;
    out.total += bucket.ok + bucket.failed;
  }
  return out;
}

void Breaker::count(bool ok, Instant now) {
  const auto current = slot(now);
  const auto count = static_cast<std::int64_t>(kBuckets);
  auto& bucket = buckets_[static_cast<std::size_t>((current % count + count) % count)];
  if (bucket.slot != current) bucket = {.slot = current, .ok = 0, .failed = 0};
  int& counter = ok ? bucket.ok : bucket.failed;
  counter = std::min(counter + 1, kMaxCount);
}

void Breaker::open(Instant now, Prng& prng) {
  const auto reach = open_for_.ns / 1000 * kJitterPermille;
  open_ = true;
  opened_at_ = now;
  open_until_ = now + open_for_ + Duration{prng.between(-reach, reach)};
}

// A recovered upstream starts with a clean sheet: the failures that opened must not open again at
// the next single one.
void Breaker::close() {
  open_ = false;
  buckets_ = {};
  streak_ = 0;
  open_until_ = {};
  open_for_ = config_.open_min;
}

}  // namespace hf::policy
