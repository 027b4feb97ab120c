// Asking the upstream what became of a call that may have applied (DESIGN section 4, Verify). The
// call keeps its state of doubt on disk, so that a crash anywhere in here asks again and sends
// nothing: a held one as `verifying`, a live one as `open`.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {
namespace {

constexpr Duration kFirstPoll = Duration::millis(500);
constexpr Duration kLongestPoll = Duration::minutes(5);

}  // namespace

bool Core::can_verify(const Active& active) const {
  const call::Call& call = *active.call;
  const bool asks =
      call.idempotency->mode == call::Mode::verify || call.idempotency->mode == call::Mode::key;
  return asks && !call.safe && active.upstream->lookup.has_value();
}

// Nothing may be sent before the upstream was asked: repeats are not joined there, or not any more.
bool Core::must_verify(const Active& active) const {
  const call::Call& call = *active.call;
  if (!call.unresolved || !can_verify(active) || !same_place(call, *active.upstream)) return false;
  return call.idempotency->mode == call::Mode::verify || key_over(call, *active.upstream);
}

// The doubt begins: `since` is the attempt's end, after a crash the recovery.
void Core::begin_verify(Active& active, std::string_view rule) {
  call::Call& call = *active.call;
  HF_CHECK(call.unresolved);
  call.doubt = {call::Stamp::of(now_), std::nullopt, 0};
  record(active, call::Happening::verify_started, call::Actor::holdfast, rule);
  note(active, Note::Level::info, "verify_started", rule);
  verify_next(active, now_.wall);
}

// An open call in doubt whose key goes: the last chance to know. Nobody waits for it, so absence is
// its end and not a reason to send it again.
void Core::verify_at_the_end(Active& active) {
  UpstreamState& upstream = upstream_of(active);
  if (upstream.expiring >= kExpiringMax) {
    // An outage leaves many at once: the others step aside on disk, as at a pause.
    active.call->next_attempt_at = now_.wall + policy::spread(Duration::minutes(1), 200, prng_);
    write(active);
    unload_if_idle(active);
    return;
  }
  const Duration settle = active.call->idempotency->settle;
  active.expiring = true;
  upstream.expiring += 1;
  active.patience_until = now_.mono + settle + settle + kLongestPoll;
  begin_verify(active, "key-lifetime-over");
}

// Places the next question at `when`: while a client waits in memory, else on disk.
void Core::verify_next(Active& active, WallTime when) {
  call::Call& call = *active.call;
  active.phase = Phase::idle;
  active.verifying = true;
  if (call.held) {
    hold_verifying(active, when);
    return;
  }
  if (active.journaled) {
    // As between live attempts: a crash now leaves the truth behind.
    call.state = call::State::open;
    call.next_attempt_at = open_until(call);
    write(active);
  }
  wait_verifying(active, wall_to_mono(when));
}

void Core::wait_verifying(Active& active, Instant at) {
  const call::Call& call = *active.call;
  const bool waits =
      !draining_ && at < active.patience_until && (active.journaled || !active.exchanges.empty());
  if (!waits) {
    stop_verifying(active);
    return;
  }
  active.phase = Phase::backing_off;
  alarms_.arm({AlarmKind::call, {}, call.id, {}}, std::max(at, now_.mono));
  for (const ExchangeId id : active.exchanges)
    alarms_.arm({AlarmKind::exchange, id, {}, {}}, exchanges_.at(id).patience_until);
}

// Nobody waits for it any more: it goes on without its client where it may be held.
void Core::stop_verifying(Active& active) {
  if (active.expiring && draining_) {
    unload_if_idle(active);  // the next start asks again
    return;
  }
  if (active.expiring) {
    HF_PROBE("expired-without-an-answer");
    give_up_verifying(active, "key-lifetime-over");
    return;
  }
  if (active.may_hold && active.journaled) {
    const int asked = active.call->doubt.lookups;
    hold_verifying(active, now_.wall + verify_pause(active, asked));
    return;
  }
  if (active.call->no_more_attempts && !HF_BUG("reopen-the-cancelled")) {
    HF_PROBE("cancelled-while-it-was-verified-live");
    give_up_verifying(active, "cancelled-unresolved");
    return;
  }
  HF_PROBE("open-before-it-was-verified");
  end_live(active, "not-verified-yet");
}

// What it would ask with cannot be read. A held call comes back later, and so does one whose key
// goes; one that its client waits for ends as if nobody had the time.
void Core::put_off_verifying(Active& active) {
  const WallTime later = now_.wall + Duration::hours(1);
  if (active.call->held) {
    hold_verifying(active, later);
  } else if (active.expiring && active.exchanges.empty()) {
    active.call->next_attempt_at = later;
    write(active);
    unload_if_idle(active);
  } else {
    stop_verifying(active);
  }
}

Duration Core::verify_pause(const Active& active, int asked) const {
  if (active.call->held) {
    const policy::Schedule schedule{active.route->retry.held};
    return std::min(schedule.after(std::max(1, asked)), kLongestPoll);
  }
  return std::min(kFirstPoll * (std::int64_t{1} << std::clamp(asked - 1, 0, 6)), kLongestPoll);
}

// Whether an unclear answer ends the asking: as many were asked as the schedule has, and for as
// long as it takes after `settle`. A client that waits asks faster, and an absence is not a
// failure: neither may use up what is allowed to answers that say nothing.
bool Core::asked_enough(const Active& active) const {
  const call::Call& call = *active.call;
  const auto& held = active.route->retry.held;
  Duration span = call.idempotency->settle;
  for (const Duration pause : held)
    span = span + std::min(pause, kLongestPoll);
  return call.doubt.lookups > static_cast<int>(held.size()) &&
         (!call.doubt.since || call::elapsed_at_least(*call.doubt.since, now_) >= span);
}

void Core::hold_verifying(Active& active, WallTime when) {
  call::Call& call = *active.call;
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  active.phase = Phase::idle;
  const bool first = !call.held;
  call.held = true;
  call.state = call::State::verifying;
  call.reason = call::WaitReason::verify;
  call.next_attempt_at = std::min(when, std::max(deadline_of(call), now_.wall));
  if (first) {
    upstream_of(active).stats.held += 1;
    record(active, call::Happening::held, call::Actor::holdfast, "verify");
  }
  if (end_if_over(active)) return;
  write(active);
  settle_held_clients(active, wall_to_mono(call.next_attempt_at));
}

// Asks, if the gate lets it: rate, breaker, pauses and concurrency hold for lookups too; the retry
// budget does not, because nothing is sent twice.
bool Core::try_look_up(Active& active, policy::Lane lane) {
  call::Call& call = *active.call;
  UpstreamState& upstream = upstream_of(active);
  if (!can_verify(active)) {
    // Its lookup is gone from the configuration.
    give_up_verifying(active, "no-lookup");
    return true;
  }
  const Entry entry = upstream.gate->try_enter(lane, false, call.limit_key, now_);
  if (entry.hurdle != Hurdle::none) {
    HF_PROBE("a-lookup-waits-at-the-gate");
    active.hurdle = entry.hurdle;
    const Instant soon = now_.mono + Duration::millis(200);
    const Instant when = std::max(entry.not_before.value_or(soon), now_.mono + Duration::millis(1));
    if (lane == policy::Lane::held) {
      alarms_.arm({AlarmKind::call, {}, call.id, {}}, when);
      wake_upstream_at(upstream, when);
      return false;
    }
    wait_verifying(active, when);
    return true;
  }
  active.verifying = true;
  active.lane = lane;
  active.probe = entry.probe;
  if (call.has_body && !active.stream_of && !call.request->body) {
    active.phase = Phase::loading;
    read_call(call.id, {});
    return true;
  }
  look_up(active);
  return true;
}

// A slot is taken and the body is there.
void Core::look_up(Active& active) {
  call::Call& call = *active.call;
  UpstreamState& upstream = upstream_of(active);
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  const auto target =
      call::lookup_target(*active.upstream->lookup, *active.upstream, *call.request, call.key);
  if (!target) {
    upstream.gate->leave(active.lane);
    if (active.probe) upstream.gate->abandon_probe(now_.mono);
    active.probe = false;
    give_up_verifying(active, "lookup-has-no-value");
    return;
  }
  const AttemptId id{next_attempt_++};
  upstream.stats.lookups += 1;
  active.attempt = id;
  active.attempt_began = now_.mono;
  active.looking_up = true;
  active.asked_at = now_;
  active.phase = Phase::attempting;
  active.hurdle = Hurdle::none;
  attempts_.insert(id, call.id);
  StartAttempt start;
  start.id = id;
  start.call = call.id;
  start.upstream = active.upstream;
  start.url = take_address(active);
  start.lookup = true;
  start.request = std::make_shared<const call::Request>(
      call::lookup_request(*active.upstream, *call.request, *target));
  start.per_attempt = active.per_attempt;
  start.host_keep = false;
  start.capture_max = call::kLookupAnswerMax;
  act(std::move(start), active.journaled);
}

void Core::on_looked_up(Active& active, const call::AttemptOutcome& outcome) {
  call::Call& call = *active.call;
  active.looking_up = false;
  active.phase = Phase::idle;
  call::LookupVerdict verdict;
  if (active.upstream->lookup) verdict = call::judge_lookup(*active.upstream->lookup, outcome);
  call.doubt.lookups += 1;
  record_lookup(active, outcome, verdict);
  switch (verdict.looked) {
    case call::Looked::found:
      finish_found(active, outcome, verdict);
      return;
    case call::Looked::absent:
      saw_absence(active);
      return;
    case call::Looked::present:
      call.doubt.absent_since.reset();
      break;
    case call::Looked::unclear:
      break;
  }
  if (call.held && asked_enough(active)) {
    HF_PROBE("lookups-say-nothing");
    give_up_verifying(active, "lookup-inconclusive");
    return;
  }
  WallTime next = now_.wall + verify_pause(active, call.doubt.lookups);
  const auto paused = upstream_of(active).gate->paused_until(call.limit_key, now_);
  verify_next(active, std::max(next, paused.value_or(next)));
}

void Core::record_lookup(Active& active, const call::AttemptOutcome& outcome,
                         const call::LookupVerdict& verdict) {
  call::TimelineEvent event;
  event.what = call::Happening::looked_up;
  event.who = call::Actor::upstream;
  event.attempt = static_cast<std::uint32_t>(active.call->attempts);
  if (outcome.evidence >= call::Evidence::answer_begun) {
    event.status = static_cast<std::uint16_t>(outcome.head.status);
  }
  event.evidence = outcome.evidence;
  event.cause = outcome.cause;
  event.reused = outcome.reused;
  event.bytes_sent = outcome.bytes_sent;
  event.bytes_received = outcome.bytes_received;
  event.took_ms = static_cast<std::uint32_t>(outcome.took.ms());
  event.phases = outcome.phases;
  event.tell(content_of(outcome));
  event.where = outcome.address;
  event.rule = std::string(call::to_string(verdict.looked));
  event.detail = verdict.detail;
  record(active, std::move(event));
}

// Absence counts when it was seen twice, at least `settle` apart: an upstream may still be at work
// after the connection died, and what it has done may show late. An answer may take its time too,
// so the time is that of the questions.
void Core::saw_absence(Active& active) {
  call::Call& call = *active.call;
  const Duration settle = call.idempotency->settle;
  // Over a reboot there is only the wall clock, which may have been set: it begins anew.
  const bool rebooted =
      call.doubt.absent_since && call.doubt.absent_since->boot != active.asked_at.boot;
  if (!call.doubt.absent_since || (rebooted && !HF_BUG("absences-of-two-boots"))) {
    if (rebooted) HF_PROBE("absence-of-an-earlier-boot");
    call.doubt.absent_since = call::Stamp::of(active.asked_at);
  }
  const Now& seen = HF_BUG("absent-when-answered") ? now_ : active.asked_at;
  const Duration passed = call::elapsed_at_least(*call.doubt.absent_since, seen);
  const bool settled = passed >= settle || HF_BUG("absent-before-it-settles");
  if ((settled && call.doubt.lookups > 1) || HF_BUG("one-absence-is-enough")) {
    call.unresolved = false;
    HF_PROBE("absent-twice");
    call.proof = call::Proof::verify_absent;
    call.doubt = {};
    // The upstream has nothing of it: its key's lifetime begins with the next attempt.
    call.first_sent.reset();
    call.first_sent_authority.clear();
    active.verifying = false;
    upstream_of(active).stats.verified_absent += 1;
    if (call.held) call.state = call::State::waiting;
    // One that its client has cancelled goes on to be cancelled, whoever waits.
    if (active.expiring && active.exchanges.empty() && !call.no_more_attempts) {
      HF_PROBE("absent-when-its-key-was-over");
      die(active, "verified-absent");
      return;
    }
    again(active, active.replayable, std::nullopt, "verified-absent");
    return;
  }
  // Looking earlier than `settle` proves nothing, but may find it.
  HF_PROBE("absent-and-not-settled");
  const Duration age = call::elapsed_at_least(*call.doubt.absent_since, now_);
  const Duration rest = std::max(settle - age, Duration::millis(1));
  verify_next(active, now_.wall + std::min(rest, verify_pause(active, call.doubt.lookups)));
}

// The effect is there: the client gets what the lookup shows, or the word that it took effect.
void Core::finish_found(Active& active, const call::AttemptOutcome& outcome,
                        const call::LookupVerdict& verdict) {
  call::Call& call = *active.call;
  upstream_of(active).stats.verified_found += 1;
  if (call.doubt.absent_since) HF_PROBE("found-after-an-absence");
  upstream_of(active).stats.answered += 1;
  call::Answer answer;
  answer.by_lookup = true;
  answer.at = now_.wall;
  answer.body_kept = verdict.answer != nullptr;
  if (answer.body_kept) {
    answer.status = 200;
    const Field* type = find_field(outcome.head.fields, "Content-Type");
    answer.fields.push_back(
        {"Content-Type", type == nullptr ? std::string("application/json") : type->value});
    answer.body = verdict.answer;
    answer.body_bytes = view(verdict.answer).size();
  }
  call.answer = std::move(answer);
  call.unresolved = false;
  call.state = call::State::answered;
  call.reason = call::WaitReason::none;
  call.verdict = call::Effect::applied;
  call.ended = call::Stamp::of(now_);
  active.verifying = false;
  if (active.journaled) {
    active.answer_is_new = call.answer->body_kept;
    record(active, call::Happening::answered, call::Actor::upstream, "verified-found");
    leave_line(active);
    tell_end(active);
    write(active);
  }
  reply_answered(active);
  drop(call.id);
}

// Whoever waits gets the stored answer, or the word that there was one.
void Core::reply_answered(Active& active) {
  const call::Call& call = *active.call;
  const std::vector<ExchangeId> all = active.exchanges;
  for (const ExchangeId id : all) {
    if (id != all.front() && HF_BUG("forget-a-waiter")) {
      detach(id);
      continue;
    }
    if (call.answer->body_kept) {
      call::AnswerMarks marks = marks_of(active);
      if (call.answer->by_lookup) marks.effect = call::Effect::applied;
      if (!exchanges_.at(id).primary) marks.replayed_from = now_.wall;
      const bool synced = active.journaled && !HF_BUG("replay-unsynced");
      send(id, call::upstream_answer(*call.answer, marks), synced);
      continue;
    }
    send_problem(id, no_body_word(call), active.journaled);
  }
}

// It took effect and there is no answer to give.
call::ProblemSpec Core::no_body_word(const call::Call& call) {
  call::ProblemSpec spec;
  const bool by_lookup = call.answer && call.answer->by_lookup;
  spec.code = by_lookup ? call::Code::outcome_applied : call::Code::answer_not_kept;
  spec.effect = call::Effect::applied;
  spec.call = call.id;
  spec.attempts = call.attempts;
  if (call.answer && call.answer->status != 0) spec.upstream_status = call.answer->status;
  return spec;
}

// Nobody can be asked any more, and nothing may be sent again.
void Core::give_up_verifying(Active& active, std::string_view rule) {
  active.verifying = false;
  if (active.journaled && (active.call->held || active.call->key)) {
    become_unknown(active, rule);
  } else {
    end_live(active, rule);
  }
}

}  // namespace hf::engine
