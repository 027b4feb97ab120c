// The backlog: held calls live on disk, sorted by due time; only those that are due come into
// memory, a page at a time, and only as fast as the upstream's gate lets them out.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {

void Core::expect_due(UpstreamState& upstream, call::DueClass which, WallTime when) {
  std::optional<WallTime>& next_due = upstream.backlog(which).next_due;
  if (!next_due || when < *next_due) next_due = when;
  wake_upstream_at(upstream, wall_to_mono(*next_due));
}

void Core::look_for_due(UpstreamState& upstream) {
  for (std::size_t i = 0; i < call::kDueClasses; ++i)
    look_for_due(upstream, static_cast<call::DueClass>(i));
}

void Core::look_for_due(UpstreamState& upstream, call::DueClass which) {
  Backlog& backlog = upstream.backlog(which);
  if (!journal_ || backlog.paging || !backlog.next_due) return;
  if (upstream.ready.size(which) >= kDuePage) return;  // it would bring the same ones again
  if (*backlog.next_due > now_.wall) {
    wake_upstream_at(upstream, wall_to_mono(*backlog.next_due));
    return;
  }
  backlog.paging = true;
  backlog.next_due.reset();
  backlog.page_read = reads_.begin();
  // Those in memory stand at the front of the index still: a page must reach beyond them.
  const auto in_memory =
      upstream.ready.size() + static_cast<std::size_t>(upstream.gate->in_use(policy::Lane::held));
  act(PageDue{upstream.settings->name, which, now_.wall, kDuePage + in_memory}, false);
}

void Core::on(DuePageRead&& event) {
  UpstreamState* upstream = find_upstream(event.upstream);
  HF_CHECK(upstream != nullptr && upstream->backlog(event.which).paging);
  Backlog& backlog = upstream->backlog(event.which);
  backlog.paging = false;
  if (event.failed) {
    HF_PROBE("page-not-readable");
    reads_.end(backlog.page_read);
    expect_due(*upstream, event.which, now_.wall + Duration::seconds(1));
    return;
  }
  // What waited for a start must not stampede its upstream; where nothing did, there is nothing to
  // hold back.
  if (!backlog.known && (!event.calls.empty() || event.next)) {
    upstream->gate->restarted(now_.mono);
  }
  backlog.known = true;
  bool any_new = event.calls.empty();
  for (auto& stored : event.calls) {
    if (active_.contains(stored->id)) continue;  // fresher in memory, with an alarm of its own
    if (reads_.stale(backlog.page_read, stored->id)) {
      HF_PROBE("a-pages-call-left-memory-meanwhile");
      expect_due(*upstream, event.which, now_.wall);
      continue;
    }
    if (upstream->ready.push_back(event.which, std::move(stored))) any_new = true;
  }
  // A page of calls that are all in memory already must not be read again and again.
  const WallTime soon = any_new ? now_.wall : now_.wall + Duration::seconds(1);
  if (event.next) expect_due(*upstream, event.which, std::max(*event.next, soon));
  reads_.end(backlog.page_read);
  pump_held(*upstream);
  look_for_due(*upstream);
}

void Core::pump_held(UpstreamState& upstream) {
  if (draining_) return;
  const bool had = !upstream.ready.empty();
  while (!upstream.ready.empty()) {
    const call::DueClass which = upstream.ready.next();
    const ReadyCalls::Stored stored = upstream.ready.pop_front(which);
    if (active_.contains(stored->id)) continue;
    if (start_held(upstream, stored)) {
      upstream.ready.took(which);
      continue;
    }
    upstream.ready.push_front(which, stored);
    break;
  }
  if (had) look_for_due(upstream);
}

// Due at once, small, and with no backlog on disk before it: it keeps its place in memory rather
// than to be written out of mind and read back.
bool Core::may_stay(const Active& active) const {
  const call::Call& call = *active.call;
  const bool due = call.state == call::State::waiting && call.held &&
                   call.next_attempt_at <= now_.wall && call.body_bytes <= kKeptBodyMax;
  if (!due) return false;
  const UpstreamState& upstream = upstreams_.at(call.upstream);
  const call::DueClass which = call::due_class(call.asked.urgency);
  const Backlog& known = upstream.backlogs[static_cast<std::size_t>(which)];
  if (known.paging || (known.next_due && *known.next_due <= now_.wall)) return false;
  if (upstream.ready.size(which) < kDuePage) return true;
  std::size_t all = 0;
  for (const auto& [name, other] : upstreams_)
    all += other.ready.size();
  return call.body_bytes <= kSmallBodyMax && all < kReadyMax;
}

// False when the upstream as a whole lets nothing out now.
bool Core::start_held(UpstreamState& upstream, const std::shared_ptr<const call::Call>& stored) {
  if (stored->state == call::State::open) {
    expire(activate(stored));
    return true;
  }
  const bool verifying = stored->state == call::State::verifying;
  if (!stored->held || (stored->state != call::State::waiting && !verifying)) return true;
  if (stored->asked.not_before && *stored->asked.not_before > now_.wall) {
    // The clock was set back since it was made due.
    expect_due(upstream, *stored, *stored->asked.not_before);
    return true;
  }
  const auto paused = upstream.gate->paused_until(stored->limit_key, now_);
  const bool all_paused = upstream.gate->paused_until("", now_).has_value();
  if (paused && !all_paused) {
    // One client's pause: it steps aside so that the others are not kept waiting.
    HF_PROBE("steps-aside-at-its-own-pause");
    Active& active = activate(stored);
    active.phase = Phase::idle;
    if (verifying) {
      hold_verifying(active, std::min(*paused, now_.wall + kPauseLook));
    } else {
      hold(active, call::WaitReason::paused, paused);
    }
    return true;
  }
  const bool over = past_deadline(*stored) || key_over(*stored, *upstream.settings);
  if (!verifying && !over && upstream.gate->full(policy::Lane::held)) {
    wake_upstream_at(upstream, now_.mono + kFullLook);
    return false;
  }
  Active& active = activate(stored);
  active.phase = Phase::idle;
  if (end_if_over(active)) return true;
  const CallId id = stored->id;
  if (try_start_held(upstream, active)) return true;
  // It stays `waiting`, with nothing of its schedule used up, at the head of the line.
  alarms_.disarm({AlarmKind::call, {}, id, {}});
  drop(id);
  return false;
}

// Takes a held call in memory to its attempt, or arms the alarm that asks again.
bool Core::try_start_held(UpstreamState& upstream, Active& active) {
  const call::Call& call = *active.call;
  if (active.verifying) return try_look_up(active, policy::Lane::held);
  if (call.no_more_attempts) {
    // Its client was told so, and a crash came before its end was written.
    again(active, false, std::nullopt, "cancelled-unresolved");
    return true;
  }
  const bool early = call.asked.not_before && *call.asked.not_before > now_.wall;
  if (early || (active.in_line && !active.has_turn)) {
    // Asked for by somebody who waits for it; its time, or its turn, comes by itself.
    const WallTime when = std::max(call.next_attempt_at, call.asked.not_before.value_or(now_.wall));
    if (when > now_.wall) alarms_.arm({AlarmKind::call, {}, call.id, {}}, wall_to_mono(when));
    return true;
  }
  const Entry entry =
      upstream.gate->try_enter(policy::Lane::held, call.attempts > 0, call.limit_key, now_);
  if (entry.hurdle != Hurdle::none) {
    const Instant soon = now_.mono + kFullLook;
    const Instant when = entry.not_before ? std::max(*entry.not_before, now_.mono) : soon;
    alarms_.arm({AlarmKind::call, {}, call.id, {}},
                std::max(when, now_.mono + Duration::millis(1)));
    wake_upstream_at(upstream, when);
    return false;
  }
  if (call.has_body && !call.request->body) {
    active.lane = policy::Lane::held;
    active.probe = entry.probe;
    active.phase = Phase::loading;
    read_call(call.id, {});
    return true;
  }
  launch(active, policy::Lane::held, entry.probe);
  return true;
}

void Core::read_call(const CallId& id, PendingAsk ask) {
  Reading& reading = reading_[id];
  if (reading.asks.empty()) {
    reading.read = reads_.begin();
    act(ReadCall{id}, false);
  }
  reading.asks.push_back(std::move(ask));
}

void Core::on(CallRead&& event) {
  const auto pending = reading_.find(event.id);
  HF_CHECK(pending != reading_.end());
  const bool here = active_.contains(event.id);
  const bool stale = reads_.stale(pending->second.read, event.id) && !here;
  reads_.end(pending->second.read);
  if (stale && !event.failed) {
    HF_PROBE("call-read-again");
    pending->second.read = reads_.begin();
    act(ReadCall{event.id}, false);
    return;
  }
  const std::vector<PendingAsk> asks = std::move(pending->second.asks);
  reading_.erase(pending);
  Active* active = find_active(event.id);
  if (active != nullptr && active->phase == Phase::loading) {
    active->phase = Phase::idle;
    const bool whole = event.call && !event.failed &&
                       (event.call->request->body || event.call->body_bytes == 0 ||
                        HF_BUG("send-without-the-body"));
    if (active->verifying && whole) {
      active->call->request = event.call->request;
      look_up(*active);
    } else if (active->call->no_more_attempts && !active->verifying) {
      upstream_of(*active).gate->leave(policy::Lane::held);
      if (active->probe) upstream_of(*active).gate->abandon_probe(now_.mono);
      again(*active, true, std::nullopt, "cancelled-unresolved");
    } else if (whole) {
      active->call->request = event.call->request;
      launch(*active, policy::Lane::held, active->probe);
    } else {
      upstream_of(*active).gate->leave(active->lane);
      if (active->probe) upstream_of(*active).gate->abandon_probe(now_.mono);
      HF_PROBE("a-held-calls-body-is-not-there");
      active->probe = false;
      note(*active, Note::Level::error, "call_unreadable", {});
      if (active->verifying) {
        put_off_verifying(*active);
      } else {
        hold(*active, call::WaitReason::set_aside, now_.wall + Duration::hours(24));
      }
    }
  }
  answer_asks(event, asks, here);
}

// Whoever waited for the call to be read. `here`: it was in memory when the read came.
void Core::answer_asks(const CallRead& event, const std::vector<PendingAsk>& asks, bool here) {
  const std::size_t writes_before = out_->writes.calls.size();
  for (const PendingAsk& ask : asks) {
    Active* active = find_active(event.id);
    const bool changed = here || out_->writes.calls.size() != writes_before;
    if (active == nullptr && !event.failed && changed) {
      // An earlier one has changed the call, or its attempt has: what was read is old.
      HF_PROBE("two-asked-for-one-call");
      read_call(event.id, ask);
      continue;
    }
    if (active == nullptr && event.failed) {
      // Nobody knows whether there is such a call: "no such call" would be a lie.
      HF_PROBE("call-not-readable");
      refuse_unread(ask);
      continue;
    }
    if (ask.ask) {
      answer_ask(ask.ask->first, ask.ask->second, active, event.call);
      continue;
    }
    if (ask.turn) {
      give_turn(active, event.call);
      continue;
    }
    if (!ask.command) continue;
    if (active != nullptr) {
      run_command(*ask.command, *active);
    } else if (event.call && find_upstream(event.call->upstream) != nullptr) {
      Active& loaded = activate(event.call);
      loaded.phase = Phase::idle;
      run_command(*ask.command, loaded);
    } else {
      act(CommandDone{ask.command->id, false,
                      event.call ? "its upstream is not configured" : "no such call"},
          false);
    }
  }
}

void Core::refuse_unread(const PendingAsk& ask) {
  if (ask.turn) alarms_.arm({AlarmKind::lines, {}, {}, {}}, now_.mono + Duration::seconds(5));
  if (ask.command) {
    act(CommandDone{ask.command->id, false, "the journal could not be read; ask again"}, false);
  }
  if (!ask.ask) return;
  call::ProblemSpec spec;
  spec.code = call::Code::journal_unavailable;
  spec.effect = call::Effect::unknown;
  spec.safe_to_retry = true;
  spec.retry_after = Duration::seconds(5);
  spec.detail = "The call could not be looked up.";
  act(SendReply{ask.ask->first, counted(spec)}, false);
}

// An open call whose key is over, here or at the upstream.
void Core::expire(Active& active) {
  active.phase = Phase::idle;
  call::Call& call = *active.call;
  if (call.next_attempt_at > now_.wall) {
    unload_if_idle(active);
    return;
  }
  if (call.unresolved && can_verify(active) && same_place(call, *active.upstream)) {
    verify_at_the_end(active);
  } else if (call.unresolved) {
    HF_PROBE("an-open-call-in-doubt-expires");
    become_unknown(active, "key-lifetime-over");
  } else {
    HF_PROBE("an-open-call-without-doubt-expires");
    die(active, "key-retention-over");
  }
}

}  // namespace hf::engine
