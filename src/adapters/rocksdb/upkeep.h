// What the journal thread does between commits: retention by age, room by size, a look at the disk,
// and what all that means for new calls. Bounded turns, so that commits hardly wait for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapters/journal/census.h"
#include "adapters/journal/retention.h"
#include "adapters/rocksdb/database.h"
#include "adapters/rocksdb/disk_space.h"
#include "adapters/rocksdb/rocksdb_journal.h"
#include "call/record.h"
#include "ports/journal.h"

namespace hf::adapters {

class Upkeep {
 public:
  // Writes without a sync: what a power loss brings back is taken away again. False: broken.
  using Write = std::function<bool(const std::vector<call::KvOp>&)>;

  struct Counts {
    std::uint64_t retired = 0;
    std::uint64_t evicted = 0;
    std::uint64_t database_bytes = 0;
    std::uint64_t disk_free_bytes = 0;
    StandingByState standing;  // of the last whole count
    std::string trouble;       // why retention stands still; empty when it does not
  };

  // The references outlive the object.
  Upkeep(const RocksdbOptions& options, Database& database, const call::RecordCodec& codec,
         DiskSpace disk, Write write);

  // What is due, or everything when `forced`. `newest` is the newest wall time journaled.
  void turn(const Now& now, std::optional<WallTime> newest, bool forced);
  // There is more to do than a turn did.
  [[nodiscard]] bool more() const { return sweep_more_ || room_.freed > 0; }
  [[nodiscard]] ports::JournalHealth health() const;
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  // What the present round of making room has taken away, and from which calls.
  struct Room {
    std::uint64_t freed = 0;
    std::optional<CallId> first;
    std::optional<CallId> last;
  };

  void sweep(const Now& now, std::optional<WallTime> newest);
  void take_census(SteadyClock::time_point begun, bool forced);
  void keep_size();
  bool evict(std::uint64_t wanted);
  void reclaim();

  const RocksdbOptions& options_;
  Database& database_;
  Retention retention_;
  DiskSpace disk_;
  Write write_;
  Counts counts_;
  Room room_;
  bool disk_fits_ = true;
  bool size_fits_ = true;
  bool sweep_more_ = false;
  Census census_;
  SteadyClock::time_point disk_due_ = SteadyClock::now();
  SteadyClock::time_point sweep_due_ = SteadyClock::now();
  SteadyClock::time_point census_due_ = SteadyClock::now();
  SteadyClock::time_point census_at_ = SteadyClock::now();  // its last turn
};

}  // namespace hf::adapters
