#include "adapters/rocksdb/rocksdb_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "adapters/rocksdb/database.h"
#include "adapters/rocksdb/epoch_cache.h"
#include "adapters/rocksdb/upkeep.h"
#include "adapters/seal/key_file.h"
#include "base/check.h"
#include "base/quantity.h"
#include "call/record.h"

namespace hf::adapters {
namespace {

using ports::CommitResult;
using ports::JournalEvents;
using ports::JournalHealth;
using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kGroupBytesMax = std::uint64_t{8} << 20;
constexpr std::size_t kGroupCommandsMax = 4096;
constexpr std::uint64_t kRoomToOpen = std::uint64_t{1} << 20;  // manifest, options, a new log

std::chrono::nanoseconds chrono(Duration duration) {
  return std::chrono::nanoseconds(duration.ns);
}

// Of the database's logs; 0 where there are none yet.
std::uint64_t log_bytes(const std::string& dir) {
  std::uint64_t out = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator at(dir, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() != ".log") continue;
    std::error_code gone;
    const auto size = at->file_size(gone);
    if (!gone) out += size;
  }
  return out;
}

// Where answers go. Touched on the caller's thread only; the journal going away empties it.
struct Listener {
  JournalEvents* events = nullptr;
};

struct Maintain {
  std::function<void()> done;
};
using Work = std::variant<Command, Maintain>;

}  // namespace

class RocksdbJournal::Impl {
 public:
  Impl(RocksdbOptions options, call::Sealer sealer, Post post, NowSource now)
      : options_(std::move(options)),
        codec_(std::move(sealer)),
        post_(std::move(post)),
        now_(std::move(now)),
        listener_(std::make_shared<Listener>()) {}
  ~Impl() {
    close();
    listener_->events = nullptr;
  }

  Result<call::Recovered> open();
  void attach(JournalEvents& events);
  void enqueue(Work work);
  void close();
  [[nodiscard]] std::optional<std::string> broken() const;
  [[nodiscard]] JournalMetrics metrics() const;

 private:
  // One stretch of the queue: what it answers, and whether the answer hangs on the coming sync.
  struct Answer {
    std::optional<CommitId> commit;
    CommitResult result = CommitResult::ok;
    ReadCommand read;
    Tell tell;
  };

  struct Told {
    bool accepting = true;
    bool broken = false;
    bool operator==(const Told&) const = default;
  };

  Result<void> make_room_to_open(std::uint64_t free);
  Result<void> open_disk();
  Result<call::Recovered> start();
  void drop_database();
  void run();
  void serve(std::deque<Work>& work);
  CommitResult stage(const CommitCommand& commit);
  void apply(const std::vector<call::KvOp>& ops);
  Result<void> write(bool sync);
  void answer(std::vector<Answer> answers, std::optional<CommitResult> instead);
  void housekeeping(bool forced);
  void tell_health();
  void post(std::vector<Tell> tells);
  void count(const std::function<void(JournalMetrics&)>& change);

  RocksdbOptions options_;
  const call::RecordCodec codec_;
  Post post_;
  NowSource now_;
  std::shared_ptr<Listener> listener_;

  std::thread thread_;
  mutable std::mutex mutex_;  // guards the four below
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  bool attached_anew_ = false;
  JournalMetrics metrics_;

  // The journal thread's own from open() to close(); database_ itself is set outside of that only.
  std::unique_ptr<Database> database_;
  std::unique_ptr<JournalReads> reads_;
  std::unique_ptr<Upkeep> upkeep_;
  EpochCache epochs_;
  std::optional<WallTime> newest_;
  std::optional<Told> told_;
};

// --- opening and closing ---

// As it opens, RocksDB writes what its logs hold into tables. On a disk without room for that it
// does not fail but stops at an assertion of its own (7.8), so it is not tried.
Result<void> RocksdbJournal::Impl::make_room_to_open(std::uint64_t free) {
  const std::uint64_t needed = log_bytes(options_.path + "/db") + kRoomToOpen;
  if (free >= needed) return {};
  std::error_code ignored;
  std::filesystem::remove(options_.path + "/ballast", ignored);  // this is what it is kept for
  HF_TRY(const DiskRoom room, options_.disk_probe());
  if (room.free >= needed) return {};
  return fail(ErrorKind::full, fmt::format("the disk has {} left, to open the journal takes {}",
                                           format_size(room.free), format_size(needed)));
}

Result<void> RocksdbJournal::Impl::open_disk() {
  HF_TRY_VOID(make_private_dir(options_.path));
  if (!options_.disk_probe) {
    options_.disk_probe = [path = options_.path] { return disk_room(path); };
  }
  HF_TRY(const DiskRoom room, options_.disk_probe());
  const DiskLimits limits = options_.disk.value_or(limits_for(room.total));
  const std::uint64_t write_buffer =
      limits.write_buffer > 0 ? limits.write_buffer : limits_for(room.total).write_buffer;
  HF_TRY_VOID(make_room_to_open(room.free));
  HF_TRY(auto database, Database::open(options_.path + "/db", write_buffer, options_.env));
  upkeep_ =
      std::make_unique<Upkeep>(options_, *database, codec_,
                               DiskSpace(options_.path + "/ballast", limits, options_.disk_probe),
                               [this](const std::vector<call::KvOp>& ops) {
                                 apply(ops);
                                 return write(false).ok();
                               });
  const std::lock_guard lock(mutex_);
  database_ = std::move(database);
  return {};
}

Result<call::Recovered> RocksdbJournal::Impl::start() {
  HF_TRY_VOID(open_disk());
  reads_ = std::make_unique<JournalReads>(database_->view(), codec_);
  HF_TRY(auto recovered, reads_->recover());
  if (recovered.fresh) {
    const Now now = now_();
    apply({codec_.put_meta(call::kMetaMade, now.wall, now)});
    HF_TRY_VOID(database_->write(true));
  }
  return recovered;
}

Result<call::Recovered> RocksdbJournal::Impl::open() {
  HF_CHECK(!thread_.joinable());
  auto recovered = start();
  if (!recovered.ok()) {
    drop_database();
    return recovered.take_error().in("journal " + options_.path);
  }
  newest_ = recovered->newest;
  stopping_ = false;
  epochs_ = {};
  told_.reset();
  thread_ = std::thread([this] { run(); });
  return recovered;
}

void RocksdbJournal::Impl::drop_database() {
  const std::lock_guard lock(mutex_);
  upkeep_.reset();
  reads_.reset();
  database_.reset();
}

void RocksdbJournal::Impl::attach(JournalEvents& events) {
  listener_->events = &events;
  const std::lock_guard lock(mutex_);
  attached_anew_ = true;
  wake_.notify_one();
}

void RocksdbJournal::Impl::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
  drop_database();
}

void RocksdbJournal::Impl::enqueue(Work work) {
  HF_CHECK_MSG(thread_.joinable(), "the journal is not open");
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  wake_.notify_one();
}

// --- the journal thread ---

void RocksdbJournal::Impl::run() {
  std::deque<Work> work;
  while (true) {
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      const auto pause =
          upkeep_->more() ? std::chrono::nanoseconds(1'000'000) : chrono(options_.idle_every);
      wake_.wait_for(lock, pause, [&] { return !queue_.empty() || stopping_ || attached_anew_; });
      std::swap(work, queue_);
      stopping = stopping_;
      if (std::exchange(attached_anew_, false)) told_.reset();
    }
    while (!work.empty())
      serve(work);
    if (stopping) {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return;
      continue;
    }
    housekeeping(false);
  }
}

// Takes a stretch from the front: commits are staged in order, reads see what is staged, one sync
// makes it all true, and then everybody is told.
void RocksdbJournal::Impl::serve(std::deque<Work>& work) {
  std::vector<Answer> answers;
  std::vector<std::function<void()>> maintained;
  bool commits = false;
  while (!work.empty() && answers.size() < kGroupCommandsMax &&
         database_->staged_bytes() < kGroupBytesMax && maintained.empty()) {
    Work next = std::move(work.front());
    work.pop_front();
    if (auto* maintain = std::get_if<Maintain>(&next)) {
      maintained.push_back(std::move(maintain->done));
      continue;
    }
    auto& command = std::get<Command>(next);
    if (const auto* commit = std::get_if<CommitCommand>(&command)) {
      answers.push_back({commit->id, stage(*commit), {}, {}});
      commits = commits || answers.back().result == CommitResult::ok;
    } else {
      auto& read = std::get<ReadCommand>(command);
      Tell tell = read(database_->broken() ? nullptr : reads_.get());
      answers.push_back({std::nullopt, CommitResult::ok, std::move(read), std::move(tell)});
    }
  }
  if (commits) {
    const Now now = now_();
    apply({codec_.put_meta(call::kMetaNewest, *newest_, now)});
  }
  std::optional<CommitResult> instead;
  if (commits) {
    const bool tried = !database_->broken();
    if (!write(true).ok()) instead = tried ? CommitResult::unknown : CommitResult::failed;
  }
  answer(std::move(answers), instead);
  for (auto& done : maintained) {
    housekeeping(true);
    post_(std::move(done));
  }
}

CommitResult RocksdbJournal::Impl::stage(const CommitCommand& commit) {
  if (database_->broken()) return CommitResult::failed;
  const call::KvOps ops = codec_.encode(commit.batch, now_(), options_.policy);
  const auto met = holds(database_->view(), ops,
                         [this](std::string_view key) { return epochs_.find(std::string(key)); });
  if (!met.ok()) {
    database_->declare_broken(met.error().context);
    return CommitResult::failed;
  }
  if (!met.value()) return CommitResult::conflict;
  apply(ops.ops);
  for (const call::CallWrite& write : commit.batch.calls) {
    epochs_.remember(call::call_key(call::Prefix::call_head, write.after->id), write.after->epoch);
  }
  newest_ = std::max(newest_.value_or(ops.newest), ops.newest);
  return CommitResult::ok;
}

void RocksdbJournal::Impl::apply(const std::vector<call::KvOp>& ops) {
  for (const call::KvOp& op : ops) {
    if (op.value) {
      database_->put(op.key, *op.value);
      continue;
    }
    database_->remove(op.key);
    if (op.key.front() == static_cast<char>(call::Prefix::call_head)) epochs_.forget(op.key);
  }
}

Result<void> RocksdbJournal::Impl::write(bool sync) {
  const std::uint64_t bytes = database_->staged_bytes();
  const auto begun = SteadyClock::now();
  auto written = database_->write(sync);
  const auto micros = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begun).count());
  count([&](JournalMetrics& metrics) {
    metrics.bytes_written += bytes;
    if (!sync) return;
    ++metrics.syncs;
    metrics.sync_micros += micros;
    const auto& bounds = JournalMetrics::kSyncBounds;
    const auto at = std::lower_bound(bounds.begin(), bounds.end(), micros);
    ++metrics.sync_buckets[static_cast<std::size_t>(at - bounds.begin())];
  });
  if (!written.ok()) tell_health();
  return written;
}

// `instead` of ok, when the stretch could not be written; its reads may have seen what is not
// there.
void RocksdbJournal::Impl::answer(std::vector<Answer> answers,
                                  std::optional<CommitResult> instead) {
  std::vector<Tell> tells;
  tells.reserve(answers.size());
  count([&](JournalMetrics& metrics) {
    for (Answer& one : answers) {
      if (!one.commit) {
        ++metrics.reads;
        tells.push_back(instead ? one.read(nullptr) : std::move(one.tell));
        continue;
      }
      const CommitResult result =
          one.result == CommitResult::ok ? instead.value_or(one.result) : one.result;
      metrics.commits += result == CommitResult::ok ? 1 : 0;
      metrics.conflicts += result == CommitResult::conflict ? 1 : 0;
      metrics.failures += result == CommitResult::failed || result == CommitResult::unknown ? 1 : 0;
      tells.push_back(
          [id = *one.commit, result](JournalEvents& events) { events.on_commit(id, result); });
    }
  });
  post(std::move(tells));
}

void RocksdbJournal::Impl::post(std::vector<Tell> tells) {
  if (tells.empty()) return;
  post_([listener = listener_, tells = std::move(tells)] {
    for (const Tell& tell : tells) {
      if (listener->events != nullptr) tell(*listener->events);
    }
  });
}

// --- between commits ---

void RocksdbJournal::Impl::housekeeping(bool forced) {
  upkeep_->turn(now_(), newest_, forced);
  count([&](JournalMetrics& metrics) {
    const Upkeep::Counts& counts = upkeep_->counts();
    metrics.retired = counts.retired;
    metrics.evicted = counts.evicted;
    metrics.database_bytes = counts.database_bytes;
    metrics.disk_free_bytes = counts.disk_free_bytes;
    metrics.trouble = counts.trouble;
    metrics.standing = counts.standing;
  });
  tell_health();
}

void RocksdbJournal::Impl::tell_health() {
  const JournalHealth health = upkeep_->health();
  count([&](JournalMetrics& metrics) { metrics.accepting = health.accepting; });
  const Told now{health.accepting, database_->broken().has_value()};
  if (told_.value_or(Told{}) == now) return;
  told_ = now;
  post({[health](JournalEvents& events) { events.on_health(health); }});
}

void RocksdbJournal::Impl::count(const std::function<void(JournalMetrics&)>& change) {
  const std::lock_guard lock(mutex_);
  change(metrics_);
}

std::optional<std::string> RocksdbJournal::Impl::broken() const {
  const std::lock_guard lock(mutex_);
  return database_ ? database_->broken() : std::nullopt;
}

JournalMetrics RocksdbJournal::Impl::metrics() const {
  const std::lock_guard lock(mutex_);
  JournalMetrics out = metrics_;
  out.queued = queue_.size();
  return out;
}

// --- the port ---

RocksdbJournal::RocksdbJournal(RocksdbOptions options, call::Sealer sealer, Post post,
                               NowSource now)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(sealer), std::move(post),
                                   std::move(now))) {}
RocksdbJournal::~RocksdbJournal() = default;

Result<call::Recovered> RocksdbJournal::open() {
  return impl_->open();
}
void RocksdbJournal::attach(JournalEvents& events) {
  impl_->attach(events);
}
void RocksdbJournal::close() {
  impl_->close();
}
std::optional<std::string> RocksdbJournal::broken() const {
  return impl_->broken();
}
JournalMetrics RocksdbJournal::metrics() const {
  return impl_->metrics();
}

void RocksdbJournal::enqueue(Command command) {
  impl_->enqueue(std::move(command));
}
void RocksdbJournal::maintain(std::function<void()> done) {
  impl_->enqueue(Maintain{std::move(done)});
}

}  // namespace hf::adapters
