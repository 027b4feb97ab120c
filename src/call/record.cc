#include "call/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/planted.h"
#include "call/record_payload.h"

namespace hf::call {
namespace {

constexpr std::size_t kLineDigest = 16;
constexpr std::size_t kUpstreamDigest = 16;
constexpr std::size_t kPostingDigest = 16;
constexpr std::size_t kCallerDigest = 8;

// Room for the longest of what follows; without it a key grows twice.
constexpr std::size_t kKeyRoom = 1 + 16 + 8 + CallId::kSize;

std::string prefixed(Prefix prefix) {
  std::string out;
  out.reserve(kKeyRoom);
  out.push_back(static_cast<char>(prefix));
  return out;
}

bool held_or_open(State state, bool held) {
  return has_due(state) && (state == State::open || held);
}
std::string due_value(const Indexed& call) {
  std::string out(1, static_cast<char>(call.state));
  if (call.state == State::open) return out;
  out.push_back(static_cast<char>(call.stage));
  put_u64_ordered(out, ordered_ms(call.ends));
  return out;
}
// No version of the envelope is 0.
std::string key_reference(const CallId& call) {
  std::string out(1, '\0');
  out.append(call.raw());
  return out;
}
std::optional<CallId> parse_key_reference(std::string_view value) {
  if (value.size() != 1 + CallId::kSize || value.front() != '\0') return std::nullopt;
  const auto id = CallId::from_bytes(value.substr(1));
  return id.ok() ? std::optional(*id) : std::nullopt;
}
// A verification that was cut is found by its due time: it asks again, it does not end.
bool at_the_upstream(State state) {
  return state == State::sending;
}

}  // namespace

std::string end_of(std::string_view prefix) {
  HF_CHECK(!prefix.empty());
  std::string out(prefix);
  while (!out.empty() && static_cast<unsigned char>(out.back()) == 0xff)
    out.pop_back();
  HF_CHECK(!out.empty());
  out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

std::uint64_t ordered_ms(WallTime time) {
  return static_cast<std::uint64_t>(time.ms) ^ (std::uint64_t{1} << 63);
}

std::string call_key(Prefix prefix, const CallId& call) {
  std::string out = prefixed(prefix);
  out.append(call.raw());
  return out;
}

std::string change_key(const CallId& call, std::uint64_t epoch) {
  std::string out = call_key(Prefix::change, call);
  put_u64_ordered(out, epoch);
  return out;
}

Result<std::pair<CallId, std::uint64_t>> parse_change_key(std::string_view key) {
  ByteReader in(key);
  const auto prefix = in.u8();
  const auto raw = in.bytes(CallId::kSize);
  const auto epoch = in.u64_ordered();
  if (!in.at_end() || prefix != static_cast<std::uint8_t>(Prefix::change)) {
    return fail(ErrorKind::corrupt, "not the key of a call's change");
  }
  HF_TRY(const CallId id, CallId::from_bytes(raw));
  return std::pair{id, epoch};
}

std::string key_key(const Digest& identity) {
  std::string out = prefixed(Prefix::key);
  out.append(identity.raw());
  return out;
}

std::string timeline_prefix(const CallId& call) {
  return call_key(Prefix::timeline, call);
}

std::string retire_prefix(Retire what) {
  std::string out = prefixed(Prefix::retention);
  out.push_back(static_cast<char>(what));
  return out;
}

std::string order_prefix(const Digest& line) {
  std::string out = prefixed(Prefix::order);
  out.append(line.raw().substr(0, kLineDigest));
  return out;
}

std::string order_key(const Digest& line, std::uint64_t place, const CallId& call) {
  std::string out = order_prefix(line);
  put_u64_ordered(out, place);
  out.append(call.raw());
  return out;
}

Result<std::uint64_t> place_of_key(std::string_view key) {
  if (key.size() != 1 + kLineDigest + 8 + CallId::kSize) {
    return fail(ErrorKind::corrupt, "not the key of a place in a line");
  }
  std::uint64_t out = 0;
  for (const char c : key.substr(1 + kLineDigest, 8))
    out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

std::string retire_key(Retire what, WallTime since, const CallId& call) {
  std::string out = retire_prefix(what);
  put_u64_ordered(out, ordered_ms(since));
  out.append(call.raw());
  return out;
}

std::string meta_key(std::string_view name) {
  std::string out = prefixed(Prefix::meta);
  out.append(name);
  return out;
}

std::string likeness_prefix() {
  return prefixed(Prefix::likeness);
}

std::string likeness_prefix(const Digest& likeness) {
  std::string out = likeness_prefix();
  out.append(likeness.raw().substr(0, kPostingDigest));
  return out;
}

std::string likeness_key(const Digest& likeness, const CallId& call) {
  std::string out = likeness_prefix(likeness);
  out.append(call.raw());
  return out;
}

Result<LikenessEntry> parse_likeness_entry(std::string_view key, std::string_view value) {
  if (key.size() != 1 + kPostingDigest + CallId::kSize || value.size() != kCallerDigest) {
    return fail(ErrorKind::corrupt, "malformed likeness entry");
  }
  HF_TRY(const CallId id, CallId::from_bytes(key.substr(1 + kPostingDigest)));
  return LikenessEntry{std::string(key.substr(1, kPostingDigest)), id, std::string(value)};
}

CallId first_born(WallTime when) {
  return CallId::make(when, 0, 0);
}

CallId just_above(CallId id) {
  for (auto at = id.bytes.rbegin(); at != id.bytes.rend(); ++at) {
    if (++*at != 0) break;
  }
  return id;
}

Result<CallId> call_of_key(std::string_view key) {
  if (key.size() < 1 + CallId::kSize) return fail(ErrorKind::corrupt, "storage key without a call");
  return CallId::from_bytes(key.substr(key.size() - CallId::kSize));
}

Result<RetireEntry> parse_retire_key(std::string_view key) {
  ByteReader in(key);
  const auto prefix = in.u8();
  const auto what = in.u8();
  const auto since = in.u64_ordered();
  const auto call = in.bytes(CallId::kSize);
  if (!in.at_end() || prefix != static_cast<std::uint8_t>(Prefix::retention) ||
      what < static_cast<std::uint8_t>(Retire::bodies) ||
      what > static_cast<std::uint8_t>(Retire::ended)) {
    return fail(ErrorKind::corrupt, "malformed retention entry");
  }
  HF_TRY(const CallId id, CallId::from_bytes(call));
  return RetireEntry{static_cast<Retire>(what),
                     WallTime{static_cast<std::int64_t>(since ^ (std::uint64_t{1} << 63))}, id};
}

Result<WallTime> due_of_key(std::string_view key) {
  ByteReader in(key);
  in.bytes(1 + kUpstreamDigest);
  const auto due = in.u64_ordered();
  in.bytes(CallId::kSize);
  if (!in.at_end()) return fail(ErrorKind::corrupt, "malformed due entry");
  return WallTime{static_cast<std::int64_t>(due ^ (std::uint64_t{1} << 63))};
}

DueEntry parse_due_value(std::string_view value) {
  ByteReader in(value);
  DueEntry out;
  out.state = static_cast<State>(in.u8()) == State::open ? State::open : State::waiting;
  out.stage = in.u8();
  const auto ends = in.u64_ordered();
  if (!in.at_end()) return {out.state, 0, std::nullopt};
  out.ends = WallTime{static_cast<std::int64_t>(ends ^ (std::uint64_t{1} << 63))};
  return out;
}

std::string RecordCodec::due_prefix(std::string_view upstream, DueClass which) const {
  // The normal class lies where all calls lay before there were classes.
  std::string text(upstream);
  if (which != DueClass::normal) text += which == DueClass::urgent ? "\nurgent" : "\nbackground";
  const Digest digest = sealer_.index_digest("due", text);
  std::string out = prefixed(Prefix::due);
  out.append(digest.raw().substr(0, kUpstreamDigest));
  return out;
}

std::string RecordCodec::due_key(std::string_view upstream, DueClass which, WallTime due,
                                 const CallId& call) const {
  std::string out = due_prefix(upstream, which);
  put_u64_ordered(out, ordered_ms(due));
  out.append(call.raw());
  return out;
}

std::string RecordCodec::field_prefix(std::string_view name, std::string_view value,
                                      bool hashed) const {
  std::string text;
  put_string(text, name);
  text.push_back(hashed ? 'h' : 'v');
  put_string(text, value);
  const Digest digest = sealer_.index_digest("index", text);
  std::string out = prefixed(Prefix::field);
  out.append(digest.raw().substr(0, kPostingDigest));
  return out;
}

// Most calls come from the caller of the one before. Lasts until the thread's next use of it.
std::string_view RecordCodec::caller_of(const Call& call) const {
  struct Last {
    std::uint64_t codec = 0;
    std::string route;
    Digest owner;
    Digest caller;
  };
  thread_local Last last;
  if (last.codec != implied_.serial() || last.route != call.route || last.owner != call.owner) {
    std::string text;
    put_string(text, call.route);
    text.append(call.owner.raw());
    last = {implied_.serial(), call.route, call.owner, sealer_.index_digest("caller", text)};
  }
  return last.caller.raw().substr(0, kCallerDigest);
}

std::vector<KvOp> RecordCodec::postings(const Call& call) const {
  std::vector<KvOp> out;
  for (const IndexValue& field : call.index) {
    std::string key = field_prefix(field.name, field.value, field.hashed);
    key.append(call.id.raw());
    out.push_back({std::move(key), std::string()});
  }
  if (call.likeness) {
    out.push_back({likeness_key(*call.likeness, call.id), std::string(caller_of(call))});
  }
  return out;
}

std::string RecordCodec::pause_key(std::string_view upstream, std::string_view limit_key) const {
  std::string text;
  put_string(text, upstream);
  put_string(text, limit_key);
  std::string out = prefixed(Prefix::pause);
  out.append(sealer_.index_digest("pause", text).raw());
  return out;
}

// --- one batch ---

struct RecordCodec::Encoding {
  const Now& now;
  std::uint64_t policy;
  bool alone = false;  // the batch has one call: it cannot contradict itself
  KvOps out;
  std::map<CallId, std::uint64_t> epochs;  // of calls this batch has written already
  std::map<Digest, CallId> keys;           // that it has taken

  void put(std::string key, std::string value) {
    out.ops.push_back({std::move(key), std::move(value)});
  }
  void remove(std::string key) { out.ops.push_back({std::move(key), std::nullopt}); }
  void saw(WallTime time) { out.newest = std::max(out.newest, time); }
};

// Of one write of a call.
constexpr std::size_t kOpsOfMost = 6;

KvOps RecordCodec::encode(const Batch& batch, const Now& now, std::uint64_t policy) const {
  Encoding encoding{now, policy, batch.calls.size() == 1, {}, {}, {}};
  encoding.out.ops.reserve(batch.calls.size() * kOpsOfMost);
  encoding.out.preconditions.reserve(batch.calls.size() * 2);
  for (const CallWrite& write : batch.calls)
    encode_call_write(encoding, write);
  for (const PauseWrite& write : batch.pauses)
    encode_pause_write(encoding, write);
  encoding.saw(now.wall);
  return std::move(encoding.out);
}

// What must hold for this write: against the store, or against what the batch has written before
// it.
void RecordCodec::require(Encoding& out, const CallWrite& write) const {
  const Call& call = *write.after;
  const auto written = out.epochs.find(call.id);
  if (written != out.epochs.end()) {
    if (!write.before || written->second != write.before_epoch) out.out.contradictory = true;
  } else {
    Precondition head{call.id, std::nullopt};
    if (write.before) head.epoch = write.before_epoch;
    out.out.preconditions.push_back(std::move(head));
  }
  if (!out.alone) out.epochs[call.id] = call.epoch;
  if (write.before || !has_key_entry(call)) return;
  if (!out.alone && !out.keys.emplace(call.key->identity, call.id).second) {
    out.out.contradictory = true;
  }
  out.out.preconditions.push_back({call.key->identity, std::nullopt});
}

// A new call is one record with what happened to it at once. Later writes leave that alone: each
// adds one with what has changed and what happened.
void RecordCodec::put_call(Encoding& out, const CallWrite& write, const Indexed& after) const {
  const Call& call = *write.after;
  const auto put = [&](RecordKind kind, std::string key, std::string_view payload) {
    RecordHead head{static_cast<std::uint8_t>(kind), call.epoch, out.now.wall, 0};
    if (kind == RecordKind::call_head) head.policy = out.policy;
    std::string value = sealer_.seal(head, key, payload);
    out.put(std::move(key), std::move(value));
  };
  const auto place_of = [&](const Body& body, bool may) {
    return may && body && body->size() <= body_inside_max_ ? BodyPlace::inside : BodyPlace::apart;
  };
  const bool fresh = !write.before;
  const Body request = write.write_request_body && call.request ? call.request->body : nullptr;
  const Body answer = write.write_answer_body && call.answer ? call.answer->body : nullptr;
  const BodyPlace request_at = place_of(request, fresh);
  const bool told = answer && call.answer->body_epoch == call.epoch;
  const BodyPlace answer_at = place_of(answer, !fresh && told);
  if (fresh) {
    put(RecordKind::call_head, call_key(Prefix::call_head, call.id),
        encode_call(call, implied_, write.events, request_at));
  } else {
    put(RecordKind::change, change_key(call.id, call.epoch),
        encode_change(call, write.events, answer_at));
    if (write.before->frozen != after.frozen) {
      put(RecordKind::amended_head, call_key(Prefix::amended_head, call.id),
          encode_call(call, implied_));
    }
  }
  for (const TimelineEvent& event : write.events)
    out.saw(event.at);
  if (request && request_at == BodyPlace::apart) {
    put(RecordKind::request_body, call_key(Prefix::request_body, call.id), encode_body(*request));
  }
  if (answer && answer_at == BodyPlace::apart) {
    put(RecordKind::answer_body, call_key(Prefix::answer_body, call.id), encode_body(*answer));
  }
}

// A living key's entry only names its call and is not sealed: the call knows its key, and the head
// is.
void RecordCodec::put_key(Encoding& out, const CallWrite& write, const Indexed& after) const {
  const Call& call = *write.after;
  if (!has_key_entry(call)) return;
  // Also when a call leaves its end: retention may have begun to take its key away in the meantime.
  const bool revived = write.before && terminal(write.before->state) && !terminal(call.state);
  const bool joined_before = write.before && write.before->joins;
  const bool early = call.state == State::unknown && HF_BUG("drop-a-key-early");
  if ((joined_before && !after.joins) || early) out.remove(key_key(call.key->identity));
  // An ended call of a derived key has given its identity away: what it writes later is no claim.
  const bool entered =
      !write.before || (call.key->derived ? after.joins && !joined_before : revived);
  if (entered) out.put(key_key(call.key->identity), key_reference(call.id));
}

void RecordCodec::encode_call_write(Encoding& out, const CallWrite& write) const {
  HF_CHECK(write.after != nullptr);
  HF_CHECK(write.events.size() <= 0xffff);
  const Call& call = *write.after;
  require(out, write);
  const Indexed after = write.indexed ? *write.indexed : indexed(call);
  put_call(out, write, after);
  put_key(out, write, after);
  index(out, write, after);
  if (!write.before) {
    for (KvOp& op : postings(call))
      out.out.ops.push_back(std::move(op));
  }
  if (terminal(call.state)) retire_later(out, call);
}

void RecordCodec::index(Encoding& out, const CallWrite& write, const Indexed& after) const {
  const Call& call = *write.after;
  const DueClass which = due_class(call.asked.urgency);
  const bool had_due = write.before && held_or_open(write.before->state, write.before->held);
  const bool due = held_or_open(after.state, after.held);
  const bool same_due = had_due && due && after.due == write.before->due;
  if (had_due && !same_due) {
    out.remove(due_key(call.upstream, which, write.before->due, call.id));
  }
  if (due && !(same_due && due_value(after) == due_value(*write.before))) {
    out.put(due_key(call.upstream, which, after.due, call.id), due_value(after));
  }
  const auto follow = [&](bool had, bool has, Prefix prefix) {
    if (had == has) return;
    if (has) {
      out.put(call_key(prefix, call.id), {});
    } else {
      out.remove(call_key(prefix, call.id));
    }
  };
  follow(write.before && at_the_upstream(write.before->state), at_the_upstream(after.state),
         Prefix::sending);
  follow(write.before && write.before->state == State::unknown, after.state == State::unknown,
         Prefix::unknown);
  if (!call.asked.order) return;
  const std::uint64_t place = write.before ? write.before->place : 0;
  const Digest& line = call.asked.order->line;
  if (place != 0 && place != after.place) out.remove(order_key(line, place, call.id));
  if (after.place != 0 && place != after.place) out.put(order_key(line, after.place, call.id), {});
}

// Entries are only hints: whoever follows one looks at the call first, so a call that leaves its
// end again needs no clean-up here.
void RecordCodec::retire_later(Encoding& out, const Call& call) const {
  const WallTime since = call.ended ? call.ended->wall : out.now.wall;
  out.saw(since);
  out.put(retire_key(Retire::ended, since, call.id), {});
}

std::vector<KvOp> retirements(const Call& call, WallTime since) {
  std::vector<KvOp> out;
  if (call.has_body || (call.answer && call.answer->body_kept)) {
    out.push_back({retire_key(Retire::bodies, since, call.id), std::string()});
  }
  if (has_key_entry(call) && !call.key->derived) {
    out.push_back({retire_key(Retire::key, since, call.id), std::string()});
  }
  out.push_back({retire_key(Retire::timeline, since, call.id), std::string()});
  return out;
}

void RecordCodec::encode_pause_write(Encoding& out, const PauseWrite& write) const {
  std::string key = pause_key(write.upstream, write.limit_key);
  if (!write.until) {
    out.remove(std::move(key));
    return;
  }
  // The slot of the call id in the retention entry takes the front of the pause's digest.
  auto slot = CallId::from_bytes(std::string_view(key).substr(1, CallId::kSize));
  HF_CHECK(slot.ok());
  out.put(retire_key(Retire::pause, *write.until, *slot), key);
  const RecordHead head{static_cast<std::uint8_t>(RecordKind::pause), 0, out.now.wall, 0};
  std::string value = sealer_.seal(head, key, encode_pause(write));
  out.put(std::move(key), std::move(value));
}

KvOp RecordCodec::put_key_entry(const Digest& identity, const KeyEntry& entry,
                                const Now& now) const {
  std::string key = key_key(identity);
  if (!entry.tombstone) return {std::move(key), key_reference(entry.call)};
  const RecordHead head{static_cast<std::uint8_t>(RecordKind::key_entry), 0, now.wall, 0};
  std::string value = sealer_.seal(head, key, encode_key_entry(entry));
  return {std::move(key), std::move(value)};
}

KvOp RecordCodec::put_meta(std::string_view name, WallTime time, const Now& now) const {
  std::string key = meta_key(name);
  const RecordHead head{static_cast<std::uint8_t>(RecordKind::meta), 0, now.wall, 0};
  std::string value = sealer_.seal(head, key, encode_meta(time));
  return {std::move(key), std::move(value)};
}

// --- single records ---

Result<std::string> RecordCodec::open(RecordKind kind, std::string_view key,
                                      std::string_view value) const {
  HF_TRY(OpenedRecord record, sealer_.open(key, value));
  if (record.head.kind != static_cast<std::uint8_t>(kind)) {
    return fail(ErrorKind::invalid, fmt::format("record is of kind {}, expected {}",
                                                record.head.kind, static_cast<int>(kind)));
  }
  return std::move(record.payload);
}

namespace {

// A timeline is read in pages: the bodies that its digests were of are not to stay with it.
std::vector<TimelineEvent> alone(std::vector<TimelineEvent> events) {
  for (TimelineEvent& event : events)
    event.digested = nullptr;
  return events;
}

Error about(std::string_view key, Error error) {
  const auto id = call_of_key(key);
  return std::move(error).in(id.ok() ? "call " + id.value().text() : std::string("record"));
}

}  // namespace

Result<OpenedCall> RecordCodec::open_call(std::string_view key, std::string_view value) const {
  const bool amended = !key.empty() && key.front() == static_cast<char>(Prefix::amended_head);
  HF_TRY(const CallId id, call_of_key(key));
  auto payload = open(amended ? RecordKind::amended_head : RecordKind::call_head, key, value);
  if (!payload.ok()) return about(key, payload.take_error());
  auto head = decode_call(id, *payload, implied_);
  if (!head.ok()) return about(key, head.take_error());
  HF_TRY(const RecordHead clear, Sealer::peek(value));
  return OpenedCall{std::make_shared<Call>(std::move(head->call)), alone(std::move(head->events)),
                    clear.at, clear.epoch};
}

Result<std::vector<TimelineEvent>> RecordCodec::open_change(std::string_view key,
                                                            std::string_view value,
                                                            OpenedCall& opened) const {
  auto payload = open(RecordKind::change, key, value);
  if (!payload.ok()) return std::move(payload.take_error()).in("call " + opened.call->id.text());
  auto events = decode_change(*payload, *opened.call, implied_);
  if (!events.ok()) return std::move(events.take_error()).in("call " + opened.call->id.text());
  HF_TRY(const RecordHead clear, Sealer::peek(value));
  opened.written = clear.at;
  return alone(*std::move(events));
}

Result<std::vector<TimelineEvent>> RecordCodec::open_events(std::string_view key,
                                                            std::string_view value) const {
  HF_TRY(const std::string payload, open(RecordKind::change, key, value));
  Call unused;
  HF_TRY(auto events, decode_change(payload, unused, implied_));
  return alone(std::move(events));
}

Result<std::optional<KvOp>> RecordCodec::stripped(std::string_view key, std::string_view value,
                                                  Strip what) const {
  HF_TRY(const OpenedRecord record, sealer_.open(key, value));
  const bool all = what == Strip::body_and_events;
  std::string payload;
  bool any = false;
  if (record.head.kind == static_cast<std::uint8_t>(RecordKind::call_head)) {
    HF_TRY(const CallId id, call_of_key(key));
    HF_TRY(const CallHead head, decode_call(id, record.payload, implied_));
    any = (head.call.request && head.call.request->body) || (all && !head.events.empty());
    payload = encode_call(head.call, implied_, all ? std::vector<TimelineEvent>{} : head.events);
  } else if (record.head.kind == static_cast<std::uint8_t>(RecordKind::change)) {
    Call call;
    HF_TRY(const auto events, decode_change(record.payload, call, implied_));
    any = (call.answer && call.answer->body) || (all && !events.empty());
    payload = encode_change(call, all ? std::vector<TimelineEvent>{} : events);
  }
  if (!any) return std::optional<KvOp>{};
  return std::optional(KvOp{std::string(key), sealer_.seal(record.head, key, payload)});
}

Result<Body> RecordCodec::open_body(std::string_view key, std::string_view value) const {
  const auto kind = !key.empty() && key.front() == static_cast<char>(Prefix::answer_body)
                        ? RecordKind::answer_body
                        : RecordKind::request_body;
  auto payload = open(kind, key, value);
  if (!payload.ok()) return about(key, payload.take_error());
  auto body = decode_body(*payload);
  if (!body.ok()) return about(key, body.take_error());
  return make_body(*std::move(body));
}

Result<KeyEntry> RecordCodec::open_key_entry(std::string_view key, std::string_view value) const {
  if (const auto named = parse_key_reference(value)) return KeyEntry{*named, {}, {}, false, {}};
  HF_TRY(const std::string payload, open(RecordKind::key_entry, key, value));
  return decode_key_entry(payload);
}

Result<std::optional<TimelineEvent>> RecordCodec::open_event(std::string_view key,
                                                             std::string_view value) const {
  HF_TRY(const RecordHead head, Sealer::peek(value));
  const auto kind = static_cast<RecordKind>(head.kind);
  if (kind != RecordKind::timeline_event) return std::optional<TimelineEvent>{};
  HF_TRY(const std::string payload, open(kind, key, value));
  HF_TRY(TimelineEvent event, decode_event(payload));
  return std::optional(std::move(event));
}

Result<PauseWrite> RecordCodec::open_pause(std::string_view key, std::string_view value) const {
  HF_TRY(const std::string payload, open(RecordKind::pause, key, value));
  return decode_pause(payload);
}

Result<WallTime> RecordCodec::open_meta(std::string_view key, std::string_view value) const {
  HF_TRY(const std::string payload, open(RecordKind::meta, key, value));
  return decode_meta(payload);
}

}  // namespace hf::call
