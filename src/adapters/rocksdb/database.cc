#include "adapters/rocksdb/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kBlockCache = std::size_t{32} << 20;
constexpr std::size_t kProtectionBytes = 8;  // a checksum beside every key in memory

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view text(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  ErrorKind kind = ErrorKind::unavailable;
  if (status.IsCorruption()) kind = ErrorKind::corrupt;
  if (status.IsNoSpace()) kind = ErrorKind::full;
  return fail(kind, std::string(doing) + ": " + status.ToString());
}

// Remembers the first thing that went wrong behind our back. RocksDB calls it on its own threads.
class Watch final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (error == nullptr || error->ok()) return;
    // Tables that find no room to be put together stay as they were, and RocksDB tries again.
    const bool waits = reason == rocksdb::BackgroundErrorReason::kCompaction && error->IsNoSpace();
    if (!waits) declare(error->ToString());
  }
  void declare(std::string why) {
    const std::lock_guard lock(mutex_);
    if (!why_) why_ = std::move(why);
  }
  [[nodiscard]] std::optional<std::string> why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<std::string> why_;
};

// Plain database, caller-made batches, one sync; away from what is known to be wrong in 7.8.3
// (DeleteRange, TransactionDB, more than two write buffers, tracking WALs in the manifest).
rocksdb::Options options_for(std::uint64_t write_buffer, const std::shared_ptr<Watch>& watch) {
  rocksdb::Options out;
  out.create_if_missing = true;
  out.paranoid_checks = true;
  out.force_consistency_checks = true;
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  out.write_buffer_size = write_buffer;
  out.max_write_buffer_number = 2;
  out.max_total_wal_size = 4 * write_buffer;
  out.target_file_size_base = 2 * write_buffer;
  out.max_bytes_for_level_base = 8 * write_buffer;
  out.max_background_jobs = 2;
  out.max_bgerror_resume_count = 0;  // a failed sync is never tried again: start anew from the log
  out.memtable_protection_bytes_per_key = kProtectionBytes;
  out.compression = rocksdb::kNoCompression;  // sealed bytes do not compress
  out.bottommost_compression = rocksdb::kNoCompression;
  out.max_open_files = 512;
  out.keep_log_file_num = 4;
  out.max_log_file_size = std::size_t{4} << 20;
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.manifest_preallocation_size = 64 << 10;
  out.max_manifest_file_size = std::uint64_t{64} << 20;
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.skip_stats_update_on_db_open = true;
  out.listeners.push_back(watch);

  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.block_cache = rocksdb::NewLRUCache(kBlockCache);
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return out;
}

}  // namespace

struct Database::Impl {
  std::shared_ptr<Watch> watch = std::make_shared<Watch>();
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::WriteBatchWithIndex batch{rocksdb::BytewiseComparator(), 0, true, 0, kProtectionBytes};
  std::uint64_t staged = 0;
  KvView view;
  std::thread reclaimer;
  std::atomic<bool> reclaiming{false};
  std::atomic<bool> closing{false};

  void make_view();
  void compact(const std::string& first, const std::string& last);
  Result<std::optional<std::string>> get(std::string_view key);
  Result<void> scan(std::string_view from, std::string_view until, Direction direction,
                    const KvView::Visit& visit);
};

Result<std::optional<std::string>> Database::Impl::get(std::string_view key) {
  std::string value;
  const auto status = batch.GetFromBatchAndDB(db.get(), rocksdb::ReadOptions(), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return to_error(status, "read the journal");
  return std::optional<std::string>{std::move(value)};
}

Result<void> Database::Impl::scan(std::string_view from, std::string_view until,
                                  Direction direction, const KvView::Visit& visit) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read));
  if (staged > 0) it.reset(batch.NewIteratorWithBase(it.release()));
  if (direction == Direction::ascending) {
    for (it->Seek(slice(from)); it->Valid() && text(it->key()) < until; it->Next()) {
      if (!visit(text(it->key()), text(it->value()))) break;
    }
  } else {
    it->SeekForPrev(slice(until));
    if (it->Valid() && text(it->key()) == until) it->Prev();
    for (; it->Valid() && text(it->key()) >= from; it->Prev()) {
      if (!visit(text(it->key()), text(it->value()))) break;
    }
  }
  if (!it->status().ok()) return to_error(it->status(), "read the journal");
  return {};
}

// On the reclaimer's thread. What fails here comes back with an ordinary compaction, or through the
// watch when it is worse.
void Database::Impl::compact(const std::string& first, const std::string& last) {
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.canceled = &closing;
  const rocksdb::Slice begin = slice(first);
  const rocksdb::Slice end = slice(last);
  db->CompactRange(options, &begin, &end).PermitUncheckedError();
}

void Database::Impl::make_view() {
  view.get = [this](std::string_view key) { return get(key); };
  view.scan = [this](std::string_view from, std::string_view until, Direction direction,
                     const KvView::Visit& visit) { return scan(from, until, direction, visit); };
}

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Database::~Database() {
  impl_->closing = true;
  if (impl_->reclaimer.joinable()) impl_->reclaimer.join();
  if (impl_->db) impl_->db->Close().PermitUncheckedError();
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 std::uint64_t write_buffer, rocksdb::Env* env) {
  auto impl = std::make_unique<Impl>();
  rocksdb::DB* raw = nullptr;
  rocksdb::Options options = options_for(write_buffer, impl->watch);
  if (env != nullptr) options.env = env;
  const auto status = rocksdb::DB::Open(options, path, &raw);
  if (!status.ok()) {
    const std::string said = status.ToString();
    if (status.IsIOError() && said.find("lock") != std::string::npos) {
      return fail(ErrorKind::unavailable, "another holdfast is using this journal (" + path + ")");
    }
    return to_error(status, "open the journal in " + path);
  }
  impl->db.reset(raw);
  impl->make_view();
  return std::unique_ptr<Database>(new Database(std::move(impl)));
}

const KvView& Database::view() const {
  return impl_->view;
}
std::uint64_t Database::staged_bytes() const {
  return impl_->staged;
}
std::optional<std::string> Database::broken() const {
  return impl_->watch->why();
}
void Database::declare_broken(std::string why) {
  impl_->watch->declare(std::move(why));
}

void Database::put(std::string_view key, std::string_view value) {
  const auto status = impl_->batch.Put(slice(key), slice(value));
  if (!status.ok()) impl_->watch->declare(status.ToString());
  impl_->staged += key.size() + value.size() + 1;
}

void Database::remove(std::string_view key) {
  const auto status = impl_->batch.Delete(slice(key));
  if (!status.ok()) impl_->watch->declare(status.ToString());
  impl_->staged += key.size() + 1;
}

Result<void> Database::write(bool sync) {
  if (auto why = broken()) {
    impl_->batch.Clear();
    impl_->staged = 0;
    return fail(ErrorKind::unavailable, *why);
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  const auto status = impl_->db->Write(options, impl_->batch.GetWriteBatch());
  impl_->batch.Clear();
  impl_->staged = 0;
  if (status.ok()) return {};
  impl_->watch->declare(status.ToString());
  return to_error(status, "write the journal");
}

std::uint64_t Database::bytes_on_disk() const {
  std::uint64_t tables = 0;
  std::uint64_t memory = 0;
  impl_->db->GetIntProperty("rocksdb.live-sst-files-size", &tables);
  impl_->db->GetIntProperty("rocksdb.cur-size-all-mem-tables", &memory);
  return tables + memory;
}

void Database::reclaim(std::vector<std::pair<std::string, std::string>> ranges) {
  HF_CHECK(!reclaiming());
  if (impl_->reclaimer.joinable()) impl_->reclaimer.join();
  impl_->reclaiming = true;
  impl_->reclaimer = std::thread([impl = impl_.get(), ranges = std::move(ranges)] {
    for (const auto& [first, last] : ranges)
      impl->compact(first, last);
    impl->reclaiming = false;
  });
}

bool Database::reclaiming() const {
  return impl_->reclaiming;
}

}  // namespace hf::adapters
