#include "adapters/rocksdb/database.h"

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "adapters/rocksdb/families.h"
#include "base/check.h"
#include "base/hash_map.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kMoveBytes = std::size_t{4} << 20;  // of one step of the move to families

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

// Keys of records have what is random in their last sixteen bytes: an id's, before the number of a
// change, or a digest's.
struct KeyHash {
  std::uint64_t operator()(std::string_view key) const {
    std::array<std::uint64_t, 2> words{};
    if (key.size() < sizeof words) return std::hash<std::string_view>{}(key);
    std::memcpy(words.data(), key.data() + key.size() - sizeof words, sizeof words);
    const std::uint64_t mixed = words[0] * 0x9e3779b97f4a7c15 + words[1] * 0xd6e8feb86659fd93;
    return mixed ^ (mixed >> 32);
  }
};

}  // namespace

struct Database::Impl {
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  std::shared_ptr<Watch> watch = std::make_shared<Watch>();
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // the database's, as it was opened
  std::array<rocksdb::ColumnFamilyHandle*, 256> by_letter{};

  struct Op {
    std::string key;
    std::optional<std::string> value;
    bool last = true;  // of those with its key
  };
  using Staged = std::map<std::string_view, const Op*>;
  std::deque<Op> staged_ops;
  HashMap<std::string_view, Op*, KeyHash> newest;  // of each key in staged_ops
  std::uint64_t staged = 0;
  struct Delayed {
    Op op;
    mutable bool older = false;  // of the generation that is staged next
  };
  struct ByKey {
    using is_transparent = void;
    static std::string_view key(const Delayed& one) { return one.op.key; }
    static std::string_view key(std::string_view it) { return it; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };
  std::set<Delayed, ByKey> delayed;
  rocksdb::WriteBatch writing;  // with the room of the one before
  std::vector<const Op*> in_order;
  Buckets buckets;
  KvView view;
  std::thread reclaimer;
  std::atomic<bool> reclaiming{false};
  std::atomic<bool> closing{false};

  void make_view();
  void compact(const std::string& first, const std::string& last);
  [[nodiscard]] rocksdb::ColumnFamilyHandle* family(std::string_view key) const {
    return by_letter[key.empty() ? 0 : static_cast<unsigned char>(key.front())];
  }
  [[nodiscard]] Staged staged_between(std::string_view from, std::string_view until) const;
  void stage(std::string key, std::optional<std::string> value);
  void forget_staged();
  void expect_buckets();
  Result<void> write();
  Result<void> move_to_families();
  Result<void> move(std::string_view from, std::string_view until, rocksdb::ColumnFamilyHandle* to);
  Result<std::optional<std::string>> get(std::string_view key);
  Result<void> scan(std::string_view from, std::string_view until, Direction direction,
                    const KvView::Visit& visit);
};

Result<std::optional<std::string>> Database::Impl::get(std::string_view key) {
  if (Op* const* found = newest.find(key)) return (*found)->value;
  if (const auto found = delayed.find(key); found != delayed.end()) return found->op.value;
  std::string value;
  const auto status = db->Get(rocksdb::ReadOptions(), family(key), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return to_error(status, "read the journal");
  return std::optional<std::string>{std::move(value)};
}

// Tables whose filters are not in memory tell nothing.
bool Database::surely_lacks(std::string_view key) const {
  rocksdb::ReadOptions read;
  read.read_tier = rocksdb::kBlockCacheTier;
  rocksdb::PinnableSlice value;
  return impl_->db->Get(read, impl_->family(key), slice(key), &value).IsNotFound();
}

// What is staged or delayed between `from` and `until`, in order.
Database::Impl::Staged Database::Impl::staged_between(std::string_view from,
                                                      std::string_view until) const {
  Staged out;
  for (auto at = delayed.lower_bound(from); at != delayed.end() && at->op.key < until; ++at)
    out.emplace(at->op.key, &at->op);
  for (const Op& op : staged_ops) {
    if (op.last && op.key >= from && op.key < until) out.emplace(op.key, &op);
  }
  return out;
}

// Walks over the database and what is staged at once; of one key in both the staged one counts.
Result<void> Database::Impl::scan(std::string_view from, std::string_view until,
                                  Direction direction, const KvView::Visit& visit) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  const bool up = direction == Direction::ascending;
  const Staged waiting = staged_between(from, until);
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read, family(from)));
  if (up) {
    it->Seek(slice(from));
  } else {
    it->SeekForPrev(slice(until));
    if (it->Valid() && text(it->key()) == until) it->Prev();
  }
  const auto stored = [&] {
    return it->Valid() && (up ? text(it->key()) < until : text(it->key()) >= from);
  };
  const auto walk = [&](auto next, auto end) {
    while (next != end || stored()) {
      const bool staged_first =
          next != end &&
          (!stored() || (up ? next->first <= text(it->key()) : next->first >= text(it->key())));
      if (!staged_first) {
        if (!visit(text(it->key()), text(it->value()))) return;
        up ? it->Next() : it->Prev();
        continue;
      }
      if (stored() && next->first == text(it->key())) up ? it->Next() : it->Prev();
      const Op& op = *next->second;
      ++next;
      if (op.value && !visit(op.key, *op.value)) return;
    }
  };
  if (up) {
    walk(waiting.begin(), waiting.end());
  } else {
    walk(waiting.rbegin(), waiting.rend());
  }
  if (!it->status().ok()) return to_error(it->status(), "read the journal");
  return {};
}

void Database::Impl::stage(std::string key, std::optional<std::string> value) {
  staged += key.size() + (value ? value->size() : 0) + 1;
  Op& op = staged_ops.emplace_back(Op{std::move(key), std::move(value), true});
  Op*& newest_of = newest.insert(op.key, &op);
  if (newest_of == &op) return;
  newest_of->last = false;
  newest_of = &op;
}

// While the batch is put together, the buckets that it will look at come from memory.
void Database::Impl::expect_buckets() {
  for (auto& [letter, family] : buckets) {
    const auto below = [](const Op* op, char front) {
      return op->key < std::string_view(&front, 1);
    };
    family.keys.clear();
    for (auto at = std::lower_bound(in_order.begin(), in_order.end(), letter, below);
         at != in_order.end() && (*at)->key.front() == letter; ++at)
      family.keys.push_back((*at)->key);
    family.tables->expect_buckets(family.keys);
  }
}

// In the order of their keys, of each key the last: that is how a table in memory takes them
// fastest.
Result<void> Database::Impl::write() {
  writing.Clear();
  in_order.clear();
  for (const Op& op : staged_ops) {
    if (op.last) in_order.push_back(&op);
  }
  std::sort(in_order.begin(), in_order.end(),
            [](const Op* a, const Op* b) { return a->key < b->key; });
  expect_buckets();
  rocksdb::Status status;
  for (const Op* op : in_order) {
    rocksdb::ColumnFamilyHandle* to = family(op->key);
    status = op->value ? writing.Put(to, slice(op->key), slice(*op->value))
                       : writing.Delete(to, slice(op->key));
    if (!status.ok()) break;
  }
  for (auto& [letter, family] : buckets)
    family.tables->expect_nodes(family.keys);  // while the log is written
  forget_staged();
  if (status.ok()) status = db->Write(rocksdb::WriteOptions(), &writing);
  if (status.ok()) return {};
  watch->declare(status.ToString());
  return to_error(status, "write the journal");
}

void Database::Impl::forget_staged() {
  newest.clear();
  staged_ops.clear();
  staged = 0;
}

// Journals of earlier versions have all their records in the default family. Each step is one
// write, so that a move that is cut off goes on at the next start.
Result<void> Database::Impl::move_to_families() {
  for (const Family& family : kFamilies) {
    const std::string from(1, family.letter);
    const std::string until(1, static_cast<char>(family.letter + 1));
    HF_TRY_VOID(move(from, until, by_letter[static_cast<unsigned char>(family.letter)]));
  }
  return {};
}

Result<void> Database::Impl::move(std::string_view from, std::string_view until,
                                  rocksdb::ColumnFamilyHandle* to) {
  const std::unique_ptr<rocksdb::Iterator> it(
      db->NewIterator(rocksdb::ReadOptions(), db->DefaultColumnFamily()));
  it->Seek(slice(from));
  while (it->Valid() && text(it->key()) < until) {
    rocksdb::WriteBatch batch;
    rocksdb::Status status;
    for (; it->Valid() && text(it->key()) < until && batch.GetDataSize() < kMoveBytes; it->Next()) {
      status = batch.Put(to, it->key(), it->value());
      if (status.ok()) status = batch.Delete(db->DefaultColumnFamily(), it->key());
      if (!status.ok()) return to_error(status, "move the journal's records");
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    status = db->Write(options, &batch);
    if (!status.ok()) return to_error(status, "move the journal's records");
  }
  if (!it->status().ok()) return to_error(it->status(), "move the journal's records");
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
  db->CompactRange(options, family(first), &begin, &end).PermitUncheckedError();
}

void Database::Impl::make_view() {
  view.get = [this](std::string_view key) { return get(key); };
  view.scan = [this](std::string_view from, std::string_view until, Direction direction,
                     const KvView::Visit& visit) { return scan(from, until, direction, visit); };
}

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Database::~Database() = default;

// Also of one that could not be opened to its end.
Database::Impl::~Impl() {
  closing = true;
  if (reclaimer.joinable()) reclaimer.join();
  if (!db) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles)
    db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  db->Close().PermitUncheckedError();
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 std::uint64_t write_buffer, rocksdb::Env* env) {
  auto impl = std::make_unique<Impl>();
  rocksdb::DB* raw = nullptr;
  rocksdb::Options options = database_options(write_buffer, impl->watch);
  if (env != nullptr) {
    options.env = env;
  } else {
    write_tables_past_the_cache(options, path);
  }
  std::vector<std::string> names{rocksdb::kDefaultColumnFamilyName};
  for (const Family& family : kFamilies)
    names.emplace_back(family.name);
  const auto status = rocksdb::DB::Open(
      options, path, describe_families(names, options, impl->buckets), &impl->handles, &raw);
  if (!status.ok()) {
    const std::string said = status.ToString();
    if (status.IsIOError() && said.find("lock") != std::string::npos) {
      return fail(ErrorKind::unavailable, "another holdfast is using this journal (" + path + ")");
    }
    return to_error(status, "open the journal in " + path);
  }
  impl->db.reset(raw);
  impl->by_letter.fill(impl->db->DefaultColumnFamily());
  for (std::size_t i = 0; i < kFamilies.size(); ++i)
    impl->by_letter[static_cast<unsigned char>(kFamilies[i].letter)] = impl->handles[i + 1];
  HF_TRY_VOID(impl->move_to_families());
  impl->make_view();
  return std::unique_ptr<Database>(new Database(std::move(impl)));
}

namespace {

// RocksDB's own words; a directory that is only read gets none.
class Silence final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

Result<std::unique_ptr<Database>> Database::open_to_read(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  rocksdb::Options options = database_options(std::uint64_t{16} << 20, impl->watch);
  options.create_if_missing = false;
  options.create_missing_column_families = false;
  options.info_log = std::make_shared<Silence>();
  std::vector<std::string> names;
  auto status = rocksdb::DB::ListColumnFamilies(options, path, &names);
  if (!status.ok()) return to_error(status, "open the journal in " + path);
  rocksdb::DB* raw = nullptr;
  status = rocksdb::DB::OpenForReadOnly(
      options, path, describe_families(names, options, impl->buckets), &impl->handles, &raw);
  if (!status.ok()) return to_error(status, "open the journal in " + path);
  impl->db.reset(raw);
  impl->by_letter.fill(impl->db->DefaultColumnFamily());
  impl->make_view();
  for (const Family& family : kFamilies) {
    const auto at = std::find(names.begin(), names.end(), family.name);
    if (at == names.end()) continue;  // of an earlier version: everything is in the default one
    const std::string from(1, family.letter);
    bool left_behind = false;
    HF_TRY_VOID(impl->scan(from, std::string(1, static_cast<char>(family.letter + 1)),
                           Direction::ascending, [&](std::string_view, std::string_view) {
                             left_behind = true;
                             return false;
                           }));
    if (left_behind) {
      return fail(ErrorKind::invalid,
                  "the journal in " + path +
                      " is being moved to a newer form: start `holdfast serve` on it once");
    }
    impl->by_letter[static_cast<unsigned char>(family.letter)] =
        impl->handles[static_cast<std::size_t>(at - names.begin())];
  }
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

void Database::stage(std::string key, std::optional<std::string> value) {
  impl_->stage(std::move(key), std::move(value));
}

void Database::delay(std::string key) {
  impl_->delayed.insert({{std::move(key), std::string(), true}});
}
bool Database::forget_delayed(std::string_view key) {
  const auto found = impl_->delayed.find(key);
  if (found == impl_->delayed.end()) return false;
  impl_->delayed.erase(found);
  return true;
}
void Database::stage_delayed() {
  for (auto at = impl_->delayed.begin(); at != impl_->delayed.end();) {
    if (!at->older) {
      at->older = true;
      ++at;
      continue;
    }
    auto node = impl_->delayed.extract(at++);
    Impl::Op& op = node.value().op;
    impl_->stage(std::move(op.key), std::move(op.value));
  }
}
std::optional<std::string> Database::first_delayed() const {
  if (impl_->delayed.empty()) return std::nullopt;
  return impl_->delayed.begin()->op.key;
}

Result<void> Database::write() {
  if (auto why = broken()) {
    impl_->forget_staged();
    return fail(ErrorKind::unavailable, *why);
  }
  return impl_->write();
}

Result<void> Database::sync() {
  const auto status = impl_->db->SyncWAL();
  if (status.ok()) return {};
  impl_->watch->declare(status.ToString());
  return to_error(status, "sync the journal");
}

std::uint64_t Database::bytes_on_disk() const {
  std::uint64_t tables = 0;
  std::uint64_t memory = 0;
  impl_->db->GetAggregatedIntProperty("rocksdb.live-sst-files-size", &tables);
  impl_->db->GetAggregatedIntProperty("rocksdb.cur-size-all-mem-tables", &memory);
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
