#include "call/record_payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace hf::call {
namespace {

constexpr std::uint8_t kCallVersion = 3;
constexpr std::uint8_t kProgressVersion = 3;  // as calls
constexpr std::uint8_t kBodyVersion = 1;
constexpr std::uint8_t kKeyEntryVersion = 2;
constexpr std::uint8_t kEventVersion = 2;
constexpr std::uint8_t kEventsVersion = 1;
constexpr std::size_t kEventLeast = 77;  // bytes of one
constexpr std::uint8_t kPauseVersion = 1;
constexpr std::uint8_t kMetaVersion = 1;

void put_u8(std::string& out, std::uint8_t value) {
  out.push_back(static_cast<char>(value));
}
template <typename Enum>
void put_enum(std::string& out, Enum value) {
  put_u8(out, static_cast<std::uint8_t>(value));
}
void put_i64(std::string& out, std::int64_t value) {
  put_u64(out, static_cast<std::uint64_t>(value));
}
void put_i32(std::string& out, int value) {
  put_u32(out, static_cast<std::uint32_t>(value));
}
void put_bool(std::string& out, bool value) {
  put_u8(out, value ? 1 : 0);
}

void put_fields(std::string& out, const Fields& fields) {
  put_u32(out, static_cast<std::uint32_t>(fields.size()));
  for (const Field& field : fields) {
    put_string(out, field.name);
    put_string(out, field.value);
  }
}

void put_statuses(std::string& out, const std::vector<int>& statuses) {
  put_u16(out, static_cast<std::uint16_t>(statuses.size()));
  for (const int status : statuses)
    put_u16(out, static_cast<std::uint16_t>(status));
}

void put_stamp(std::string& out, const Stamp& stamp) {
  put_i64(out, stamp.wall.ms);
  put_u64(out, stamp.boot.value);
  put_i64(out, stamp.mono.ns);
}

void put_maybe_stamp(std::string& out, const std::optional<Stamp>& stamp) {
  put_bool(out, stamp.has_value());
  if (stamp) put_stamp(out, *stamp);
}

void put_maybe_digest(std::string& out, const std::optional<Digest>& digest) {
  put_bool(out, digest.has_value());
  if (digest) out.append(digest->raw());
}

void put_maybe_call_id(std::string& out, const std::optional<CallId>& id) {
  put_bool(out, id.has_value());
  if (id) out.append(id->raw());
}

// An hour and more stands as the most that fits.
void put_micros(std::string& out, Duration duration) {
  const std::int64_t us = std::clamp<std::int64_t>(duration.ns / 1000, 0, 0xffffffff);
  put_u32(out, static_cast<std::uint32_t>(us));
}

// ByteReader with the checks of values on top; everything after the first wrong one is worthless,
// and finish() says so.
class Decoder {
 public:
  Decoder(std::string_view payload, std::string_view what) : in_(payload), what_(what) {}

  // False: finish() tells why.
  bool version(std::uint8_t newest) {
    version_ = in_.u8();
    too_new_ = in_.ok() && version_ > newest;
    valid_ = valid_ && version_ >= 1;
    return in_.ok() && !too_new_ && valid_;
  }
  [[nodiscard]] bool since(std::uint8_t version) const { return version_ >= version; }
  std::uint8_t u8() { return in_.u8(); }
  std::uint16_t u16() { return in_.u16(); }
  std::uint32_t u32() { return in_.u32(); }
  std::uint64_t u64() { return in_.u64(); }
  std::int64_t i64() { return static_cast<std::int64_t>(in_.u64()); }
  int i32() { return static_cast<int>(in_.u32()); }
  std::string text() { return std::string(in_.string()); }
  std::string_view rest() { return in_.bytes(in_.rest().size()); }

  bool boolean() {
    const auto value = in_.u8();
    valid_ = valid_ && value <= 1;
    return value == 1;
  }
  template <typename Enum>
  Enum choice(Enum low, Enum high) {
    const auto value = in_.u8();
    if (value < static_cast<std::uint8_t>(low) || value > static_cast<std::uint8_t>(high)) {
      valid_ = false;
      return low;
    }
    return static_cast<Enum>(value);
  }
  // A count of things of at least `least` bytes each: never more than the rest can hold.
  std::size_t count(std::size_t claimed, std::size_t least) {
    if (!in_.ok() || claimed > in_.rest().size() / least) {
      valid_ = false;
      return 0;
    }
    return claimed;
  }
  Fields fields() {
    Fields out(count(in_.u32(), 8));
    for (Field& field : out) {
      field.name = text();
      field.value = text();
    }
    return out;
  }
  std::vector<int> statuses() {
    std::vector<int> out(count(in_.u16(), 2));
    for (int& status : out)
      status = in_.u16();
    return out;
  }
  Digest digest() {
    Digest out;
    const auto raw = in_.bytes(out.bytes.size());
    std::copy(raw.begin(), raw.end(), out.bytes.begin());
    return out;
  }
  CallId call_id() {
    CallId out;
    const auto raw = in_.bytes(CallId::kSize);
    std::copy(raw.begin(), raw.end(), out.bytes.begin());
    return out;
  }
  Stamp stamp() {
    Stamp out;
    out.wall.ms = i64();
    out.boot.value = u64();
    out.mono.ns = i64();
    return out;
  }
  std::optional<Stamp> maybe_stamp() {
    if (!boolean()) return std::nullopt;
    return stamp();
  }
  std::optional<Digest> maybe_digest() {
    if (!boolean()) return std::nullopt;
    return digest();
  }
  std::optional<CallId> maybe_call_id() {
    if (!boolean()) return std::nullopt;
    return call_id();
  }
  Duration micros() { return Duration::micros(u32()); }

  template <typename T>
  Result<T> finish(T value) const {
    if (too_new_) {
      return fail(
          ErrorKind::invalid,
          fmt::format("{} has version {}, which is newer than this program", what_, version_));
    }
    if (!valid_ || !in_.at_end()) {
      return fail(ErrorKind::corrupt, fmt::format("{} is not well formed", what_));
    }
    return value;
  }

 private:
  ByteReader in_;
  std::string_view what_;
  std::uint8_t version_ = 0;
  bool valid_ = true;
  bool too_new_ = false;
};

void put_idempotency(std::string& out, const Idempotency& rules) {
  put_enum(out, rules.mode);
  put_string(out, rules.header);
  put_bool(out, rules.lifetime.has_value());
  if (rules.lifetime) put_i64(out, rules.lifetime->ns);
  put_statuses(out, rules.refused);
  put_statuses(out, rules.in_progress);
  put_statuses(out, rules.settles);
  put_string(out, rules.settles_field);
  put_string(out, rules.settles_unless_type);
  put_string(out, rules.replay_marker);
  put_fields(out, rules.no_retry_advice);
  put_i64(out, rules.settle.ns);
}

Idempotency get_idempotency(Decoder& in) {
  Idempotency out;
  out.mode = in.choice(Mode::none, Mode::repeatable);
  out.header = in.text();
  if (in.boolean()) out.lifetime = Duration{in.i64()};
  out.refused = in.statuses();
  out.in_progress = in.statuses();
  out.settles = in.statuses();
  out.settles_field = in.text();
  out.settles_unless_type = in.text();
  out.replay_marker = in.text();
  out.no_retry_advice = in.fields();
  if (in.since(2)) out.settle.ns = in.i64();
  return out;
}

void put_key_use(std::string& out, const KeyUse& key) {
  out.append(key.identity.raw());
  put_string(out, key.field);
  put_string(out, key.value);
  put_bool(out, key.business);
  put_bool(out, key.stable);
  put_bool(out, key.made);
  put_bool(out, key.derived);
}

KeyUse get_key_use(Decoder& in) {
  KeyUse out;
  out.identity = in.digest();
  out.field = in.text();
  out.value = in.text();
  out.business = in.boolean();
  out.stable = in.boolean();
  out.made = in.boolean();
  if (in.since(2)) out.derived = in.boolean();
  return out;
}

void put_answer(std::string& out, const Answer& answer) {
  put_i32(out, answer.status);
  put_fields(out, answer.fields);
  put_bool(out, answer.body_kept);
  put_u64(out, answer.body_bytes);
  put_i64(out, answer.at.ms);
  put_bool(out, answer.by_lookup);
}

Answer get_answer(Decoder& in) {
  Answer out;
  out.status = in.i32();
  out.fields = in.fields();
  out.body_kept = in.boolean();
  out.body_bytes = in.u64();
  out.at.ms = in.i64();
  if (in.since(2)) out.by_lookup = in.boolean();
  return out;
}

void put_asked(std::string& out, const Asked& asked) {
  put_bool(out, asked.not_before.has_value());
  if (asked.not_before) put_i64(out, asked.not_before->ms);
  put_bool(out, asked.deadline);
  put_u8(out, asked.urgency);
  put_bool(out, asked.order.has_value());
  if (asked.order) {
    out.append(asked.order->line.raw());
    put_u64(out, asked.order->place);
    put_string(out, asked.order->name);
  }
  put_string(out, asked.callback);
}

Asked get_asked(Decoder& in) {
  Asked out;
  if (in.boolean()) out.not_before = WallTime{in.i64()};
  out.deadline = in.boolean();
  out.urgency = in.choice<std::uint8_t>(0, kUrgencyLast);
  if (in.boolean()) {
    Order order;
    order.line = in.digest();
    order.place = in.u64();
    order.name = in.text();
    out.order = std::move(order);
  }
  out.callback = in.text();
  return out;
}

void put_index(std::string& out, const std::vector<IndexValue>& index) {
  put_u16(out, static_cast<std::uint16_t>(index.size()));
  for (const IndexValue& value : index) {
    put_string(out, value.name);
    put_string(out, value.value);
    put_bool(out, value.hashed);
  }
}

std::vector<IndexValue> get_index(Decoder& in) {
  std::vector<IndexValue> out(in.count(in.u16(), 9));
  for (IndexValue& value : out) {
    value.name = in.text();
    value.value = in.text();
    value.hashed = in.boolean();
  }
  return out;
}

// The call as it was accepted.
void put_frozen(std::string& out, const Call& call) {
  put_string(out, call.route);
  put_string(out, call.upstream);
  out.append(call.owner.raw());
  put_bool(out, call.key.has_value());
  if (call.key) put_key_use(out, *call.key);
  out.append(call.fingerprint.raw());
  put_bool(out, call.request != nullptr);
  if (call.request) {
    put_string(out, call.request->method);
    put_string(out, call.request->target);
    put_fields(out, call.request->fields);
  }
  put_u64(out, call.body_bytes);
  put_bool(out, call.has_body);
  put_idempotency(out, call.idempotency);
  put_bool(out, call.safe);
  put_bool(out, call.head_is_proof);
  put_stamp(out, call.accepted);
  put_i64(out, call.deadline.ns);
  put_string(out, call.account);
  put_string(out, call.limit_key);
  put_asked(out, call.asked);
  put_index(out, call.index);
  put_maybe_digest(out, call.likeness);
  put_maybe_call_id(out, call.resembles);
  put_maybe_call_id(out, call.callback_of);
}

void get_frozen(Decoder& in, Call& call) {
  call.route = in.text();
  call.upstream = in.text();
  call.owner = in.digest();
  if (in.boolean()) call.key = get_key_use(in);
  call.fingerprint = in.digest();
  if (in.boolean()) {
    auto request = std::make_shared<Request>();
    request->method = in.text();
    request->target = in.text();
    request->fields = in.fields();
    call.request = std::move(request);
  }
  call.body_bytes = in.u64();
  call.has_body = in.boolean();
  call.idempotency = get_idempotency(in);
  call.safe = in.boolean();
  call.head_is_proof = in.boolean();
  call.accepted = in.stamp();
  call.deadline.ns = in.i64();
  call.account = in.text();
  call.limit_key = in.text();
  if (!in.since(2)) return;
  call.asked = get_asked(in);
  call.index = get_index(in);
  call.likeness = in.maybe_digest();
  call.resembles = in.maybe_call_id();
  call.callback_of = in.maybe_call_id();
}

// What the attempts have shown.
void put_progress(std::string& out, const Call& call) {
  put_i32(out, call.attempts);
  put_i32(out, call.held_attempts);
  put_bool(out, call.unresolved);
  put_enum(out, call.proof);
  put_maybe_stamp(out, call.first_sent);
  put_string(out, call.first_sent_authority);
  put_enum(out, call.last_cause);
  put_i32(out, call.last_status);
  put_i32(out, call.crashes);
  put_i64(out, call.next_attempt_at.ms);
  put_bool(out, call.no_more_attempts);
  put_bool(out, call.answer.has_value());
  if (call.answer) put_answer(out, *call.answer);
  put_enum(out, call.verdict);
  put_maybe_stamp(out, call.ended);
  put_maybe_stamp(out, call.doubt.since);
  put_maybe_stamp(out, call.doubt.absent_since);
  put_i32(out, call.doubt.lookups);
  put_u8(out, call.stage);
  put_i32(out, call.asked_again);
}

void get_progress(Decoder& in, Call& call) {
  call.attempts = in.i32();
  call.held_attempts = in.i32();
  call.unresolved = in.boolean();
  call.proof = in.choice(Proof::none, Proof::goaway_unprocessed);
  call.first_sent = in.maybe_stamp();
  call.first_sent_authority = in.text();
  call.last_cause = in.choice(Cause::none, Cause::address_refused);
  call.last_status = in.i32();
  call.crashes = in.i32();
  call.next_attempt_at.ms = in.i64();
  call.no_more_attempts = in.boolean();
  if (in.boolean()) call.answer = get_answer(in);
  call.verdict = in.choice(Effect::none, Effect::applied);
  call.ended = in.maybe_stamp();
  if (!in.since(2)) return;
  call.doubt.since = in.maybe_stamp();
  call.doubt.absent_since = in.maybe_stamp();
  call.doubt.lookups = in.i32();
  call.stage = in.choice<std::uint8_t>(0, 2);
  call.asked_again = in.i32();
}

// Where a call stands.
void put_standing(std::string& out, const Call& call) {
  put_u64(out, call.epoch);
  put_enum(out, call.state);
  put_enum(out, call.reason);
  put_bool(out, call.held);
}

void get_standing(Decoder& in, Call& call) {
  call.epoch = in.u64();
  call.state = in.choice(State::waiting, State::cancelled);
  call.reason = in.choice(WaitReason::none, WaitReason::verify);
  call.held = in.boolean();
}

void put_event(std::string& out, const TimelineEvent& event) {
  put_i64(out, event.at.ms);
  put_enum(out, event.what);
  put_enum(out, event.who);
  put_u32(out, event.attempt);
  put_u16(out, event.status);
  put_enum(out, event.evidence);
  put_enum(out, event.proof);
  put_enum(out, event.cause);
  put_bool(out, event.reused);
  put_u64(out, event.bytes_sent);
  put_u64(out, event.bytes_received);
  put_u32(out, event.took_ms);
  put_string(out, event.where);
  put_string(out, event.rule);
  put_string(out, event.detail);
  for (const Duration phase : {event.phases.queued, event.phases.resolve, event.phases.connect,
                               event.phases.tls, event.phases.head, event.phases.body}) {
    put_micros(out, phase);
  }
  put_maybe_digest(out, event.digest);
}

TimelineEvent get_event(Decoder& in, bool phases) {
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
  out.where = in.text();
  out.rule = in.text();
  out.detail = in.text();
  if (!phases) return out;
  for (Duration* phase : {&out.phases.queued, &out.phases.resolve, &out.phases.connect,
                          &out.phases.tls, &out.phases.head, &out.phases.body}) {
    *phase = in.micros();
  }
  out.digest = in.maybe_digest();
  return out;
}

void put_events(std::string& out, const std::vector<TimelineEvent>& events) {
  put_u16(out, static_cast<std::uint16_t>(events.size()));
  for (const TimelineEvent& event : events)
    put_event(out, event);
}

std::vector<TimelineEvent> get_events(Decoder& in) {
  std::vector<TimelineEvent> out(in.count(in.u16(), kEventLeast));
  for (TimelineEvent& event : out)
    event = get_event(in, true);
  return out;
}

}  // namespace

std::string encode_call(const Call& call, const std::vector<TimelineEvent>& events) {
  std::string out;
  out.reserve(1024);
  put_u8(out, kCallVersion);
  out.append(call.id.raw());
  put_standing(out, call);
  put_frozen(out, call);
  put_progress(out, call);
  put_events(out, events);
  return out;
}

Result<CallHead> decode_call(std::string_view payload) {
  Decoder in(payload, "call");
  CallHead out;
  if (in.version(kCallVersion)) {
    out.call.id = in.call_id();
    get_standing(in, out.call);
    get_frozen(in, out.call);
    get_progress(in, out.call);
    if (in.since(3)) out.events = get_events(in);
  }
  return in.finish(std::move(out));
}

std::string encode_progress(const Call& call) {
  std::string out;
  out.reserve(512);
  put_u8(out, kProgressVersion);
  put_standing(out, call);
  put_progress(out, call);
  return out;
}

Result<void> decode_progress(std::string_view payload, Call& call) {
  Decoder in(payload, "a call's progress");
  if (in.version(kProgressVersion)) {
    call.answer.reset();
    get_standing(in, call);
    get_progress(in, call);
  }
  HF_TRY_VOID(in.finish(true));
  return {};
}

std::uint64_t frozen_hash(const Call& call) {
  std::string bytes;
  bytes.reserve(1024);
  put_frozen(bytes, call);
  return std::hash<std::string_view>{}(bytes);
}

std::string encode_body(std::string_view body) {
  std::string out;
  out.reserve(body.size() + 1);
  put_u8(out, kBodyVersion);
  out.append(body);
  return out;
}

Result<std::string> decode_body(std::string_view payload) {
  Decoder in(payload, "body");
  std::string out;
  if (in.version(kBodyVersion)) out = std::string(in.rest());
  return in.finish(std::move(out));
}

// A living key only names its call, which has the rest.
std::string encode_key_entry(const KeyEntry& entry) {
  std::string out;
  put_u8(out, kKeyEntryVersion);
  out.append(entry.call.raw());
  put_bool(out, entry.tombstone);
  if (!entry.tombstone) return out;
  out.append(entry.owner.raw());
  put_enum(out, entry.verdict);
  return out;
}

Result<KeyEntry> decode_key_entry(std::string_view payload) {
  Decoder in(payload, "key entry");
  KeyEntry out;
  if (in.version(kKeyEntryVersion)) {
    out.call = in.call_id();
    if (in.since(2)) {
      out.tombstone = in.boolean();
      if (out.tombstone) {
        out.owner = in.digest();
        out.verdict = in.choice(Effect::none, Effect::applied);
      }
    } else {
      out.owner = in.digest();
      out.fingerprint = in.digest();
      out.tombstone = in.boolean();
      out.verdict = in.choice(Effect::none, Effect::applied);
    }
  }
  return in.finish(out);
}

std::string encode_event(const TimelineEvent& event) {
  std::string out;
  out.reserve(128);
  put_u8(out, kEventVersion);
  put_event(out, event);
  return out;
}

Result<TimelineEvent> decode_event(std::string_view payload) {
  Decoder in(payload, "timeline event");
  TimelineEvent out;
  if (in.version(kEventVersion)) out = get_event(in, in.since(2));
  return in.finish(std::move(out));
}

std::string encode_events(const std::vector<TimelineEvent>& events) {
  std::string out;
  out.reserve(128 * events.size());
  put_u8(out, kEventsVersion);
  put_events(out, events);
  return out;
}

Result<std::vector<TimelineEvent>> decode_events(std::string_view payload) {
  Decoder in(payload, "timeline events");
  std::vector<TimelineEvent> out;
  if (in.version(kEventsVersion)) out = get_events(in);
  return in.finish(std::move(out));
}

std::string encode_pause(const PauseWrite& pause) {
  HF_CHECK(pause.until.has_value());
  std::string out;
  put_u8(out, kPauseVersion);
  put_string(out, pause.upstream);
  put_string(out, pause.limit_key);
  put_i64(out, pause.until->ms);
  return out;
}

Result<PauseWrite> decode_pause(std::string_view payload) {
  Decoder in(payload, "pause");
  PauseWrite out;
  if (in.version(kPauseVersion)) {
    out.upstream = in.text();
    out.limit_key = in.text();
    out.until = WallTime{in.i64()};
  }
  return in.finish(std::move(out));
}

std::string encode_meta(WallTime time) {
  std::string out;
  put_u8(out, kMetaVersion);
  put_i64(out, time.ms);
  return out;
}

Result<WallTime> decode_meta(std::string_view payload) {
  Decoder in(payload, "journal's own record");
  WallTime out;
  if (in.version(kMetaVersion)) out.ms = in.i64();
  return in.finish(out);
}

}  // namespace hf::call
