#include "adapters/rocksdb/rocksdb_journal.h"

#include <fmt/format.h>
#include <pthread.h>

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
#include "adapters/rocksdb/keys_on_the_way.h"
#include "adapters/rocksdb/sending_marks.h"
#include "adapters/rocksdb/sync_pace.h"
#include "adapters/rocksdb/sync_thread.h"
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
// So many commands are handed over at once, or wake the thread during a sync: it has its part of
// them done while the caller's thread brings more.
constexpr std::size_t kHandOver = 32;
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

// The greatest id of all calls that are stored.
Result<CallId> newest_call(const KvView& view) {
  const std::string heads(1, static_cast<char>(call::Prefix::call_head));
  Result<CallId> out = CallId{};
  HF_TRY_VOID(view.scan(heads, call::end_of(heads), Direction::descending,
                        [&](std::string_view key, std::string_view) {
                          out = call::call_of_key(key);
                          return false;
                        }));
  return out;
}

// Where answers go, and whether there is still a journal. Touched on the caller's thread only; the
// journal going away empties it.
struct Listener {
  JournalEvents* events = nullptr;
  bool open = false;
  KeysOnTheWay keys;
};

// The journal's thread had it last: it comes into this one's cache meanwhile.
void expect(const call::Batch& batch) {
  if (!batch.calls.empty()) __builtin_prefetch(batch.calls.data());
}

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
    listener_->open = false;
  }

  Result<call::Recovered> open();
  void attach(JournalEvents& events);
  void enqueue(Work work);
  void hand_over();
  void close();
  [[nodiscard]] bool surely_lacks(const call::Digest& identity) const;
  [[nodiscard]] std::optional<std::string> broken() const;
  [[nodiscard]] JournalMetrics metrics() const;

 private:
  // What is told after the coming sync, in the order of asking.
  struct Answer {
    std::optional<CommitId> commit;
    CommitResult result = CommitResult::ok;
    // What was committed goes back with the answer: memory is given back cheapest where it came
    // from.
    call::Batch spent;
    ReadCommand read;
    Tell tell;
  };

  struct Told {
    bool accepting = true;
    bool broken = false;
    std::int64_t measured = 0;  // refusals tell of now, not of when they began
    bool operator==(const Told&) const = default;
  };

  Result<void> make_room_to_open(std::uint64_t free);
  Result<void> open_disk();
  Result<call::Recovered> start();
  void drop_database();
  void run();
  void wait(std::unique_lock<std::mutex>& lock);
  void serve(std::deque<Work>& work);
  void serve(CommitCommand& commit);
  void serve(ReadCommand& read, std::vector<Tell>& told);
  void push();
  void push_now();
  void push_all();
  std::vector<Answer> take_staged();
  [[nodiscard]] std::chrono::nanoseconds until_push() const;
  void wait_for_sync();
  CommitResult stage(const CommitCommand& commit);
  void apply(std::vector<call::KvOp> ops);
  Result<void> write();
  Result<void> sync();
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
  std::vector<Work> asked_;  // on the caller's thread, not handed over yet

  std::thread thread_;
  mutable std::mutex mutex_;  // guards the seven below
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  bool attached_anew_ = false;
  bool syncing_ = false;  // cleared by the sync thread
  SteadyClock::time_point next_sync_;
  JournalMetrics metrics_;

  // The journal thread's own from open() to close(); database_ itself is set outside of that only.
  std::unique_ptr<Database> database_;
  std::unique_ptr<JournalReads> reads_;
  std::unique_ptr<Upkeep> upkeep_;
  std::optional<SendingMarks> marks_;
  std::vector<Answer> staged_;
  std::size_t awaited_ = 0;  // of staged_
  DueFronts fronts_;
  EpochCache epochs_;
  std::optional<WallTime> newest_;
  std::optional<Told> told_;
  SyncThread sync_thread_;
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
                                 return write().ok();
                               });
  const std::lock_guard lock(mutex_);
  database_ = std::move(database);
  return {};
}

Result<call::Recovered> RocksdbJournal::Impl::start() {
  HF_TRY_VOID(open_disk());
  marks_.emplace(*database_);
  fronts_ = {};
  reads_ = std::make_unique<JournalReads>(database_->view(), codec_, &fronts_);
  HF_TRY(auto recovered, reads_->recover());
  HF_TRY(const bool completed, SendingMarks::complete(*database_, codec_));
  if (completed) {
    HF_TRY(recovered, reads_->recover());
  }
  HF_TRY(const CallId newest, newest_call(database_->view()));
  epochs_ = EpochCache(newest);
  if (recovered.fresh) {
    const Now now = now_();
    apply({codec_.put_meta(call::kMetaMade, now.wall, now)});
    HF_TRY_VOID(database_->write());
    HF_TRY_VOID(database_->sync());
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
  told_.reset();
  listener_->open = true;
  listener_->keys = {};
  thread_ = std::thread([this] { run(); });
  return recovered;
}

void RocksdbJournal::Impl::drop_database() {
  const std::lock_guard lock(mutex_);
  upkeep_.reset();
  reads_.reset();
  marks_.reset();
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
  hand_over();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
  wait_for_sync();
  drop_database();
}

// What one turn of the caller's loop asks for goes over at its end, or where it is much in parts:
// waking a thread for each would cost more than what it does.
void RocksdbJournal::Impl::enqueue(Work work) {
  HF_CHECK_MSG(thread_.joinable(), "the journal is not open");
  if (auto* command = std::get_if<Command>(&work)) {
    if (auto* commit = std::get_if<CommitCommand>(command)) {
      commit->brings_new_key = listener_->keys.brings_new_key(commit->batch);
      listener_->keys.asked(commit->batch);
    }
  }
  asked_.push_back(std::move(work));
  if (asked_.size() >= kHandOver) return hand_over();
  if (asked_.size() > 1) return;
  post_([this, listener = listener_] {
    if (listener->open) hand_over();
  });
}

// During a sync and until the next is due, commits only gather: the thread is woken for what can be
// answered at once, and wakes by itself for the rest.
void RocksdbJournal::Impl::hand_over() {
  if (asked_.empty()) return;
  const bool commits_only = std::all_of(asked_.begin(), asked_.end(), [](const Work& work) {
    const auto* command = std::get_if<Command>(&work);
    return command != nullptr && std::holds_alternative<CommitCommand>(*command);
  });
  const std::lock_guard lock(mutex_);
  const std::size_t before = queue_.size();
  std::move(asked_.begin(), asked_.end(), std::back_inserter(queue_));
  asked_.clear();
  const bool many = before < kHandOver && queue_.size() >= kHandOver;
  const bool awaited = syncing_ || SteadyClock::now() < next_sync_;
  if (!commits_only || !awaited || many) wake_.notify_one();
}

bool RocksdbJournal::Impl::surely_lacks(const call::Digest& identity) const {
  if (!database_ || listener_->keys.contain(identity)) return false;
  const bool lacks = database_->surely_lacks(call::key_key(identity));
  if (lacks) listener_->keys.lacked(identity);
  return lacks;
}

// --- the journal thread ---

void RocksdbJournal::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "journal");
  std::deque<Work> work;
  while (true) {
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      wait(lock);
      std::swap(work, queue_);
      stopping = stopping_;
      if (std::exchange(attached_anew_, false)) told_.reset();
    }
    while (!work.empty())
      serve(work);
    push();
    if (stopping) {
      push_all();
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return;
      continue;
    }
    housekeeping(false);
  }
}

// For something to do, or a while.
void RocksdbJournal::Impl::wait(std::unique_lock<std::mutex>& lock) {
  const auto idle =
      upkeep_->more() ? std::chrono::nanoseconds(1'000'000) : chrono(options_.idle_every);
  while (queue_.empty() && !stopping_ && !attached_anew_) {
    auto pause = idle;
    const auto due = until_push();
    if (!staged_.empty() && !syncing_ && due.count() == 0) return;
    // Also with nothing staged: what comes until then does not wake it.
    if (!syncing_ && due.count() > 0) pause = std::min(pause, due);
    if (wake_.wait_for(lock, pause) == std::cv_status::timeout) return;
  }
}

// Takes a stretch from the front: commits are staged in order, reads see what is staged. What the
// engine asked for is told at once, since what it does with it waits for the sync; what people are
// shown is told after it.
void RocksdbJournal::Impl::serve(std::deque<Work>& work) {
  std::vector<Tell> told;
  while (!work.empty() && staged_.size() < kGroupCommandsMax &&
         database_->staged_bytes() < kGroupBytesMax) {
    Work next = std::move(work.front());
    work.pop_front();
    if (auto* maintain = std::get_if<Maintain>(&next)) {
      post(std::exchange(told, {}));
      push_all();
      housekeeping(true);
      post_(std::move(maintain->done));
      continue;
    }
    auto& command = std::get<Command>(next);
    if (auto* commit = std::get_if<CommitCommand>(&command)) {
      serve(*commit);
    } else {
      serve(std::get<ReadCommand>(command), told);
    }
  }
  post(std::move(told));
  if (!work.empty()) push_all();  // the group is full
}

void RocksdbJournal::Impl::serve(CommitCommand& commit) {
  const CommitResult result = stage(commit);
  awaited_ += commit.batch.awaited ? 1 : 0;
  staged_.push_back({commit.id, result, std::move(commit.batch), {}, {}});
}

void RocksdbJournal::Impl::serve(ReadCommand& read, std::vector<Tell>& told) {
  Tell tell = read.ask(database_->broken() ? nullptr : reads_.get());
  if (read.shown) {
    ++awaited_;
    staged_.push_back({std::nullopt, CommitResult::ok, {}, std::move(read), std::move(tell)});
    return;
  }
  count([](JournalMetrics& metrics) { ++metrics.reads; });
  told.push_back(std::move(tell));
}

std::vector<RocksdbJournal::Impl::Answer> RocksdbJournal::Impl::take_staged() {
  awaited_ = 0;
  return std::exchange(staged_, {});
}

// 0: nothing is to be waited for but a sync that is under way.
std::chrono::nanoseconds RocksdbJournal::Impl::until_push() const {
  return left_to_wait(awaited_, next_sync_ - SteadyClock::now());
}

// Writes what is staged, unless a sync is under way or comes soon: then it gathers.
void RocksdbJournal::Impl::push() {
  {
    const std::lock_guard lock(mutex_);
    if (syncing_) return;
  }
  if (!staged_.empty() && until_push().count() == 0) push_now();
}

// The sync thread makes it true and tells everybody.
void RocksdbJournal::Impl::push_now() {
  if (staged_.empty()) return;
  const bool commits = std::any_of(staged_.begin(), staged_.end(), [](const Answer& one) {
    return one.commit && one.result == CommitResult::ok;
  });
  if (!commits) {
    answer(take_staged(), std::nullopt);
    return;
  }
  const Now now = now_();
  apply({codec_.put_meta(call::kMetaNewest, *newest_, now)});
  if (const auto since = marks_->turn(SteadyClock::now())) {
    apply({codec_.put_meta(call::kMetaUnmarked, *since, now)});
  }
  const bool tried = !database_->broken();
  if (!write().ok()) {
    answer(take_staged(), tried ? CommitResult::unknown : CommitResult::failed);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    syncing_ = true;
    next_sync_ = SteadyClock::now() + pace_after(staged_.size());
  }
  auto answers = std::make_shared<std::vector<Answer>>(take_staged());
  sync_thread_.wait();
  sync_thread_.start([this, answers = std::move(answers)] {
    const bool synced = sync().ok();
    answer(std::move(*answers), synced ? std::nullopt : std::optional(CommitResult::unknown));
    const std::lock_guard lock(mutex_);
    syncing_ = false;
    wake_.notify_one();
  });
}

// Until nothing is staged or under way.
void RocksdbJournal::Impl::push_all() {
  wait_for_sync();
  push_now();
  wait_for_sync();
}

void RocksdbJournal::Impl::wait_for_sync() {
  sync_thread_.wait();
}

CommitResult RocksdbJournal::Impl::stage(const CommitCommand& commit) {
  if (database_->broken()) return CommitResult::failed;
  call::KvOps ops = codec_.encode(commit.batch, now_(), options_.policy);
  KnownHeads known;
  known.epoch = [this](const CallId& id) { return epochs_.find(id); };
  known.new_call = [this](const CallId& id) { return epochs_.surely_new(id); };
  known.new_key = [&commit](const call::Digest&) { return commit.brings_new_key; };
  const auto met = holds(database_->view(), ops, known);
  if (!met.ok()) {
    database_->declare_broken(met.error().context);
    return CommitResult::failed;
  }
  if (!met.value()) return CommitResult::conflict;
  apply(std::move(ops.ops));
  for (const call::CallWrite& write : commit.batch.calls) {
    const bool ends =
        write.before && !terminal(write.before->state) && terminal(write.after->state);
    if (ends) {
      epochs_.drop(write.after->id);
    } else {
      epochs_.remember(write.after->id, write.after->epoch);
    }
  }
  newest_ = std::max(newest_.value_or(ops.newest), ops.newest);
  return CommitResult::ok;
}

void RocksdbJournal::Impl::apply(std::vector<call::KvOp> ops) {
  for (call::KvOp& op : ops) {
    if (marks_->take(op)) continue;
    const char kind = op.key.front();
    if (op.value && kind == static_cast<char>(call::Prefix::due)) fronts_.put(op.key);
    if (!op.value && kind == static_cast<char>(call::Prefix::call_head)) {
      if (const auto id = call::call_of_key(op.key); id.ok()) epochs_.forget(id.value());
    }
    database_->stage(std::move(op.key), std::move(op.value));
  }
}

Result<void> RocksdbJournal::Impl::write() {
  const std::uint64_t bytes = database_->staged_bytes();
  auto written = database_->write();
  count([&](JournalMetrics& metrics) { metrics.bytes_written += bytes; });
  if (!written.ok()) tell_health();
  return written;
}

// On the sync thread.
Result<void> RocksdbJournal::Impl::sync() {
  const auto begun = SteadyClock::now();
  auto synced = database_->sync();
  const auto micros = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begun).count());
  count([&](JournalMetrics& metrics) {
    ++metrics.syncs;
    metrics.sync_micros += micros;
    const auto& bounds = JournalMetrics::kSyncBounds;
    const auto at = std::lower_bound(bounds.begin(), bounds.end(), micros);
    ++metrics.sync_buckets[static_cast<std::size_t>(at - bounds.begin())];
  });
  return synced;
}

// `instead` of ok, when the stretch could not be written; its reads may have seen what is not
// there. On the journal thread or the sync thread, never on both at once.
void RocksdbJournal::Impl::answer(std::vector<Answer> answers,
                                  std::optional<CommitResult> instead) {
  std::vector<Tell> tells;
  // Those that stand one behind the other go over as one.
  struct Committed {
    CommitId id{};
    CommitResult result = CommitResult::ok;
    call::Batch spent;
  };
  std::vector<Committed> commits;
  const auto tell_commits = [&] {
    if (commits.empty()) return;
    auto told = std::make_shared<std::vector<Committed>>(std::exchange(commits, {}));
    tells.push_back([listener = listener_, told = std::move(told)](JournalEvents&) {
      for (Committed& one : *told) {
        if (listener->events == nullptr) return;  // whoever was told last may have closed it
        if (const auto* next = &one + 1; next != told->data() + told->size()) expect(next->spent);
        listener->keys.told(one.spent);
        listener->events->on_commit(one.id, one.result);
        one.spent = {};
      }
    });
  };
  count([&](JournalMetrics& metrics) {
    for (Answer& one : answers) {
      if (!one.commit) {
        ++metrics.reads;
        tell_commits();
        tells.push_back(instead ? one.read.ask(nullptr) : std::move(one.tell));
        continue;
      }
      const CommitResult result =
          one.result == CommitResult::ok ? instead.value_or(one.result) : one.result;
      metrics.commits += result == CommitResult::ok ? 1 : 0;
      metrics.conflicts += result == CommitResult::conflict ? 1 : 0;
      metrics.failures += result == CommitResult::failed || result == CommitResult::unknown ? 1 : 0;
      commits.push_back({*one.commit, result, std::move(one.spent)});
    }
  });
  tell_commits();
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
  const Told now{health.accepting, database_->broken().has_value(),
                 health.measure ? health.measure->measured : 0};
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
bool RocksdbJournal::surely_lacks(const call::Digest& identity) const {
  return impl_->surely_lacks(identity);
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
