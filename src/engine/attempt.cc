// Admission, launch, and what the transport reports.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "call/classify.h"
#include "call/lifetime.h"
#include "engine/core.h"

namespace hf::engine {
void Core::try_start(Active& active) {
  if (end_if_over(active)) return;
  if (active.verifying) {
    try_look_up(active, policy::Lane::live);
    return;
  }
  UpstreamState& upstream = upstream_of(active);
  if (shed_by_class(active, upstream)) return;
  // Nobody overtakes those who queue already.
  if (active.phase != Phase::queued && !upstream.live_queue.empty()) {
    const Active* first = find_active(upstream.live_queue.front());
    wait_for_gate(active, {first->hurdle, false, std::nullopt});
    return;
  }
  const Entry entry = upstream.gate->try_enter(policy::Lane::live, active.call->attempts > 0,
                                               active.call->limit_key, now_);
  if (entry.hurdle == Hurdle::none) {
    if (upstream.overload) upstream.overload->started(now_.mono);
    launch(active, policy::Lane::live, entry.probe);
  } else {
    wait_for_gate(active, entry);
  }
}

// `wait` covers queueing for pause, breaker, rate, concurrency and budget; queueing whose end is
// known to lie beyond it is not begun.
void Core::wait_for_gate(Active& active, const Entry& entry) {
  active.hurdle = entry.hurdle;
  active.hurdle_until = entry.not_before;
  UpstreamState& upstream = upstream_of(active);
  if (entry.not_before && *entry.not_before >= active.patience_until) {
    HF_PROBE("not-worth-waiting-for-the-gate");
    const WallTime until = now_.wall + (*entry.not_before - now_.mono);
    stop_waiting(active, until);
    return;
  }
  const bool alone = entry.hurdle == Hurdle::paused || entry.hurdle == Hurdle::budget ||
                     (entry.hurdle == Hurdle::breaker && entry.not_before);
  if (alone && entry.not_before) {
    // Its own hurdle must not stand in others' way: it waits beside the queue.
    active.phase = Phase::backing_off;
    alarms_.arm({AlarmKind::call, {}, active.call->id, {}},
                std::max(*entry.not_before, now_.mono + Duration::millis(1)));
  } else {
    if (active.phase != Phase::queued) push_live(active, upstream);
    if (entry.not_before) wake_upstream_at(upstream, *entry.not_before);
  }
  for (const ExchangeId id : active.exchanges) {
    alarms_.arm({AlarmKind::exchange, id, {}, {}}, exchanges_.at(id).patience_until);
  }
  // With no client left, patience still ends the wait.
  if (active.exchanges.empty() && active.phase == Phase::queued) {
    alarms_.arm({AlarmKind::call, {}, active.call->id, {}}, active.patience_until);
  }
  make_room(upstream);
}

void Core::stop_waiting(Active& active, std::optional<WallTime> not_before) {
  alarms_.disarm({AlarmKind::call, {}, active.call->id, {}});
  if (active.in_live_queue && active.hurdle != Hurdle::shed) {
    // What stood in the way of the first stood in the way of all behind it.
    const Active* first = find_active(upstream_of(active).live_queue.front());
    active.hurdle = first->hurdle;
    active.hurdle_until = first->hurdle_until;
  }
  if (active.verifying) {
    active.phase = Phase::idle;
    stop_verifying(active);
    return;
  }
  if (active.may_hold) {
    call::WaitReason reason = call::WaitReason::backoff;
    switch (active.hurdle) {
      case Hurdle::paused:
        reason = call::WaitReason::paused;
        break;
      case Hurdle::breaker:
        reason = call::WaitReason::breaker;
        break;
      case Hurdle::budget:
        reason = call::WaitReason::budget;
        break;
      case Hurdle::rate:
      case Hurdle::ramp:
      case Hurdle::concurrency:
      case Hurdle::shed:
        reason = call::WaitReason::rate;
        break;
      case Hurdle::order:
        reason = call::WaitReason::order;
        break;
      case Hurdle::none:
        break;
    }
    hold(active, reason, not_before);
    return;
  }
  end_live(active, active.hurdle == Hurdle::shed ? to_string(active.shed->rule) : "patience-over");
}

void Core::pump(UpstreamState& upstream) {
  while (!upstream.live_queue.empty()) {
    const CallId id = upstream.live_queue.front();
    Active* active = find_active(id);
    HF_CHECK(active != nullptr && active->phase == Phase::queued);
    if (end_if_over(*active)) {  // its key's time ran out in the queue
      HF_PROBE("over-while-it-queued");
      if (Active* still = find_active(id)) leave_live(*still);
      continue;
    }
    const Entry entry = upstream.gate->try_enter(policy::Lane::live, active->call->attempts > 0,
                                                 active->call->limit_key, now_);
    if (entry.hurdle == Hurdle::none) {
      upstream.live_queue.pop_front(true);
      active->in_live_queue = false;
      if (upstream.overload) upstream.overload->started(now_.mono);
      note_queue(upstream);
      launch(*active, policy::Lane::live, entry.probe);
      continue;
    }
    const bool everybodys = entry.hurdle == Hurdle::concurrency || entry.hurdle == Hurdle::rate ||
                            (entry.hurdle == Hurdle::breaker && !entry.not_before);
    if (everybodys) {
      active->hurdle = entry.hurdle;
      active->hurdle_until = entry.not_before;
      if (entry.not_before) wake_upstream_at(upstream, *entry.not_before);
      break;
    }
    upstream.live_queue.pop_front(false);
    active->in_live_queue = false;
    note_queue(upstream);
    active->phase = Phase::idle;
    wait_for_gate(*active, entry);
  }
  pump_held(upstream);
}

void Core::launch(Active& active, policy::Lane lane, bool probe) {
  call::Call& call = *active.call;
  UpstreamState& upstream = upstream_of(active);
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  take_declared_rules(active);
  // Invariant 3, once more at the last door.
  const call::Column column = call::column_of(call.idempotency->mode, call.safe);
  HF_CHECK(!active.in_line || active.has_turn);
  HF_CHECK(!call.unresolved || column == call::Column::safe || column == call::Column::key);
  const std::size_t url = take_address(active);
  const AttemptId id{next_attempt_++};
  upstream.stats.attempts += 1;
  if (call.attempts > 0) upstream.stats.retries += 1;
  if (call.attempts > 0 && call.callback_of) HF_PROBE("a-callback-tried-again");
  call.attempts += 1;
  if (lane == policy::Lane::held) {
    call.held_attempts += 1;
  } else {
    active.live_attempts += 1;
  }
  active.attempt = id;
  active.attempt_began = now_.mono;
  active.lane = lane;
  active.probe = probe;
  active.phase = Phase::attempting;
  active.hurdle = Hurdle::none;
  attempts_.insert(id, call.id);
  if (active.journaled) {
    active.queued = queued_until_now(active, lane);
    call.state = call::State::sending;
    call.reason = call::WaitReason::none;
    if (!call.first_sent) {
      // The key's lifetime counts from the first byte; taken back if no byte left.
      call.first_sent = call::Stamp::of(now_);
      active.first_sent_is_tentative = true;
    }
    // Attempts that are proven not applied bind nobody: what counts is where doubt began.
    if (!call.unresolved) call.first_sent_authority = active.upstream->urls[url].authority();
    call.doubt = {};
    record(active, call::Happening::attempt_started, call::Actor::holdfast);
    if (!HF_BUG("forget-the-intent")) write(active);  // the start below waits for it
  }
  StartAttempt start;
  start.id = id;
  start.call = call.id;
  start.upstream = active.upstream;
  start.url = url;
  if (active.last) start.tried = active.last->address;
  start.request = call.request;
  start.per_attempt = active.per_attempt;
  if (HF_BUG("resend-another-byte"))
    start.per_attempt.push_back({"Try", std::to_string(call.attempts)});
  start.stream_of = active.stream_of;
  start.host_keep = active.route->host_keep;
  start.careful_reuse = column == call::Column::none || column == call::Column::verify;
  start.capture_max = active.journaled ? active.route->limits.stored_answer : 0;
  start.not_after = too_late_from(active);
  act(std::move(start), active.journaled && !HF_BUG("send-before-the-intent"));
}

// From when on the attempt's first byte would break a promise: the intent may take long to write,
// and the connection to make.
std::optional<Instant> Core::too_late_from(const Active& active) const {
  const call::Call& call = *active.call;
  Instant out = Instant::max();
  if (call.asked.deadline) {
    out = now_.mono + (call.deadline - call::elapsed_at_most(call.accepted, now_));
  }
  const bool keyed = call.idempotency->mode == call::Mode::key && call.idempotency->lifetime;
  if (keyed && call.unresolved && call.first_sent && !HF_BUG("outlive-a-key")) {
    const Duration lifetime = *call.idempotency->lifetime;
    const Duration margin = call::key_margin(active.upstream->timeouts, lifetime);
    out = std::min(out,
                   now_.mono + (lifetime - margin - call::elapsed_at_most(*call.first_sent, now_)));
  }
  return out == Instant::max() ? std::nullopt : std::optional(out);
}

// A held call has been due since a time that outlives the process; a live one since its request was
// here or its backoff was over.
Duration Core::queued_until_now(const Active& active, policy::Lane lane) const {
  const Duration waited = lane == policy::Lane::held ? now_.wall - active.call->next_attempt_at
                                                     : now_.mono - active.ready_since;
  return std::max(waited, Duration{});
}

bool Core::can_try_again_live(const Active& active, bool replayable) const {
  if (active.call->held || active.call->no_more_attempts || draining_) return false;
  if (active.stream_of && !replayable) return false;
  if (active.exchanges.empty() && !active.journaled) return false;
  return active.live_attempts < active.route->retry.live_attempts &&
         now_.mono < active.patience_until;
}

call::Decision Core::decide_now(const Active& active, const call::AttemptOutcome& outcome,
                                const call::AnswerRule* rule) {
  return call::decide(
      outcome, {&*active.call->idempotency, active.call->safe, active.lane == policy::Lane::held,
                active.call->unresolved, active.route->head_is_proof, rule});
}

// The head of an answer is there and its body waits: forward it, or look at it before another try.
void Core::on(AnswerHeadSeen&& event) {
  const CallId* const found = attempts_.find(event.attempt);
  if (found == nullptr) return;
  Active& active = active_.at(*found);
  if (active.abandoned) return;  // its cancel is on the way
  if (active.looking_up) {
    act(CancelAttempt{event.attempt}, active.journaled);  // too large, or a stream: settles nothing
    return;
  }
  call::AttemptOutcome seen;
  seen.evidence = call::Evidence::answer_complete;
  seen.head = event.head;
  const auto& classes = active.upstream->classify;
  if (!event.overflow && call::wants_body(classes, seen.head)) {
    act(CaptureAnswer{event.attempt, call::kClassifiedBodyMax}, active.journaled);
    return;
  }
  const call::Decision decision = decide_now(active, seen, call::classify(classes, seen));
  const bool once_more = decision.ruling == call::Ruling::again ||
                         decision.ruling == call::Ruling::again_not_before ||
                         decision.ruling == call::Ruling::again_later;
  if (once_more && !event.overflow && can_try_again_live(active, true)) {
    HF_PROBE("an-error-read-before-another-try");
    act(CaptureAnswer{event.attempt, kRetryPeek}, active.journaled);
    return;
  }
  if (active.journaled && decision.ruling != call::Ruling::final_answer) {
    // Too large to keep, and not an end: what counts is its status.
    HF_PROBE("an-error-too-large-to-keep");
    act(CancelAttempt{event.attempt}, true);
    return;
  }
  active.phase = Phase::forwarding;
  const auto primary = std::find_if(active.exchanges.begin(), active.exchanges.end(),
                                    [&](ExchangeId id) { return exchanges_.at(id).primary; });
  if (primary == active.exchanges.end()) {
    HF_PROBE("nobody-left-to-forward-to");
    act(DiscardAnswer{event.attempt}, active.journaled);
    return;
  }
  const ExchangeId to = *primary;
  active.forwarding_to = to;
  active.call->unresolved = decision.unresolved;
  call::AnswerMarks marks = marks_of(active);
  marks.effect.reset();
  if (decision.ruling != call::Ruling::final_answer) {
    marks.effect = decision.unresolved ? call::Effect::unknown : call::Effect::none;
    marks.advise_no_retry = decision.ruling == call::Ruling::unresolved_end;
  }
  call::AnswerHead head = std::move(event.head);
  marks.wait_applied = exchanges_.at(to).wait_given;
  call::mark_answer(head.fields, marks);
  detach(to);
  act(ForwardAnswer{event.attempt, to, std::move(head)}, active.journaled);
}

void Core::on(AttemptEnded&& event) {
  const CallId* const found = attempts_.find(event.attempt);
  HF_CHECK(found != nullptr);
  const CallId id = *found;
  attempts_.erase(event.attempt);
  Active& active = active_.at(id);
  UpstreamState& upstream = upstream_of(active);
  upstream.gate->leave(active.lane);
  active.attempt.reset();
  if (active.looking_up) {
    feed_policies(active, event.outcome, call::row_of(event.outcome, {}, false));
    pause_from(active, event.outcome, nullptr);
    if (active.abandoned) {
      drop(id);
    } else {
      on_looked_up(active, event.outcome);
    }
    pump(upstream);
    return;
  }
  active.replayable = event.body_replayable;
  const call::AnswerRule* rule = call::classify(active.upstream->classify, event.outcome);
  const call::Decision decision = decide_now(active, event.outcome, rule);
  upstream.stats.attempts_by_row[static_cast<std::size_t>(decision.row)] += 1;
  feed_policies(active, event.outcome, decision.row);
  // What the upstream asks for holds whether or not somebody still waits for its answer.
  const auto paused = pause_from(active, event.outcome, rule);
  if (active.abandoned) {
    HF_PROBE("its-client-left-during-the-attempt");
    drop(id);
    pump(upstream);
    return;
  }
  take_evidence(active, event.outcome);
  call::Call& call = *active.call;
  call.unresolved = decision.unresolved;
  call.proof = decision.proof;
  if (active.journaled) record_end(active, event.outcome, decision);
  active.last = std::move(event.outcome);
  follow(active, decision, event.body_replayable, paused);
  pump(upstream);
}

// Of a whole answer's body.
std::optional<call::Content> Core::content_of(const call::AttemptOutcome& outcome) const {
  const bool whole = outcome.evidence == call::Evidence::answer_complete && outcome.body;
  if (!whole || !hasher_) return std::nullopt;
  return call::content_of(outcome.body, *hasher_);
}

void Core::record_end(Active& active, const call::AttemptOutcome& outcome,
                      const call::Decision& decision) {
  call::TimelineEvent ended;
  ended.what = call::Happening::attempt_ended;
  ended.who = call::Actor::upstream;
  ended.attempt = static_cast<std::uint32_t>(active.call->attempts);
  ended.status = static_cast<std::uint16_t>(active.call->last_status);
  ended.evidence = outcome.evidence;
  ended.proof = decision.proof;
  ended.cause = outcome.cause;
  ended.reused = outcome.reused;
  ended.bytes_sent = outcome.bytes_sent;
  ended.bytes_received = outcome.bytes_received;
  ended.took_ms = static_cast<std::uint32_t>(outcome.took.ms());
  ended.phases = outcome.phases;
  ended.phases.queued = active.queued;
  ended.tell(content_of(outcome));
  ended.where = outcome.address;
  ended.rule = std::string(decision.rule);
  record(active, std::move(ended));
}

void Core::take_evidence(Active& active, call::AttemptOutcome& outcome) {
  call::Call& call = *active.call;
  call.last_cause = outcome.cause;
  call.last_status = outcome.evidence >= call::Evidence::answer_begun ? outcome.head.status : 0;
  if (active.first_sent_is_tentative && outcome.evidence == call::Evidence::nothing_sent) {
    call.first_sent.reset();
    call.first_sent_authority.clear();
  }
  active.first_sent_is_tentative = false;
}

void Core::feed_policies(Active& active, const call::AttemptOutcome& outcome, call::Row row) {
  UpstreamState& upstream = upstream_of(active);
  Gate& gate = *upstream.gate;
  const bool of_the_address = leave_address(active, outcome);
  const bool failed = is_failure(row);
  if (outcome.cause == call::Cause::cancelled || outcome.cause == call::Cause::client_body) {
    if (failed && outcome.evidence < call::Evidence::answer_begun) {
      // We gave it up ourselves: it says nothing about the upstream.
      if (active.probe) gate.abandon_probe(now_.mono);
      active.probe = false;
      return;
    }
  }
  gate.learn(outcome, row, active.attempt_began, now_.mono);
  if (row == call::Row::complete) gate.earn(now_.mono);  // a refusal is not a success
  const bool counted = failed && (active.breaker_counted || of_the_address);
  const bool counts = row != call::Row::refused && !counted;
  gate.record(!failed, active.probe, counts, active.lane, now_.mono, prng_);
  if (failed && counts) active.breaker_counted = true;
  active.probe = false;
}

// A 429, a Retry-After or a classified refusal pauses its limit key (DESIGN section 4, Pauses).
std::optional<WallTime> Core::pause_from(Active& active, const call::AttemptOutcome& outcome,
                                         const call::AnswerRule* rule) {
  const auto pause = pause_asked(outcome, rule, active.upstream->max_pause, now_.wall);
  if (!pause) return std::nullopt;
  const WallTime until = now_.wall + *pause;
  UpstreamState& upstream = upstream_of(active);
  const std::string whose = HF_BUG("pause-everybody") ? "" : active.call->limit_key;
  if (upstream.gate->pause(whose, until, now_)) {
    upstream.stats.pauses += 1;
    HF_PROBE("pause-extended");
    // Short ones are over before a restart is.
    if (journal_ && *pause > Duration::seconds(5)) {
      out_->writes.pauses.push_back({active.call->upstream, active.call->limit_key, until});
    }
  }
  return until;
}

}  // namespace hf::engine
