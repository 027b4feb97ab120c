// The driver: events in, commit, effects out. It owns the order of things that DESIGN invariant 1
// asks for: what a decision wrote is synced before anything that depends on it is seen outside.
//
// One thread (the I/O thread). Adapters may call it from inside their own calls: facts queue up and
// are stepped in order, a bounded batch at a time, with one commit a batch. Commits overlap: the
// journal merges what arrives during a sync. A commit that is not `ok` stops the driver for good,
// with nothing said of what it stood for: it may be found at the next start, or not. Whoever owns
// the driver rebuilds it and the engine from the journal. Nothing is rolled back in memory.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash_map.h"
#include "engine/engine.h"
#include "ports/clients.h"
#include "ports/clock.h"
#include "ports/journal.h"
#include "ports/upstream.h"

namespace hf::runtime {

struct Random128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};

// What the shell gives beside the ports. All are called on the driver's thread.
struct Hooks {
  std::function<Random128()> random;               // for call ids: not to be guessed
  std::function<void(const engine::Note&)> note;   // log lines and alerts
  std::function<void(std::string why)> on_broken;  // at most once: rebuild from the journal
  std::function<void(const CallId*)> handling;     // for the crash slot; may be empty
};

class Driver final : public ports::ClientEvents,
                     public ports::UpstreamEvents,
                     public ports::JournalEvents {
 public:
  // `journal` may be null when no route needs one. All ports outlive the driver's last call.
  Driver(engine::EngineOptions options, ports::Journal* journal, ports::Upstream& upstream,
         ports::Clients& clients, ports::Clock& clock, ports::WakeTimer& timer, Hooks hooks);

  // Begins with what the journal's open() found: judges calls that were cut, then takes events.
  void start(const call::Recovered& recovered);
  void on_wake();  // the WakeTimer's word
  void drain();    // new calls are refused, waiting ones held or refused

  using CommandAnswer = std::function<void(bool ok, std::string message)>;
  void command(engine::OperatorCommand command, CommandAnswer answer);
  using ListAnswer = std::function<void(Result<ports::CallPage>)>;
  void list(ports::CallFilter filter, ListAnswer answer);
  using DetailAnswer = std::function<void(Result<ports::CallDetail>)>;
  void detail(const CallId& id, DetailAnswer answer);

  void search(ports::SearchSpec spec, ListAnswer answer);
  using KeyAnswer = std::function<void(Result<ports::KeyFound>)>;
  void find_key(const call::Digest& identity, KeyAnswer answer);
  using LikenessAnswer = std::function<void(Result<ports::LikenessPage>)>;
  void page_likeness(ports::LikenessSpec spec, LikenessAnswer answer);

  [[nodiscard]] const engine::Stats& stats();
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] bool broken() const { return broken_; }

  // ports::ClientEvents
  void on_call(ExchangeId id, call::NewCall call, std::shared_ptr<ports::BodySource> body) override;
  void on_ask(ExchangeId id, call::CallAsk ask) override;
  void on_gone(ExchangeId id) override;
  // ports::UpstreamEvents
  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override;
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override;
  // ports::JournalEvents
  void on_commit(CommitId id, ports::CommitResult result) override;
  void on_key(ports::ReadId id, Result<ports::KeyFound> found) override;
  void on_call(ports::ReadId id, Result<std::shared_ptr<const call::Call>> call) override;
  void on_due(ports::ReadId id, Result<ports::DuePage> page) override;
  void on_line(ports::ReadId id, Result<ports::LinePage> page) override;
  void on_line_heads(ports::ReadId id, Result<ports::LineHeads> page) override;
  void on_list(ports::ReadId id, Result<ports::CallPage> page) override;
  void on_detail(ports::ReadId id, Result<ports::CallDetail> detail) override;
  void on_likeness(ports::ReadId id, Result<ports::LikenessPage> page) override;
  void on_health(ports::JournalHealth health) override;

 private:
  struct Waiting {
    CommitId until{};
    engine::ActionKind what;
  };
  struct Stream {
    std::shared_ptr<ports::BodySource> body;
    bool begun = false;
  };

  void post(engine::Event&& event);
  void handling(const engine::Event& event);
  void handled() {
    if (hooks_.handling) hooks_.handling(nullptr);
  }
  void run();
  void forget_inbox();
  void settle(engine::Effects& effects);
  void release();
  void perform(engine::ActionKind& what);
  void perform(engine::StartAttempt& start);
  void perform(engine::ForwardAnswer& forward);
  void break_off(std::string why);
  ports::ReadId next_read() { return ports::ReadId{next_read_++}; }

  std::optional<engine::Engine> engine_;
  engine::EngineOptions options_;
  ports::Journal* journal_;
  ports::Upstream& upstream_;
  ports::Clients& clients_;
  ports::Clock& clock_;
  ports::WakeTimer& timer_;
  Hooks hooks_;
  CallIds ids_;

  std::vector<engine::Event> inbox_;  // with the room of the turns before
  std::size_t next_in_ = 0;           // those before it are done with
  engine::Effects effects_;           // of the batch in hand; empty between them
  bool running_ = false;
  bool broken_ = false;
  std::uint64_t last_commit_ = 0;  // submitted
  std::uint64_t synced_ = 0;
  std::deque<Waiting> waiting_;

  std::map<ExchangeId, Stream> streams_;
  std::map<AttemptId, ExchangeId> stream_of_;
  HashMap<AttemptId, CallId, AttemptIdHash> call_of_;  // only with hooks_.handling
  std::uint64_t next_read_ = 1;
  std::map<ports::ReadId, call::Digest> key_reads_;
  std::map<ports::ReadId, CallId> call_reads_;
  std::map<ports::ReadId, std::pair<std::string, call::DueClass>> due_reads_;
  std::map<ports::ReadId, call::Digest> line_reads_;
  std::map<ports::ReadId, ListAnswer> list_reads_;
  std::map<ports::ReadId, DetailAnswer> detail_reads_;
  std::map<ports::ReadId, KeyAnswer> key_asks_;
  std::map<ports::ReadId, LikenessAnswer> likeness_reads_;
  std::map<CommandId, CommandAnswer> commands_;
  std::uint64_t next_command_ = 1;
};

}  // namespace hf::runtime
