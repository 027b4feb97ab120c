// For tests: the harness of the journal on disk, on a disk that loses what was not synced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "adapters/journal/journal_fixture.h"
#include "adapters/rocksdb/power_loss_fixture.h"
#include "adapters/rocksdb/rocksdb_journal.h"

namespace hf::adapters::testing {

class RocksdbHarness {
 public:
  static constexpr bool kInStep = false;
  explicit RocksdbHarness(call::Retention ages = {}) {
    options.path = dir.path() + "/journal";
    options.retention = ages;
    options.env = env_.get();
    // The tests' machine may be full; what they test is not its disk.
    options.disk = DiskLimits{0, 0, std::uint64_t{1} << 20};
    make();
  }
  RocksdbJournal& journal() { return *journal_; }
  void settle(std::size_t answers) {
    mailbox.run_until([&] { return recorder->order.size() >= answers; });
  }
  void maintain() {
    for (int i = 0; i < 3; ++i) {
      bool done = false;
      journal_->maintain([&] { done = true; });
      mailbox.run_until([&] { return done; });
    }
  }
  void evict_all() {
    options.max_bytes = 1;
    reopen();
    maintain();
  }
  void reopen() {
    journal_.reset();
    make();
  }
  // The process dies this instant, and the machine with what was not synced.
  void crash(std::uint64_t chance) {
    disk_->cut();
    journal_.reset();
    disk_->restore(chance);
    make();
  }
  // The next sync of the log fails, perhaps with all of it written.
  void fail_next(std::uint64_t) { disk_->fail_next_sync(); }
  void make() {
    before = std::exchange(recorder, std::make_unique<Recorder>());
    journal_ = std::make_unique<RocksdbJournal>(
        options, call::Sealer(test_key()),
        [this](std::function<void()> what) { mailbox.post(std::move(what)); },
        [this] { return clock.read(); });
    recovered = std::make_unique<Result<call::Recovered>>(journal_->open());
    if (recovered->ok()) journal_->attach(*recorder);
  }

  TestClock clock;
  ScratchDir dir{"journal"};
  RocksdbOptions options;
  Mailbox mailbox;
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<Recorder> before;  // of the life before
  std::unique_ptr<Result<call::Recovered>> recovered;

 private:
  std::shared_ptr<PowerLossFiles> disk_ = std::make_shared<PowerLossFiles>();
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(disk_);
  std::unique_ptr<RocksdbJournal> journal_;
};

}  // namespace hf::adapters::testing
