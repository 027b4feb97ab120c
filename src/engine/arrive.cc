// A request comes in: a new call, or one more request under a key that is known (the key table of
// DESIGN section 3).
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {
namespace {

call::Happening what_was_refused(const call::Digest& owner, const Arrival& arrival) {
  return owner == arrival.call->owner ? call::Happening::key_mismatch
                                      : call::Happening::stranger_refused;
}

std::shared_ptr<call::Call> make_call(const Arrival& arrival, const Now& now) {
  const call::NewCall& fresh = *arrival.call;
  auto made = std::make_shared<call::Call>();
  made->id = arrival.fresh_id;
  made->reason = call::WaitReason::first_attempt;
  made->route = fresh.route->path;
  made->upstream = fresh.upstream->name;
  made->owner = fresh.owner;
  if (!fresh.safe) made->key = fresh.key;
  made->fingerprint = fresh.fingerprint;
  made->request = fresh.request;
  made->has_body = fresh.has_body;
  made->body_bytes = view(fresh.request->body).size();
  made->idempotency = fresh.frozen();
  made->safe = fresh.safe;
  made->head_is_proof = fresh.route->head_is_proof;
  made->accepted = call::Stamp::of(now);
  made->deadline = fresh.route->deadline;
  made->account = fresh.account;
  made->limit_key = fresh.limit_key;
  made->asked = fresh.asked;
  if (fresh.not_before && !HF_BUG("come-too-early")) {
    made->asked.not_before = fresh.not_before->from(now.wall);
  }
  if (fresh.deadline && !HF_BUG("outstay-a-deadline")) {
    made->asked.deadline = true;
    made->deadline = std::min(made->deadline, fresh.deadline->from(now.wall) - now.wall);
  }
  made->index = fresh.index;
  made->likeness = fresh.likeness;
  return made;
}

call::Measure waiting_clients(std::size_t waiting, const call::RouteSettings& route) {
  return {"limits.waiters", static_cast<std::int64_t>(waiting),
          static_cast<std::int64_t>(route.limits.waiters), "clients that wait for the key"};
}

}  // namespace

void Core::on(CallArrived&& event) {
  Arrival arrival{event.exchange, std::move(event.call), event.fresh_id};
  stats_.requests_by_route[arrival.call->route->path] += 1;
  if (arrival.call->likeness) suspects_.expect(*arrival.call->likeness);
  if (draining_) {
    HF_PROBE("arrived-during-a-drain");
    call::ProblemSpec spec;
    spec.code = call::Code::draining;
    spec.measure = {"drain", static_cast<std::int64_t>(active_.size()), 0, "calls still under way"};
    // An earlier copy under its key may be in doubt: it was not looked up.
    if (arrival.call->key) spec.effect = call::Effect::unknown;
    spec.safe_to_retry = true;
    spec.retry_after = Duration::seconds(1);
    send_problem(arrival.exchange, spec, false);
    return;
  }
  if (!arrival.call->wants_journal() || !arrival.call->key) {
    begin_call(std::move(arrival));
    return;
  }
  const call::Digest identity = arrival.call->key->identity;
  KeySlot& slot = keys_.insert(identity);
  if (slot.active) {
    Active* active = find_active(*slot.active);
    HF_CHECK(active != nullptr);
    if (is_another_derived(*active->call, arrival)) {
      begin_call(std::move(arrival));
    } else {
      meet_active(*active, std::move(arrival));
    }
    return;
  }
  const bool first = slot.waiting.empty();
  if (slot.waiting.size() >= static_cast<std::size_t>(arrival.call->route->limits.waiters) + 1) {
    HF_PROBE("too-many-wait-for-a-keys-read");
    call::ProblemSpec spec;
    spec.code = call::Code::in_progress;
    spec.effect = call::Effect::unknown;
    spec.safe_to_retry = true;
    spec.retry_after = Duration::seconds(1);
    spec.measure = waiting_clients(slot.waiting.size() - 1, *arrival.call->route);
    refuse_at_limit(arrival.exchange, *arrival.call->route, std::move(spec), false);
    return;
  }
  slot.waiting.push_back(std::move(arrival));
  if (first) {
    slot.read = reads_.begin();
    act(FindKey{identity}, false);
  }
}

void Core::on(KeyRead&& found) {
  KeySlot* const slot = keys_.find(found.identity);
  HF_CHECK(slot != nullptr);
  // What was read is old if that very call has left memory meanwhile: ask again.
  const bool stale = found.entry && reads_.stale(slot->read, found.entry->call);
  reads_.end(slot->read);
  if (stale && !found.failed) {
    HF_PROBE("key-read-again");
    slot->read = reads_.begin();
    act(FindKey{found.identity}, false);
    return;
  }
  std::vector<Arrival> waiting = std::exchange(slot->waiting, {});
  if (!slot->active) keys_.erase(found.identity);
  const std::size_t writes_before = out_->writes.calls.size();
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    Arrival& arrival = waiting[i];
    if (!found.failed && out_->writes.calls.size() != writes_before &&
        !keys_.contains(found.identity)) {
      // One of them has changed the call, which is gone from memory again: the others ask anew.
      HF_PROBE("the-others-ask-for-the-key-anew");
      KeySlot& anew = keys_.insert(found.identity);
      anew.waiting.assign(std::make_move_iterator(waiting.begin() + static_cast<std::ptrdiff_t>(i)),
                          std::make_move_iterator(waiting.end()));
      anew.read = reads_.begin();
      act(FindKey{found.identity}, false);
      return;
    }
    if (found.failed) {
      HF_PROBE("key-not-readable");
      call::ProblemSpec spec;
      spec.code = call::Code::journal_unavailable;
      spec.effect = call::Effect::unknown;  // of an earlier copy under its key
      spec.safe_to_retry = true;
      spec.retry_after = Duration::seconds(5);
      spec.detail = "The key could not be looked up; nothing was sent for this request.";
      send_problem(arrival.exchange, spec, false);
      continue;
    }
    const KeySlot* const now_known = keys_.find(found.identity);
    const bool known = now_known != nullptr && now_known->active;
    if (known && i > 0 && HF_BUG("lose-a-twin")) continue;
    if (known) {
      Active* active = find_active(*now_known->active);
      HF_CHECK(active != nullptr);
      if (is_another_derived(*active->call, arrival)) {
        begin_call(std::move(arrival));
      } else {
        meet_active(*active, std::move(arrival));
      }
    } else if (found.call && is_another_derived(*found.call, arrival)) {
      begin_call(std::move(arrival));
    } else if (found.entry) {
      meet_stored(found, std::move(arrival));
    } else if (now_known == nullptr) {
      begin_call(std::move(arrival));
      // The first of them may have ended at once (refused): then the next begins anew.
    }
  }
}

// Of derived keys: whether the call that has it is another one than what is asked for now. Then the
// request is a call of its own, without a key: the identity is taken.
bool Core::is_another_derived(const call::Call& call, Arrival& arrival) const {
  if (!arrival.call->key || !arrival.call->key->derived) return false;
  const bool ended =
      call::terminal(call.state) ||
      (call.state == call::State::open && !call.unresolved && find_active(call.id) == nullptr);
  const bool same =
      call.owner == arrival.call->owner && call.fingerprint == arrival.call->fingerprint &&
      call::elapsed_at_most(call.accepted, now_) <= arrival.call->route->key.derive_window;
  if (same && !ended) return false;
  arrival.call->key.reset();
  return true;
}

void Core::begin_call(Arrival arrival) {
  const bool journaled = arrival.call->wants_journal();
  call::ProblemSpec refused;
  refused.safe_to_retry = true;
  refused.retry_after = Duration::seconds(1);
  if (active_.size() >= calls_max_) {
    refused.code = call::Code::overloaded;
    refused.measure = {"calls_in_memory", static_cast<std::int64_t>(active_.size()),
                       static_cast<std::int64_t>(calls_max_), "calls"};
    refuse_at_limit(arrival.exchange, *arrival.call->route, std::move(refused), false);
    return;
  }
  if (journaled && (!accepting_ || !journal_)) {
    HF_PROBE("refused-before-a-write");
    refused.code = call::Code::journal_unavailable;
    refused.retry_after = Duration::seconds(10);
    refused.detail = refusing_why_;
    refused.measure = refusing_measure_;
    send_problem(arrival.exchange, refused, false);
    return;
  }
  Active fresh;
  fresh.call = make_call(arrival, now_);
  fresh.follow(*arrival.call);
  fresh.ready_since = now_.mono;
  fresh.journaled = journaled;
  fresh.may_hold = arrival.call->may_hold && journaled;
  if (arrival.call->streamed && arrival.call->has_body) fresh.stream_of = arrival.exchange;
  const CallId id = fresh.call->id;
  Active& active = active_.emplace(id, std::move(fresh)).first->second;
  const bool has_value = active.call->key && !active.call->key->derived;
  if (active.call->key) keys_.insert(active.call->key->identity).active = id;
  if (journaled && !has_value && active.call->idempotency->mode == call::Mode::key) {
    add_made_key(active);
  }
  call::TimelineEvent accepted;
  accepted.what = call::Happening::accepted;
  accepted.who = call::Actor::client;
  accepted.where = active.client_address;
  accepted.tell(arrival.call->content);
  record(active, std::move(accepted));
  look_for_resembling(active, *arrival.call);
  attach(active, arrival.exchange, *arrival.call, true);
  begin_or_join_line(active, arrival.exchange);
}

void Core::begin_or_join_line(Active& active, ExchangeId first) {
  if (active.call->asked.order && !active.in_line) {
    join_line(active);
  } else {
    start_fresh(active, first);
  }
}

// Whether its first client asked for it to be held, or its route or its own time says so.
bool Core::wants_hold_now(const Active& active) const {
  const call::Call& call = *active.call;
  if (call.asked.not_before && *call.asked.not_before > now_.wall) return true;
  return active.route->hold == call::Hold::always || exchanges_.at(active.exchanges.front()).async;
}

// From here on new, resumed and revived calls are alike.
void Core::start_fresh(Active& active, ExchangeId first) {
  const Exchange exchange = exchanges_.at(first);
  const bool held_at_once = active.may_hold && wants_hold_now(active);
  if (must_verify(active)) {
    HF_PROBE("asked-before-it-is-resumed");
    if (!active.call->doubt.since) {
      active.call->doubt.since = call::Stamp::of(now_);
      active.call->doubt.absent_since.reset();
    }
    active.verifying = true;
    if (held_at_once) {
      hold_verifying(active, now_.wall);
    } else {
      verify_next(active, now_.wall);
    }
    return;
  }
  if (!held_at_once) {
    try_start(active);
    return;
  }
  call::Call& call = *active.call;
  call.held = true;
  call.state = call::State::waiting;
  call.reason = call::WaitReason::first_attempt;
  call.next_attempt_at = std::max(now_.wall, call.asked.not_before.value_or(now_.wall));
  active.phase = Phase::idle;
  record(active, call::Happening::held, call::Actor::client, "hold-asked");
  upstream_of(active).stats.held += 1;
  const CallId id = call.id;
  if (end_if_over(active)) return;
  if (call.next_attempt_at > now_.wall) {
    call.reason = call::WaitReason::not_before;
    write(active);
    if (active.route->hold == call::Hold::always && !exchange.wait_given) reply_held(first, active);
    settle_held_clients(active, wall_to_mono(call.next_attempt_at));
    return;
  }
  if (!try_start_held(upstream_of(active), active)) write(active);
  // The promise goes out once the call is synced; who asked for a while to wait gets it later.
  // Reading its line may have taken longer than that: its alarm has gone by then.
  const std::vector<ExchangeId> all = active.exchanges;
  for (const ExchangeId each : all) {
    const bool over = now_.mono >= exchanges_.at(each).patience_until;
    if (over || (each == first && !exchange.wait_given)) reply_held(each, active);
  }
  if (Active* still = find_active(id)) unload_if_idle(*still);
}

void Core::add_made_key(Active& active) {
  call::Call& call = *active.call;
  call::KeyUse key;
  if (call.key) key = *call.key;  // a derived one: who repeats finds it by its identity
  key.field = call.idempotency->header;
  key.value = "hf-" + call.id.text();
  key.made = !key.derived;
  auto request = std::make_shared<call::Request>(*call.request);
  set_field(request->fields, key.field, key.value);
  call.request = std::move(request);
  call.key = std::move(key);
}

// The same content under another key, shortly after: noted, never refused. It may be what was
// meant.
void Core::look_for_resembling(Active& active, const call::NewCall& call) {
  if (!call.likeness || call.route->suspect.action == call::OnSuspect::off) return;
  const auto earlier = suspects_.meet(*call.likeness, active.call->id, call.key, now_.mono,
                                      call.route->suspect.window);
  if (!earlier) return;
  active.call->resembles = earlier;
  stats_.suspects_by_route[call.route->path] += 1;
  call::TimelineEvent event;
  event.what = call::Happening::resembles;
  event.who = call::Actor::holdfast;
  event.rule = "same-content-other-key";
  event.detail = earlier->text();
  record(active, std::move(event));
}

// One more request under the key of a call that is not in memory stands in its timeline, so that
// "who asked, and what were they told" can be answered later; up to a bound.
void Core::note_asked_again(const std::shared_ptr<const call::Call>& stored, call::Happening what,
                            const Arrival& arrival) {
  if (stored == nullptr || stored->asked_again >= call::kAskedAgainMax) return;
  if (find_upstream(stored->upstream) == nullptr || find_active(stored->id) != nullptr) return;
  Active& active = activate(stored);
  active.phase = Phase::idle;
  note_asked_again(active, what, arrival);
  write(active);
  // Not only dropped: it may have been taken out of the page that made it due.
  unload_if_idle(active);
}

void Core::note_asked_again(Active& active, call::Happening what, const Arrival& arrival) {
  if (active.call->asked_again >= call::kAskedAgainMax) return;
  active.call->asked_again += 1;
  call::TimelineEvent event;
  event.what = what;
  event.who = call::Actor::client;
  event.where = arrival.call->client_address;
  event.tell(arrival.call->content);
  if (what == call::Happening::replayed && active.call->answer) {
    event.status = static_cast<std::uint16_t>(active.call->answer->status);
  }
  record(active, std::move(event));
}

bool Core::refuse_stranger(const call::Digest& owner, const call::Digest& fingerprint,
                           const CallId& id, const Arrival& arrival) {
  call::ProblemSpec spec;
  if (owner != arrival.call->owner && !HF_BUG("serve-a-stranger")) {
    spec.code = call::Code::key_owned_by_another;  // nothing of the other's call is shown
    send_problem(arrival.exchange, spec, true);
    return true;
  }
  if (fingerprint != arrival.call->fingerprint && !HF_BUG("serve-a-changed-body")) {
    spec.code = call::Code::key_reused;
    spec.call = id;
    send_problem(arrival.exchange, spec, true);
    return true;
  }
  return false;
}

void Core::meet_active(Active& active, Arrival arrival) {
  const call::Call& call = *active.call;
  if (refuse_stranger(call.owner, call.fingerprint, call.id, arrival)) {
    note_asked_again(active, what_was_refused(call.owner, arrival), arrival);
    return;
  }
  stats_.joined += 1;
  const auto waiters = static_cast<std::size_t>(active.route->limits.waiters);
  if (active.exchanges.size() > waiters && !HF_BUG("no-end-of-waiters")) {
    HF_PROBE("one-waiter-too-many");
    call::ProblemSpec spec;
    spec.code = call::Code::in_progress;
    spec.effect = call::Effect::unknown;
    spec.safe_to_retry = true;
    spec.call = call.id;
    spec.retry_after = Duration::seconds(1);
    spec.measure = waiting_clients(active.exchanges.size() - 1, *active.route);
    refuse_at_limit(arrival.exchange, *active.route, std::move(spec), true);
    return;
  }
  note_asked_again(active, call::Happening::joined, arrival);
  attach(active, arrival.exchange, *arrival.call, false);
  if (call.held && exchanges_.at(arrival.exchange).async && !arrival.call->wait) {
    reply_held(arrival.exchange, active);
  }
}

void Core::meet_stored(const KeyRead& found, Arrival arrival) {
  const call::KeyEntry& entry = *found.entry;
  call::ProblemSpec spec;
  spec.call = entry.call;
  if (entry.tombstone || !found.call) {
    HF_PROBE("met-a-tombstone");
    if (entry.owner != arrival.call->owner) {
      refuse_stranger(entry.owner, entry.fingerprint, entry.call, arrival);
      return;
    }
    spec.code = call::Code::key_expired;
    spec.effect = entry.verdict;
    send_problem(arrival.exchange, spec, true);
    return;
  }
  if (refuse_stranger(entry.owner, entry.fingerprint, entry.call, arrival)) {
    note_asked_again(found.call, what_was_refused(entry.owner, arrival), arrival);
    return;
  }
  const call::Call& call = *found.call;
  spec.attempts = call.attempts;
  if (!call::terminal(call.state) && find_upstream(call.upstream) == nullptr) {
    spec.code = call::Code::outcome_unknown;
    spec.effect = call::effect_of(call);
    spec.detail = "The upstream of this call is no longer configured.";
    send_problem(arrival.exchange, spec, true);
    return;
  }
  switch (call.state) {
    case call::State::unknown:
      spec.code = call::Code::outcome_unknown;
      spec.effect = call::Effect::unknown;
      send_problem(arrival.exchange, spec, true);
      note_asked_again(found.call, call::Happening::replayed, arrival);
      return;
    case call::State::answered:
      replay(call, arrival);
      note_asked_again(found.call, call::Happening::replayed, arrival);
      return;
    case call::State::cancelled:
      spec.code = call::Code::cancelled;
      send_problem(arrival.exchange, spec, true);
      note_asked_again(found.call, call::Happening::replayed, arrival);
      return;
    case call::State::open:
    case call::State::dead:
      if (call.state == call::State::dead && HF_BUG("dead-told-as-applied")) {
        replay(call, arrival);
        return;
      }
      if (find_upstream(call.upstream) == nullptr) {
        spec.code = call::Code::dead;
        send_problem(arrival.exchange, spec, true);
        return;
      }
      resume(found.call, std::move(arrival));
      return;
    case call::State::waiting:
    case call::State::sending:
    case call::State::verifying: {
      HF_PROBE("met-a-held-call-on-disk");
      Active& active = activate(found.call);
      meet_active(active, std::move(arrival));
      if (active.phase == Phase::idle) {
        alarms_.arm({AlarmKind::call, {}, call.id, {}}, wall_to_mono(call.next_attempt_at));
      }
      return;
    }
  }
}

// The stored answer byte for byte, marked; or the word that there was one.
void Core::replay(const call::Call& call, const Arrival& arrival) {
  stats_.replayed += 1;
  if (call.answer && call.answer->body_kept) {
    call::AnswerMarks marks;
    if (call.answer->by_lookup) marks.effect = call::Effect::applied;
    marks.call = call.id;
    marks.attempts = call.attempts;
    if (!HF_BUG("replay-unmarked")) marks.replayed_from = call.answer->at;
    marks.wait_applied = arrival.call->wait.has_value();
    send(arrival.exchange, call::upstream_answer(*call.answer, marks), true);
    return;
  }
  HF_PROBE("replay-without-a-body");
  send_problem(arrival.exchange, no_body_word(call), true);
}

}  // namespace hf::engine
