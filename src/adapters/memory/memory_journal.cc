#include "adapters/memory/memory_journal.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"

namespace hf::adapters {

using ports::CommitResult;

KvView view_of(const std::map<std::string, std::string>& store) {
  KvView out;
  out.get = [&store](std::string_view key) -> Result<std::optional<std::string>> {
    const auto found = store.find(std::string(key));
    if (found == store.end()) return std::optional<std::string>{};
    return std::optional<std::string>{found->second};
  };
  out.scan = [&store](std::string_view from, std::string_view until, Direction direction,
                      const KvView::Visit& visit) -> Result<void> {
    const auto first = store.lower_bound(std::string(from));
    const auto last = store.lower_bound(std::string(until));
    if (direction == Direction::ascending) {
      for (auto it = first; it != last && visit(it->first, it->second);)
        ++it;
      return {};
    }
    for (auto it = last; it != first;) {
      --it;
      if (!visit(it->first, it->second)) break;
    }
    return {};
  };
  return out;
}

MemoryJournal::MemoryJournal(call::Sealer sealer, NowSource now, call::Retention retention)
    : codec_(std::move(sealer)),
      now_(std::move(now)),
      ages_(retention),
      view_(view_of(store_)),
      reads_(view_, codec_),
      retention_(view_, codec_, ages_) {}

Result<call::Recovered> MemoryJournal::open() {
  queue_.clear();
  open_ = false;
  broken_ = false;
  HF_TRY(auto recovered, reads_.recover());
  const Now now = now_();
  if (recovered.fresh) {
    const call::KvOp made = codec_.put_meta(call::kMetaMade, now.wall, now);
    write_ops({made});
  }
  newest_ = recovered.newest;
  open_ = true;
  return recovered;
}

void MemoryJournal::close() {
  pump();
  open_ = false;
}

void MemoryJournal::write_ops(const std::vector<call::KvOp>& ops) {
  for (const call::KvOp& op : ops) {
    if (op.value) {
      store_[op.key] = *op.value;
    } else {
      store_.erase(op.key);
    }
  }
}

// False: a precondition does not hold.
bool MemoryJournal::write(const call::Batch& batch) {
  const Now now = now_();
  const call::KvOps ops = codec_.encode(batch, now);
  const auto met = holds(view_, ops, [](std::string_view) { return std::nullopt; });
  HF_CHECK_MSG(met.ok(), "a record in memory has lost its head");
  if (!*met) return false;
  write_ops(ops.ops);
  if (!newest_ || ops.newest > *newest_) {
    newest_ = ops.newest;
    write_ops({codec_.put_meta(call::kMetaNewest, ops.newest, now)});
  }
  return true;
}

CommitResult MemoryJournal::apply(const call::Batch& batch, CommitFate fate) {
  if (broken_) return CommitResult::failed;
  switch (fate) {
    case CommitFate::as_it_should:
      if (queue_.empty() && HF_BUG("lose-the-last-batch")) return CommitResult::ok;
      return write(batch) ? CommitResult::ok : CommitResult::conflict;
    case CommitFate::conflict:
      return CommitResult::conflict;
    case CommitFate::failed:
      broken_ = true;
      return CommitResult::failed;
    case CommitFate::unknown_written:
      write(batch);
      [[fallthrough]];
    case CommitFate::unknown_lost:
      broken_ = true;
      return CommitResult::unknown;
  }
  return CommitResult::failed;
}

void MemoryJournal::commit(CommitId id, call::Batch batch) {
  HF_CHECK(open_);
  queue_.emplace_back(Commit{id, std::move(batch)});
}

template <typename T, typename Ask, typename Tell>
void MemoryJournal::ask(Ask ask, Tell tell) {
  HF_CHECK(open_);
  queue_.emplace_back(Read([this, ask = std::move(ask), tell = std::move(tell)] {
    Result<T> answer = fail(ErrorKind::unavailable, "the journal is broken");
    if (!broken_) answer = ask();
    tell(std::move(answer));
  }));
}

void MemoryJournal::find_key(ports::ReadId id, const call::Digest& identity) {
  ask<ports::KeyFound>([this, identity] { return reads_.find_key(identity); },
                       [this, id](auto found) { events_->on_key(id, std::move(found)); });
}

void MemoryJournal::read_call(ports::ReadId id, const CallId& call, ports::Want want) {
  ask<std::shared_ptr<const call::Call>>(
      [this, call, want] { return reads_.read_call(call, want); },
      [this, id](auto found) { events_->on_call(id, std::move(found)); });
}

void MemoryJournal::page_due(ports::ReadId id, const std::string& upstream, call::DueClass which,
                             WallTime until, std::size_t limit) {
  ask<ports::DuePage>([this, upstream, which, until,
                       limit] { return reads_.page_due(upstream, which, until, limit); },
                      [this, id](auto page) { events_->on_due(id, std::move(page)); });
}

void MemoryJournal::read_line(ports::ReadId id, const call::Digest& line, std::size_t limit) {
  ask<ports::LinePage>([this, line, limit] { return reads_.read_line(line, limit); },
                       [this, id](auto page) { events_->on_line(id, std::move(page)); });
}

void MemoryJournal::page_line_heads(ports::ReadId id, std::optional<call::Digest> after,
                                    std::size_t limit) {
  ask<ports::LineHeads>([this, after, limit] { return reads_.page_line_heads(after, limit); },
                        [this, id](auto page) { events_->on_line_heads(id, std::move(page)); });
}

void MemoryJournal::list(ports::ReadId id, ports::CallFilter filter) {
  ask<ports::CallPage>([this, filter = std::move(filter)] { return reads_.list(filter); },
                       [this, id](auto page) { events_->on_list(id, std::move(page)); });
}

void MemoryJournal::detail(ports::ReadId id, const CallId& call) {
  ask<ports::CallDetail>([this, call] { return reads_.detail(call); },
                         [this, id](auto found) { events_->on_detail(id, std::move(found)); });
}

void MemoryJournal::search(ports::ReadId id, ports::SearchSpec spec) {
  ask<ports::CallPage>([this, spec = std::move(spec)] { return reads_.search(spec); },
                       [this, id](auto page) { events_->on_list(id, std::move(page)); });
}

void MemoryJournal::page_likeness(ports::ReadId id, ports::LikenessSpec spec) {
  ask<ports::LikenessPage>([this, spec = std::move(spec)] { return reads_.page_likeness(spec); },
                           [this, id](auto page) { events_->on_likeness(id, std::move(page)); });
}

std::size_t MemoryJournal::pending_commits() const {
  return static_cast<std::size_t>(
      std::count_if(queue_.begin(), queue_.end(),
                    [](const auto& asked) { return std::holds_alternative<Commit>(asked); }));
}

bool MemoryJournal::pump_one(CommitFate fate) {
  if (queue_.empty()) return false;
  HF_CHECK(events_ != nullptr);
  auto asked = std::move(queue_.front());
  queue_.pop_front();
  if (const auto* commit = std::get_if<Commit>(&asked)) {
    events_->on_commit(commit->id, apply(commit->batch, fate));
  } else {
    std::get<Read>(asked)();
  }
  return true;
}

void MemoryJournal::pump() {
  while (pump_one()) {
  }
}

void MemoryJournal::crash(std::size_t keep) {
  for (const auto& asked : queue_) {
    const auto* commit = std::get_if<Commit>(&asked);
    if (!commit) continue;
    if (keep-- == 0 || broken_) break;
    write(commit->batch);
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
  HF_TRY(const RetentionTurn turn, retention_.sweep(now_(), newest_, limit));
  write_ops(turn.ops);
  return turn.retired;
}

Result<std::uint64_t> MemoryJournal::evict(std::uint64_t bytes, std::size_t limit) {
  HF_TRY(const RetentionTurn turn, retention_.evict(bytes, limit));
  write_ops(turn.ops);
  return turn.retired;
}

}  // namespace hf::adapters
