#include "engine/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "call/callback.h"

namespace hf::engine {
namespace {

// Whether its client is told that another call had the same content.
bool warns(const Active& active) {
  return active.call->resembles && active.route->suspect.action == call::OnSuspect::warn;
}

}  // namespace

Core::Core(EngineOptions options, const call::Recovered& recovered)
    : settings_(std::move(options.settings)),
      callback_route_(call::callback_route(settings_->callbacks)),
      prng_(Prng(options.seed).fork("engine")),
      journal_(options.journal),
      calls_max_(options.calls_max),
      crashed_on_(options.crashed_on),
      hasher_(options.hasher) {
  for (const auto& [name, upstream] : settings_->upstreams) {
    UpstreamState state;
    state.settings = upstream;
    state.gate = std::make_unique<Gate>(*upstream, budget_permille_of(*settings_, name));
    if (upstream->overload) {
      state.overload.emplace(policy::QueueDelayConfig{
          upstream->overload->target, upstream->overload->interval, upstream->overload->calm});
    }
    if (upstream->urls.size() > 1) {
      std::vector<std::string> addresses;
      for (const call::Url& url : upstream->urls)
        addresses.push_back(url.authority());
      state.addresses = std::make_unique<call::AddressBook>(upstream->ejection,
                                                            prng_.fork("addresses of " + name));
      state.addresses->set(addresses);
    }
    upstreams_.emplace(name, std::move(state));
  }
  stats_.unknown_calls = recovered.unknown_calls;
  if (recovered.newest) clock_suspect_until_ = *recovered.newest;
}

Active* Core::find_active(const CallId& id) {
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : &found->second;
}

const Active* Core::find_active(const CallId& id) const {
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : &found->second;
}

UpstreamState& Core::upstream_of(const Active& active) {
  // A call keeps its upstream, and upstreams stay where they are for as long as the core lives.
  if (active.place == nullptr) {
    const auto found = upstreams_.find(active.call->upstream);
    HF_CHECK(found != upstreams_.end());
    active.place = &found->second;
  }
  return *active.place;
}

UpstreamState* Core::find_upstream(const std::string& name) {
  const auto found = upstreams_.find(name);
  return found == upstreams_.end() ? nullptr : &found->second;
}

// Events of most writes.
constexpr std::size_t kNewsRoom = 4;

void Core::write(Active& active, Write which) {
  HF_CHECK(active.journaled);
  call::Call& call = *active.call;
  call::CallWrite write;
  write.before = active.stored;
  write.before_epoch = call.epoch;
  call.epoch += 1;
  write.write_request_body = !active.stored.has_value() || std::exchange(active.body_is_new, false);
  write.write_answer_body = std::exchange(active.answer_is_new, false);
  if (write.write_answer_body && call.answer) call.answer->body_epoch = call.epoch;
  write.events = std::exchange(active.news, {});
  write.after = which == Write::last ? active.call : std::make_shared<const call::Call>(call);
  active.stored = call::indexed(call);
  write.indexed = active.stored;
  active.changed = true;
  out_->writes.calls.push_back(std::move(write));
}

void Core::record(Active& active, call::TimelineEvent event) {
  if (!active.journaled) return;
  event.at = now_.wall;
  if (active.news.capacity() == 0) active.news.reserve(kNewsRoom);
  active.news.push_back(std::move(event));
}

void Core::record(Active& active, call::Happening what, call::Actor who, std::string_view rule) {
  call::TimelineEvent event;
  event.what = what;
  event.who = who;
  event.attempt = static_cast<std::uint32_t>(active.call->attempts);
  event.rule = std::string(rule);
  record(active, std::move(event));
}

void Core::note(const Active& active, Note::Level level, std::string what, std::string_view rule) {
  const call::Call& call = *active.call;
  Note line;
  line.level = level;
  line.what = std::move(what);
  line.call = call.id;
  line.route = call.route;
  line.upstream = call.upstream;
  line.rule = std::string(rule);
  line.evidence = active.last       ? active.last->evidence
                  : call.unresolved ? call::Evidence::sent
                                    : call::Evidence::nothing_sent;
  line.cause = call.last_cause;
  line.status = call.last_status;
  line.attempts = call.attempts;
  call::ProblemSpec why;
  if (!active.last) explain_limit(active, why);
  if (why.measure) {
    line.detail = fmt::format("class {}: {}", call::to_string(active.importance),
                              call::in_words(*why.measure));
  }
  act(std::move(line), active.journaled);
}

void Core::drop(const CallId& id) {
  const auto found = active_.find(id);
  HF_CHECK(found != active_.end());
  Active& active = found->second;
  HF_CHECK(!active.attempt.has_value());
  HF_CHECK(active.exchanges.empty());
  if (active.call->key && !active.call->key->made) {
    KeySlot* const slot = keys_.find(active.call->key->identity);
    if (slot != nullptr && slot->active == id) {
      slot->active.reset();
      // Else a read of it is under way.
      if (slot->waiting.empty()) keys_.erase(active.call->key->identity);
    }
  }
  alarms_.disarm({AlarmKind::call, {}, id, {}});
  // One that ended, or never came to stand on disk, stands in nobody's way.
  if (active.in_line && (!active.stored || active.stored->place == 0)) leave_line(active);
  if (active.journaled) {
    // What was paged before may be old now; if it is still due, a page brings it again.
    upstream_of(active).ready.erase(id);
    // One that only asked at the gate leaves as it came: reads of it that are under way are good.
    if (active.changed) reads_.left(id);
  }
  leave_live(active);
  if (active.expiring) upstream_of(active).expiring -= 1;
  const bool ordered = active.call->asked.order.has_value();
  const call::Digest line = ordered ? active.call->asked.order->line : call::Digest{};
  active_.erase(found);
  if (ordered) forget_line(line);
}

void Core::unload_if_idle(Active& active) {
  if (active.phase != Phase::idle || !active.exchanges.empty()) return;
  const call::Call& call = *active.call;
  if (!active.journaled || !active.stored || !call::has_due(call.state)) {
    drop(call.id);
    return;
  }
  UpstreamState& upstream = upstream_of(active);
  const call::DueClass which = call::due_class(call.asked.urgency);
  if (!may_stay(active)) {
    if (!HF_BUG("forget-a-due-call")) expect_due(upstream, which, call.next_attempt_at);
    drop(call.id);
    return;
  }
  HF_PROBE("a-due-call-keeps-its-place-in-memory");
  const auto snapshot = std::make_shared<const call::Call>(call);
  drop(call.id);
  upstream.ready.push_back(which, snapshot);
  wake_upstream_at(upstream, now_.mono);
}

void Core::attach(Active& active, ExchangeId id, const call::NewCall& call, bool primary) {
  Duration patience = call.wait ? std::min(*call.wait, call.route->wait) : call.route->wait;
  if (active.call->asked.deadline) {
    patience = std::clamp(deadline_of(*active.call) - now_.wall, Duration{}, patience);
  }
  Exchange exchange;
  exchange.call = active.call->id;
  exchange.patience_until = now_.mono + patience;
  exchange.primary = primary;
  exchange.async = call.respond_async && call.may_hold;
  exchange.agreed_202 =
      call.may_hold && (call.respond_async || call.route->hold == call::Hold::always ||
                        call.route->held_answer == call::HeldAnswer::accepted);
  exchange.wait_given = call.wait.has_value();
  active.exchanges.push_back(id);
  active.patience_until = std::max(active.patience_until, exchange.patience_until);
  if (active.journaled) {
    alarms_.arm({AlarmKind::exchange, id, {}, {}}, exchange.patience_until);
  }
  exchanges_.emplace(id, std::move(exchange));
}

void Core::detach(ExchangeId id) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  if (Active* active = find_active(found->second.call)) {
    std::erase(active->exchanges, id);
  }
  alarms_.disarm({AlarmKind::exchange, id, {}, {}});
  exchanges_.erase(found);
}

void Core::send(ExchangeId id, call::Reply reply, bool after_writes) {
  const auto exchange = exchanges_.find(id);
  if (exchange != exchanges_.end() && exchange->second.wait_given &&
      find_field(reply.fields, "Preference-Applied") == nullptr) {
    reply.fields.push_back({"Preference-Applied", "wait"});
  }
  if (exchange != exchanges_.end()) {
    const Active* active = find_active(exchange->second.call);
    if (active != nullptr && warns(*active) &&
        find_field(reply.fields, call::kResemblesField) == nullptr) {
      reply.fields.push_back({std::string(call::kResemblesField), active->call->resembles->text()});
    }
  }
  detach(id);
  act(SendReply{id, std::move(reply)}, after_writes);
}

call::Reply Core::counted(const call::ProblemSpec& spec, std::string_view upstream) const {
  stats_.problems.count(spec, upstream);
  return call::problem(spec);
}

void Core::send_problem(ExchangeId id, call::ProblemSpec spec, bool after_writes) {
  send(id, counted(spec), after_writes);
}

void Core::refuse_at_limit(ExchangeId id, const call::RouteSettings& route, call::ProblemSpec spec,
                           bool after_writes) {
  HF_CHECK(spec.measure.has_value());
  Note line;
  line.level = Note::Level::warning;
  line.what = "call_refused";  // of no call: its fate is another, and a crowd of them is one line
  line.route = route.path;
  line.upstream = route.upstream;
  line.detail = call::in_words(*spec.measure);
  act(std::move(line), false);
  send_problem(id, std::move(spec), after_writes);
}

void Core::send_to_all(Active& active, const call::Reply& reply) {
  const std::vector<ExchangeId> all = active.exchanges;
  for (const ExchangeId id : all)
    send(id, reply, active.journaled);
}

void Core::on(ClientGone&& event) {
  const auto found = exchanges_.find(event.exchange);
  if (found == exchanges_.end()) return;
  const CallId id = found->second.call;
  detach(event.exchange);
  Active* active = find_active(id);
  if (active == nullptr) return;
  if (active->journaled) {
    // The call runs on without its client (DESIGN section 3, Streaming).
    unload_if_idle(*active);
    return;
  }
  if (!active->exchanges.empty()) return;
  if (active->attempt) {
    active->abandoned = true;
    HF_PROBE("its-client-left-it-is-given-up");
    act(CancelAttempt{*active->attempt}, false);
    return;
  }
  drop(id);
}

void Core::on(JournalHealthSeen&& event) {
  refusing_why_ = event.why;
  refusing_measure_ = std::move(event.measure);
  if (accepting_ == event.accepting) return;
  accepting_ = event.accepting;
  Note line;
  line.level = accepting_ ? Note::Level::info : Note::Level::error;
  line.what = accepting_ ? "journal_accepting" : "journal_refusing";
  line.detail = event.why;
  if (refusing_measure_) line.detail += ": " + call::in_words(*refusing_measure_);
  act(std::move(line), false);
}

void Core::on(Woke&&) {
  // Bounded: an alarm that re-arms itself for the past must not keep the loop here for ever.
  for (int i = 0; i < 10'000; ++i) {
    const auto alarm = alarms_.pop_due(now_.mono);
    if (!alarm) return;
    run_alarm(*alarm);
  }
}

void Core::on(DrainBegun&&) {
  draining_ = true;
  // Whoever still queues is answered now: held where the call may be, else refused.
  std::vector<CallId> waiting;
  for (const auto& [id, active] : active_) {
    if (active.phase == Phase::queued || active.phase == Phase::backing_off) waiting.push_back(id);
  }
  for (const CallId& id : waiting) {
    Active* active = find_active(id);
    if (active != nullptr && !active->call->held) stop_waiting(*active, std::nullopt);
  }
  std::vector<ExchangeId> held;
  for (const auto& [id, exchange] : exchanges_) {
    const Active* active = find_active(exchange.call);
    if (active != nullptr && active->call->held) held.push_back(id);
  }
  for (const ExchangeId id : held)
    out_of_patience(id);
}

void Core::run_alarm(const Alarm& alarm) {
  switch (alarm.kind) {
    case AlarmKind::exchange:
      out_of_patience(alarm.exchange);
      return;
    case AlarmKind::upstream: {
      UpstreamState* upstream = find_upstream(alarm.upstream);
      HF_CHECK(upstream != nullptr);
      pump(*upstream);
      look_for_due(*upstream);
      return;
    }
    case AlarmKind::lines:
      act(PageLineHeads{lines_after_, kLinePage}, false);
      return;
    case AlarmKind::call: {
      Active* active = find_active(alarm.call);
      if (active == nullptr) return;
      if (active->phase == Phase::backing_off && active->in_line && !active->has_turn) {
        HF_PROBE("patience-over-in-a-line");
        stop_waiting(*active, std::nullopt);  // its patience is over, its turn has not come
      } else if (active->phase == Phase::backing_off) {
        active->phase = Phase::idle;
        try_start(*active);
      } else if (active->phase == Phase::queued) {
        stop_waiting(*active, std::nullopt);  // its client is gone, its patience with it
      } else if (active->phase == Phase::idle && active->call->held) {
        if (!end_if_over(*active)) try_start_held(upstream_of(*active), *active);
      }
      return;
    }
  }
}

void Core::out_of_patience(ExchangeId id) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  Active* active = find_active(found->second.call);
  HF_CHECK(active != nullptr);
  if (active->call->held) {
    reply_held(id, *active);
    unload_if_idle(*active);
    return;
  }
  if (!found->second.primary) {
    HF_PROBE("a-waiter-runs-out-of-patience");
    call::ProblemSpec spec;
    spec.code = call::Code::in_progress;
    spec.effect = call::Effect::unknown;
    spec.safe_to_retry = true;
    spec.call = active->call->id;
    spec.attempts = active->call->attempts;
    spec.retry_after = Duration::seconds(1);
    send_problem(id, spec, true);
    return;
  }
  // A live attempt in progress is cut only by its own timeouts; its end finds patience used up.
  if (active->phase == Phase::queued || active->phase == Phase::backing_off) {
    stop_waiting(*active, std::nullopt);
  }
}

Instant Core::wall_to_mono(WallTime when) const {
  return now_.mono + (when - now_.wall);
}

void Core::wake_upstream_at(const UpstreamState& upstream, Instant when) {
  const Alarm alarm{AlarmKind::upstream, {}, {}, upstream.settings->name};
  alarms_.arm_earlier(alarm, when);
}

const Stats& Core::refresh_stats(const Now& now) {
  now_ = now;
  stats_.active_calls = active_.size();
  stats_.exchanges = exchanges_.size();
  for (auto& [name, upstream] : upstreams_) {
    UpstreamStats& out = upstream.stats;
    refresh_load(upstream);
    if (upstream.addresses) out.addresses = upstream.addresses->all(now);
    out.live_queue = upstream.live_queue.size();
    out.in_flight = static_cast<std::uint64_t>(upstream.gate->in_use());
    const auto state = upstream.gate->breaker_state(now.mono);
    out.breaker_open = state == policy::BreakerState::closed      ? 0
                       : state == policy::BreakerState::half_open ? 1
                                                                  : 2;
    out.held_loaded = upstream.ready.size();
    out.next_due_ms = 0;
    for (const Backlog& backlog : upstream.backlogs) {
      if (!backlog.next_due) continue;
      const std::int64_t ms = backlog.next_due->ms;
      out.next_due_ms = out.next_due_ms == 0 ? ms : std::min(out.next_due_ms, ms);
    }
    out.paused_keys = 0;
    out.paused_until_ms = 0;
    for (const policy::Pause& pause : upstream.gate->pauses(now.mono)) {
      out.paused_keys += 1;
      out.paused_until_ms = std::max(out.paused_until_ms, (now.wall + (pause.until - now.mono)).ms);
    }
    stats_.upstreams[name] = out;
  }
  return stats_;
}

}  // namespace hf::engine
