#include "call/record_early.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace hf::call {
namespace {

Fields wide_fields(PayloadReader& in) {
  Fields out(in.how_many(in.u32(), 8));
  for (Field& field : out) {
    field.name = in.wide_text();
    field.value = in.wide_text();
  }
  return out;
}

std::vector<int> wide_statuses(PayloadReader& in) {
  std::vector<int> out(in.how_many(in.u16(), 2));
  for (int& status : out)
    status = in.u16();
  return out;
}

Stamp wide_stamp(PayloadReader& in) {
  Stamp out;
  out.wall.ms = in.i64();
  out.boot.value = in.u64();
  out.mono.ns = in.i64();
  return out;
}

std::optional<Stamp> maybe_stamp(PayloadReader& in) {
  if (!in.boolean()) return std::nullopt;
  return wide_stamp(in);
}

std::optional<Digest> maybe_digest(PayloadReader& in) {
  if (!in.boolean()) return std::nullopt;
  return in.digest();
}

std::optional<CallId> maybe_call_id(PayloadReader& in) {
  if (!in.boolean()) return std::nullopt;
  return in.call_id();
}

Idempotency get_idempotency(PayloadReader& in) {
  Idempotency out;
  out.mode = in.choice(Mode::none, Mode::repeatable);
  out.header = in.wide_text();
  if (in.boolean()) out.lifetime = Duration{in.i64()};
  out.refused = wide_statuses(in);
  out.in_progress = wide_statuses(in);
  out.settles = wide_statuses(in);
  out.settles_field = in.wide_text();
  out.settles_unless_type = in.wide_text();
  out.replay_marker = in.wide_text();
  out.no_retry_advice = wide_fields(in);
  if (in.since(2)) out.settle.ns = in.i64();
  return out;
}

KeyUse get_key_use(PayloadReader& in) {
  KeyUse out;
  out.identity = in.digest();
  out.field = in.wide_text();
  out.value = in.wide_text();
  out.business = in.boolean();
  out.stable = in.boolean();
  out.made = in.boolean();
  if (in.since(2)) out.derived = in.boolean();
  return out;
}

Answer get_answer(PayloadReader& in) {
  Answer out;
  out.status = in.i32();
  out.fields = wide_fields(in);
  out.body_kept = in.boolean();
  out.body_bytes = in.u64();
  out.at.ms = in.i64();
  if (in.since(2)) out.by_lookup = in.boolean();
  return out;
}

Asked get_asked(PayloadReader& in) {
  Asked out;
  if (in.boolean()) out.not_before = WallTime{in.i64()};
  out.deadline = in.boolean();
  out.urgency = in.choice<std::uint8_t>(0, kUrgencyLast);
  if (in.boolean()) {
    Order order;
    order.line = in.digest();
    order.place = in.u64();
    order.name = in.wide_text();
    out.order = std::move(order);
  }
  out.callback = in.wide_text();
  return out;
}

std::vector<IndexValue> get_index(PayloadReader& in) {
  std::vector<IndexValue> out(in.how_many(in.u16(), 9));
  for (IndexValue& value : out) {
    value.name = in.wide_text();
    value.value = in.wide_text();
    value.hashed = in.boolean();
  }
  return out;
}

void get_frozen(PayloadReader& in, Call& call) {
  call.route = in.wide_text();
  call.upstream = in.wide_text();
  call.owner = in.digest();
  if (in.boolean()) call.key = get_key_use(in);
  call.fingerprint = in.digest();
  if (in.boolean()) {
    auto request = std::make_shared<Request>();
    request->method = in.wide_text();
    request->target = in.wide_text();
    request->fields = wide_fields(in);
    call.request = std::move(request);
  }
  call.body_bytes = in.u64();
  call.has_body = in.boolean();
  call.idempotency = get_idempotency(in);
  call.safe = in.boolean();
  call.head_is_proof = in.boolean();
  call.accepted = wide_stamp(in);
  call.deadline.ns = in.i64();
  call.account = in.wide_text();
  call.limit_key = in.wide_text();
  if (!in.since(2)) return;
  call.asked = get_asked(in);
  call.index = get_index(in);
  call.likeness = maybe_digest(in);
  call.resembles = maybe_call_id(in);
  call.callback_of = maybe_call_id(in);
}

void get_progress(PayloadReader& in, Call& call) {
  call.attempts = in.i32();
  call.held_attempts = in.i32();
  call.unresolved = in.boolean();
  call.proof = in.choice(Proof::none, Proof::goaway_unprocessed);
  call.first_sent = maybe_stamp(in);
  call.first_sent_authority = in.wide_text();
  call.last_cause = in.choice(Cause::none, Cause::address_refused);
  call.last_status = in.i32();
  call.crashes = in.i32();
  call.next_attempt_at.ms = in.i64();
  call.no_more_attempts = in.boolean();
  if (in.boolean()) call.answer = get_answer(in);
  call.verdict = in.choice(Effect::none, Effect::applied);
  call.ended = maybe_stamp(in);
  if (!in.since(2)) return;
  call.doubt.since = maybe_stamp(in);
  call.doubt.absent_since = maybe_stamp(in);
  call.doubt.lookups = in.i32();
  call.stage = in.choice<std::uint8_t>(0, 2);
  call.asked_again = in.i32();
}

void get_standing(PayloadReader& in, Call& call) {
  call.epoch = in.u64();
  call.state = in.choice(State::waiting, State::cancelled);
  call.reason = in.choice(WaitReason::none, WaitReason::verify);
  call.held = in.boolean();
}

TimelineEvent get_event(PayloadReader& in, bool phases) {
  TimelineEvent out;
  out.at.ms = in.i64();
  out.what = in.choice(Happening::accepted, Happening::callback_made);
  out.who = in.choice(Actor::holdfast, Actor::upstream);
  out.attempt = in.u32();
  out.status = in.u16();
  out.evidence = in.choice(Evidence::nothing_sent, Evidence::answer_complete);
  out.proof = in.choice(Proof::none, Proof::goaway_unprocessed);
  out.cause = in.choice(Cause::none, Cause::address_refused);
  out.reused = in.boolean();
  out.bytes_sent = in.u64();
  out.bytes_received = in.u64();
  out.took_ms = in.u32();
  out.where = in.wide_text();
  out.rule = in.wide_text();
  out.detail = in.wide_text();
  if (!phases) return out;
  for (Duration* phase : {&out.phases.queued, &out.phases.resolve, &out.phases.connect,
                          &out.phases.tls, &out.phases.head, &out.phases.body}) {
    *phase = Duration::micros(in.u32());
  }
  out.digest = maybe_digest(in);
  return out;
}

}  // namespace

Call read_early_call(PayloadReader& in) {
  Call out;
  out.id = in.call_id();
  get_standing(in, out);
  get_frozen(in, out);
  get_progress(in, out);
  return out;
}

TimelineEvent read_early_event(PayloadReader& in) {
  return get_event(in, in.since(2));
}

}  // namespace hf::call
