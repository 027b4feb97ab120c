// The events of a call in order. They ride in the same batch as the change they tell of, so a
// timeline never says more or less than the record beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "call/attempt.h"
#include "call/content.h"
#include "call/digest.h"

namespace hf::call {

// Stored: values never change.
enum class Happening : std::uint8_t {
  accepted = 1,
  attempt_started = 2,
  attempt_ended = 3,
  held = 4,
  answered = 5,
  became_unknown = 6,
  died = 7,
  cancelled = 8,
  joined = 9,      // another request with the same key
  resumed = 10,    // an open call was asked for again
  revived = 11,    // a dead one
  opened = 12,     // ended live without a final answer
  recovered = 13,  // found cut by a crash
  operator_retry = 14,
  operator_cancel = 15,
  operator_resolve = 16,
  cancel_asked = 17,
  set_aside = 18,
  waiting = 19,           // why it is not being attempted now
  verify_started = 20,    // the upstream is going to be asked what became of it
  looked_up = 21,         // ... and what it said: found, absent, unclear
  replayed = 22,          // a request with its key was told the stored end
  key_mismatch = 23,      // a request with its key and another content was refused
  stranger_refused = 24,  // somebody else's request with its key was refused
  resembles = 25,         // an earlier call had the same content and another key
  callback_made = 26,     // a call that tells its end to the application
};

enum class Actor : std::uint8_t { holdfast = 0, client = 1, operator_person = 2, upstream = 3 };

struct TimelineEvent {
  WallTime at;
  Happening what = Happening::accepted;
  Actor who = Actor::holdfast;
  std::uint32_t attempt = 0;  // 0: none
  std::uint16_t status = 0;   // 0: none
  Evidence evidence = Evidence::nothing_sent;
  Proof proof = Proof::none;
  Cause cause = Cause::none;
  bool reused = false;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint32_t took_ms = 0;
  Phases phases;
  std::optional<Digest> digest;  // of the request (accepted) or of the answer (attempt ended,
                                 // looked up): equal ones show equal content, and nothing else
  Body digested;                 // the body that the digest is of, where it is at hand
  std::string where;             // address dialled, or the client's
  std::string rule;              // the rule that decided, in the words of docs/decisions.md
  std::string detail;            // a person's reason; never a body, key or credential

  void tell(const std::optional<Content>& content) {
    if (!content) return;
    digest = content->digest();
    digested = content->body();
  }
};

std::string_view to_string(Happening what);
std::string_view to_string(Actor who);

}  // namespace hf::call
