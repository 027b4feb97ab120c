#include "engine/gate.h"

#include <algorithm>

#include "base/planted.h"
#include "policy/retry_after.h"

namespace hf::engine {
namespace {

// The wall clock has milliseconds: what is told is never before the pause's end.
constexpr Duration kRoundUp{999'999};

policy::BreakerConfig breaker_config(const call::BreakerSettings& settings) {
  policy::BreakerConfig config;
  config.failure_permille = settings.failure_permille;
  config.at_least = settings.of_at_least;
  config.within = settings.within;
  config.consecutive = settings.consecutive;
  config.open_min = settings.open.low;
  config.open_max = settings.open.high;
  return config;
}

policy::BudgetConfig budget_config(int permille) {
  policy::BudgetConfig config;
  config.permille = permille;
  return config;
}

// Retry-After, else what the rule knows of such refusals; null: none.
std::optional<Duration> field_pause(const call::AnswerHead& head, const call::AnswerRule* rule,
                                    WallTime now) {
  if (const Field* field = find_field(head.fields, "Retry-After")) {
    if (const auto asked = policy::parse_retry_after(field->value, now)) return asked;
  }
  if (rule == nullptr) return std::nullopt;
  if (const Field* field = find_field(head.fields, rule->pause_until)) {
    if (const auto asked = policy::parse_rate_reset(field->value, now)) return asked;
  }
  return rule->pause;
}

}  // namespace

int budget_permille_of(const call::Settings& settings, const std::string& upstream) {
  // One budget an upstream: the most careful of the routes that lead there.
  int permille = 1000;
  bool any = false;
  for (const auto& route : settings.routes) {
    if (route->upstream != upstream || route->mode == call::RouteMode::observe) continue;
    permille = std::min(permille, route->retry.budget_permille);
    any = true;
  }
  return any ? permille : 200;
}

bool is_failure(call::Row row) {
  return row == call::Row::nothing_sent || row == call::Row::retry_status ||
         row == call::Row::no_status || row == call::Row::answer_cut;
}

std::optional<Duration> pause_asked(const call::AttemptOutcome& outcome,
                                    const call::AnswerRule* rule, Duration max_pause,
                                    WallTime now) {
  if (outcome.evidence < call::Evidence::answer_begun) return std::nullopt;
  const int status = outcome.head.status;
  const bool refused = rule != nullptr && rule->means == call::Meaning::refused;
  // On a redirect or a 202 the field tells of something else (RFC 9110 section 10.2.3).
  if (!refused && status < 400) return std::nullopt;
  auto asked = field_pause(outcome.head, refused ? rule : nullptr, now);
  if (!asked && (refused || status == 429)) asked = Duration::seconds(1);
  if (!asked || asked->ns <= 0) return std::nullopt;
  const Duration pause = policy::clamp_pause(*asked, max_pause);
  if (pause < *asked) HF_PROBE("pause-clamped");
  return pause;
}

Gate::Gate(const call::UpstreamSettings& settings, int budget_permille)
    : breaker_(breaker_config(settings.breaker)),
      budget_(budget_config(budget_permille)),
      concurrency_(settings.adaptive ? settings.adaptive->start : settings.concurrency),
      ramp_(policy::RampConfig{}, concurrency_.limit()),
      rate_(settings.rate) {
  if (!settings.adaptive) return;
  learnt_ = std::make_unique<policy::LearntLimit>(policy::LearntLimitConfig{
      settings.adaptive->min, settings.adaptive->start, settings.concurrency});
}

// Only what the upstream did is told: not what its client or we gave up, and of an answer only the
// time to its head, because how fast its client reads says nothing about it.
void Gate::learn_from(const call::AttemptOutcome& outcome, call::Row row, Instant began,
                      Instant now) {
  policy::Sample sample;
  sample.began = began;
  sample.in_flight = concurrency_.in_use() + 1;  // its own slot has just been given back
  sample.took = outcome.phases.head.ns > 0 ? outcome.phases.head : now - began;
  switch (row) {
    case call::Row::complete:
      sample.fate = policy::Fate::ok;
      break;
    case call::Row::credentials:
    case call::Row::in_progress:
      return;  // says nothing of load
    case call::Row::refused:
    case call::Row::retry_status:
      sample.fate = policy::Fate::refused;
      break;
    case call::Row::nothing_sent:
    case call::Row::no_status:
    case call::Row::answer_cut:
      if (outcome.cause == call::Cause::cancelled || outcome.cause == call::Cause::client_body) {
        return;
      }
      sample.fate = policy::Fate::lost;
      break;
  }
  if (!learnt_->on_result(sample, now)) return;
  concurrency_.set_limit(learnt_->limit());
  ramp_.set_limit(learnt_->limit());
}

Entry Gate::try_enter(policy::Lane lane, bool retry, std::string_view limit_key, const Now& now) {
  const auto paused = pause_end(limit_key, now.mono);
  if (paused && !HF_BUG("ignore-a-pause")) {
    return {Hurdle::paused, false, *paused};
  }
  const auto state = breaker_.state(now.mono);
  if (state == policy::BreakerState::open) {
    return {Hurdle::breaker, false, breaker_.open_until()};
  }
  const bool held = lane == policy::Lane::held;
  if (held && concurrency_.in_use(lane) >= ramp_.allowed(now.mono)) {
    HF_PROBE("held-back-by-the-ramp");
    return {Hurdle::ramp, false, ramp_.next_change(now.mono)};
  }
  if (!concurrency_.try_take(lane)) {
    if (learnt_) learnt_->met();
    return {Hurdle::concurrency, false, std::nullopt};
  }
  if (!rate_.try_take(now.mono)) {
    concurrency_.release(lane);
    return {Hurdle::rate, false, rate_.next_free(now.mono)};
  }
  if (retry && !budget_.try_take(now.mono) && !HF_BUG("retries-are-free")) {
    if (held) HF_PROBE("no-token-for-a-held-attempt");
    if (!held) HF_PROBE("no-token-for-a-live-attempt");
    rate_.give_back();
    concurrency_.release(lane);
    return {Hurdle::budget, false, budget_.next_token(now.mono)};
  }
  switch (breaker_.admit(now.mono)) {
    case policy::Admission::allow:
      return {};
    case policy::Admission::probe:
      return {Hurdle::none, true, std::nullopt};
    case policy::Admission::reject:
      break;
  }
  // Half open with its probe on the way: its end will tell.
  HF_PROBE("behind-the-breakers-probe");
  rate_.give_back();
  concurrency_.release(lane);
  return {Hurdle::breaker, false, std::nullopt};
}

void Gate::record(bool ok, bool probe, bool counts, policy::Lane lane, Instant now, Prng& prng) {
  if (probe && !ok) HF_PROBE("breakers-probe-lost");
  if (counts || (probe && !HF_BUG("lose-the-probe"))) {
    breaker_.record(ok, probe, now, prng);
    if (breaker_.state(now) == policy::BreakerState::open) ramp_.on_trouble(now);
  }
  if (lane == policy::Lane::held) ramp_.on_result(ok, now);
}

bool Gate::pause(std::string_view limit_key, WallTime until, const Now& now) {
  const bool changed = pauses_.extend(limit_key, now.mono + (until - now.wall), now.mono);
  if (changed) ramp_.on_trouble(now.mono);
  return changed;
}

std::optional<Instant> Gate::pause_end(std::string_view limit_key, Instant now) const {
  const auto everybodys = pauses_.until("", now);
  const auto own = pauses_.until(limit_key, now);
  return std::max(everybodys, own);  // none is before any
}

std::optional<WallTime> Gate::paused_until(std::string_view limit_key, const Now& now) const {
  const auto end = pause_end(limit_key, now.mono);
  if (!end) return std::nullopt;
  return now.wall + ((*end - now.mono) + kRoundUp);
}

std::vector<std::string> Gate::lift_all(Instant now) {
  std::vector<std::string> lifted;
  for (const auto& pause : pauses_.all(now))
    lifted.push_back(pause.key);
  for (const std::string& key : lifted)
    pauses_.lift(key);
  return lifted;
}

std::string_view to_string(Hurdle hurdle) {
  switch (hurdle) {
    case Hurdle::none:
      return "none";
    case Hurdle::paused:
      return "paused";
    case Hurdle::breaker:
      return "breaker";
    case Hurdle::ramp:
      return "ramp";
    case Hurdle::concurrency:
      return "concurrency";
    case Hurdle::rate:
      return "rate";
    case Hurdle::budget:
      return "budget";
    case Hurdle::order:
      return "order";
    case Hurdle::shed:
      return "shed";
  }
  return "?";
}

}  // namespace hf::engine
