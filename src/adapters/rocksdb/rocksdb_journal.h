// The journal on disk: sealed records in RocksDB, one thread, group commit. Every commit that waits
// when the last sync ends goes to disk with the next one; reads between them see exactly what was
// asked for before them. Answers are handed to the caller's thread through `post`, in the order of
// the requests and never before what they show is synced.
//
// Fail-stop: after a write that failed, or an error of the database behind our back, nothing is
// written any more until the process starts again; recovery reads what the log really has.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adapters/journal/census.h"
#include "adapters/journal/commands.h"
#include "adapters/rocksdb/disk_space.h"
#include "call/record_seal.h"
#include "call/settings.h"
#include "ports/journal.h"

namespace rocksdb {
class Env;
}

namespace hf::adapters {

struct RocksdbOptions {
  std::string path;  // the journal's directory; the database lies in <path>/db
  std::uint64_t max_bytes = std::uint64_t{10} << 30;
  call::Retention retention;
  std::optional<DiskLimits> disk;  // none: as suits the file system
  DiskSpace::Probe disk_probe;     // empty: statvfs of the path
  std::uint64_t policy = 0;        // hash of the policy in force, noted on each record
  rocksdb::Env* env = nullptr;     // the files of the database; null: the machine's. Outlives it

  Duration disk_every = Duration::millis(200);  // at most so often
  Duration sweep_every = Duration::seconds(5);
  Duration idle_every = Duration::seconds(1);  // housekeeping without commits
  Duration census_every = Duration::seconds(10);
  std::size_t sweep_limit = 64;  // entries a turn
};

struct JournalMetrics {
  // Upper bounds in microseconds; one more bucket counts what took longer.
  static constexpr std::array<std::uint32_t, 13> kSyncBounds{
      100,    250,    500,     1'000,   2'500,   5'000,    10'000,
      25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000};

  std::uint64_t commits = 0;  // ok
  std::uint64_t conflicts = 0;
  std::uint64_t failures = 0;  // failed or unknown
  std::uint64_t reads = 0;
  std::uint64_t syncs = 0;
  std::uint64_t sync_micros = 0;  // in all
  std::array<std::uint64_t, kSyncBounds.size() + 1> sync_buckets{};
  std::uint64_t bytes_written = 0;  // keys and values, before RocksDB's own overhead
  std::uint64_t database_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t retired = 0;  // entries taken away by age
  std::uint64_t evicted = 0;  // and by max_bytes
  std::uint64_t queued = 0;   // requests that wait now
  bool accepting = true;
  StandingByState standing;  // calls by state, counted every ten seconds or so
  std::string trouble;       // why retention stands still; for a log line. Empty when it does not
};

class RocksdbJournal final : public CommandJournal {
 public:
  // Runs a function on the thread that owns the journal's user, in the order of the calls.
  using Post = std::function<void(std::function<void()>)>;
  // Called on the journal thread and on the caller's.
  using NowSource = std::function<Now()>;

  RocksdbJournal(RocksdbOptions options, call::Sealer sealer, Post post, NowSource now);
  // close()s. What was posted and has not run yet does nothing any more.
  ~RocksdbJournal() override;

  Result<call::Recovered> open() override;
  void attach(ports::JournalEvents& events) override;
  // May be opened again afterwards.
  void close() override;
  [[nodiscard]] bool surely_lacks(const call::Digest& identity) const override;

  // One turn of retention and of the checks of size and disk, out of turn; `done` is posted.
  void maintain(std::function<void()> done);
  // Why nothing is written any more. Any thread.
  [[nodiscard]] std::optional<std::string> broken() const;
  // Any thread.
  [[nodiscard]] JournalMetrics metrics() const;

 private:
  void enqueue(Command command) override;

  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::adapters
