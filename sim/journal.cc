#include "sim/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/planted.h"

namespace hf::sim {

using adapters::Command;
using adapters::CommitCommand;
using adapters::ReadCommand;
using ports::CommitResult;
using ports::JournalHealth;

namespace {

constexpr std::int64_t kSlowPickup = 400'000;  // microseconds
constexpr Duration kNoticeable = Duration::millis(300);

bool is_commit(const Command& command) {
  return std::holds_alternative<CommitCommand>(command);
}

std::string text_of(const char* name, const Spell& spell) {
  if (spell.from == spell.until) return "";
  return fmt::format(" {}={:.3f}s..{:.3f}s", name, static_cast<double>(spell.from.ns) / 1e9,
                     static_cast<double>(spell.until.ns) / 1e9);
}

}  // namespace

std::string JournalFaults::text() const {
  std::string out = fmt::format(
      "group={} pickup_us={} sync_us={} read_us={} trouble={} failed_written={} hang={} "
      "sweeps_unsynced={} bodies_apart={}",
      group_max, pickup_us, sync_us, read_us, trouble_permille, failed_written, hang_permille,
      sweeps_unsynced, bodies_apart);
  out += text_of("slow", slow) + text_of("refusing", refusing) + text_of("full", full) +
         text_of("read_only", read_only);
  for (const std::uint64_t calls : deaths)
    out += fmt::format(" death+{}", calls);
  return out;
}

SimJournal::SimJournal(Schedule& schedule, Prng& prng, JournalFaults faults, call::Sealer sealer,
                       NowSource now, call::Retention retention)
    : schedule_(schedule),
      prng_(prng),
      faults_(std::move(faults)),
      store_(call::RecordCodec(std::move(sealer), faults_.bodies_apart ? 0 : call::kBodyInsideMax),
             std::move(now), retention),
      durable_view_(adapters::view_of(durable_)),
      durable_reads_(durable_view_, store_.codec()) {
  for (const Spell& spell : {faults_.refusing, faults_.full}) {
    if (spell.from == spell.until) continue;
    schedule_.at(spell.from, [this] { tell_health(); });
    schedule_.at(spell.until, [this] { tell_health(); });
  }
}

// --- its life ---

Result<call::Recovered> SimJournal::open() {
  HF_CHECK(!open_);
  if (writes_fail() && prng_.chance(1, 2)) {
    return fail(in(faults_.full) ? ErrorKind::full : ErrorKind::unavailable,
                "open the journal: it cannot be written");
  }
  store_.records() = durable_;
  HF_TRY(auto recovered, store_.open());
  if (recovered.fresh) durable_ = store_.records();
  set_ = {};
  told_ = {};
  broken_ = false;
  made_to_fail_ = false;
  open_ = true;
  return recovered;
}

void SimJournal::attach(ports::JournalEvents& events) {
  HF_CHECK(open_);
  events_ = &events;
}

void SimJournal::close() {
  pump();
  if (!broken_) write_through(unsynced_.size());
  turn_ += 1;
  open_ = false;
  events_ = nullptr;
}

SimJournal::Crash SimJournal::crash() {
  Crash out;
  out.under_way = commits_queued();
  for (const Unsynced& write : unsynced_)
    out.under_way += write.commit ? 1 : 0;
  out.survived = prng_.below(out.under_way + 1);
  std::size_t keep = out.survived;
  std::size_t entries = 0;
  while (entries < unsynced_.size() && (!unsynced_[entries].commit || keep > 0)) {
    keep -= unsynced_[entries].commit ? 1 : 0;
    entries += 1;
  }
  const bool all = entries == unsynced_.size();
  write_through(entries);
  // Its thread may have been further than anybody had heard.
  for (const auto& [command, at] : queue_) {
    if (keep == 0 || !all || broken_) break;
    if (!is_commit(command)) continue;
    keep -= 1;
    if (auto ops = store_.write(std::get<CommitCommand>(command).batch)) {
      adapters::apply_to(durable_, *ops);
    }
  }
  queue_.clear();
  group_.clear();
  early_.clear();
  unsynced_.clear();
  turn_ += 1;
  waited_since_.reset();
  lagged_ = schedule_.now();
  open_ = false;
  events_ = nullptr;
  return out;
}

void SimJournal::heal() {
  failing_ = false;
  healed_ = true;
  if (grouped()) tell_health();
}

void SimJournal::enqueue(Command command) {
  HF_CHECK_MSG(open_, "the journal is not open");
  queue_.push_back({std::move(command), schedule_.now()});
}

// --- its thread ---

void SimJournal::wake(bool idle) {
  if (awake_ || !open_ || !group_.empty() || (queue_.empty() && !idle)) return;
  awake_ = true;
  const std::int64_t most = slow_ && !grouped() ? kSlowPickup : faults_.pickup_us;
  schedule_.after(draw(most), [this, turn = turn_] {
    awake_ = false;
    if (turn == turn_) take();
  });
}

// Commits are staged in order, reads see what is staged, one sync makes it all true.
void SimJournal::take() {
  HF_CHECK(events_ != nullptr && group_.empty());
  if (grouped()) tell_health();
  CommitFate fate = draw_fate();
  Duration busy;
  if (!queue_.empty()) waited_since_ = queue_.front().at;
  while (!queue_.empty() && group_.size() < faults_.group_max) {
    Command command = std::move(queue_.front().command);
    queue_.pop_front();
    busy = busy + serve(std::move(command), fate);
  }
  const std::uint64_t turn = turn_;
  for (const adapters::Tell& tell : std::exchange(early_, {})) {
    tell(*events_);
    if (turn != turn_) return;  // it died of it
  }
  if (staged()) busy = busy + draw_sync();
  if (busy == Duration{}) {
    finish(fate);
    return;
  }
  schedule_.after(busy, [this, fate, turn = turn_] {
    if (turn == turn_) finish(fate);
  });
}

bool SimJournal::surely_lacks(const call::Digest& identity) const {
  if (!grouped() || broken_ || commits_queued() > 0 || prng_.chance(1, 2)) return false;
  const auto found = store_.reads().find_key(identity);
  return found.ok() && !found->entry;
}

// What it took.
Duration SimJournal::serve(Command command, CommitFate& fate) {
  if (const auto* commit = std::get_if<CommitCommand>(&command)) {
    group_.push_back({commit->id, stage(commit->batch, fate), {}, {}});
    return {};
  }
  auto& read = std::get<ReadCommand>(command);
  adapters::Tell tell = read.ask(broken_ ? nullptr : &store_.reads());
  // What is not shown as it is may be told at once, while what it saw is not synced.
  if (grouped() && !read.shown && prng_.chance(1, 2)) {
    early_.push_back(std::move(tell));
  } else {
    group_.push_back({std::nullopt, CommitResult::ok, std::move(read), std::move(tell)});
  }
  return faults_.read_us > 0 ? draw(faults_.read_us) : Duration{};
}

CommitResult SimJournal::stage(const call::Batch& batch, CommitFate& fate) {
  if (broken_) return CommitResult::failed;
  if (fate == CommitFate::conflict) {
    made_to_fail_ = true;
    fate = CommitFate::as_it_should;
    return CommitResult::conflict;
  }
  auto ops = store_.write(batch);
  if (!ops) return CommitResult::conflict;
  unsynced_.push_back({*std::move(ops), true});
  return CommitResult::ok;
}

bool SimJournal::staged() const {
  return std::any_of(group_.begin(), group_.end(), [](const Answer& answer) {
    return answer.commit && answer.result == CommitResult::ok;
  });
}

void SimJournal::set_slow(bool slow) {
  slow_ = slow;
  lagged_ = schedule_.now();
}

bool SimJournal::lagged(Instant since) const {
  if (slow_) return true;
  if (lagged_ && *lagged_ >= since) return true;
  if (!health().accepting || (health_at_ && *health_at_ >= since)) return true;
  const auto waits_long = [this](const std::optional<Instant>& from) {
    return from && schedule_.now() - *from > kNoticeable;
  };
  return !open_ || broken_ || waits_long(waited_since_) ||
         (!queue_.empty() && waits_long(queue_.front().at));
}

void SimJournal::finish(CommitFate fate) {
  if (waited_since_ && schedule_.now() - *waited_since_ > kNoticeable) lagged_ = schedule_.now();
  waited_since_.reset();
  const bool wrote = staged();
  if (!wrote || fate == CommitFate::as_it_should) {
    // A disk that says that it has synced, and has not.
    if (!unsynced_.empty() && HF_BUG("lose-the-last-batch")) unsynced_.pop_back();
    if (wrote) write_through(unsynced_.size());
    tell(std::nullopt);
    return;
  }
  broken_ = true;
  made_to_fail_ = true;
  if (adapters::found_later(fate)) {
    const std::size_t most = unsynced_.size();
    write_through(most == 1 ? 1 : 1 + prng_.below(most));
  }
  unsynced_.clear();
  if (grouped()) tell_health();
  tell(adapters::told_of(fate));
}

void SimJournal::write_through(std::size_t entries) {
  const auto end = unsynced_.begin() + static_cast<std::ptrdiff_t>(entries);
  for (auto write = unsynced_.begin(); write != end; ++write)
    adapters::apply_to(durable_, write->ops);
  unsynced_.erase(unsynced_.begin(), end);
}

// `instead` of ok, where the sync failed; the reads may have seen what is not there.
void SimJournal::tell(std::optional<CommitResult> instead) {
  for (const Answer& answer : std::exchange(group_, {})) {
    if (answer.commit) {
      const bool ok = answer.result == CommitResult::ok;
      events_->on_commit(*answer.commit, ok ? instead.value_or(answer.result) : answer.result);
    } else {
      (instead ? answer.read.ask(nullptr) : answer.tell)(*events_);
    }
  }
}

void SimJournal::pump() {
  turn_ += 1;
  if (!group_.empty()) finish(CommitFate::as_it_should);
  while (!queue_.empty()) {
    CommitFate fate = CommitFate::as_it_should;
    Command command = std::move(queue_.front().command);
    queue_.pop_front();
    serve(std::move(command), fate);
    for (const adapters::Tell& tell : std::exchange(early_, {}))
      tell(*events_);
    finish(fate);
  }
}

std::size_t SimJournal::commits_queued() const {
  return static_cast<std::size_t>(
      std::count_if(queue_.begin(), queue_.end(),
                    [](const Queued& queued) { return is_commit(queued.command); }));
}

// --- its faults ---

SimJournal::CommitFate SimJournal::draw_fate() {
  if (commits_queued() == 0) return CommitFate::as_it_should;
  if (next_fate_) return *std::exchange(next_fate_, std::nullopt);
  if (!failing_) return CommitFate::as_it_should;
  if (writes_fail()) {
    constexpr CommitFate kUnwritten[] = {CommitFate::failed, CommitFate::unknown_lost};
    constexpr CommitFate kPerhaps[] = {CommitFate::failed, CommitFate::unknown_lost,
                                       CommitFate::failed_written, CommitFate::unknown_written};
    return in(faults_.read_only) ? kUnwritten[prng_.below(2)] : kPerhaps[prng_.below(4)];
  }
  if (!hit(faults_.trouble_permille)) return CommitFate::as_it_should;
  constexpr CommitFate kTroubles[] = {CommitFate::conflict, CommitFate::failed,
                                      CommitFate::unknown_written, CommitFate::unknown_lost,
                                      CommitFate::failed_written};
  return kTroubles[prng_.below(faults_.failed_written ? 5 : 4)];
}

Duration SimJournal::draw_sync() {
  if (faults_.sync_us == 0) return {};
  Duration out = slow_ || in(faults_.slow) ? draw(kSlow.ns / 1000) : draw(faults_.sync_us);
  if (!healed_ && hit(faults_.hang_permille)) {
    out = out + Duration::millis(prng_.between(2'000, kHang.ms()));
  }
  return out;
}

JournalHealth SimJournal::health() const {
  if (broken_) return {false, "the journal is broken"};
  if (in(faults_.refusing) || in(faults_.full)) return {false, "the disk is full"};
  return set_;
}

void SimJournal::tell_health() {
  if (!open_ || events_ == nullptr) return;
  const JournalHealth now = health();
  if (now.accepting == told_.accepting) return;
  told_ = now;
  health_at_ = schedule_.now();
  events_->on_health(now);
}

void SimJournal::set_health(JournalHealth health) {
  HF_CHECK(events_ != nullptr);
  set_ = health;
  told_ = health;
  health_at_ = schedule_.now();
  events_->on_health(std::move(health));
}

// --- beside the port ---

Result<std::uint64_t> SimJournal::sweep(std::size_t limit) {
  if (!group_.empty()) return std::uint64_t{0};
  HF_TRY(adapters::RetentionTurn turn, store_.sweep(limit));
  return retire(std::move(turn));
}

Result<std::uint64_t> SimJournal::evict(std::uint64_t bytes, std::size_t limit) {
  if (!group_.empty()) return std::uint64_t{0};
  HF_TRY(adapters::RetentionTurn turn, store_.evict(bytes, limit));
  return retire(std::move(turn));
}

// Nobody waits for it to be synced.
std::uint64_t SimJournal::retire(adapters::RetentionTurn turn) {
  unsynced_.push_back({std::move(turn.ops), false});
  if (!faults_.sweeps_unsynced) write_through(unsynced_.size());
  return turn.retired;
}

std::shared_ptr<const call::Call> SimJournal::durable_call(const CallId& id) const {
  auto found = durable_reads_.read_call(id, ports::Want::head);
  HF_CHECK(found.ok());
  return *std::move(found);
}

std::optional<call::KeyEntry> SimJournal::durable_key(const call::Digest& identity) const {
  auto found = durable_reads_.find_key(identity);
  HF_CHECK(found.ok());
  return std::move(found->entry);
}

}  // namespace hf::sim
