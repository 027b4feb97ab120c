// How calls, keys and timelines lie in an ordered key-value store: the storage keys, and what one
// batch writes and requires. Pure; every journal that keeps keys and values in order uses it
// (docs/formats/journal.md is the same in tables).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "call/batch.h"
#include "call/implied.h"
#include "call/record_seal.h"

namespace hf::call {

// The first byte of every storage key. Stored: values never change.
enum class Prefix : char {
  answer_body = 'a',
  request_body = 'b',
  call_head = 'c',
  due = 'd',
  change = 'g',
  amended_head = 'h',
  likeness = 'f',
  key = 'k',
  meta = 'm',
  order = 'o',
  pause = 'p',
  retention = 'r',
  sending = 's',
  timeline = 't',
  unknown = 'u',
  field = 'x',
};

// What a retention entry makes the sweep look at. Stored: values never change.
enum class Retire : std::uint8_t {
  bodies = 1,
  key = 2,       // to a tombstone
  timeline = 3,  // and the head with it
  head = 4,      // its timeline went early
  tombstone = 5,
  pause = 6,
  ended = 7,  // a call that has just ended: becomes 1, 2 and 3 when the first of them is due
};

struct KvOp {
  std::string key;
  std::optional<std::string> value;  // none: delete
};

struct Precondition {
  std::variant<CallId, Digest> of;     // the head of a call, or a key's entry by its identity
  std::optional<std::uint64_t> epoch;  // of the call, by its latest record; none: absent
};

struct KvOps {
  std::vector<KvOp> ops;  // in order: a later one of the same key wins
  std::vector<Precondition> preconditions;
  // The batch contradicts itself (one call or key twice, out of step): nobody can commit it.
  bool contradictory = false;
  WallTime newest;  // the newest wall time in it
};

// A retention entry, read back from its storage key. `since` is the moment the age counts from: the
// end of the call, the making of a tombstone, the end of a pause.
struct RetireEntry {
  Retire what = Retire::bodies;
  WallTime since;
  CallId call;
};

// A likeness entry, read back: calls of one `likeness` stand one after another, by age.
struct LikenessEntry {
  std::string likeness;  // the front of the digest
  CallId call;
  std::string caller;  // who and where, as a hash to count by
};

// What a due entry's value tells, for those who only count.
struct DueEntry {
  State state = State::waiting;
  std::uint8_t stage = 0;
  std::optional<WallTime> ends;  // none: written before entries told it
};

struct OpenedCall {
  std::shared_ptr<Call> call;
  std::vector<TimelineEvent> events;  // of the write that made its head
  WallTime written;                   // its latest record
  std::uint64_t head_epoch = 0;       // of the write that made its head
};

// The first storage key that is greater than every key with this prefix; prefixes here never end in
// 0xff.
std::string end_of(std::string_view prefix);

// Head, bodies, sending, unknown; of changes the prefix of all.
std::string call_key(Prefix prefix, const CallId& call);
// Changes lie in the order of their writes.
std::string change_key(const CallId& call, std::uint64_t epoch);
// The call of a change's key and the epoch of its write; ErrorKind::corrupt else.
Result<std::pair<CallId, std::uint64_t>> parse_change_key(std::string_view key);
std::string key_key(const Digest& identity);
// Of events as earlier versions wrote them, each with a record of its own.
std::string timeline_prefix(const CallId& call);
// The line of an order key, its places in ascending order. The line's digest is a keyed hash
// already.
std::string order_prefix(const Digest& line);
std::string order_key(const Digest& line, std::uint64_t place, const CallId& call);
// The place in an order key; ErrorKind::corrupt else.
Result<std::uint64_t> place_of_key(std::string_view key);
std::string retire_key(Retire what, WallTime since, const CallId& call);
std::string retire_prefix(Retire what);
std::string meta_key(std::string_view name);
std::string likeness_prefix();
std::string likeness_prefix(const Digest& likeness);
std::string likeness_key(const Digest& likeness, const CallId& call);
Result<LikenessEntry> parse_likeness_entry(std::string_view key, std::string_view value);
// The smallest id of a call born at `when`: where a walk by age begins or ends.
CallId first_born(WallTime when);
// The next id after this one, in the order of ids.
CallId just_above(CallId id);
// Ascending time as ascending bytes, also before 1970.
std::uint64_t ordered_ms(WallTime time);

// The call id of a key that ends in one; ErrorKind::corrupt else.
Result<CallId> call_of_key(std::string_view key);
Result<RetireEntry> parse_retire_key(std::string_view key);
Result<WallTime> due_of_key(std::string_view key);
DueEntry parse_due_value(std::string_view value);

inline constexpr std::size_t kBodyInsideMax = 2048;

// What is taken out of a record before its time.
enum class Strip : std::uint8_t { body, body_and_events };

class RecordCodec {
 public:
  // Bodies up to `body_inside_max` stand in the record of their call; reading needs no such word.
  explicit RecordCodec(Sealer sealer, std::size_t body_inside_max = kBodyInsideMax)
      : sealer_(std::move(sealer)),
        implied_(Hasher(sealer_.hash_secret())),
        body_inside_max_(body_inside_max) {}
  [[nodiscard]] const Sealer& sealer() const { return sealer_; }

  // `policy`: a hash of the policy in force, for people who look at a record later; 0 when not
  // told.
  [[nodiscard]] KvOps encode(const Batch& batch, const Now& now, std::uint64_t policy = 0) const;

  [[nodiscard]] std::string due_prefix(std::string_view upstream, DueClass which) const;
  [[nodiscard]] std::string due_key(std::string_view upstream, DueClass which, WallTime due,
                                    const CallId& call) const;
  [[nodiscard]] std::string pause_key(std::string_view upstream, std::string_view limit_key) const;

  // The entries of calls whose field `name` had this value, by age of the call.
  [[nodiscard]] std::string field_prefix(std::string_view name, std::string_view value,
                                         bool hashed) const;
  // What finds a call by its fields and its likeness: written with the call, removed with its head.
  [[nodiscard]] std::vector<KvOp> postings(const Call& call) const;

  // For the retention sweep and the journal's own records.
  [[nodiscard]] KvOp put_key_entry(const Digest& identity, const KeyEntry& entry,
                                   const Now& now) const;
  [[nodiscard]] KvOp put_meta(std::string_view name, WallTime time, const Now& now) const;

  // Readers of single records. The key is the one it was stored under. ErrorKind::corrupt and
  // ErrorKind::invalid as Sealer::open and the payloads say; the context names the call.
  [[nodiscard]] Result<OpenedCall> open_call(std::string_view key, std::string_view value) const;
  // Puts what a change says over the call, and when it was written over `opened`; gives its
  // events.
  [[nodiscard]] Result<std::vector<TimelineEvent>> open_change(std::string_view key,
                                                               std::string_view value,
                                                               OpenedCall& opened) const;
  // Its events alone.
  [[nodiscard]] Result<std::vector<TimelineEvent>> open_events(std::string_view key,
                                                               std::string_view value) const;
  // The same head or change without what stands in it besides; none where there is nothing to
  // take out.
  [[nodiscard]] Result<std::optional<KvOp>> stripped(std::string_view key, std::string_view value,
                                                     Strip what) const;
  [[nodiscard]] Result<Body> open_body(std::string_view key, std::string_view value) const;
  [[nodiscard]] Result<KeyEntry> open_key_entry(std::string_view key, std::string_view value) const;
  // None where a later version wrote a kind of its own; it stays where it is.
  [[nodiscard]] Result<std::optional<TimelineEvent>> open_event(std::string_view key,
                                                                std::string_view value) const;
  [[nodiscard]] Result<PauseWrite> open_pause(std::string_view key, std::string_view value) const;
  [[nodiscard]] Result<WallTime> open_meta(std::string_view key, std::string_view value) const;

 private:
  struct Encoding;  // one batch in the making
  void encode_call_write(Encoding& out, const CallWrite& write) const;
  void put_call(Encoding& out, const CallWrite& write, const Indexed& after) const;
  void put_key(Encoding& out, const CallWrite& write, const Indexed& after) const;
  void encode_pause_write(Encoding& out, const PauseWrite& write) const;
  void require(Encoding& out, const CallWrite& write) const;
  void index(Encoding& out, const CallWrite& write, const Indexed& after) const;
  void retire_later(Encoding& out, const Call& call) const;
  [[nodiscard]] Result<std::string> open(RecordKind kind, std::string_view key,
                                         std::string_view value) const;

  [[nodiscard]] std::string_view caller_of(const Call& call) const;

  Sealer sealer_;
  Implied implied_;
  std::size_t body_inside_max_;
};

// Whether a client can ask for this call by key: a key that Holdfast made has no entry.
inline bool has_key_entry(const Call& call) {
  return call.key && !call.key->made;
}
// What makes the sweep look at a call that ended at `since`, stage by stage.
std::vector<KvOp> retirements(const Call& call, WallTime since);
// Names of the journal's own records.
inline constexpr std::string_view kMetaMade = "made";      // when the journal was made
inline constexpr std::string_view kMetaNewest = "newest";  // the newest wall time it has seen
// Of calls born before this time, those at an upstream have their entry.
inline constexpr std::string_view kMetaUnmarked = "unmarked";

}  // namespace hf::call
