// The simulated journal: as weak as one on a disk, in virtual time. It takes what waits, stages it
// in order, syncs it all at once and then tells everybody; what was not synced survives a crash as
// a prefix, and what is said to have failed may be found all the same. It fails, hangs and fills up
// in the ways of a disk, and stores the same sealed records.
//
// Its owner calls wake() after whatever may have asked for something, and has two questions to it
// beside the port: what is durable at this very instant, and whether a commit that did not go well
// was made to fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/journal/commands.h"
#include "adapters/memory/memory_journal.h"
#include "adapters/memory/record_store.h"
#include "base/prng.h"
#include "sim/schedule.h"

namespace hf::sim {

// A stretch of virtual time; empty when it ends where it begins.
struct Spell {
  Instant from;
  Instant until;
  [[nodiscard]] bool holds(Instant at) const { return from <= at && at < until; }
};

// As drawn, nothing but time is lost with it: each command is served by itself, after a while.
struct JournalFaults {
  std::size_t group_max = 1;     // commands that share one sync
  std::int64_t pickup_us = 0;    // until it takes what waits, at most; 10 at the least
  std::int64_t sync_us = 0;      // that a sync takes, at most; 0: none is waited for
  std::int64_t read_us = 0;      // that each read adds, at most
  int trouble_permille = 0;      // per turn in which a commit waits: one of the troubles
  bool failed_written = false;   // one of them: said to have failed, and found after a restart
  int hang_permille = 0;         // a sync takes seconds, up to SimJournal::kHang
  bool sweeps_unsynced = false;  // what retention takes away waits for the next sync
  bool bodies_apart = false;     // short ones, too, have records of their own
  Spell slow;                    // a sync takes up to SimJournal::kSlow
  Spell refusing;                // health: no new durable calls; outcomes are written
  Spell full;                    // the same, and nothing can be written; perhaps not opened either
  Spell read_only;               // nothing can be written, and nobody was told
  // Calls over its ports after which the process dies in the midst of what it does, each counted
  // from the one before.
  std::vector<std::uint64_t> deaths;

  [[nodiscard]] std::string text() const;
};

class SimJournal final : public adapters::CommandJournal {
 public:
  using NowSource = adapters::RecordStore::NowSource;

  static constexpr Duration kSlow = Duration::millis(1500);
  static constexpr Duration kHang = Duration::seconds(20);  // at most

  // `prng` outlives the journal: a world of an early edition draws from one stream alone.
  SimJournal(Schedule& schedule, Prng& prng, JournalFaults faults, call::Sealer sealer,
             NowSource now, call::Retention retention);

  // Fails now and then where nothing can be written: the next try may do better.
  Result<call::Recovered> open() override;
  void attach(ports::JournalEvents& events) override;
  // Serves what waits and syncs all, at once and without a fault.
  void close() override;

  // Now and then, where it is so.
  [[nodiscard]] bool surely_lacks(const call::Digest& identity) const override;

  // Its thread takes what waits, or has a look when `idle`. The owner calls this whenever something
  // may have been asked for, once all that happens at this instant has happened.
  void wake(bool idle = false);
  // At once, in order and without a fault, until nothing waits: for a judge at the end.
  void pump();

  struct Crash {
    std::size_t under_way = 0;  // commits without an answer
    std::size_t survived = 0;
  };
  // The process dies: nothing is answered any more, and of the writes that are not synced a prefix
  // survives.
  Crash crash();
  // No commit fails any more, though it may still be slow.
  void stop_failing() { failing_ = false; }
  // All is well from here on.
  void heal();
  // For editions whose spells the world has drawn.
  void set_slow(bool slow);
  void set_health(ports::JournalHealth health);

  // The next turn with a commit comes to this, for tests of the journal itself.
  void fail_next(adapters::CommitFate fate) { next_fate_ = fate; }

  // One turn of retention by age, and one of making room; entries taken away. None while a sync is
  // under way.
  Result<std::uint64_t> sweep(std::size_t limit = 256);
  Result<std::uint64_t> evict(std::uint64_t bytes, std::size_t limit = 256);

  [[nodiscard]] bool waits() const { return !queue_.empty() || !group_.empty(); }
  // Whether something has waited for it noticeably long since then, or does now.
  [[nodiscard]] bool lagged(Instant since) const;
  // A commit of this life was made to fail.
  [[nodiscard]] bool made_to_fail() const { return made_to_fail_; }

  // What is synced now, whoever knows of it: the head of a call, null for none; and a key's entry.
  [[nodiscard]] std::shared_ptr<const call::Call> durable_call(const CallId& id) const;
  [[nodiscard]] std::optional<call::KeyEntry> durable_key(const call::Digest& identity) const;

  // Public for who stands between it and its user.
  void enqueue(adapters::Command command) override;

 private:
  using CommitFate = adapters::CommitFate;
  struct Answer {
    std::optional<CommitId> commit;
    ports::CommitResult result = ports::CommitResult::ok;  // once it is synced
    adapters::ReadCommand read;
    adapters::Tell tell;
  };
  // Written and not synced.
  struct Unsynced {
    std::vector<call::KvOp> ops;
    bool commit = false;
  };

  void take();
  Duration serve(adapters::Command command, CommitFate& fate);
  ports::CommitResult stage(const call::Batch& batch, CommitFate& fate);
  void finish(CommitFate fate);
  void write_through(std::size_t entries);
  std::uint64_t retire(adapters::RetentionTurn turn);
  void tell(std::optional<ports::CommitResult> instead);
  [[nodiscard]] ports::JournalHealth health() const;
  void tell_health();
  CommitFate draw_fate();
  Duration draw_sync();
  Duration draw(std::int64_t most_us) { return Duration::micros(prng_.between(10, most_us)); }
  bool hit(int permille) { return prng_.chance(static_cast<std::uint64_t>(permille), 1000); }
  [[nodiscard]] bool grouped() const { return faults_.group_max > 1; }
  [[nodiscard]] bool in(const Spell& spell) const {
    return !healed_ && spell.holds(schedule_.now());
  }
  [[nodiscard]] bool writes_fail() const {
    return failing_ && (in(faults_.full) || in(faults_.read_only));
  }
  [[nodiscard]] bool staged() const;
  [[nodiscard]] std::size_t commits_queued() const;

  Schedule& schedule_;
  Prng& prng_;
  JournalFaults faults_;
  adapters::RecordStore store_;  // what is staged
  adapters::Records durable_;    // what is synced
  adapters::KvView durable_view_;
  adapters::JournalReads durable_reads_;
  struct Queued {
    adapters::Command command;
    Instant at;
  };
  std::deque<Queued> queue_;
  std::optional<Instant> waited_since_;  // the first of the group under way
  std::vector<Answer> group_;            // taken, and not told yet
  std::vector<adapters::Tell> early_;    // of reads, told before the sync
  std::vector<Unsynced> unsynced_;
  ports::JournalEvents* events_ = nullptr;
  ports::JournalHealth set_;  // by the owner
  ports::JournalHealth told_;
  std::optional<CommitFate> next_fate_;
  std::uint64_t turn_ = 0;            // timers of an earlier one are void
  bool awake_ = false;                // a turn is coming
  std::optional<Instant> lagged_;     // the end of the last turn that was long
  std::optional<Instant> health_at_;  // when something was told of its health
  bool open_ = false;
  bool broken_ = false;
  bool failing_ = true;
  bool healed_ = false;
  bool slow_ = false;
  bool made_to_fail_ = false;
};

}  // namespace hf::sim
