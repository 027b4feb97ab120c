// The live queue of an upstream, and who is sent away when it stands: the less important first, and
// of equals whoever asks for most.
#include <fmt/format.h>

#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {
namespace {

constexpr std::size_t rank_of(call::CallClass importance) {
  return static_cast<std::size_t>(importance);
}
// The most important class waits as long as its clients do.
constexpr std::size_t kMayGoForDelay = rank_of(call::CallClass::critical);

}  // namespace

std::string_view to_string(ShedRule rule) {
  switch (rule) {
    case ShedRule::by_class:
      return "class-shed";
    case ShedRule::displaced:
      return "displaced";
    case ShedRule::queue_full:
      return "queue-full";
  }
  return "?";
}

void Core::note_queue(UpstreamState& upstream) const {
  if (upstream.overload) upstream.overload->look(upstream.live_queue.oldest(), now_.mono);
}

// True when the call was refused for its class, or held: it is gone from here.
bool Core::shed_by_class(Active& active, UpstreamState& upstream) {
  if (!upstream.overload || active.phase == Phase::queued || active.call->attempts > 0) {
    return false;
  }
  const std::size_t rank = rank_of(active.importance);
  upstream.overload->arrived(rank, now_.mono);
  const std::size_t level = upstream.overload->level();
  // Nobody is refused while one that matters less, and came before the level rose, still waits.
  while (const auto waits = upstream.live_queue.victim(level)) {
    shed(*find_active(waits->call),
         {ShedRule::by_class, upstream.overload->worst(), upstream.overload->threshold()});
  }
  const bool at_random = HF_BUG("shed-whoever-comes") && level > 0;
  if (rank >= level && !at_random) return false;
  HF_PROBE("a-class-is-shed");
  shed(active, {ShedRule::by_class, upstream.overload->worst(), upstream.overload->threshold()});
  return true;
}

void Core::push_live(Active& active, UpstreamState& upstream) {
  LiveQueue::Waiting waiting;
  waiting.importance = active.importance;
  waiting.who = active.share;
  waiting.urgency = call::due_class(active.call->asked.urgency);
  // What has been tried keeps its place: it has cost the upstream already, and may be in doubt.
  waiting.may_leave = active.call->attempts == 0;
  waiting.since = now_.mono;
  upstream.live_queue.push(active.call->id, waiting);
  active.in_live_queue = true;
  active.phase = Phase::queued;
  note_queue(upstream);
}

void Core::leave_live(Active& active) {
  if (!std::exchange(active.in_live_queue, false)) return;
  UpstreamState& upstream = upstream_of(active);
  upstream.live_queue.erase(active.call->id);
  note_queue(upstream);
}

// Whoever has come may have made somebody one too many: perhaps itself.
void Core::make_room(UpstreamState& upstream) {
  for (;;) {
    const std::size_t size = upstream.live_queue.size();
    const auto room = upstream.overload ? upstream.overload->room() : std::nullopt;
    const bool full = size > kLiveQueueMax;
    const auto found = upstream.live_queue.victim(full ? call::kCallClasses : kMayGoForDelay);
    // Each class may wait twice as long as the one below: at its edge an upstream has bursts.
    const bool slow = room && found && size > *room << found->rank;
    if (!found || (!full && !slow)) return;
    Active* active = find_active(found->call);
    HF_CHECK(active != nullptr);
    HF_PROBE("displaced-from-the-queue");
    if (full) {
      shed(*active, {ShedRule::queue_full, {}, {}, size - 1});
    } else {
      upstream.overload->displaced(now_.mono);
      shed(*active, {ShedRule::displaced, upstream.overload->delay(now_.mono),
                     upstream.overload->threshold()});
    }
  }
}

void Core::shed(Active& active, Shed why) {
  UpstreamState& upstream = upstream_of(active);
  upstream.stats.load.shed[rank_of(active.importance)][static_cast<std::size_t>(why.rule)] += 1;
  active.hurdle = Hurdle::shed;
  active.shed = why;
  leave_live(active);
  stop_waiting(active, std::nullopt);
}

// How long it would have had to wait, or has waited, and how long it may.
void Core::explain_wait(const Active& active, call::ProblemSpec& spec) const {
  const Duration patience = active.patience_until - active.ready_since;
  const bool known = active.hurdle_until && *active.hurdle_until >= active.patience_until;
  const Duration wait = (known ? *active.hurdle_until : now_.mono) - active.ready_since;
  spec.measure = {std::string(to_string(active.hurdle)), wait.ms(), patience.ms(), "ms of waiting"};
}

// Which limit of ours stood in the way, in words and numbers.
void Core::explain_limit(const Active& active, call::ProblemSpec& spec) const {
  const UpstreamState& upstream = upstreams_.at(active.call->upstream);
  if (active.hurdle == Hurdle::none) return;
  if (active.hurdle == Hurdle::concurrency && upstream.gate->full(policy::Lane::live)) {
    // What is kept for held calls is no room for live ones.
    const Gate& gate = *upstream.gate;
    const bool all = gate.in_use() >= gate.limit();
    spec.measure = {std::string(to_string(active.hurdle)),
                    all ? gate.in_use() : gate.in_use(policy::Lane::live),
                    all ? gate.limit() : gate.most_live(), "attempts"};
    return;
  }
  if (active.hurdle == Hurdle::breaker && upstream.gate->breaker_cause().measured > 0) {
    const policy::BreakerCause& cause = upstream.gate->breaker_cause();
    spec.measure = {std::string(to_string(active.hurdle)), cause.measured, cause.threshold,
                    cause.streak ? "failures in a row" : "thousandths of attempts failed"};
    return;
  }
  if (active.hurdle != Hurdle::shed || !active.shed) return explain_wait(active, spec);
  const Shed& why = *active.shed;
  const std::string rule(to_string(why.rule));
  if (why.rule == ShedRule::queue_full) {
    spec.measure = {rule, static_cast<std::int64_t>(why.waiting), kLiveQueueMax, "calls"};
    return;
  }
  spec.measure = {rule, why.measured.ms(), why.threshold.ms(), "ms"};
  spec.detail = fmt::format(
      "Calls have waited {} ms for their turn at this upstream, more than {} ms; this one, of "
      "class {}, made way.",
      why.measured.ms(), why.threshold.ms(), call::to_string(active.importance));
  spec.retry_after = std::max(upstream.overload->calm(), Duration::seconds(1));
}

void Core::refresh_load(UpstreamState& upstream) const {
  UpstreamLoad& out = upstream.stats.load;
  const Gate& gate = *upstream.gate;
  out.in_flight = static_cast<std::uint64_t>(gate.in_use());
  out.limit = static_cast<std::uint64_t>(gate.limit());
  out.waiting = upstream.live_queue.size();
  const auto oldest = upstream.live_queue.oldest();
  out.queue_delay = oldest ? now_.mono - *oldest : Duration{};
  out.backlog_age = {};
  for (const Backlog& backlog : upstream.backlogs) {
    if (backlog.next_due) {
      out.backlog_age = std::max(out.backlog_age, now_.wall - *backlog.next_due);
    }
  }
  if (const policy::LearntLimit* learnt = gate.learnt()) {
    out.learnt = UpstreamLoad::Learnt{learnt->baseline(), learnt->latency(), learnt->lesson()};
  }
  if (!upstream.overload) return;
  note_queue(upstream);
  out.shed_level = upstream.overload->level();
  out.threshold = upstream.overload->threshold();
}

}  // namespace hf::engine
