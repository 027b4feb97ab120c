// A call goes on: a repeat of an open one, a dead one revived, a held one whose time has come; and
// what binds it to the place and the declaration that its earlier copies met.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "call/intake_key.h"
#include "engine/core.h"

namespace hf::engine {

// An open call is asked for again, or a dead one revived: new attempts of the same call.
void Core::resume(std::shared_ptr<const call::Call> stored, Arrival arrival) {
  const bool revived = stored->state == call::State::dead;
  // Its client was told that there is no further attempt, and then came a crash.
  const bool cancelled =
      !revived && stored->no_more_attempts && stored->unresolved && !HF_BUG("reopen-the-cancelled");
  if (cancelled || (!revived && !may_resume(*stored, *arrival.call->upstream))) {
    if (cancelled || (key_over(*stored, *arrival.call->upstream) && stored->unresolved)) {
      HF_PROBE("resumed-too-late");
      Active& over = activate(stored);
      over.phase = Phase::idle;
      become_unknown(over, cancelled ? "cancelled-unresolved" : "key-lifetime-over");
    }
    call::ProblemSpec spec;
    spec.code = call::Code::outcome_unknown;
    spec.effect = stored->unresolved ? call::Effect::unknown : call::Effect::none;
    spec.call = stored->id;
    spec.attempts = stored->attempts;
    send_problem(arrival.exchange, spec, true);
    return;
  }
  Active& active = activate(std::move(stored));
  active.follow(*arrival.call);
  active.ready_since = now_.mono;
  active.may_hold = arrival.call->may_hold;
  call::Call& call = *active.call;
  if (HF_BUG("send-the-repeat-instead")) call.request = arrival.call->request;
  // Proven not applied: the upstream cannot have begun to count the key's lifetime.
  if (!call.unresolved) call.first_sent.reset();
  if (revived) {
    HF_PROBE("a-dead-call-revived");
    // Every attempt of it is proven not applied, so its deadline and its key begin anew.
    call.accepted = call::Stamp::of(now_);
    call.first_sent.reset();
    call.held = false;
    call.held_attempts = 0;
    call.no_more_attempts = false;
    call.ended.reset();
    call.state = call::State::open;  // until its attempt, or its hold, is written
    // Retention may take the body until it is written that the call goes on.
    active.body_is_new = true;
  }
  if (call.has_body && !call.request->body) {
    // It was retired; the fingerprint says that this one is the same.
    HF_PROBE("a-repeat-brings-the-body-back");
    call.request = arrival.call->request;
    active.body_is_new = true;
  }
  call::TimelineEvent back;
  back.what = revived ? call::Happening::revived : call::Happening::resumed;
  back.who = call::Actor::client;
  back.attempt = static_cast<std::uint32_t>(call.attempts);
  back.where = active.client_address;
  back.tell(arrival.call->content);
  record(active, std::move(back));
  attach(active, arrival.exchange, *arrival.call, true);
  begin_or_join_line(active, arrival.exchange);
}

Active& Core::activate(std::shared_ptr<const call::Call> stored) {
  Active fresh;
  fresh.call = std::make_shared<call::Call>(*stored);
  fresh.journaled = true;
  fresh.stored = call::indexed(*stored);
  fresh.verifying = stored->state == call::State::verifying;
  fresh.in_line = call::in_line(*stored);
  fresh.has_turn = fresh.in_line && !(stored->state == call::State::waiting &&
                                      stored->reason == call::WaitReason::order);
  fresh.per_attempt = {{"Via", "1.1 holdfast"}};
  const UpstreamState* upstream = find_upstream(stored->upstream);
  HF_CHECK(upstream != nullptr);
  fresh.upstream = upstream->settings;
  if (stored->callback_of) fresh.route = callback_route_;
  for (const auto& route : settings_->routes) {
    if (route->upstream != stored->upstream) continue;
    if (!fresh.route || route->path == stored->route) fresh.route = route;
  }
  if (!fresh.route) {
    auto plain = std::make_shared<call::RouteSettings>();
    plain->path = stored->route;
    plain->upstream = stored->upstream;
    fresh.route = std::move(plain);
  }
  const bool stable = stored->key && (stored->key->business || stored->key->stable);
  fresh.may_hold = stored->held || (stable && fresh.route->hold != call::Hold::never &&
                                    (stored->request->method == "POST" || stored->asked.order));
  const CallId id = stored->id;
  const bool named =
      stored->key && !stored->key->made && (!stored->key->derived || call::others_join(*stored));
  if (named) keys_.insert(stored->key->identity).active = id;
  if (fresh.in_line) lines_[stored->asked.order->line].here.insert(id);
  const auto [at, inserted] = active_.emplace(id, std::move(fresh));
  HF_CHECK(inserted);
  return at->second;
}

// Section 4, "Must still match": an unresolved call may only go where its earlier copies went.
bool Core::may_resume(const call::Call& call, const call::UpstreamSettings& upstream) const {
  if (!call.unresolved) return true;
  if (call::column_of(call.idempotency->mode, call.safe) == call::Column::safe) return true;
  const call::Mode mode = call.idempotency->mode;
  if (upstream.idempotency.mode != mode || !same_place(call, upstream)) return false;
  if (mode == call::Mode::verify) return upstream.lookup.has_value();  // asked before it is sent
  if (mode != call::Mode::key) return false;
  if (key_over(call, upstream) && !upstream.lookup) return false;
  return upstream.idempotency.header == call.idempotency->header;
}

// Whether what is configured now is where the copies in doubt went.
bool Core::same_place(const call::Call& call, const call::UpstreamSettings& upstream) {
  if (!upstream.account.empty() && upstream.account != call.account) return false;
  if (upstream.one_key_store || call.first_sent_authority.empty()) return true;
  return std::any_of(upstream.urls.begin(), upstream.urls.end(), [&](const call::Url& url) {
    return url.authority() == call.first_sent_authority;
  });
}

// ADR 0006: while every copy is proven not applied, nothing binds the call to the declaration that
// it was accepted under, and a copy sent under a key that the upstream no longer takes would be one
// that no repeat of it can join.
void Core::take_declared_rules(Active& active) {
  call::Call& call = *active.call;
  const call::Idempotency& declared = active.upstream->idempotency;
  if (!active.journaled || call.unresolved || call.idempotency->mode != call::Mode::key) return;
  if (declared.mode == call::Mode::key && declared.header == call.idempotency->header) return;
  HF_PROBE("sent-under-another-declaration");
  if (HF_BUG("keep-the-old-declaration")) return;
  call.idempotency = SharedValue(call::shared_idempotency(active.upstream));
  if (declared.mode != call::Mode::key || !call.key || call.key->field.empty()) return;
  auto request = std::make_shared<call::Request>(*call.request);
  std::erase_if(request->fields,
                [&](const Field& field) { return same_name(field.name, call.key->field); });
  call.key->field = declared.header;
  call::put_key_field(request->fields, *call.key);
  call.request = std::move(request);
}

}  // namespace hf::engine
