#include "policy/dimmer.h"

#include <algorithm>

namespace hf::policy {

Dimmer::Dimmer(DimmerConfig config) : config_(config), patience_(config.restore_after) {}

bool Dimmer::observe(std::int64_t pressure, Instant now) {
  if (pressure >= config_.full_permille) {
    calm_since_.reset();
    if (!loaded_since_) loaded_since_ = now;
    return dim(now);
  }
  loaded_since_.reset();
  if (pressure >= config_.calm_permille) {
    calm_since_.reset();
    return false;
  }
  if (!calm_since_) calm_since_ = now;
  return restore(now);
}

bool Dimmer::dim(Instant now) {
  if (level_ >= config_.steps || now - *loaded_since_ < config_.dim_after) return false;
  if (dimmed_at_ && now - *dimmed_at_ < config_.dim_every) return false;
  // What was switched on a moment ago was what the upstream could not bear.
  if (restored_at_ && now - *restored_at_ < patience_ * 2) {
    patience_ = std::min(patience_ * 2, config_.restore_longest);
    restored_at_.reset();  // once for each time
  }
  ++level_;
  dimmed_at_ = now;
  return true;
}

bool Dimmer::restore(Instant now) {
  const Duration calm = now - *calm_since_;
  if (level_ == 0) {
    // All has been on for long: the next overload is another story.
    if (calm >= patience_ * 4) patience_ = config_.restore_after;
    return false;
  }
  const Instant from = restored_at_ ? std::max(*calm_since_, *restored_at_) : *calm_since_;
  if (now - from < patience_) return false;
  --level_;
  restored_at_ = now;
  return true;
}

}  // namespace hf::policy
