// A journal in memory, as weak as a real one: what is asked for waits in a queue until its owner
// lets it happen, in order and with the result the owner chooses; a crash keeps what was synced and
// a prefix of what was under way. It stores the same sealed records as the journal on disk. One
// thread; deterministic when its nonces and clock are.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "adapters/journal/kv.h"
#include "adapters/journal/reads.h"
#include "adapters/journal/retention.h"
#include "call/record.h"
#include "call/settings.h"
#include "ports/journal.h"

namespace hf::adapters {

// What the next commit that is let through comes to.
enum class CommitFate {
  as_it_should,     // ok, or conflict where a precondition does not hold
  conflict,         // refused though nothing was wrong
  failed,           // not written; the journal is broken from then on
  unknown_written,  // written, and nobody is told; broken from then on
  unknown_lost,     // not written, and nobody is told; broken from then on
};

class MemoryJournal final : public ports::Journal {
 public:
  using NowSource = std::function<Now()>;

  MemoryJournal(call::Sealer sealer, NowSource now, call::Retention retention = {});

  // open() is also what a restart does: after a crash(), or after a commit that failed.
  Result<call::Recovered> open() override;
  void attach(ports::JournalEvents& events) override { events_ = &events; }
  void commit(CommitId id, call::Batch batch) override;
  void find_key(ports::ReadId id, const call::Digest& identity) override;
  void read_call(ports::ReadId id, const CallId& call, ports::Want want) override;
  void page_due(ports::ReadId id, const std::string& upstream, call::DueClass which, WallTime until,
                std::size_t limit) override;
  void read_line(ports::ReadId id, const call::Digest& line, std::size_t limit) override;
  void page_line_heads(ports::ReadId id, std::optional<call::Digest> after,
                       std::size_t limit) override;
  void list(ports::ReadId id, ports::CallFilter filter) override;
  void detail(ports::ReadId id, const CallId& call) override;
  void search(ports::ReadId id, ports::SearchSpec spec) override;
  void page_likeness(ports::ReadId id, ports::LikenessSpec spec) override;
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
  [[nodiscard]] std::map<std::string, std::string>& store() { return store_; }

 private:
  struct Commit {
    CommitId id;
    call::Batch batch;
  };
  using Read = std::function<void()>;  // answers when called

  ports::CommitResult apply(const call::Batch& batch, CommitFate fate);
  bool write(const call::Batch& batch);
  void write_ops(const std::vector<call::KvOp>& ops);
  template <typename T, typename Ask, typename Tell>
  void ask(Ask ask, Tell tell);

  call::RecordCodec codec_;
  NowSource now_;
  call::Retention ages_;
  std::map<std::string, std::string> store_;
  KvView view_;
  JournalReads reads_;
  Retention retention_;
  std::deque<std::variant<Commit, Read>> queue_;
  std::optional<WallTime> newest_;
  ports::JournalEvents* events_ = nullptr;
  bool open_ = false;
  bool broken_ = false;
};

// A view of an ordered map, which outlives it.
KvView view_of(const std::map<std::string, std::string>& store);

}  // namespace hf::adapters
