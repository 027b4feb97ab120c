#include "policy/ramp.h"

#include <algorithm>

#include "base/check.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kUnhealthyPermille = 50;

}  // namespace

Ramp::Ramp(RampConfig config, int limit) : config_(config), limit_(limit) {
  HF_CHECK(config.start_permille >= 0 && config.start_permille <= 1000);
  HF_CHECK(config.step.ns > 0);
  HF_CHECK(limit >= 0);
}

void Ramp::on_trouble(Instant now) {
  ramping_ = true;
  level_ = std::max<std::int64_t>(std::int64_t{limit_} * config_.start_permille / 1000, 1);
  began_ = now;
  results_ = 0;
  failed_ = 0;
}

void Ramp::on_result(bool ok, Instant now) {
  if (!ramping_) return;
  if (now >= step_end()) {
    level_ = level(now);
    ramping_ = level_ < limit_;
    // Steps without results are skipped as a whole.
    began_ = began_ + config_.step * ((now - began_).ns / config_.step.ns);
    results_ = 0;
    failed_ = 0;
  }
  ++results_;
  if (!ok) ++failed_;
}

int Ramp::allowed(Instant now) const {
  return static_cast<int>(std::min<std::int64_t>(level(now), limit_));
}

std::optional<Instant> Ramp::next_change(Instant now) const {
  if (!ramping_ || level_ >= limit_ || now >= step_end() || !healthy()) return std::nullopt;
  return step_end();
}

void Ramp::set_limit(int limit) {
  HF_CHECK(limit >= 0);
  limit_ = limit;
}

bool Ramp::healthy() const {
  return failed_ * 1000 < kUnhealthyPermille * results_;  // false without results
}

std::int64_t Ramp::level(Instant now) const {
  if (!ramping_) return limit_;
  return now >= step_end() && healthy() ? level_ * 2 : level_;
}

}  // namespace hf::policy
