// A journal in memory, as weak as a real one: what is asked for waits in a queue until its owner
// lets it happen, in order and with the result the owner chooses; a crash keeps what was synced and
// a prefix of what was under way. It stores the same sealed records as the journal on disk. One
// thread; deterministic when its nonces and clock are.
#pragma once

#include <cstdint>
#include <deque>

#include "adapters/journal/commands.h"
#include "adapters/memory/record_store.h"
#include "ports/journal.h"

namespace hf::adapters {

// What the next commit that is let through comes to.
enum class CommitFate {
  as_it_should,     // ok, or conflict where a precondition does not hold
  conflict,         // refused though nothing was wrong
  failed,           // not written; the journal is broken from then on
  failed_written,   // said to have failed, and found at the next start; broken from then on
  unknown_written,  // written, and nobody is told; broken from then on
  unknown_lost,     // not written, and nobody is told; broken from then on
};

// Whether the next open() finds what came to this.
constexpr bool found_later(CommitFate fate) {
  return fate == CommitFate::as_it_should || fate == CommitFate::failed_written ||
         fate == CommitFate::unknown_written;
}
// What is said of it; ok stands for `as it should`.
constexpr ports::CommitResult told_of(CommitFate fate) {
  switch (fate) {
    case CommitFate::as_it_should:
      return ports::CommitResult::ok;
    case CommitFate::conflict:
      return ports::CommitResult::conflict;
    case CommitFate::failed:
    case CommitFate::failed_written:
      return ports::CommitResult::failed;
    case CommitFate::unknown_written:
    case CommitFate::unknown_lost:
      return ports::CommitResult::unknown;
  }
  return ports::CommitResult::failed;
}

class MemoryJournal final : public CommandJournal {
 public:
  using NowSource = RecordStore::NowSource;

  MemoryJournal(call::Sealer sealer, NowSource now, call::Retention retention = {});

  // open() is also what a restart does: after a crash(), or after a commit that failed.
  Result<call::Recovered> open() override;
  void attach(ports::JournalEvents& events) override { events_ = &events; }
  void close() override;

  // --- for the owner ---

  [[nodiscard]] std::size_t pending() const { return queue_.size(); }
  [[nodiscard]] std::size_t pending_commits() const;
  // Lets the oldest thing asked for happen and answers it; false when there was none. The answer
  // may ask for more. Reads fail while the journal is broken.
  bool pump_one(CommitFate fate = CommitFate::as_it_should);
  // Until nothing waits; for tests that do not care about order.
  void pump();
  // The process dies: nothing that waits is answered any more. Of the commits that wait, the first
  // `keep` are found written at the next open().
  void crash(std::size_t keep);
  // Tells the attached one; `accepting` false is a full disk.
  void set_health(ports::JournalHealth health);
  // One turn of retention by age; entries taken away.
  Result<std::uint64_t> sweep(std::size_t limit = 256);
  // One turn of making room.
  Result<std::uint64_t> evict(std::uint64_t bytes, std::size_t limit = 256);

  [[nodiscard]] bool broken() const { return broken_; }
  // The whole store, for oracles and for damage.
  [[nodiscard]] Records& store() { return store_.records(); }

 private:
  void enqueue(Command command) override;
  ports::CommitResult apply(const call::Batch& batch, CommitFate fate);

  RecordStore store_;
  std::deque<Command> queue_;
  ports::JournalEvents* events_ = nullptr;
  bool open_ = false;
  bool broken_ = false;
};

}  // namespace hf::adapters
