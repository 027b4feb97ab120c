// What a start finds: calls that were being sent when the last process ended, pauses, and how the
// wall clock stands to the newest journaled time.
#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {

void Core::recover(const call::Recovered& recovered) {
  clock_was_behind_ = clock_suspect_until_ > now_.wall;
  if (clock_was_behind_) HF_PROBE("the-clock-is-behind-the-journal");
  if (recovered.fresh) {
    Note line;
    line.level = Note::Level::warning;
    line.what = "journal_fresh";
    line.detail = "the journal is empty: keys used before are not known";
    act(std::move(line), false);
  }
  for (const call::PauseWrite& pause : recovered.pauses) {
    UpstreamState* upstream = find_upstream(pause.upstream);
    if (upstream == nullptr || !pause.until || *pause.until <= now_.wall) continue;
    HF_PROBE("a-pause-outlives-the-process");
    if (HF_BUG("pauses-end-with-the-process")) continue;
    upstream->gate->pause(pause.limit_key, *pause.until, now_);
  }
  for (const auto& stored : recovered.sending) {
    HF_PROBE("a-crash-cut-an-attempt");
    if (find_upstream(stored->upstream) == nullptr) {
      Note line;
      line.level = Note::Level::error;
      line.what = "upstream_missing";
      line.call = stored->id;
      line.upstream = stored->upstream;
      line.detail = "a call was being sent to an upstream that is no longer configured";
      act(std::move(line), false);
      continue;
    }
    Active& active = activate(stored);
    active.phase = Phase::idle;
    if (stored->held) upstream_of(active).gate->restarted(now_.mono);
    if (crashed_on_ == stored->id) active.call->crashes += 1;
    // Its attempt's end is the moment of recovery, and nobody saw how far it got.
    call::AttemptOutcome cut;
    cut.evidence =
        HF_BUG("a-crash-sent-nothing") ? call::Evidence::nothing_sent : call::Evidence::sent;
    cut.cause = call::Cause::crash;
    const call::Decision decision =
        call::decide(cut, {&*active.call->idempotency, active.call->safe, active.call->held,
                           active.call->unresolved, active.route->head_is_proof});
    active.call->unresolved = decision.unresolved;
    active.call->proof = decision.proof;
    active.call->last_cause = cut.cause;
    active.call->last_status = 0;
    record(active, call::Happening::recovered, call::Actor::holdfast, decision.rule);
    active.last = std::move(cut);
    follow(active, decision, false, std::nullopt);
  }
  if (!journal_) return;
  for (auto& [name, upstream] : upstreams_) {
    for (std::size_t i = 0; i < call::kDueClasses; ++i)
      expect_due(upstream, static_cast<call::DueClass>(i), now_.wall);
  }
  act(PageLineHeads{std::nullopt, kLinePage}, false);
}

}  // namespace hf::engine
