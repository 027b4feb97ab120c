// A call as the journal keeps it: the request frozen at acceptance, what its attempts have shown,
// and where it stands. States and words are those of DESIGN section 1.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fields.h"
#include "base/ids.h"
#include "base/time.h"
#include "call/attempt.h"
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

// 32-byte HMACs under a key derived from the seal key; they show equality and nothing else.
struct Digest {
  std::array<unsigned char, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  [[nodiscard]] std::string_view raw() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

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
  bool stable = false;  // a repeat by the application will carry it again
  bool made = false;    // by Holdfast: no client can ask with it
  bool operator==(const KeyUse&) const = default;
};

struct Answer {
  int status = 0;
  Fields fields;
  Body body;  // null: not loaded or not kept
  bool body_kept = false;
  std::uint64_t body_bytes = 0;
  WallTime at;
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
  Idempotency idempotency;
  bool safe = false;  // a safe method
  bool head_is_proof = false;
  Stamp accepted;
  Duration deadline;    // counted from `accepted`
  std::string account;  // label or hash of the credential
  std::string limit_key;

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

  WallTime next_attempt_at;       // waiting: when due; open: when it stops being open
  bool no_more_attempts = false;  // cancelled by its client while an attempt ran
  std::optional<Answer> answer;   // answered, or the last one an unknown call saw
  Effect verdict = Effect::none;  // what a tombstone tells
  std::optional<Stamp> ended;     // terminal, or unknown since
};

// What the journal indexes of a call: kept beside it so that a later write can take the old entries
// out without reading them.
struct Indexed {
  State state = State::waiting;
  bool held = false;
  WallTime due;
  bool operator==(const Indexed&) const = default;
};
Indexed indexed(const Call& call);

// True for calls that a paged walk by due time must find: held ones that wait, open ones to expire.
constexpr bool has_due(State state) {
  return state == State::waiting || state == State::open;
}

// What the client may be told of the call as it stands.
Effect effect_of(const Call& call);

std::string_view to_string(State state);
std::string_view to_string(WaitReason reason);
std::string_view to_string(Effect effect);
std::optional<State> parse_state(std::string_view text);

}  // namespace hf::call
