#include "call/record_payload.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "call/payload.h"
#include "call/record_early.h"

namespace hf::call {
namespace {

constexpr std::uint8_t kCallVersion = 4;
constexpr std::uint8_t kChangeVersion = 4;  // as calls
constexpr std::uint8_t kBodyVersion = 1;
constexpr std::uint8_t kKeyEntryVersion = 2;
constexpr std::uint8_t kEarlyEventVersion = 2;
constexpr std::uint8_t kPauseVersion = 1;
// 2 and 3: as 1. A start reads one of these, so that a program which cannot read the records of
// this journal (packed in a way that it does not know, or heads that leave more out) says so then.
constexpr std::uint8_t kMetaVersion = 3;
constexpr std::size_t kEventLeast = 4;  // bytes of one

void put_idempotency(PayloadWriter& out, const Idempotency& rules) {
  out.choice(rules.mode);
  out.text(rules.header);
  BitsWriter bits;
  const bool lifetime = bits.add(rules.lifetime.has_value());
  const bool settle = bits.add(rules.settle.ns != 0);
  out.bits(bits);
  if (lifetime) out.signed_number(rules.lifetime->ns);
  if (settle) out.signed_number(rules.settle.ns);
  out.statuses(rules.refused);
  out.statuses(rules.in_progress);
  out.statuses(rules.settles);
  out.text(rules.settles_field);
  out.text(rules.settles_unless_type);
  out.text(rules.replay_marker);
  out.fields(rules.no_retry_advice);
}

Idempotency get_idempotency(PayloadReader& in) {
  Idempotency out;
  out.mode = in.choice(Mode::none, Mode::repeatable);
  out.header = in.text();
  BitsReader bits = in.bits();
  if (bits.next()) out.lifetime = Duration{in.signed_number()};
  if (bits.next()) {
    out.settle.ns = in.signed_number();
    in.require(out.settle.ns != 0);
  }
  in.no_more(bits);
  out.refused = in.statuses();
  out.in_progress = in.statuses();
  out.settles = in.statuses();
  out.settles_field = in.text();
  out.settles_unless_type = in.text();
  out.replay_marker = in.text();
  out.no_retry_advice = in.fields();
  return out;
}

void put_key_use(PayloadWriter& out, const KeyUse& key) {
  BitsWriter bits;
  bits.add(key.business);
  bits.add(key.stable);
  bits.add(key.made);
  bits.add(key.derived);
  out.bits(bits);
  out.raw(key.identity.raw());
  out.text(key.field);
  out.text(key.value);
}

KeyUse get_key_use(PayloadReader& in) {
  KeyUse out;
  BitsReader bits = in.bits();
  out.business = bits.next();
  out.stable = bits.next();
  out.made = bits.next();
  out.derived = bits.next();
  in.no_more(bits);
  out.identity = in.digest();
  out.field = in.text();
  out.value = in.text();
  return out;
}

void put_asked(PayloadWriter& out, const Asked& asked) {
  BitsWriter bits;
  const bool not_before = bits.add(asked.not_before.has_value());
  bits.add(asked.deadline);
  const bool urgency = bits.add(asked.urgency != kUrgencyDefault);
  const bool order = bits.add(asked.order.has_value());
  const bool callback = bits.add(!asked.callback.empty());
  out.bits(bits);
  if (not_before) out.wall(*asked.not_before);
  if (urgency) out.u8(asked.urgency);
  if (order) {
    out.raw(asked.order->line.raw());
    out.number(asked.order->place);
    out.text(asked.order->name);
  }
  if (callback) out.text(asked.callback);
}

Asked get_asked(PayloadReader& in) {
  Asked out;
  BitsReader bits = in.bits();
  if (bits.next()) out.not_before = in.wall();
  out.deadline = bits.next();
  if (bits.next()) {
    out.urgency = in.choice<std::uint8_t>(0, kUrgencyLast);
    in.require(out.urgency != kUrgencyDefault);
  }
  if (bits.next()) {
    Order order;
    order.line = in.digest();
    order.place = in.number();
    order.name = in.text();
    out.order = std::move(order);
  }
  if (bits.next()) {
    out.callback = in.text();
    in.require(!out.callback.empty());
  }
  in.no_more(bits);
  return out;
}

void put_index(PayloadWriter& out, const std::vector<IndexValue>& index) {
  out.number(index.size());
  for (const IndexValue& value : index) {
    out.text(value.name);
    out.label(value.value);
    out.u8(value.hashed ? 1 : 0);
  }
}

std::vector<IndexValue> get_index(PayloadReader& in) {
  std::vector<IndexValue> out(in.how_many(in.number(), 3));
  for (IndexValue& value : out) {
    value.name = in.text();
    value.value = in.label();
    value.hashed = in.choice<std::uint8_t>(0, 1) == 1;
  }
  return out;
}

// The call as it was accepted.
void put_frozen(PayloadWriter& out, const Call& call, const Implied& implied) {
  BitsWriter bits;
  const bool key = bits.add(call.key.has_value());
  const bool request = bits.add(call.request != nullptr);
  bits.add(call.has_body);
  bits.add(call.safe);
  bits.add(call.head_is_proof);
  const bool likeness = bits.add(call.likeness.has_value());
  const bool resembles = bits.add(call.resembles.has_value());
  const bool callback = bits.add(call.callback_of.has_value());
  const bool limit_key = bits.add(call.limit_key != implied.limit_key(call.upstream, call.owner));
  out.bits(bits);
  out.stamp(call.accepted);
  out.signed_number(call.deadline.ns);
  out.text(call.route);
  out.text(call.upstream);
  out.raw(call.owner.raw());
  if (key) put_key_use(out, *call.key);
  out.raw(call.fingerprint.raw());
  out.label(call.account);
  if (limit_key) out.label(call.limit_key);
  if (likeness) out.raw(call.likeness->raw());
  if (resembles) out.raw(call.resembles->raw());
  if (callback) out.raw(call.callback_of->raw());
  put_asked(out, call.asked);
  put_index(out, call.index);
  put_idempotency(out, *call.idempotency);
  if (request) {
    out.text(call.request->method);
    out.text(call.request->target);
    out.fields(call.request->fields);
  }
  out.number(call.body_bytes);
}

// Gives the call's request, if it has one, for the body that may follow.
std::shared_ptr<Request> get_frozen(PayloadReader& in, Call& call, const Implied& implied) {
  BitsReader bits = in.bits();
  const bool key = bits.next();
  const bool request = bits.next();
  call.has_body = bits.next();
  call.safe = bits.next();
  call.head_is_proof = bits.next();
  const bool likeness = bits.next();
  const bool resembles = bits.next();
  const bool callback = bits.next();
  const bool limit_key = in.before(4) || bits.next();
  in.no_more(bits);
  call.accepted = in.stamp();
  call.deadline.ns = in.signed_number();
  call.route = in.text();
  call.upstream = in.text();
  call.owner = in.digest();
  if (key) call.key = get_key_use(in);
  call.fingerprint = in.digest();
  call.account = in.label();
  const std::string& usual = implied.limit_key(call.upstream, call.owner);
  call.limit_key = limit_key ? in.label() : usual;
  in.require(in.before(4) || !limit_key || call.limit_key != usual);
  if (likeness) call.likeness = in.digest();
  if (resembles) call.resembles = in.call_id();
  if (callback) call.callback_of = in.call_id();
  call.asked = get_asked(in);
  call.index = get_index(in);
  call.idempotency = get_idempotency(in);
  std::shared_ptr<Request> read;
  if (request) {
    read = std::make_shared<Request>();
    read->method = in.text();
    read->target = in.text();
    read->fields = in.fields();
  }
  call.request = read;
  call.body_bytes = in.number();
  return read;
}

void put_answer(PayloadWriter& out, const Answer& answer) {
  BitsWriter bits;
  bits.add(answer.body_kept);
  bits.add(answer.by_lookup);
  out.bits(bits);
  out.count(answer.status);
  out.wall(answer.at);
  out.fields(answer.fields);
  out.number(answer.body_bytes);
  out.number(answer.body_epoch);
}

Answer get_answer(PayloadReader& in) {
  Answer out;
  BitsReader bits = in.bits();
  out.body_kept = bits.next();
  out.by_lookup = bits.next();
  in.no_more(bits);
  out.status = in.count();
  out.at = in.wall();
  out.fields = in.fields();
  out.body_bytes = in.number();
  out.body_epoch = in.number();
  return out;
}

// Where a call stands, and what the attempts have shown.
void put_progress(PayloadWriter& out, const Call& call) {
  out.number(call.epoch);
  out.choice(call.state);
  out.choice(call.reason);
  BitsWriter bits;
  bits.add(call.held);
  bits.add(call.unresolved);
  bits.add(call.no_more_attempts);
  const bool first_sent = bits.add(call.first_sent.has_value());
  const bool answer = bits.add(call.answer.has_value());
  const bool ended = bits.add(call.ended.has_value());
  const bool doubt = bits.add(call.doubt.since.has_value());
  const bool absent = bits.add(call.doubt.absent_since.has_value());
  out.bits(bits);
  out.count(call.attempts);
  out.count(call.held_attempts);
  out.choice(call.proof);
  out.choice(call.last_cause);
  out.count(call.last_status);
  out.count(call.crashes);
  out.choice(call.verdict);
  out.u8(call.stage);
  out.count(call.asked_again);
  out.count(call.doubt.lookups);
  if (first_sent) out.stamp(*call.first_sent);
  out.text(call.first_sent_authority);
  out.wall(call.next_attempt_at);
  if (answer) put_answer(out, *call.answer);
  if (ended) out.stamp(*call.ended);
  if (doubt) out.stamp(*call.doubt.since);
  if (absent) out.stamp(*call.doubt.absent_since);
}

void get_progress(PayloadReader& in, Call& call) {
  call.epoch = in.number();
  call.state = in.choice(State::waiting, State::cancelled);
  call.reason = in.choice(WaitReason::none, WaitReason::verify);
  BitsReader bits = in.bits();
  call.held = bits.next();
  call.unresolved = bits.next();
  call.no_more_attempts = bits.next();
  const bool first_sent = bits.next();
  const bool answer = bits.next();
  const bool ended = bits.next();
  const bool doubt = bits.next();
  const bool absent = bits.next();
  in.no_more(bits);
  call.attempts = in.count();
  call.held_attempts = in.count();
  call.proof = in.choice(Proof::none, Proof::goaway_unprocessed);
  call.last_cause = in.choice(Cause::none, kLastCause);
  call.last_status = in.count();
  call.crashes = in.count();
  call.verdict = in.choice(Effect::none, Effect::applied);
  call.stage = in.choice<std::uint8_t>(0, 2);
  call.asked_again = in.count();
  call.doubt = {};
  call.doubt.lookups = in.count();
  call.first_sent.reset();
  if (first_sent) call.first_sent = in.stamp();
  call.first_sent_authority = in.text();
  call.next_attempt_at = in.wall();
  call.answer.reset();
  if (answer) call.answer = get_answer(in);
  call.ended.reset();
  if (ended) call.ended = in.stamp();
  if (doubt) call.doubt.since = in.stamp();
  if (absent) call.doubt.absent_since = in.stamp();
}

// Microseconds of a phase: an hour and more stands as the most that fits.
std::uint64_t micros_of(Duration duration) {
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(duration.ns / 1000, 0, 0xffffffff));
}

// Most members of most events are nothing: only the others are written.
template <typename Event, typename Visit>
void visit_numbers(Event& event, Visit visit) {
  visit(event.attempt);
  visit(event.status);
  visit(event.bytes_sent);
  visit(event.bytes_received);
  visit(event.took_ms);
}

template <typename Event, typename Visit>
void visit_phases(Event& event, Visit visit) {
  for (auto* phase : {&event.phases.queued, &event.phases.resolve, &event.phases.connect,
                      &event.phases.tls, &event.phases.head, &event.phases.body}) {
    visit(*phase);
  }
}

template <typename Event, typename Visit>
void visit_texts(Event& event, Visit visit) {
  for (auto* text : {&event.where, &event.rule, &event.detail})
    visit(*text);
}

// `inside`: the body that stands in the same record.
void put_event(PayloadWriter& out, const TimelineEvent& event, const Body& inside) {
  // The same body, not only an equal one: nothing is compared.
  const bool implied = event.digest && inside && event.digested == inside;
  out.choice(event.what);
  BitsWriter bits;
  bits.add(event.reused);
  bits.add(event.who != Actor::holdfast);
  bits.add(event.evidence != Evidence::nothing_sent);
  bits.add(event.proof != Proof::none);
  bits.add(event.cause != Cause::none);
  const bool digest = bits.add(event.digest && !implied);
  visit_numbers(event, [&](auto number) { bits.add(number != 0); });
  visit_phases(event, [&](Duration phase) { bits.add(micros_of(phase) != 0); });
  visit_texts(event, [&](const std::string& text) { bits.add(!text.empty()); });
  bits.add(implied);
  out.bits(bits);
  out.wall(event.at);
  if (event.who != Actor::holdfast) out.choice(event.who);
  if (event.evidence != Evidence::nothing_sent) out.choice(event.evidence);
  if (event.proof != Proof::none) out.choice(event.proof);
  if (event.cause != Cause::none) out.choice(event.cause);
  if (digest) out.raw(event.digest->raw());
  visit_numbers(event, [&](auto number) {
    if (number != 0) out.number(number);
  });
  visit_phases(event, [&](Duration phase) {
    if (const auto us = micros_of(phase); us != 0) out.number(us);
  });
  visit_texts(event, [&](const std::string& text) {
    if (!text.empty()) out.text(text);
  });
}

// A member that its bit announces, and that is something.
template <typename Number>
void get_number(PayloadReader& in, Number& number) {
  const std::uint64_t value = in.number();
  number = static_cast<Number>(value);
  in.require(value != 0 && std::uint64_t{number} == value);
}

// `inside`: where the body that stands in the same record will be.
TimelineEvent get_event(PayloadReader& in, const Body& inside) {
  TimelineEvent out;
  out.what = in.choice(Happening::accepted, Happening::callback_made);
  BitsReader bits = in.bits();
  out.reused = bits.next();
  const bool who = bits.next();
  const bool evidence = bits.next();
  const bool proof = bits.next();
  const bool cause = bits.next();
  const bool digest = bits.next();
  out.at = in.wall();
  if (who) out.who = in.choice(Actor::client, Actor::upstream);
  if (evidence) out.evidence = in.choice(Evidence::sent, Evidence::answer_complete);
  if (proof) out.proof = in.choice(Proof::no_byte, Proof::goaway_unprocessed);
  if (cause) out.cause = in.choice(Cause::dns, kLastCause);
  if (digest) out.digest = in.digest();
  visit_numbers(out, [&](auto& number) {
    if (bits.next()) get_number(in, number);
  });
  visit_phases(out, [&](Duration& phase) {
    if (!bits.next()) return;
    std::uint32_t us = 0;
    get_number(in, us);
    phase = Duration::micros(us);
  });
  visit_texts(out, [&](std::string& text) {
    if (!bits.next()) return;
    text = in.text();
    in.require(!text.empty());
  });
  if (in.since(4) && bits.next()) out.digested = inside;
  in.require(!digest || !out.digested);
  in.no_more(bits);
  return out;
}

// The events of a write, and at the end whether a body is there, and all of it.
void put_told(PayloadWriter& out, const std::vector<TimelineEvent>& events, const Body& body) {
  out.number(events.size());
  for (const TimelineEvent& event : events)
    put_event(out, event, body);
  out.u8(body ? 1 : 0);
  if (body) out.raw(*body);
}

struct Told {
  std::vector<TimelineEvent> events;
  Body body;
};
Told get_told(PayloadReader& in, const Implied& implied) {
  const auto body = std::make_shared<std::string>();
  Told out{std::vector<TimelineEvent>(in.how_many(in.number(), kEventLeast)), body};
  bool asked_for = false;
  for (TimelineEvent& event : out.events) {
    event = get_event(in, out.body);
    asked_for = asked_for || event.digested;
  }
  if (in.choice<std::uint8_t>(0, 1) == 1) {
    *body = in.rest();
  } else {
    in.require(!asked_for);
    out.body = nullptr;
  }
  if (!asked_for) return out;
  const Content content = content_of(body, implied.hasher());
  for (TimelineEvent& event : out.events) {
    if (event.digested) event.tell(content);
  }
  return out;
}

}  // namespace

std::string encode_call(const Call& call, const Implied& implied,
                        const std::vector<TimelineEvent>& events, BodyPlace request_body) {
  const bool inside = request_body == BodyPlace::inside && call.request;
  const Body body = inside ? call.request->body : nullptr;
  PayloadWriter out(kCallVersion, 768 + view(body).size());
  put_frozen(out, call, implied);
  put_progress(out, call);
  put_told(out, events, body);
  return out.finish();
}

Result<CallHead> decode_call(const CallId& id, std::string_view payload, const Implied& implied) {
  PayloadReader in(payload, "call");
  CallHead out;
  out.call.id = id;
  if (in.version(kCallVersion)) {
    if (in.before(3)) {
      out.call = read_early_call(in);
      in.require(out.call.id == id);
    } else {
      const auto request = get_frozen(in, out.call, implied);
      get_progress(in, out.call);
      Told told = get_told(in, implied);
      out.events = std::move(told.events);
      in.require(!told.body || request);
      if (request) request->body = std::move(told.body);
    }
  }
  return in.finish(std::move(out));
}

std::string encode_change(const Call& call, const std::vector<TimelineEvent>& events,
                          BodyPlace answer_body) {
  const bool inside = answer_body == BodyPlace::inside && call.answer;
  const Body body = inside ? call.answer->body : nullptr;
  PayloadWriter out(kChangeVersion, 384 + view(body).size());
  put_progress(out, call);
  put_told(out, events, body);
  return out.finish();
}

Result<std::vector<TimelineEvent>> decode_change(std::string_view payload, Call& call,
                                                 const Implied& implied) {
  PayloadReader in(payload, "a call's change");
  Told told;
  if (in.version(kChangeVersion)) {
    in.require(!in.before(3));
    get_progress(in, call);
    told = get_told(in, implied);
    in.require(!told.body || call.answer);
    if (told.body && call.answer) call.answer->body = std::move(told.body);
  }
  return in.finish(std::move(told.events));
}

std::string encode_body(std::string_view body) {
  PayloadWriter out(kBodyVersion, body.size() + 1);
  out.raw(body);
  return out.finish();
}

Result<std::string> decode_body(std::string_view payload) {
  PayloadReader in(payload, "body");
  std::string out;
  if (in.version(kBodyVersion)) out = std::string(in.rest());
  return in.finish(std::move(out));
}

std::string encode_key_entry(const KeyEntry& entry) {
  HF_CHECK(entry.tombstone);
  PayloadWriter out(kKeyEntryVersion, 64);
  out.raw(entry.call.raw());
  out.raw(entry.owner.raw());
  out.choice(entry.verdict);
  return out.finish();
}

Result<KeyEntry> decode_key_entry(std::string_view payload) {
  PayloadReader in(payload, "key entry");
  KeyEntry out;
  if (in.version(kKeyEntryVersion)) {
    out.call = in.call_id();
    out.owner = in.digest();
    out.tombstone = true;
    if (in.before(2)) {
      out.fingerprint = in.digest();
      out.tombstone = in.boolean();
    }
    out.verdict = in.choice(Effect::none, Effect::applied);
  }
  return in.finish(out);
}

Result<TimelineEvent> decode_event(std::string_view payload) {
  PayloadReader in(payload, "timeline event");
  TimelineEvent out;
  if (in.version(kEarlyEventVersion)) out = read_early_event(in);
  return in.finish(std::move(out));
}

std::string encode_pause(const PauseWrite& pause) {
  HF_CHECK(pause.until.has_value());
  std::string out(1, static_cast<char>(kPauseVersion));
  put_string(out, pause.upstream);
  put_string(out, pause.limit_key);
  put_u64(out, static_cast<std::uint64_t>(pause.until->ms));
  return out;
}

Result<PauseWrite> decode_pause(std::string_view payload) {
  PayloadReader in(payload, "pause");
  PauseWrite out;
  if (in.version(kPauseVersion)) {
    out.upstream = in.wide_text();
    out.limit_key = in.wide_text();
    out.until = WallTime{in.i64()};
  }
  return in.finish(std::move(out));
}

std::string encode_meta(WallTime time) {
  std::string out(1, static_cast<char>(kMetaVersion));
  put_u64(out, static_cast<std::uint64_t>(time.ms));
  return out;
}

Result<WallTime> decode_meta(std::string_view payload) {
  PayloadReader in(payload, "journal's own record");
  WallTime out;
  if (in.version(kMetaVersion)) out.ms = in.i64();
  return in.finish(out);
}

}  // namespace hf::call
