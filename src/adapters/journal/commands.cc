#include "adapters/journal/commands.h"

#include <memory>
#include <utility>

namespace hf::adapters {

using ports::JournalEvents;

template <typename T, typename Ask, typename Deliver>
void CommandJournal::read(Ask ask, Deliver deliver, bool shown) {
  enqueue(ReadCommand{
      [ask = std::move(ask), deliver](const JournalReads* reads) -> Tell {
        auto found = std::make_shared<Result<T>>(
            reads ? ask(*reads) : Result<T>(fail(ErrorKind::unavailable, "the journal is broken")));
        return [found, deliver](JournalEvents& events) { deliver(events, std::move(*found)); };
      },
      shown});
}

void CommandJournal::commit(CommitId id, call::Batch batch) {
  enqueue(CommitCommand{id, std::move(batch)});
}

void CommandJournal::find_key(ports::ReadId id, const call::Digest& identity) {
  read<ports::KeyFound>(
      [identity](const JournalReads& reads) { return reads.find_key(identity); },
      [id](JournalEvents& events, auto&& found) { events.on_key(id, std::move(found)); });
}

void CommandJournal::read_call(ports::ReadId id, const CallId& call, ports::Want want) {
  read<std::shared_ptr<const call::Call>>(
      [call, want](const JournalReads& reads) { return reads.read_call(call, want); },
      [id](JournalEvents& events, auto&& found) { events.on_call(id, std::move(found)); });
}

void CommandJournal::page_due(ports::ReadId id, const std::string& upstream, call::DueClass which,
                              WallTime until, std::size_t limit) {
  read<ports::DuePage>(
      [upstream, which, until, limit](const JournalReads& reads) {
        return reads.page_due(upstream, which, until, limit);
      },
      [id](JournalEvents& events, auto&& page) { events.on_due(id, std::move(page)); });
}

void CommandJournal::read_line(ports::ReadId id, const call::Digest& line, std::size_t limit) {
  read<ports::LinePage>(
      [line, limit](const JournalReads& reads) { return reads.read_line(line, limit); },
      [id](JournalEvents& events, auto page) { events.on_line(id, std::move(page)); });
}

void CommandJournal::page_line_heads(ports::ReadId id, std::optional<call::Digest> after,
                                     std::size_t limit) {
  read<ports::LineHeads>(
      [after, limit](const JournalReads& reads) { return reads.page_line_heads(after, limit); },
      [id](JournalEvents& events, auto page) { events.on_line_heads(id, std::move(page)); });
}

void CommandJournal::list(ports::ReadId id, ports::CallFilter filter) {
  read<ports::CallPage>(
      [filter = std::move(filter)](const JournalReads& reads) { return reads.list(filter); },
      [id](JournalEvents& events, auto&& page) { events.on_list(id, std::move(page)); }, true);
}

void CommandJournal::detail(ports::ReadId id, const CallId& call) {
  read<ports::CallDetail>(
      [call](const JournalReads& reads) { return reads.detail(call); },
      [id](JournalEvents& events, auto&& detail) { events.on_detail(id, std::move(detail)); },
      true);
}

void CommandJournal::search(ports::ReadId id, ports::SearchSpec spec) {
  read<ports::CallPage>(
      [spec = std::move(spec)](const JournalReads& reads) { return reads.search(spec); },
      [id](JournalEvents& events, auto&& page) { events.on_list(id, std::move(page)); }, true);
}

void CommandJournal::page_likeness(ports::ReadId id, ports::LikenessSpec spec) {
  read<ports::LikenessPage>(
      [spec = std::move(spec)](const JournalReads& reads) { return reads.page_likeness(spec); },
      [id](JournalEvents& events, auto&& page) { events.on_likeness(id, std::move(page)); }, true);
}

}  // namespace hf::adapters
