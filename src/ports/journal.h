// The durable store of calls, keys and timelines, as the driver sees it. Everything is
// asynchronous: an answer arrives through JournalEvents on the driver's thread. A read sees every
// commit that was asked for before it. What find_key, read_call, page_due and the reads of lines
// find may come before those commits are answered, and be of ones that will fail: whoever acts on
// it waits for them. What the others find is shown as it is, and comes after them.
//
// A PostgreSQL shared by several nodes fits behind the same port: the fence is the epoch that each
// CallWrite names, checked in the same transaction as the write.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "call/batch.h"
#include "call/measure.h"
#include "call/selection.h"

namespace hf::ports {

// Of a commit that is not `ok` its owner may rely on one thing only: a later open() finds it whole
// or not at all, and open() is what tells. After one that is unknown or failed nothing is written,
// and nothing read, until then.
enum class CommitResult {
  ok,        // synced: it survives power loss
  conflict,  // a precondition did not hold (key present, another epoch); nothing was written
  unknown,   // the write was tried: it may be found later, or not
  failed,    // given up. It may be found later all the same: a log whose sync failed can have it.
             // (RocksdbJournal says it only of what was never handed to the database.)
};

enum class ReadId : std::uint64_t {};

// Heads may bring short bodies with them.
enum class Want : std::uint8_t { head, with_bodies };

struct KeyFound {
  std::optional<call::KeyEntry> entry;     // none: the key is not known
  std::shared_ptr<const call::Call> call;  // with bodies; null for a tombstone
};

struct DuePage {
  std::vector<std::shared_ptr<const call::Call>> calls;  // without bodies, in order of due time
  std::optional<WallTime> next;  // the due time after the last of the page, of any age
};

// A line of calls with one order key.
struct LinePage {
  std::vector<std::pair<std::uint64_t, CallId>> members;  // by place, the first first
  bool more = false;
};
// The first of each line, in some order.
struct LineHeads {
  std::vector<std::shared_ptr<const call::Call>> heads;  // without bodies
  std::optional<call::Digest> next;  // go on after this line; none: these were the last
};

// Held calls whose time, or schedule, is used up to a stage (call::Call::stage) or further.
struct RunningOut {
  std::uint8_t stage = 1;
  WallTime now;
};

struct CallFilter {
  // What is read of each call that fits.
  enum class Depth : std::uint8_t { head, timeline, whole };

  std::optional<call::State> state;
  std::string upstream;         // empty: any
  std::optional<CallId> after;  // page on from here (exclusive), newest first
  std::size_t limit = 100;      // at most 1000
  call::Selection select;       // and all of this
  bool oldest_first = false;
  std::size_t examine = 0;  // looked at for one page, at most; 0: as many as a journal bears
  Depth depth = Depth::head;
  std::uint64_t bytes_max = std::uint64_t{8} << 20;  // of bodies in one page (whole), more or less
  bool find_bodiless = false;                        // say which requests have lost their bodies
  bool pass_over = false;  // a call whose records cannot be read is named, and ends nothing
  // Instead of state and after: those of `upstream`, the earliest due first, those at the upstream
  // now at the end.
  std::optional<RunningOut> running_out;
  // Instead of all others: the first calls of lines in which others wait behind them.
  bool blocking = false;
};

struct CallPage {
  std::vector<std::shared_ptr<const call::Call>> calls;  // without bodies, newest first
  bool more = false;
  std::optional<CallId>
      next;  // with `more`: the `after` to go on from; a page may be short of calls
  std::uint64_t matched = 0;  // with running_out: how many there are, beyond the page; `more`: or
                              // even more than that
  std::vector<std::uint64_t> behind;  // with blocking: how many wait behind each of `calls`
  std::uint64_t examined = 0;         // calls looked at, whether they fit or not
  std::vector<std::vector<call::TimelineEvent>> timelines;  // of each of `calls`, if asked for
  std::set<CallId> bodiless;  // with find_bodiless: their requests' bodies are no longer kept
  std::map<CallId, std::string> unreadable;  // with pass_over: and why
};

struct CallDetail {
  std::shared_ptr<const call::Call> call;  // null: no such call
  std::vector<call::TimelineEvent> timeline;
};

using call::FieldMatch;

struct SearchSpec {
  std::vector<FieldMatch> matches;       // all of them
  std::optional<call::Digest> likeness;  // and this one; at least one of the two is there
  WallTime since;
  std::optional<CallId> after;  // page on from here (exclusive), newest first
  std::size_t limit = 100;      // at most 1000
};

// Two calls of one likeness, the later one next after the earlier one.
struct LikePair {
  std::shared_ptr<const call::Call> earlier;  // without bodies
  std::shared_ptr<const call::Call> later;
  std::string caller;  // of both, as in LikenessPage::calls
};

struct LikenessPage {
  std::vector<LikePair> pairs;
  // How many calls each caller (a route and an owner, as a hash) made since then.
  std::map<std::string, std::uint64_t> calls;
  std::optional<std::string> next;  // where to go on; opaque
};

struct LikenessSpec {
  WallTime since;   // of the later call of a pair
  Duration window;  // at most so far apart
  std::string after;
};

// How the store is. Not accepting: new durable calls get 503, outcomes are still written.
struct JournalHealth {
  bool accepting = true;
  std::string why;
  // Nothing can be read or written any more until it is opened anew. No commit needs to be under
  // way when that happens, so it is told here too.
  bool broken = false;
  std::optional<call::Measure> measure = std::nullopt;  // what is too full, by how much
};

class JournalEvents {
 public:
  virtual ~JournalEvents() = default;
  virtual void on_commit(CommitId id, CommitResult result) = 0;
  virtual void on_key(ReadId id, Result<KeyFound> found) = 0;
  virtual void on_call(ReadId id,
                       Result<std::shared_ptr<const call::Call>> call) = 0;  // null: none
  virtual void on_due(ReadId id, Result<DuePage> page) = 0;
  virtual void on_line(ReadId id, Result<LinePage> page) = 0;
  virtual void on_line_heads(ReadId id, Result<LineHeads> page) = 0;
  virtual void on_list(ReadId id, Result<CallPage> page) = 0;
  virtual void on_detail(ReadId id, Result<CallDetail> detail) = 0;
  virtual void on_likeness(ReadId id, Result<LikenessPage> page) = 0;
  virtual void on_health(JournalHealth health) = 0;
};

class Journal {
 public:
  virtual ~Journal() = default;
  // Blocking, once, before anything else: opens, checks, and reads what a start must know.
  virtual Result<call::Recovered> open() = 0;
  // After open(): where answers go. `events` outlives the journal's last call to it.
  virtual void attach(JournalEvents& events) = 0;
  // One that is not `awaited` may be put off for a few milliseconds, to go with others.
  virtual void commit(CommitId id, call::Batch batch) = 0;
  virtual void find_key(ReadId id, const call::Digest& identity) = 0;
  // At once, from memory: true where no commit that was asked for so far can have brought this key,
  // which spares a find_key. False says nothing.
  [[nodiscard]] virtual bool surely_lacks(const call::Digest& identity) const;
  virtual void read_call(ReadId id, const CallId& call, Want want) = 0;
  // Calls of one upstream and class that are to be looked at, with due time <= until, the earliest
  // first.
  virtual void page_due(ReadId id, const std::string& upstream, call::DueClass which,
                        WallTime until, std::size_t limit) = 0;
  virtual void read_line(ReadId id, const call::Digest& line, std::size_t limit) = 0;
  virtual void page_line_heads(ReadId id, std::optional<call::Digest> after, std::size_t limit) = 0;
  virtual void list(ReadId id, CallFilter filter) = 0;
  virtual void detail(ReadId id, const CallId& call) = 0;
  // Calls by their searchable fields, newest first; answered through on_list. A page may be short
  // or empty and still have more.
  virtual void search(ReadId id, SearchSpec spec) = 0;
  // One page of a walk over all calls that have a likeness; bounded in what it looks at.
  virtual void page_likeness(ReadId id, LikenessSpec spec) = 0;
  // Blocking: finishes what was asked for and closes.
  virtual void close() = 0;
};

inline bool Journal::surely_lacks(const call::Digest&) const {
  return false;
}

}  // namespace hf::ports
