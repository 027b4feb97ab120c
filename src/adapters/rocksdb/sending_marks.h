// Entries of calls that are at an upstream (prefix `s`): what a start looks for. Most calls come
// back within milliseconds, and their entries would be two writes each for nothing. So the entry of
// a new call waits for a while, and is written only if the call is still there then. What a crash
// finds unwritten belongs to calls no older than a mark that is always written first: complete()
// reads those anew.
//
// The journal thread's own.
#pragma once

#include <chrono>
#include <optional>

#include "adapters/rocksdb/database.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "call/record.h"

namespace hf::adapters {

class SendingMarks {
 public:
  using SteadyClock = std::chrono::steady_clock;
  // An entry waits for one to two of these. A start after a crash reads the calls of so long.
  static constexpr std::chrono::milliseconds kWait{250};

  explicit SendingMarks(Database& database) : database_(database) {}

  // After an open: stages the entries that were still waiting when the journal was last written.
  // True: there were some. Errors as of reading a call.
  static Result<bool> complete(Database& database, const call::RecordCodec& codec);

  // Of each operation of a commit, in order. True: it is taken over and not to be staged.
  [[nodiscard]] bool take(call::KvOp& op);
  // Before each write: what has waited is staged. Gives the time that no unwritten entry's call is
  // older than, where it has changed: to be written with the same write, as kMetaUnmarked.
  [[nodiscard]] std::optional<WallTime> turn(SteadyClock::time_point now);

 private:
  Database& database_;
  std::optional<WallTime> floor_;   // the last one given; none: nothing may wait yet
  std::optional<CallId> fresh_;     // the call whose head came last
  std::optional<WallTime> newest_;  // birth of a new call; none: this life has seen none
  SteadyClock::time_point next_;
};

}  // namespace hf::adapters
