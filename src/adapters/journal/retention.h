// What goes, and when: the sweep by age and the eviction by size (DESIGN section 5, Time; issue 2,
// Journal). Pure: both look at a bounded number of entries and answer with deletions for the owner
// of the store to write. Neither touches a call that is not terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapters/journal/kv.h"
#include "base/result.h"
#include "base/time.h"
#include "call/record.h"
#include "call/settings.h"

namespace hf::adapters {

struct RetentionTurn {
  std::vector<call::KvOp> ops;
  std::uint64_t retired = 0;      // entries that took something away
  std::uint64_t bytes_freed = 0;  // of the values deleted, before compaction
  bool more = false;              // the limit ended this turn
  // The span of calls that an eviction took from.
  std::optional<CallId> first;
  std::optional<CallId> last;
};

class Retention {
 public:
  // Everything outlives the object.
  Retention(const KvView& kv, const call::RecordCodec& codec, const call::Retention& ages)
      : kv_(kv), codec_(codec), ages_(ages) {}

  // Takes away what is older than its age, at most `limit` entries. With the wall clock behind
  // `newest`, the newest time journaled, nothing is old.
  Result<RetentionTurn> sweep(const Now& now, std::optional<WallTime> newest,
                              std::size_t limit) const;

  // Takes bodies of ended calls, the oldest first, then timelines, until `bytes` are freed. Keys,
  // heads and tombstones stay.
  Result<RetentionTurn> evict(std::uint64_t bytes, std::size_t limit) const;

 private:
  struct Entry {
    std::string key;
    std::string value;
    call::RetireEntry parsed;
  };
  Result<std::vector<Entry>> entries(call::Retire what, std::optional<WallTime> until,
                                     std::size_t limit) const;
  Result<void> sweep_kind(call::Retire what, Duration age, const Now& now, std::size_t limit,
                          RetentionTurn& turn) const;
  // The call, if it stands where the entry was written for; null else.
  Result<std::shared_ptr<call::Call>> ended_call(const Entry& entry, call::Stamp& since) const;
  Result<bool> retire(const Entry& entry, Duration age, const Now& now, RetentionTurn& turn) const;
  Result<bool> retire_call(const Entry& entry, Duration age, const Now& now,
                           RetentionTurn& turn) const;
  Result<void> take(call::Retire what, const call::Call& call, const Now& now,
                    RetentionTurn& turn) const;
  [[nodiscard]] Duration age_of(call::Retire what) const;
  Result<void> drop_tombstone(const Entry& entry, RetentionTurn& turn) const;
  Result<void> drop_pause(const Entry& entry, RetentionTurn& turn) const;
  Result<void> drop(std::string key, RetentionTurn& turn) const;
  Result<void> drop_head(const CallId& id, RetentionTurn& turn) const;
  Result<void> drop_all(const std::string& prefix, RetentionTurn& turn) const;
  Result<void> drop_bodies(const call::Call& call, RetentionTurn& turn) const;
  Result<void> strip(const std::string& key, call::Strip what, RetentionTurn& turn) const;
  Result<void> drop_timeline(const CallId& id, RetentionTurn& turn) const;
  Result<void> bury_key(const call::Call& call, const Now& now, RetentionTurn& turn) const;

  const KvView& kv_;
  const call::RecordCodec& codec_;
  const call::Retention& ages_;
};

}  // namespace hf::adapters
