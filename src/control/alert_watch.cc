#include "control/alert_watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"

namespace hf::control {
namespace {

constexpr int kSamples = 60;  // of one window
constexpr Duration kLossWindow = Duration::hours(1);
constexpr Duration kLossStep = Duration::minutes(1);

AlertFinding of(AlertCause cause, const UpstreamFacts& facts, AlertNumbers numbers = {},
                std::string detail = {}) {
  return {cause, facts.name, std::move(numbers), std::move(detail)};
}

}  // namespace

// Samples lie a sixtieth of the window apart; the oldest is the last one before the window.
std::optional<AlertFinding> AlertWatch::failing(Seen& seen, const UpstreamFacts& facts,
                                                const Now& now) const {
  const Duration window = settings_.failure_within;
  auto& samples = seen.samples;
  if (samples.empty()) samples.push_back({now.mono, 0, 0});
  while (samples.size() > 1 && now.mono - samples[1].at >= window)
    samples.pop_front();
  const std::uint64_t ended = facts.ended - samples.front().ended;
  const std::uint64_t failed = facts.failed - samples.front().failed;
  if (now.mono - samples.back().at >= window / kSamples) {
    samples.push_back({now.mono, facts.ended, facts.failed});
  }
  if (ended < static_cast<std::uint64_t>(settings_.failure_of_at_least)) return {};
  // Counts within minutes stay far below what could overflow here.
  if (failed * 1000 < ended * static_cast<std::uint64_t>(settings_.failure_permille)) return {};
  return of(
      AlertCause::failure_rate, facts, {},
      fmt::format("{} of {} attempts failed within {}", failed, ended, format_duration(window)));
}

std::optional<AlertFinding> AlertWatch::exhausted(Seen& seen, const UpstreamFacts& facts,
                                                  const Now& now) {
  auto& losses = seen.losses;
  if (facts.exhausted > seen.exhausted) {
    if (losses.empty() || now.mono - losses.back().at >= kLossStep) losses.push_back({now.mono, 0});
    losses.back().calls += facts.exhausted - seen.exhausted;
    seen.exhausted = facts.exhausted;
  }
  while (!losses.empty() && now.mono - losses.front().at >= kLossWindow)
    losses.pop_front();
  if (losses.empty()) return {};
  AlertNumbers numbers;
  for (const Loss& loss : losses)
    numbers.calls += loss.calls;
  return of(AlertCause::schedule_exhausted, facts, numbers);
}

std::optional<AlertFinding> AlertWatch::standing(Seen& seen, const UpstreamFacts& facts,
                                                 const Now& now) const {
  const bool moved = facts.started != seen.started || facts.in_flight > 0;
  seen.started = facts.started;
  if (!facts.due || moved) {
    seen.still_since.reset();
    return {};
  }
  if (!seen.still_since) seen.still_since = now.mono;
  if (now.mono - *seen.still_since < settings_.standing_still) return {};
  std::string why = "no pause and no breaker explains it";
  if (facts.breaker_open) why = "its breaker is open";
  if (facts.paused_until && *facts.paused_until > now.wall) {
    why = fmt::format("it is paused until {}", format_rfc3339(*facts.paused_until));
  }
  return of(AlertCause::standing_still, facts, {}, std::move(why));
}

std::vector<AlertFinding> AlertWatch::look(const AlertFacts& facts, const Now& now) {
  std::vector<AlertFinding> out;
  const auto add = [&out](std::optional<AlertFinding> finding) {
    if (finding) out.push_back(std::move(*finding));
  };
  for (const UpstreamFacts& upstream : facts.upstreams) {
    Seen& seen = seen_[upstream.name];
    if (upstream.half.calls > 0)
      out.push_back(of(AlertCause::schedule_half, upstream, upstream.half));
    if (upstream.three_quarters.calls > 0) {
      out.push_back(of(AlertCause::schedule_three_quarters, upstream, upstream.three_quarters));
    }
    add(exhausted(seen, upstream, now));
    add(failing(seen, upstream, now));
    if (upstream.breaker_open) out.push_back(of(AlertCause::breaker_open, upstream));
    if (upstream.parked.calls > 0) {
      out.push_back(of(AlertCause::parked_calls, upstream, upstream.parked));
    }
    add(standing(seen, upstream, now));
  }
  if (facts.journal_refusing) {
    out.push_back({AlertCause::journal_refusing, {}, {}, facts.journal_why});
  }
  return out;
}

}  // namespace hf::control
