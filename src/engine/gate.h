// One upstream's gate: pause, breaker, ramp, concurrency, rate and budget asked in one order, taken
// together or not at all.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "call/attempt.h"
#include "call/decide.h"
#include "call/settings.h"
#include "engine/hurdle.h"
#include "policy/breaker.h"
#include "policy/budget.h"
#include "policy/concurrency.h"
#include "policy/learnt_limit.h"
#include "policy/pause.h"
#include "policy/ramp.h"
#include "policy/rate.h"

namespace hf::engine {

struct Entry {
  Hurdle hurdle = Hurdle::none;
  bool probe = false;                 // the one attempt that a half-open breaker lets through
  std::optional<Instant> not_before;  // when asking again can help; none: when an attempt ends
};

// The share of retries that an upstream's routes agree on.
int budget_permille_of(const call::Settings& settings, const std::string& upstream);

// Rows that tell of an upstream in trouble; a refusal does not.
bool is_failure(call::Row row);
// How long an answer asks everybody of its limit key to wait, at most `max_pause`; none: it does
// not (DESIGN section 4, Pauses). `rule`: what `classify` says of the answer, if anything.
std::optional<Duration> pause_asked(const call::AttemptOutcome& outcome,
                                    const call::AnswerRule* rule, Duration max_pause, WallTime now);

class Gate {
 public:
  Gate(const call::UpstreamSettings& settings, int budget_permille);

  // Enters (hurdle none: a slot, a rate token and, for a second or later attempt, a budget token
  // are taken) or tells what is in the way and takes nothing.
  Entry try_enter(policy::Lane lane, bool retry, std::string_view limit_key, const Now& now);
  void leave(policy::Lane lane) { concurrency_.release(lane); }

  // Evidence for the breaker and the ramp. `counts`: false for a refusal, or for a call that has
  // added its failure already.
  void record(bool ok, bool probe, bool counts, policy::Lane lane, Instant now, Prng& prng);
  // The end of an attempt that began at `began` and has left; moves a limit that is learnt.
  void learn(const call::AttemptOutcome& outcome, call::Row row, Instant began, Instant now) {
    if (learnt_) learn_from(outcome, row, began, now);
  }
  void abandon_probe(Instant now) { breaker_.abandon_probe(now); }
  void earn(Instant now) { budget_.earn(now); }
  void restarted(Instant now) { ramp_.on_trouble(now); }

  // Pauses a limit key; the empty key is the whole upstream. Returns true when that changed it.
  bool pause(std::string_view limit_key, WallTime until, const Now& now);
  // Lifts every pause; returns the limit keys that were paused.
  std::vector<std::string> lift_all(Instant now);
  // As the wall clock is now; it may be set meanwhile, and the pause stays as long as it was.
  std::optional<WallTime> paused_until(std::string_view limit_key, const Now& now) const;

  std::vector<policy::Pause> pauses(Instant now) const { return pauses_.all(now); }

  const policy::BreakerCause& breaker_cause() const { return breaker_.cause(); }
  // When an open breaker lets its probe through.
  Instant breaker_open_until() const { return breaker_.open_until(); }
  policy::BreakerState breaker_state(Instant now) const { return breaker_.state(now); }
  // No slot is free, whatever else is in the way.
  bool full(policy::Lane lane) const { return !concurrency_.has_room(lane); }
  int in_use() const { return concurrency_.in_use(); }
  int limit() const { return concurrency_.limit(); }
  int most_live() const { return concurrency_.limit() - concurrency_.reserve(); }
  const policy::LearntLimit* learnt() const { return learnt_.get(); }  // null: it is declared
  int in_use(policy::Lane lane) const { return concurrency_.in_use(lane); }

 private:
  [[nodiscard]] std::optional<Instant> pause_end(std::string_view limit_key, Instant now) const;

  void learn_from(const call::AttemptOutcome& outcome, call::Row row, Instant began, Instant now);

  policy::Breaker breaker_;
  policy::Budget budget_;
  policy::Concurrency concurrency_;
  policy::Pauses pauses_;
  policy::Ramp ramp_;
  policy::RateLimit rate_;
  std::unique_ptr<policy::LearntLimit> learnt_;
};

}  // namespace hf::engine
