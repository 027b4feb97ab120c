#include "policy/budget.h"

#include <algorithm>

#include "base/check.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kMilli = 1000;

void check(const BudgetConfig& config) {
  HF_CHECK(config.permille >= 0);
  HF_CHECK(config.floor.count >= 0 && config.floor.per.ns > 0);
  HF_CHECK(config.credit_life.ns > 0);
  HF_CHECK(config.max_tokens >= 0);
}

}  // namespace

Budget::Budget(BudgetConfig config) : config_(config) {
  check(config);
  level_ = floor_full();
}

void Budget::earn(Instant now) {
  advance(now);
  const auto room = config_.max_tokens * kMilli - earned_milli(*latest_);
  const auto gain = std::min<std::int64_t>(config_.permille, room);
  if (gain <= 0) return;
  const auto current = slot(*latest_);
  const auto count = static_cast<std::int64_t>(kBuckets);
  auto& bucket = earned_[static_cast<std::size_t>((current % count + count) % count)];
  if (bucket.slot != current) bucket = {.slot = current, .milli = 0};
  bucket.milli += gain;
}

bool Budget::try_take(Instant now) {
  advance(now);
  if (earned_milli(*latest_) >= kMilli) {
    spend_earned();
    return true;
  }
  if (config_.floor.count == 0 || level_ < floor_token()) return false;
  level_ -= floor_token();
  return true;
}

std::optional<Instant> Budget::next_token(Instant now) const {
  if (available(now) > 0) return now;
  if (config_.floor.count == 0) return std::nullopt;
  // A step back of the clock must not name an instant that is too early: count from the latest.
  const auto from = latest_ ? std::max(*latest_, now) : now;
  const Wide missing = floor_token() - floor_level(from);
  const auto rate = static_cast<Wide>(config_.floor.count);
  return from + Duration{static_cast<std::int64_t>((missing + rate - 1) / rate)};
}

void Budget::reconfigure(BudgetConfig config) {
  check(config);
  const Wide whole = level_ / floor_token();
  if (config.credit_life != config_.credit_life) earned_ = {};
  config_ = config;
  level_ = std::min(whole * floor_token(), floor_full());
  // Newer credits stay, older ones go, until the rest fits.
  std::sort(earned_.begin(), earned_.end(),
            [](const Bucket& a, const Bucket& b) { return a.slot > b.slot; });
  auto room = config.max_tokens * kMilli;
  const auto sorted = earned_;
  earned_ = {};
  for (const auto& bucket : sorted) {
    const auto kept = std::min(bucket.milli, room);
    if (kept == 0) continue;
    room -= kept;
    const auto count = static_cast<std::int64_t>(kBuckets);
    const auto index = static_cast<std::size_t>((bucket.slot % count + count) % count);
    earned_[index] = {.slot = bucket.slot, .milli = kept};
  }
}

std::int64_t Budget::available(Instant now) const {
  const auto at = latest_ ? std::max(*latest_, now) : now;
  const auto from_floor = config_.floor.count == 0 ? Wide{0} : floor_level(at) / floor_token();
  return earned_milli(at) / kMilli + static_cast<std::int64_t>(from_floor);
}

std::int64_t Budget::slot(Instant now) const {
  const auto width = std::max<std::int64_t>(config_.credit_life.ns / kBuckets, 1);
  return now.ns / width;
}

bool Budget::alive(const Bucket& bucket, Instant now) const {
  return bucket.slot > slot(now) - static_cast<std::int64_t>(kBuckets);
}

std::int64_t Budget::earned_milli(Instant now) const {
  std::int64_t sum = 0;
  for (const auto& bucket : earned_) {
    if (alive(bucket, now)) sum += bucket.milli;
  }
  return sum;
}

Budget::Wide Budget::floor_level(Instant now) const {
  if (!latest_ || now <= *latest_) return level_;
  const auto passed = static_cast<Wide>((now - *latest_).ns);
  return std::min(level_ + passed * static_cast<Wide>(config_.floor.count), floor_full());
}

void Budget::advance(Instant now) {
  level_ = floor_level(now);
  latest_ = latest_ ? std::max(*latest_, now) : now;
}

void Budget::spend_earned() {
  auto owed = kMilli;
  while (owed > 0) {
    Bucket* oldest = nullptr;
    for (auto& bucket : earned_) {
      if (bucket.milli == 0 || !alive(bucket, *latest_)) continue;
      if (oldest == nullptr || bucket.slot < oldest->slot) oldest = &bucket;
    }
    HF_CHECK(oldest != nullptr);
    const auto part = std::min(owed, oldest->milli);
    oldest->milli -= part;
    owed -= part;
  }
}

}  // namespace hf::policy
