// What a journal is asked for, as commands in the order of asking: every journal here is one queue
// of them and one reader, and differs in when it serves them and where the records lie.
#pragma once

#include <functional>
#include <variant>

#include "adapters/journal/reads.h"
#include "ports/journal.h"

namespace hf::adapters {

// Tells an answer, once.
using Tell = std::function<void(ports::JournalEvents&)>;

struct CommitCommand {
  CommitId id{};
  call::Batch batch;
  bool brings_new_key = false;  // it is known already that nobody has brought it
};
struct ReadCommand {
  // Reads, and says how to tell; without a reader it tells that the journal is broken.
  std::function<Tell(const JournalReads*)> ask;
  // What was found is shown to somebody as it is: it is told once everything that the read can have
  // seen is synced. What the engine does with the others waits for that by itself.
  bool shown = false;
};
using Command = std::variant<CommitCommand, ReadCommand>;

class CommandJournal : public ports::Journal {
 public:
  void commit(CommitId id, call::Batch batch) final;
  void find_key(ports::ReadId id, const call::Digest& identity) final;
  void read_call(ports::ReadId id, const CallId& call, ports::Want want) final;
  void page_due(ports::ReadId id, const std::string& upstream, call::DueClass which, WallTime until,
                std::size_t limit) final;
  void read_line(ports::ReadId id, const call::Digest& line, std::size_t limit) final;
  void page_line_heads(ports::ReadId id, std::optional<call::Digest> after,
                       std::size_t limit) final;
  void list(ports::ReadId id, ports::CallFilter filter) final;
  void detail(ports::ReadId id, const CallId& call) final;
  void search(ports::ReadId id, ports::SearchSpec spec) final;
  void page_likeness(ports::ReadId id, ports::LikenessSpec spec) final;

 protected:
  // To be served after all that was asked for before it.
  virtual void enqueue(Command command) = 0;

 private:
  template <typename T, typename Ask, typename Deliver>
  void read(Ask ask, Deliver deliver, bool shown = false);
};

}  // namespace hf::adapters
