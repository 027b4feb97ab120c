#include "policy/queue_delay.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kOne = 256;
constexpr std::int64_t kAverageOver = 8;
// The threshold of a slow upstream: a client should be told within about a second.
constexpr Duration kThresholdMax = Duration::seconds(1);

std::int64_t averaged(std::int64_t average, std::int64_t count) {
  return average + (count * kOne - average) / kAverageOver;
}

}  // namespace

QueueDelay::QueueDelay(QueueDelayConfig config) : config_(config) {
  HF_CHECK(config.target.ns > 0 && config.interval.ns > 0 && config.calm.ns > 0);
}

void QueueDelay::arrived(std::size_t rank, Instant now) {
  HF_CHECK(rank < kRanks);
  roll(now);
  arrivals_[rank] += 1;
}

void QueueDelay::started(Instant now) {
  roll(now);
  starts_ += 1;
}

void QueueDelay::displaced(Instant now) {
  roll(now);
  displaced_ = true;
}

void QueueDelay::look(std::optional<Instant> oldest, Instant now) {
  roll(now);
  oldest_ = oldest;
  emptied_ = emptied_ || !oldest;
  lowest_ = std::min(lowest_, oldest ? now - *oldest : Duration{});
}

void QueueDelay::roll(Instant now) {
  if (now < ends_) return;
  const bool first = ends_.ns == INT64_MIN;
  const std::int64_t over = first ? 0 : (now - ends_).ns / config_.interval.ns;
  if (!first) {
    close(1);
    if (over > 0) {
      // Nothing happened in these; what waited before them waited through. The last one tells.
      lowest_ = oldest_ ? ends_ + config_.interval * (over - 1) - *oldest_ : Duration{};
      emptied_ = !oldest_;
      close(over);
    }
  }
  ends_ = first ? now + config_.interval : ends_ + config_.interval * (over + 1);
  lowest_ = oldest_ ? ends_ - config_.interval - *oldest_ : Duration{};
  emptied_ = !oldest_;
}

void QueueDelay::close(std::int64_t intervals) {
  for (std::int64_t i = 0; i < std::min(intervals, kAverageOver * 8); ++i) {
    pace_ = averaged(pace_, std::exchange(starts_, 0));
    for (std::size_t rank = 0; rank < kRanks; ++rank)
      demand_[rank] = averaged(demand_[rank], std::exchange(arrivals_[rank], 0));
  }
  standing_ = lowest_;
  const bool stands = lowest_ > threshold();
  if (stands) worst_ = lowest_;
  if (stands || displaced_) {
    calm_ = 0;
    if (level_ > 0 || stands) rise();
  } else if (emptied_ && level_ > 0) {
    calm_ += intervals;
    const std::int64_t needed = std::max<std::int64_t>(config_.calm.ns / config_.interval.ns, 1);
    level_ -= static_cast<std::size_t>(
        std::min<std::int64_t>(calm_ / needed, static_cast<std::int64_t>(level_)));
    calm_ %= needed;
  }
  displaced_ = false;
}

void QueueDelay::rise() {
  if (level_ + 1 >= kRanks) return;
  if (level_ > 0) {
    std::int64_t above = 0;
    for (std::size_t rank = level_ + 1; rank < kRanks; ++rank)
      above += demand_[rank];
    if (above * 8 < pace_ * 7) return;  // there is some room for it: the queue tells who has it
  }
  level_ += 1;
}

Duration QueueDelay::threshold() const {
  if (pace_ <= 0) return config_.target;
  const Duration few = config_.interval * static_cast<std::int64_t>(kRoomMin) * kOne / pace_;
  return std::max(config_.target, std::min(few, kThresholdMax));
}

std::optional<std::size_t> QueueDelay::room() const {
  if (level_ == 0) return std::nullopt;
  const std::int64_t waiting = (config_.target * pace_).ns / config_.interval.ns / kOne;
  return std::max(kRoomMin, static_cast<std::size_t>(waiting));
}

}  // namespace hf::policy
