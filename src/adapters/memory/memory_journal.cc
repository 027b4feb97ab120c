#include "adapters/memory/memory_journal.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hf::adapters {

using ports::CommitResult;

MemoryJournal::MemoryJournal(call::Sealer sealer, NowSource now, call::Retention retention)
    : store_(call::RecordCodec(std::move(sealer)), std::move(now), retention) {}

Result<call::Recovered> MemoryJournal::open() {
  queue_.clear();
  open_ = false;
  broken_ = false;
  HF_TRY(auto recovered, store_.open());
  open_ = true;
  return recovered;
}

void MemoryJournal::close() {
  pump();
  open_ = false;
}

CommitResult MemoryJournal::apply(const call::Batch& batch, CommitFate fate) {
  if (broken_) return CommitResult::failed;
  if (fate == CommitFate::conflict) return CommitResult::conflict;
  if (fate == CommitFate::as_it_should) {
    return store_.write(batch) ? CommitResult::ok : CommitResult::conflict;
  }
  broken_ = true;
  if (found_later(fate)) store_.write(batch);
  return told_of(fate);
}

void MemoryJournal::enqueue(Command command) {
  HF_CHECK(open_);
  queue_.push_back(std::move(command));
}

std::size_t MemoryJournal::pending_commits() const {
  return static_cast<std::size_t>(std::count_if(
      queue_.begin(), queue_.end(),
      [](const Command& command) { return std::holds_alternative<CommitCommand>(command); }));
}

bool MemoryJournal::pump_one(CommitFate fate) {
  if (queue_.empty()) return false;
  HF_CHECK(events_ != nullptr);
  const Command command = std::move(queue_.front());
  queue_.pop_front();
  if (const auto* commit = std::get_if<CommitCommand>(&command)) {
    events_->on_commit(commit->id, apply(commit->batch, fate));
  } else {
    std::get<ReadCommand>(command).ask(broken_ ? nullptr : &store_.reads())(*events_);
  }
  return true;
}

void MemoryJournal::pump() {
  while (pump_one()) {
  }
}

void MemoryJournal::crash(std::size_t keep) {
  for (const Command& command : queue_) {
    const auto* commit = std::get_if<CommitCommand>(&command);
    if (!commit) continue;
    if (keep-- == 0 || broken_) break;
    store_.write(commit->batch);
  }
  queue_.clear();
  events_ = nullptr;
  open_ = false;
}

void MemoryJournal::set_health(ports::JournalHealth health) {
  HF_CHECK(events_ != nullptr);
  events_->on_health(std::move(health));
}

Result<std::uint64_t> MemoryJournal::sweep(std::size_t limit) {
  HF_TRY(const RetentionTurn turn, store_.sweep(limit));
  return turn.retired;
}

Result<std::uint64_t> MemoryJournal::evict(std::uint64_t bytes, std::size_t limit) {
  HF_TRY(const RetentionTurn turn, store_.evict(bytes, limit));
  return turn.retired;
}

}  // namespace hf::adapters
