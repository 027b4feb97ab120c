// The end of a held call is told to the application by another held call.
#include "call/callback.h"

#include <utility>

#include "base/bytes.h"
#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {

// Not to be guessed without the journal's key, one for each write that can end a call, and the same
// again when a run is replayed from its seed.
CallId Core::callback_id(const call::Call& of) const {
  std::string what(of.id.raw());
  put_u64(what, of.epoch);
  const call::Digest digest = hasher_->digest("callback", what);
  ByteReader bits(digest.raw());
  const std::uint64_t high = bits.u64();
  return CallId::make(now_.wall, high, bits.u64());
}

// To be called when the call stands as it will be written, before that write: what tells the end is
// in the same commit as the end itself. A client that was told of an end while it waited needs no
// callback, unless the end is one that a person may still change.
void Core::tell_end(Active& active, bool settled_by_operator) {
  const call::Call& call = *active.call;
  if (!active.journaled || call.asked.callback.empty() || !hasher_) return;
  const bool awaited = call.held || call.state == call::State::unknown || settled_by_operator;
  if (!awaited || HF_BUG("tell-nobody-the-end")) return;
  const auto place = call::callback_place(settings_->callbacks, call.asked.callback);
  const UpstreamState* receiver = place.ok() ? find_upstream(place->upstream) : nullptr;
  if (settled_by_operator) HF_PROBE("a-persons-word-is-told");
  if (receiver == nullptr) {
    note(active, Note::Level::error, "callback_not_allowed", {});
    return;
  }
  Active telling;
  telling.call = std::make_shared<call::Call>();
  telling.route = callback_route_;
  telling.upstream = receiver->settings;
  telling.per_attempt = {{"Via", "1.1 holdfast"}};
  telling.journaled = true;
  telling.may_hold = true;
  telling.phase = Phase::idle;
  call::Call& made = *telling.call;
  made.id = callback_id(call);
  made.reason = call::WaitReason::first_attempt;
  made.held = true;
  made.route = call::kCallbackRoute;
  made.upstream = receiver->settings->name;
  made.idempotency = SharedValue(call::shared_idempotency(receiver->settings));
  made.accepted = call::Stamp::of(now_);
  made.deadline = callback_route_->deadline;
  made.callback_of = call.id;
  made.next_attempt_at = now_.wall;
  call::Request request;
  request.method = "POST";
  request.target = place->target;
  request.fields = {{"Content-Type", "application/json"},
                    {"User-Agent", "holdfast"},
                    {std::string(call::kWebhookId),
                     HF_BUG("one-id-for-every-end") ? call.id.text() : made.id.text()}};
  request.body = make_body(
      call::callback_body(call, now_.wall, settled_by_operator, active.route->callback_answer));
  made.has_body = true;
  made.body_bytes = request.body->size();
  made.request = std::make_shared<const call::Request>(std::move(request));

  call::TimelineEvent event;
  event.what = call::Happening::callback_made;
  event.where = receiver->settings->urls.front().authority();
  event.rule = "call." + std::string(call::to_string(call.state));
  event.detail = made.id.text();
  record(active, std::move(event));

  const auto [at, inserted] = active_.emplace(made.id, std::move(telling));
  HF_CHECK(inserted);
  record(at->second, call::Happening::accepted, call::Actor::holdfast);
  record(at->second, call::Happening::held, call::Actor::holdfast, "callback");
  find_upstream(at->second.upstream->name)->stats.held += 1;
  write(at->second);
  unload_if_idle(at->second);
}

}  // namespace hf::engine
