// Remembers, for a while and of a bounded number of calls, who asked for what: so that a call which
// looks like an earlier one under another key is noticed while it happens. A hint for people; no
// decision about sending rests on it. Holdfast's journal finds the same pairs later.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/hash_map.h"
#include "base/ids.h"
#include "base/time.h"
#include "call/call.h"
#include "call/digest.h"

namespace hf::engine {

// Calls remembered, the latest; about 200 bytes each.
inline constexpr std::size_t kSuspectsMax = 16 * 1024;

class Suspects {
 public:
  // A new call of this likeness begins. The latest one before it, if that began within `window` and
  // the two do not share a key that a client sent: a derived key is made of the content itself, and
  // a made one of nothing.
  std::optional<CallId> meet(const call::Digest& likeness, const CallId& id,
                             const std::optional<call::KeyUse>& key, Instant now, Duration window);
  // What is remembered of it comes into the processor's cache meanwhile.
  void expect(const call::Digest& likeness) const { latest_.expect(likeness); }
  [[nodiscard]] std::size_t size() const { return latest_.size(); }

 private:
  struct Seen {
    CallId call;
    Instant at;
    std::optional<call::Digest> key;
    std::uint64_t turn = 0;
  };
  struct Turn {
    call::Digest likeness;
    std::uint64_t turn = 0;
  };
  void forget_oldest();

  HashMap<call::Digest, Seen, call::DigestHash> latest_;
  std::deque<Turn>
      turns_;  // in order of arrival; one that is not the latest of its likeness is old
  std::uint64_t next_turn_ = 1;
};

}  // namespace hf::engine
