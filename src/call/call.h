// A call as the journal keeps it: the request frozen at acceptance, what its attempts have shown,
// and where it stands. States and words are those of DESIGN section 1.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fields.h"
#include "base/ids.h"
#include "base/shared_value.h"
#include "base/time.h"
#include "call/attempt.h"
#include "call/digest.h"
#include "call/settings.h"

namespace hf::call {

// Stored: values never change.
enum class State : std::uint8_t {
  waiting = 1,
  sending = 2,
  verifying = 3,
  unknown = 4,
  open = 5,  // keyed, ended live without a final answer, not held
  answered = 6,
  dead = 7,
  cancelled = 8,
};

enum class WaitReason : std::uint8_t {
  none = 0,
  first_attempt = 1,
  backoff = 2,
  breaker = 3,
  paused = 4,
  rate = 5,
  budget = 6,
  order = 7,
  credentials = 8,
  set_aside = 9,
  not_before = 10,  // the caller said when it may begin
  verify = 11,      // the upstream will be asked again what became of it
};

// Whether the request may have taken effect at the upstream.
enum class Effect : std::uint8_t { none = 0, unknown = 1, pending = 2, applied = 3 };

constexpr bool terminal(State state) {
  return state == State::answered || state == State::dead || state == State::cancelled;
}

// A point in time that outlives the process and the boot (DESIGN section 5, Time).
struct Stamp {
  WallTime wall;
  BootId boot;
  Instant mono;
  static Stamp of(const Now& now) { return {now.wall, now.boot, now.mono}; }
  auto operator<=>(const Stamp&) const = default;
};
// The longest and the shortest time that may have passed: the first for an upstream's key lifetime
// and deadlines, the second for our own retention.
Duration elapsed_at_most(const Stamp& since, const Now& now);
Duration elapsed_at_least(const Stamp& since, const Now& now);

// The request as it goes upstream: method, target after rewriting, fields without the per-attempt
// ones. Shared, because waiting, sending and journaling all look at one copy.
struct Request {
  std::string method;
  std::string target;
  Fields fields;
  Body body;  // null: none
};

struct KeyUse {
  Digest identity;    // what makes two requests the same call
  std::string field;  // the upstream's key field; empty: nothing is sent
  std::string value;  // the value sent upstream
  bool business = false;
  bool stable = false;   // a repeat by the application will carry it again
  bool made = false;     // by Holdfast: no client can ask with it
  bool derived = false;  // from owner and content: joins only while the call has not ended
  bool operator==(const KeyUse&) const = default;
};

struct Answer {
  int status = 0;
  Fields fields;
  Body body;  // null: not loaded or not kept
  bool body_kept = false;
  std::uint64_t body_bytes = 0;
  WallTime at;
  bool by_lookup = false;        // what a lookup found, not what an attempt was answered
  std::uint64_t body_epoch = 0;  // of the write that brought the body; 0: before writes told it
};

// What is being done about a call that may have applied (modes with a lookup).
struct Doubt {
  std::optional<Stamp> since;         // when the last attempt that may have applied ended
  std::optional<Stamp> absent_since;  // the first lookup after that which found nothing
  int lookups = 0;                    // made since then
  bool operator==(const Doubt&) const = default;
};

// A place in the line of calls with one order key, which go one after another.
struct Order {
  Digest line;  // over upstream, owner and the client's word
  std::uint64_t place = 0;
  std::string name;  // the client's word
  bool operator==(const Order&) const = default;
};

inline constexpr std::uint8_t kUrgencyDefault = 3;  // RFC 9218 section 4.1
inline constexpr std::uint8_t kUrgencyLast = 7;

// Due calls lie on disk in three classes, so that an urgent one need not wait for a backlog to
// pass.
enum class DueClass : std::uint8_t { urgent, normal, background };
inline constexpr std::size_t kDueClasses = 3;
constexpr DueClass due_class(std::uint8_t urgency) {
  if (urgency == kUrgencyDefault) return DueClass::normal;
  return urgency < kUrgencyDefault ? DueClass::urgent : DueClass::background;
}

// What the caller asked of the call.
struct Asked {
  std::optional<WallTime> not_before;
  bool deadline = false;  // the call's deadline is the caller's own
  std::uint8_t urgency = kUrgencyDefault;
  std::optional<Order> order;
  std::string callback;  // URL that is told its end; empty: none
  bool operator==(const Asked&) const = default;
};

// A declared searchable field. `value` is what the request held, or hex of its keyed hash where it
// is declared sensitive.
struct IndexValue {
  std::string name;
  std::string value;
  bool hashed = false;
  bool operator==(const IndexValue&) const = default;
};

struct Call {
  CallId id;
  std::uint64_t epoch = 0;  // raised by every write; the fence of every commit
  State state = State::waiting;
  WaitReason reason = WaitReason::none;
  bool held = false;  // will be attempted without its client

  std::string route;     // its path, for people and policy look-up
  std::string upstream;  // name
  Digest owner;
  std::optional<KeyUse> key;
  Digest fingerprint;
  std::shared_ptr<const Request> request;  // body may be null while only the index is loaded
  std::uint64_t body_bytes = 0;            // size of the request's body; 0 with has_body false
  bool has_body = false;

  // Frozen at acceptance.
  SharedValue<Idempotency> idempotency;
  bool safe = false;  // a safe method
  bool head_is_proof = false;
  Stamp accepted;
  Duration deadline;    // counted from `accepted`
  std::string account;  // label or hash of the credential
  std::string limit_key;
  Asked asked;
  std::vector<IndexValue> index;
  std::optional<Digest> likeness;     // of route, owner and content, whatever the key
  std::optional<CallId> resembles;    // an earlier call of the same likeness and another key
  std::optional<CallId> callback_of;  // this call tells that one's end

  // What the attempts have shown.
  int attempts = 0;       // started
  int held_attempts = 0;  // of them: how far the held schedule is used up
  bool unresolved = false;
  Proof proof = Proof::none;  // of the last attempt
  std::optional<Stamp> first_sent;
  std::string first_sent_authority;
  Cause last_cause = Cause::none;
  int last_status = 0;
  int crashes = 0;  // times it stood in the crash handler's slot
  Doubt doubt;
  std::uint8_t stage = 0;  // how far a held call's schedule is used up: 1 half, 2 three quarters
  int asked_again = 0;     // requests under its key after its end, up to kAskedAgainMax

  WallTime next_attempt_at;       // waiting: when due; open: when it stops being open
  bool no_more_attempts = false;  // cancelled by its client while an attempt ran
  std::optional<Answer> answer;   // answered, or the last one an unknown call saw
  Effect verdict = Effect::none;  // what a tombstone tells
  std::optional<Stamp> ended;     // terminal, or unknown since
};

// Requests under an ended call's key that are written to its timeline.
inline constexpr int kAskedAgainMax = 32;

// What the journal indexes of a call: kept beside it so that a later write can take the old entries
// out without reading them.
struct Indexed {
  State state = State::waiting;
  bool held = false;
  WallTime due;
  std::uint64_t place = 0;  // in its line; 0: in none
  std::uint8_t stage = 0;
  WallTime ends;             // see ends_at
  bool joins = false;        // of a derived key: its entry is there for others to join
  std::uint64_t frozen = 0;  // a hash of what does not change with attempts
  bool operator==(const Indexed&) const = default;
};
// Whether others with its order key wait for it: it may still be sent, or may have been.
bool in_line(const Call& call);
// Whether its derived key's entry is there for others to join.
bool others_join(const Call& call);
Indexed indexed(const Call& call);

// When a held call has run out at the latest: its deadline, or the end of the key that it was sent
// under.
WallTime ends_at(const Call& call);
// How far that time is used up at `now`: 0, 1 from half on, 2 from three quarters on.
std::uint8_t stage_of_time(WallTime accepted, WallTime ends, WallTime now);

// True for calls that a paged walk by due time must find: held ones that wait or are to be
// verified, open ones to expire.
constexpr bool has_due(State state) {
  return state == State::waiting || state == State::open || state == State::verifying;
}

// What the client may be told of the call as it stands.
Effect effect_of(const Call& call);

std::string_view to_string(State state);
std::string_view to_string(WaitReason reason);
std::string_view to_string(Effect effect);
std::optional<State> parse_state(std::string_view text);

}  // namespace hf::call
