#include "policy/learnt_limit.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/check.h"

namespace hf::policy {
namespace {

constexpr std::int64_t kOctave = 1024;
// Above the baseline: up to here there is no queue to speak of (1.19 times), from here on there is
// (1.41 times).
constexpr std::int64_t kNear = kOctave / 4;
constexpr std::int64_t kQueueing = kOctave / 2;
constexpr std::int64_t kErrorWanted = (kOctave / 8) * (kOctave / 8);
constexpr std::int64_t kWindowMin = 16;   // healthy results
constexpr std::int64_t kWindowMax = 256;  // of them
constexpr std::int64_t kLossesMin = 8;
constexpr Duration kWindowAge = Duration::seconds(30);
constexpr Duration kOverdue = Duration::seconds(5);
constexpr int kSettle = 3;  // latencies
constexpr Duration kForgotten = Duration::minutes(2);
// Experiments smaller than a fifth of an octave together tell nothing.
constexpr std::int64_t kMovedMin = (kOctave / 5) * (kOctave / 5);
constexpr std::int64_t kMovedLeast = kOctave / 32;  // of one
constexpr int kProofLasts = 64;                     // windows
constexpr int kHoldsMax = 4;

// Base 2, in 1/1024, right to a hundredth of an octave: x + 0.343 x (1 - x) between powers of two.
std::int64_t log_of(std::int64_t value) {
  const auto v = static_cast<std::uint64_t>(std::max<std::int64_t>(value, 1));
  const auto whole = static_cast<int>(std::bit_width(v)) - 1;
  const std::uint64_t top = whole >= 10 ? v >> (whole - 10) : v << (10 - whole);
  const auto part = static_cast<std::int64_t>(top) - kOctave;
  return whole * kOctave + part + part * (kOctave - part) * 351 / (kOctave * kOctave);
}

// The inverse, to a hundredth.
std::int64_t power_of(std::int64_t log) {
  if (log < 0) return 1;
  const std::int64_t whole = log / kOctave;
  const std::int64_t part = log % kOctave;
  const std::int64_t mantissa =
      kOctave + part - part * (kOctave - part) * 343 / (kOctave * kOctave);
  return whole >= 10 ? mantissa << std::min<std::int64_t>(whole - 10, 50)
                     : mantissa >> (10 - whole);
}

int root_of(int value) {
  int root = 1;
  while ((root + 1) * (root + 1) <= value)
    ++root;
  return root;
}

}  // namespace

LearntLimit::LearntLimit(LearntLimitConfig config) : config_(config), limit_(config.start) {
  HF_CHECK(config.min >= 1 && config.min <= config.start && config.start <= config.max);
}

bool LearntLimit::on_result(const Sample& sample, Instant now) {
  if (now < settled_) return false;
  if (sample.fate == Fate::lost && sample.began < cut_) return false;
  if (window_.ends == 0) window_.began = lesson_ == Lesson::start ? sample.began : now;
  window_.peak = std::max(window_.peak, sample.in_flight);
  window_.ends += 1;
  window_.in_flight += sample.in_flight;
  window_.held = window_.held + (now - sample.began);
  switch (sample.fate) {
    case Fate::lost:
      window_.lost += 1;
      break;
    case Fate::refused:
      window_.refused += 1;
      break;
    case Fate::ok: {
      const Log log = log_of(sample.took.ns);
      if (window_.ok == 0) window_.pivot = log;
      const Log from = log - window_.pivot;
      window_.ok += 1;
      window_.sum += from;
      window_.squares += from * from;
      break;
    }
  }
  return whole(now) && close(now);
}

std::int64_t LearntLimit::lost() const {
  const bool refusing = window_.refused * 2 >= window_.ends;
  return window_.lost + (refusing ? window_.refused : 0);
}

bool LearntLimit::whole(Instant now) const {
  if (lost() >= kLossesMin && lost() * 4 >= window_.ok) return true;
  const bool old = now - window_.began >= kWindowAge;
  if (window_.ok < kWindowMin) return old;
  if (old) return true;
  // By Little's law what has ended must account for the time that slots were taken: where it does
  // not, the slow ones are still on their way, and the mean of the others would be too low.
  const Duration lasted = now - window_.began;
  const std::int64_t slots = window_.in_flight * 7 / 8 / window_.ends;
  if (met_ && lasted < kOverdue && window_.held < lasted * slots) return false;
  if (window_.ok >= kWindowMax) return true;
  // By the scatter known from before: to stop where this window's happens to be small would take
  // sixteen fast calls in a row for the truth about a mixture.
  return window_.ok * kErrorWanted >= scatter_;
}

LearntLimit::Measure LearntLimit::measure(Instant now) const {
  Measure out;
  out.at = now;
  out.peak = window_.peak;
  out.half_used = window_.in_flight * 2 >= std::int64_t{limit_} * window_.ends;
  const std::int64_t n = window_.ok;
  if (n == 0) return out;
  const Log mean = window_.sum / n;
  out.latency = window_.pivot + mean;
  const std::int64_t scatter = std::max<std::int64_t>(window_.squares / n - mean * mean, 0);
  out.scatter = scatter_ + (scatter - scatter_) / 4;
  out.error = std::max(out.scatter, scatter) / n;
  out.in_flight = log_of(window_.in_flight * 16 / window_.ends) - 4 * kOctave;
  out.full = met_ && window_.in_flight * 10 >= std::int64_t{8} * window_.peak * window_.ends;
  return out;
}

bool LearntLimit::close(Instant now) {
  const Measure seen = measure(now);
  const bool losing = lost() >= 2 && lost() * 10 >= window_.ends;
  const int before = limit_;
  if (losing || window_.ok >= kWindowMin) {
    if (window_.ok >= kWindowMin) {
      scatter_ = seen.scatter;
      take_evidence(seen);
    }
    const Lesson lesson = judge(seen, losing);
    move(lesson, seen);
    if (window_.ok >= kWindowMin) last_ = seen;
    lesson_ = lesson;
  }
  window_ = {};
  met_ = false;
  if (limit_ == before) return false;
  settled_ = now + Duration{power_of(seen.latency)} * kSettle;
  if (losing) cut_ = now;
  return true;
}

// Only windows in which the limit bound tell what follows from what: elsewhere more is in flight
// because latency has risen, not the other way round.
void LearntLimit::take_evidence(const Measure& seen) {
  fresh_ = false;
  if (!last_ || !last_->full || !seen.full || seen.at - last_->at > kForgotten) return;
  const Log more = seen.in_flight - last_->in_flight;
  const Log slower = seen.latency - last_->latency;
  noise_ = seen.error + last_->error;
  if (std::abs(more) < kMovedLeast) {
    // The upstream itself has changed: what was seen before is of another one.
    if (slower * slower > 9 * noise_ && std::abs(slower) > kNear) moved_ = followed_ = 0;
    return;
  }
  fresh_ = true;
  moved_ = moved_ * 3 / 4 + more * more;
  // Latency follows the limit by its square at the very most: what goes beyond has other causes.
  const Log most = std::abs(more) * 2;
  followed_ = followed_ * 3 / 4 + more * std::clamp(slower, -most, most);
  if (more < 0) last_cut_helped_ = slower <= more / 2;
  if (more > 0) last_cut_helped_ = true;
}

bool LearntLimit::elastic() const {
  const std::int64_t beyond = followed_ - moved_ / 2;
  return fresh_ && moved_ >= kMovedMin && beyond > 0 && beyond * beyond * 4 > 9 * moved_ * noise_;
}

bool LearntLimit::inelastic() const {
  const std::int64_t short_of = moved_ / 2 - followed_;
  return moved_ >= kMovedMin && followed_ <= moved_ / 4 && short_of * short_of > moved_ * noise_;
}

Lesson LearntLimit::judge(const Measure& seen, bool losing) {
  // A limit far above what was in flight is neither the cause nor the cure.
  const bool in_use = met_ || seen.half_used;
  if (losing) return in_use ? Lesson::losses : Lesson::unused;
  if (!baseline_) baseline_ = seen.latency;
  if (proven_ > 0) proven_ -= 1;
  if (lesson_ == Lesson::elastic && !last_cut_helped_) proven_ = kProofLasts;
  const Log above = seen.latency - *baseline_;
  const Log beyond = above - kQueueing;
  const bool queueing = beyond > 0 && beyond * beyond > seen.error;
  if (met_ && above > kNear && inelastic()) return Lesson::slower;
  if (!in_use) return Lesson::unused;
  if (queueing) return Lesson::queueing;
  if (!met_) return Lesson::unused;
  if (proven_ == 0 && elastic() && last_cut_helped_) return Lesson::elastic;
  return above <= kNear ? Lesson::grow : Lesson::hold;
}

void LearntLimit::follow_baseline(const Measure& seen) {
  if (!baseline_) return;
  const Log gap = seen.latency - *baseline_;
  if (gap < 0) {
    *baseline_ += gap * gap > 9 * seen.error ? gap / 2 : gap / 8;
  } else if (lesson_ == Lesson::unused && !seen.half_used) {
    *baseline_ += gap / 8;
  } else if (lesson_ == Lesson::grow && followed_ <= moved_ / 2) {
    *baseline_ += gap / 32;  // chance alone would otherwise pull it down for ever
  }
}

int LearntLimit::step() const {
  const int most = std::max(1, limit_ / 4);
  const int first = std::max(1, root_of(limit_) / 2);
  const int bold = std::min(most, first << std::min(streak_, 10));
  // Where it queued last time the steps are small.
  const bool near_ceiling = ceiling_ > 0 && ceiling_sure_ && (limit_ + bold) * 8 > ceiling_ * 7;
  return near_ceiling ? std::min(most, first) : bold;
}

// Between the thresholds, or at the floor: the only way to learn more is upwards.
int LearntLimit::experiment() const {
  return ceiling_ > 0 && ceiling_sure_ ? std::max(1, root_of(limit_) / 2) : std::max(1, limit_ / 4);
}

void LearntLimit::move(Lesson lesson, const Measure& seen) {
  // What ran is what the lesson is about; the limit may stand above it.
  const int used = met_ ? limit_ : std::min(limit_, seen.peak);
  int next = limit_;
  switch (lesson) {
    case Lesson::losses:
    case Lesson::elastic:
      next = used * 3 / 4;
      break;
    case Lesson::queueing: {
      // Half of the way: logarithms of mixed latencies tell of a short wait more than its length.
      const Log back = (seen.latency - *baseline_ - kNear) / 2;
      const std::int64_t share = 1'024'000 / power_of(back + 10 * kOctave);
      next =
          static_cast<int>(std::int64_t{used} * std::clamp<std::int64_t>(share, 700, 950) / 1000);
      ceiling_ = used;
      ceiling_sure_ = false;
      break;
    }
    case Lesson::slower:
      *baseline_ += (seen.latency - *baseline_) / 2;
      break;
    case Lesson::grow:
      next = limit_ + step();
      if (limit_ > ceiling_) ceiling_ = 0;
      ceiling_sure_ = true;  // it was left, and there is no queue any more
      break;
    case Lesson::hold:
      if (++holds_ >= kHoldsMax) next = limit_ + experiment();
      break;
    case Lesson::start:
    case Lesson::unused:
      break;
  }
  if (lesson == Lesson::queueing && limit_ == config_.min && ++holds_ >= kHoldsMax) {
    // At the floor nothing can be learnt by shrinking.
    next = limit_ + experiment();
    holds_ = 0;
  }
  streak_ = lesson == Lesson::grow ? streak_ + 1 : lesson == Lesson::unused ? streak_ : 0;
  const bool waits = lesson == Lesson::hold || lesson == Lesson::queueing;
  if (!waits || next != limit_) holds_ = next < config_.min ? holds_ : 0;
  limit_ = std::clamp(next, config_.min, config_.max);
  if (lesson != Lesson::losses) {
    lesson_ = lesson;
    follow_baseline(seen);
  }
}

Duration LearntLimit::baseline() const {
  return baseline_ ? Duration{power_of(*baseline_)} : Duration{};
}

Duration LearntLimit::latency() const {
  return last_ ? Duration{power_of(last_->latency)} : Duration{};
}

std::string_view to_string(Lesson lesson) {
  switch (lesson) {
    case Lesson::start:
      return "start";
    case Lesson::losses:
      return "losses";
    case Lesson::queueing:
      return "queueing";
    case Lesson::slower:
      return "slower";
    case Lesson::elastic:
      return "elastic";
    case Lesson::grow:
      return "grow";
    case Lesson::hold:
      return "hold";
    case Lesson::unused:
      return "unused";
  }
  return "?";
}

}  // namespace hf::policy
