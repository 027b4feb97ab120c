// After the decision: again, held, open, unknown, dead, answered.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "call/lifetime.h"
#include "engine/core.h"

namespace hf::engine {
namespace {

call::Code code_of(const Active& active) {
  if (!active.last) {
    switch (active.hurdle) {
      case Hurdle::paused:
        return call::Code::paused;
      case Hurdle::breaker:
        return call::Code::breaker_open;
      case Hurdle::rate:
      case Hurdle::budget:
        return call::Code::limited;
      case Hurdle::ramp:
      case Hurdle::concurrency:
      case Hurdle::shed:
      case Hurdle::order:
      case Hurdle::none:
        return call::Code::overloaded;
    }
  }
  switch (active.last->cause) {
    case call::Cause::head_timeout:
    case call::Cause::idle_timeout:
      return call::Code::timeout;
    case call::Cause::invalid_answer:
      return call::Code::invalid_answer;
    default:
      break;
  }
  return active.last->evidence == call::Evidence::nothing_sent ? call::Code::unreachable
                                                               : call::Code::connection_lost;
}

// The error type of RFC 9209 section 2.3 that fits.
std::string proxy_status_of(const Active& active) {
  if (!active.last) return {};
  switch (active.last->cause) {
    case call::Cause::dns:
      return "dns_error";
    case call::Cause::no_address:
      return "dns_error";
    case call::Cause::address_refused:
      return "destination_ip_prohibited";
    case call::Cause::connect_refused:
      return "connection_refused";
    case call::Cause::connect_timeout:
      return "connection_timeout";
    case call::Cause::connect_failed:
      return "destination_ip_unroutable";
    case call::Cause::tls:
      return "tls_protocol_error";
    case call::Cause::reset:
    case call::Cause::closed:
    case call::Cause::crash:
      return "connection_terminated";
    case call::Cause::head_timeout:
      return "http_response_timeout";
    case call::Cause::idle_timeout:
      return "connection_read_timeout";
    case call::Cause::invalid_answer:
      return "http_protocol_error";
    case call::Cause::proxy_unreachable:
    case call::Cause::proxy_refused:
    case call::Cause::proxy_credentials:
    case call::Cause::proxy_failed:
      return std::string(call::proxy_error_of(active.last->cause));
    default:
      return {};
  }
}

bool has_whole_answer(const Active& active) {
  return active.last && active.last->evidence == call::Evidence::answer_complete &&
         !active.last->forwarded && active.last->body;
}

// How far the schedule, or the time, of a held call is used up.
std::uint8_t stage_of(const call::Call& call, const call::RetrySettings& retry, WallTime now) {
  const auto steps = static_cast<int>(retry.held.size());
  const int used = call.held_attempts;
  const bool half = steps > 0 && used * 2 >= steps;
  const std::uint8_t by_attempts = half && used * 4 >= steps * 3 ? 2 : half ? 1 : 0;
  return std::max(by_attempts, call::stage_of_time(call.accepted.wall, call::ends_at(call), now));
}

bool knows_its_key(const call::Call& call) {
  return call.key && !call.key->made;
}

}  // namespace

void Core::follow(Active& active, const call::Decision& decision, bool replayable,
                  std::optional<WallTime> paused_until) {
  const bool was_forwarding = active.phase == Phase::forwarding;
  active.phase = Phase::idle;
  if (was_forwarding && !active.journaled) {
    const bool complete = active.last->evidence == call::Evidence::answer_complete;
    if (!complete) HF_PROBE("cut-after-it-was-forwarded");
    if (!complete) note(active, Note::Level::warning, "answer_cut", decision.rule);
    if (complete) upstream_of(active).stats.answered += 1;
    close_forwarding(active, complete);
    drop(active.call->id);
    return;
  }
  switch (decision.ruling) {
    case call::Ruling::final_answer:
    case call::Ruling::answered_by_head:
      finish_answered(active, decision);
      return;
    case call::Ruling::pass_on:
      pass_on(active);
      return;
    case call::Ruling::again:
    case call::Ruling::again_not_before:
      if (was_forwarding) close_forwarding(active, false);
      again(active, replayable, paused_until, decision.rule);
      return;
    case call::Ruling::again_later: {
      const WallTime later = now_.wall + Duration::seconds(1);
      again(active, replayable, std::max(later, paused_until.value_or(later)), decision.rule);
      return;
    }
    case call::Ruling::credentials:
      if (active.call->no_more_attempts) {
        again(active, false, std::nullopt, decision.rule);
        return;
      }
      HF_PROBE("waits-for-credentials");
      note(active, Note::Level::error, "credentials_refused", decision.rule);
      hold(active, call::WaitReason::credentials, paused_until);
      return;
    case call::Ruling::cut_off:
      close_forwarding(active, false);
      end_live(active, decision.rule);
      return;
    case call::Ruling::verify:
    case call::Ruling::unresolved_end:
      if (was_forwarding) close_forwarding(active, false);
      if (can_verify(active)) {
        begin_verify(active, decision.rule);
      } else if (active.journaled) {
        become_unknown(active, decision.rule);
      } else {
        end_live(active, decision.rule);
      }
      return;
  }
}

void Core::again(Active& active, bool replayable, std::optional<WallTime> not_before,
                 std::string_view rule) {
  call::Call& call = *active.call;
  if (call.no_more_attempts && !HF_BUG("attempt-after-the-last")) {
    if (call.unresolved && can_verify(active)) {
      begin_verify(active, "cancelled-unresolved");
    } else if (call.unresolved) {
      HF_PROBE("cancelled-during-an-attempt-that-may-have-applied");
      become_unknown(active, "cancelled-unresolved");
    } else {
      HF_PROBE("cancelled-during-an-attempt-that-did-not-apply");
      become_cancelled(active, call::Actor::client);
    }
    return;
  }
  if (call.held) {
    hold(active, not_before ? call::WaitReason::paused : call::WaitReason::backoff, not_before);
    return;
  }
  if (can_try_again_live(active, replayable)) {
    const policy::Backoff backoff{active.route->retry.live_backoff.low,
                                  active.route->retry.live_backoff.high};
    Instant when =
        now_.mono + policy::full_jitter(backoff, std::max(1, active.live_attempts), prng_);
    if (not_before) when = std::max(when, wall_to_mono(*not_before));
    if (when < active.patience_until) {
      if (active.journaled) {
        // Between live attempts it stands as open: a crash now leaves the truth behind.
        call.state = call::State::open;
        call.next_attempt_at = open_until(call);
        write(active);
      }
      active.phase = Phase::backing_off;
      active.ready_since = when;
      alarms_.arm({AlarmKind::call, {}, call.id, {}}, when);
      // Its alarm may have gone by during the attempt, which patience does not cut.
      for (const ExchangeId id : active.exchanges) {
        alarms_.arm({AlarmKind::exchange, id, {}, {}}, exchanges_.at(id).patience_until);
      }
      return;
    }
  }
  if (active.may_hold) {
    hold(active, not_before ? call::WaitReason::paused : call::WaitReason::backoff, not_before);
  } else {
    end_live(active, rule);
  }
}

call::AnswerMarks Core::marks_of(const Active& active) const {
  call::AnswerMarks marks;
  if (active.journaled) marks.call = active.call->id;
  marks.attempts = active.call->attempts;
  if (active.route->suspect.action == call::OnSuspect::warn) {
    marks.resembles = active.call->resembles;
  }
  return marks;
}

void Core::close_forwarding(Active& active, bool complete) {
  if (!active.forwarding_to) return;
  act(FinishAnswer{*active.forwarding_to, complete}, active.journaled);
  active.forwarding_to.reset();
}

void Core::finish_answered(Active& active, const call::Decision& decision) {
  call::Call& call = *active.call;
  UpstreamState& upstream = upstream_of(active);
  upstream.stats.answered += 1;
  const bool by_head = decision.ruling == call::Ruling::answered_by_head;
  if (!active.journaled && by_head) {
    call::ProblemSpec spec;
    spec.code = call::Code::answer_not_kept;
    spec.effect = call::Effect::applied;
    spec.attempts = call.attempts;
    spec.upstream_status = active.last->head.status;
    const std::vector<ExchangeId> all = active.exchanges;
    for (const ExchangeId id : all)
      send_problem(id, spec, false);
    drop(call.id);
    return;
  }
  if (!active.journaled) {
    call::Answer answer;
    answer.status = active.last->head.status;
    answer.fields = std::move(active.last->head.fields);
    answer.body = active.last->body;
    send_to_all(active, call::upstream_answer(answer, marks_of(active)));
    drop(call.id);
    return;
  }
  call::Answer answer;
  answer.status = active.last->head.status;
  answer.fields = std::move(active.last->head.fields);
  answer.body_kept = !active.last->forwarded && !by_head && active.last->body != nullptr;
  answer.body = answer.body_kept ? active.last->body : nullptr;
  answer.body_bytes = view(active.last->body).size();
  answer.at = now_.wall;
  active.answer_is_new = answer.body_kept;
  call.answer = std::move(answer);
  call.state = call::State::answered;
  call.reason = call::WaitReason::none;
  call.unresolved = false;
  call.verdict = call::Effect::applied;
  call.ended = call::Stamp::of(now_);
  record(active, call::Happening::answered, call::Actor::upstream, decision.rule);
  leave_line(active);
  tell_end(active);
  write(active, Write::last);
  close_forwarding(active, !by_head);
  reply_answered(active);
  drop(call.id);
}

// Somebody else's request with this key still runs at the upstream: its word is passed on, kept by
// nobody, and the call stays open.
void Core::pass_on(Active& active) {
  if (active.call->no_more_attempts) {
    again(active, false, std::nullopt, "in-progress-elsewhere");
    return;
  }
  if (active.call->held) {
    HF_PROBE("a-held-call-waits-for-anothers-request");
    hold(active, call::WaitReason::backoff, std::nullopt);
    return;
  }
  end_live(active, "in-progress-elsewhere");
}

// What a client is told of a call that ends without a final answer.
call::Reply Core::last_word(const Active& active, std::string_view rule) const {
  const call::Call& call = *active.call;
  const bool safe = call::column_of(call.idempotency->mode, call.safe) == call::Column::safe;
  const bool joins = call.idempotency->mode == call::Mode::key || can_verify(active);
  const bool keyed = joins && knows_its_key(call);
  const bool settled = call.state != call::State::unknown;
  const bool may_repeat = !call.unresolved || (settled && (safe || keyed));
  const bool doubt = call.unresolved && !HF_BUG("say-none-in-doubt");
  const call::Effect effect = doubt ? call::Effect::unknown : call::Effect::none;
  if (has_whole_answer(active)) {
    call::Answer answer;
    answer.status = active.last->head.status;
    answer.fields = active.last->head.fields;
    answer.body = active.last->body;
    call::AnswerMarks marks = marks_of(active);
    marks.effect = effect;
    marks.advise_no_retry = !may_repeat;
    return call::upstream_answer(answer, marks);
  }
  call::ProblemSpec spec;
  spec.code = code_of(active);
  if (!active.last && call.state == call::State::unknown) spec.code = call::Code::outcome_unknown;
  if (!active.last && call.state == call::State::dead) spec.code = call::Code::dead;
  if (rule == "deadline") spec.code = call::Code::deadline;
  spec.effect = effect;
  spec.safe_to_retry = may_repeat;
  if (active.journaled && active.stored) spec.call = call.id;
  spec.attempts = call.attempts;
  spec.proxy_status = proxy_status_of(active);
  if (active.last) spec.detail = call::detail_of(active.last->cause);
  if (may_repeat) spec.retry_after = Duration::seconds(1);
  if (!active.last && active.hurdle == Hurdle::paused) {
    const auto found = upstreams_.find(call.upstream);
    const auto until = found->second.gate->paused_until(call.limit_key, now_);
    if (until) spec.retry_after = *until - now_.wall;
  }
  if (!active.last && active.hurdle == Hurdle::breaker) {
    const Instant opens = upstreams_.find(call.upstream)->second.gate->breaker_open_until();
    spec.retry_after = std::max(opens - now_.mono, Duration::seconds(1));
  }
  const bool paced = active.hurdle == Hurdle::rate || active.hurdle == Hurdle::budget;
  if (!active.last && paced && active.hurdle_until) {
    spec.retry_after = std::max(*active.hurdle_until - now_.mono, Duration::seconds(1));
  }
  if (!active.last) explain_limit(active, spec);
  return counted(spec, call.upstream);
}

// The end of a call that is not held: nobody attempts it again unless its key comes back.
void Core::end_live(Active& active, std::string_view rule) {
  call::Call& call = *active.call;
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  active.phase = Phase::idle;
  const bool bad = !active.last || active.last->evidence != call::Evidence::answer_complete;
  if (active.journaled && active.stored) {
    if (!call.key && call.unresolved) {
      become_unknown(active, rule);
      return;
    }
    call.held = false;
    // A derived key joins only what is in doubt: what is not comes back as another call.
    const bool comes_back = call.key && (!call.key->derived || call.unresolved);
    call.state = comes_back ? call::State::open : call::State::dead;
    call.reason = call::WaitReason::none;
    if (comes_back) {
      call.next_attempt_at = open_until(call);
      record(active, call::Happening::opened, call::Actor::holdfast, rule);
      expect_due(upstream_of(active), call, call.next_attempt_at);
    } else {
      call.ended = call::Stamp::of(now_);
      record(active, call::Happening::died, call::Actor::holdfast, rule);
    }
    if (!call::in_line(call)) leave_line(active);
    write(active);
  }
  if (bad || call.unresolved) note(active, Note::Level::warning, "call_failed", rule);
  if (!active.last && active.hurdle != Hurdle::shed && active.hurdle != Hurdle::none) {
    upstream_of(active).stats.refused[static_cast<std::size_t>(active.hurdle)] += 1;
  }
  if (!active.exchanges.empty()) {
    const call::Reply reply = last_word(active, rule);
    send_to_all(active, reply);
  }
  drop(call.id);
}

void Core::hold(Active& active, call::WaitReason reason, std::optional<WallTime> not_before) {
  call::Call& call = *active.call;
  UpstreamState& upstream = upstream_of(active);
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  leave_live(active);
  const bool first = !call.held;
  call.held = true;
  call.state = call::State::waiting;
  call.reason = reason;
  const policy::Schedule schedule{active.route->retry.held};
  // Only an attempt uses up the schedule: who steps aside at a pause comes back at its end.
  const bool uses_schedule = active.last.has_value() && reason != call::WaitReason::rate &&
                             reason != call::WaitReason::budget;
  WallTime due = now_.wall;
  if (uses_schedule || !not_before) {
    due = due + policy::spread(schedule.after(std::max(1, call.held_attempts)), 200, prng_);
  }
  const WallTime known_end = not_before.value_or(now_.wall);
  if (not_before && reason == call::WaitReason::paused) {
    // A pause can be lifted. One of the whole upstream is waited for at the gate; one of a limit
    // key aside, looking again every few minutes.
    const bool everybodys = upstream.gate->paused_until("", now_).has_value();
    not_before = everybodys ? now_.wall : std::min(*not_before, now_.wall + kPauseLook);
  }
  if (not_before) {
    // Full jitter over a second: a pause must not end in a stampede.
    due =
        std::max(due, *not_before + Duration::millis(static_cast<std::int64_t>(prng_.below(1000))));
  }
  if (reason == call::WaitReason::order) due = deadline_of(call);  // its turn comes by itself
  if (call.asked.not_before) due = std::max(due, *call.asked.not_before);
  if (call.crashes >= kCrashesMax) {
    // It was being handled at every one of the last crashes: a person decides.
    HF_PROBE("set-aside-after-crashes");
    call.reason = call::WaitReason::set_aside;
    record(active, call::Happening::set_aside, call::Actor::holdfast, "crashed-too-often");
    note(active, Note::Level::error, "call_set_aside", "crashed-too-often");
    due = deadline_of(call);
  }
  // The last word falls at the deadline, not after it.
  const WallTime deadline = deadline_of(call);
  call.next_attempt_at = std::min(due, std::max(deadline, now_.wall));
  active.phase = Phase::idle;
  if (first) {
    upstream.stats.held += 1;
    record(active, call::Happening::held, call::Actor::holdfast, call::to_string(reason));
  }
  if (end_if_over(active)) return;
  call.stage = stage_of(call, active.route->retry, now_.wall);
  write(active);
  settle_held_clients(active, wall_to_mono(std::max(call.next_attempt_at, known_end)));
}

// What the clients of a call that is on disk now are told, and when it is looked at again.
void Core::settle_held_clients(Active& active, Instant when) {
  const call::Call& call = *active.call;
  const CallId id = call.id;
  const std::vector<ExchangeId> all = active.exchanges;
  for (const ExchangeId exchange : all) {
    const Exchange& waiting = exchanges_.at(exchange);
    const bool wants_to_wait = !waiting.agreed_202 || waiting.wait_given || !waiting.async;
    if (!wants_to_wait || when >= waiting.patience_until || draining_) {
      reply_held(exchange, active);
    } else {
      alarms_.arm({AlarmKind::exchange, exchange, {}, {}}, waiting.patience_until);
    }
  }
  if (!active.exchanges.empty())
    alarms_.arm({AlarmKind::call, {}, id, {}}, wall_to_mono(call.next_attempt_at));
  unload_if_idle(active);
}

void Core::reply_held(ExchangeId id, Active& active) {
  const Exchange& exchange = exchanges_.at(id);
  if (exchange.agreed_202 || HF_BUG("accept-unasked")) {
    send(id, call::accepted(*active.call, exchange.async || exchange.wait_given), true);
    return;
  }
  call::ProblemSpec spec;
  spec.code = call::Code::held;
  spec.effect = call::Effect::pending;
  spec.safe_to_retry = true;
  spec.call = active.call->id;
  spec.attempts = active.call->attempts;
  const auto paused = upstream_of(active).gate->paused_until(active.call->limit_key, now_);
  const Duration until =
      std::max(active.call->next_attempt_at, paused.value_or(now_.wall)) - now_.wall;
  spec.retry_after = std::clamp(until, Duration::seconds(1), Duration::seconds(30));
  send_problem(id, spec, !HF_BUG("promise-before-it-is-kept"));
}

void Core::become_unknown(Active& active, std::string_view rule) {
  call::Call& call = *active.call;
  HF_CHECK(active.journaled);
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  active.phase = Phase::idle;
  call.state = call::State::unknown;
  call.reason = call::WaitReason::none;
  call.verdict = call::Effect::unknown;
  call.ended = call::Stamp::of(now_);
  record(active, call::Happening::became_unknown, call::Actor::holdfast, rule);
  tell_end(active);
  write(active);
  upstream_of(active).stats.unknown += 1;
  stats_.unknown_calls += 1;
  if (!HF_BUG("unknown-in-silence")) note(active, Note::Level::error, "call_unknown", rule);
  if (!active.exchanges.empty()) send_to_all(active, last_word(active, rule));
  drop(call.id);
}

void Core::die(Active& active, std::string_view rule) {
  call::Call& call = *active.call;
  HF_CHECK(!call.unresolved);
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  active.phase = Phase::idle;
  call.state = call::State::dead;
  call.reason = call::WaitReason::none;
  call.verdict = call::Effect::none;
  call.ended = call::Stamp::of(now_);
  record(active, call::Happening::died, call::Actor::holdfast, rule);
  leave_line(active);
  tell_end(active, rule == "operator-not-applied");
  write(active);
  upstream_of(active).stats.dead += 1;
  const bool asked_for = rule == "operator-not-applied" || rule == "key-retention-over";
  note(active, asked_for ? Note::Level::info : Note::Level::error, "call_dead", rule);
  if (!active.exchanges.empty()) send_to_all(active, last_word(active, rule));
  drop(call.id);
}

void Core::become_cancelled(Active& active, call::Actor who) {
  call::Call& call = *active.call;
  HF_CHECK(!call.unresolved);
  alarms_.disarm({AlarmKind::call, {}, call.id, {}});
  active.phase = Phase::idle;
  call.state = call::State::cancelled;
  call.reason = call::WaitReason::none;
  call.verdict = call::Effect::none;
  call.ended = call::Stamp::of(now_);
  record(active, call::Happening::cancelled, who);
  leave_line(active);
  tell_end(active);
  write(active);
  if (!active.exchanges.empty()) {
    call::ProblemSpec spec;
    spec.code = call::Code::cancelled;
    spec.call = call.id;
    spec.attempts = call.attempts;
    send_to_all(active, counted(spec));
  }
  drop(call.id);
}

// No attempt starts within this margin of the key's end, counted from the first byte sent.
bool Core::key_over(const call::Call& call, const call::UpstreamSettings& upstream) const {
  if (call.idempotency->mode != call::Mode::key) return false;
  if (!call.idempotency->lifetime || !call.first_sent) return false;
  // After a reboot the wall clock stands behind what was journaled: nobody knows how long ago the
  // first byte was sent, so the lifetime counts as over (DESIGN section 5, Time). It stays so once
  // the clock has caught up with the journal: what it jumped over is still missing.
  const bool was_behind = clock_was_behind_ && !HF_BUG("keys-grow-young-again");
  const bool behind = was_behind || clock_suspect_until_ > now_.wall;
  if (behind && call.first_sent->boot != now_.boot) {
    HF_PROBE("a-keys-age-is-not-known");
    return true;
  }
  const Duration lifetime = *call.idempotency->lifetime;
  const Duration margin = call::key_margin(upstream.timeouts, lifetime);
  const Duration age = call::elapsed_at_most(*call.first_sent, now_);
  return age >= lifetime - margin && !HF_BUG("outlive-a-key");
}

bool Core::past_deadline(const call::Call& call) const {
  // A caller's own deadline is a promise: where nobody knows how long ago it was given, it is over.
  const bool behind =
      (clock_was_behind_ || clock_suspect_until_ > now_.wall) && !HF_BUG("trust-a-clock-behind");
  if (behind && call.asked.deadline && call.accepted.boot != now_.boot) {
    HF_PROBE("a-deadlines-age-is-not-known");
    return true;
  }
  return call::elapsed_at_most(call.accepted, now_) >= call.deadline;
}

WallTime Core::open_until(const call::Call& call) const {
  if (call.unresolved && call.first_sent && call.idempotency->lifetime) {
    return call.first_sent->wall + *call.idempotency->lifetime;
  }
  return now_.wall + settings_->journal.retention.keys;
}

// True when the call's time is over and it has been ended.
bool Core::end_if_over(Active& active) {
  call::Call& call = *active.call;
  if (!active.journaled) return false;
  std::string_view rule;
  if (key_over(call, *active.upstream)) rule = "key-lifetime-over";
  if ((call.held || call.asked.deadline) && past_deadline(call)) rule = "deadline";
  if (rule.empty()) {
    if (may_resume(call, *active.upstream)) return false;
    HF_PROBE("its-place-is-gone");
    rule = "no-longer-matches";
  } else if (rule == "key-lifetime-over" && must_verify(active)) {
    // Nothing more under this key, but the upstream can still be asked.
    if (active.verifying) return false;
    HF_PROBE("its-key-is-over-and-it-can-be-asked-about");
    begin_verify(active, rule);
    return true;
  }
  if (rule == "key-lifetime-over" && call.held) HF_PROBE("key-over-while-held");
  if (rule == "deadline" && call.held) HF_PROBE("deadline-over-while-held");
  if (call.held && rule != "no-longer-matches") {
    upstream_of(active).stats.exhausted += 1;
  }
  call.unresolved = call.unresolved && !HF_BUG("bury-the-unresolved");
  if (call.unresolved) {
    become_unknown(active, rule);
  } else if (call.held) {
    die(active, rule);
  } else {
    // Proven not applied, and its key must not be used any more.
    end_live(active, rule);
  }
  return true;
}

}  // namespace hf::engine
