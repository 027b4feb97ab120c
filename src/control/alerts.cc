#include "control/alerts.h"

#include <algorithm>
#include <utility>

#include "call/decide.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {
namespace {

constexpr std::size_t kCallsMax = 1000;  // heads read for one number
// Reading takes at most a hundredth of the time, whatever the size of the backlog.
constexpr std::int64_t kReadShare = 100;
constexpr Duration kReadPauseMax = Duration::minutes(1);

std::uint64_t at(const engine::UpstreamStats& stats, call::Row row) {
  return stats.attempts_by_row[static_cast<std::size_t>(row)];
}

UpstreamFacts facts_of(const std::string& name, const engine::UpstreamStats& stats,
                       const Now& now) {
  UpstreamFacts out;
  out.name = name;
  out.breaker_open = stats.breaker_open != 0;
  out.started = stats.attempts;
  for (const std::uint64_t count : stats.attempts_by_row)
    out.ended += count;
  out.failed = at(stats, call::Row::nothing_sent) + at(stats, call::Row::retry_status) +
               at(stats, call::Row::no_status) + at(stats, call::Row::answer_cut);
  out.in_flight = stats.in_flight;
  out.exhausted = stats.exhausted;
  out.due = stats.held_loaded > 0 || (stats.next_due_ms > 0 && stats.next_due_ms <= now.wall.ms);
  if (stats.paused_until_ms > 0) out.paused_until = WallTime{stats.paused_until_ms};
  return out;
}

void earlier(std::optional<WallTime>& least, WallTime time) {
  least = std::min(least.value_or(time), time);
}

}  // namespace

Alerts::Alerts(AlertParts parts, const std::string& memory)
    : parts_(std::move(parts)),
      watch_(parts_.settings->alerts),
      book_(parts_.settings->alerts.every, parts_.settings->alerts.over_after),
      mail_(*parts_.mail, parts_.settings->alerts, parts_.complain) {
  for (const auto& [name, upstream] : parts_.settings->upstreams)
    names_.push_back(name);
  book_.restore(memory, parts_.clock->read().wall);
  remembered_ = book_.memory();
}

void Alerts::look() {
  if (busy_ || parts_.driver->broken()) {
    judge();
    return;
  }
  const Now now = parts_.clock->read();
  if (now.mono < next_read_) {
    judge();
    return;
  }
  busy_ = true;
  begun_ = now;
  reading_.clear();
  read(0);
}

void Alerts::read(std::size_t upstream) {
  if (upstream == names_.size()) {
    read_parked();
    return;
  }
  ports::CallFilter filter;
  filter.upstream = names_[upstream];
  filter.limit = kCallsMax;
  filter.running_out = ports::RunningOut{1, begun_.wall};
  parts_.driver->list(std::move(filter), [this, upstream](const Result<ports::CallPage>& page) {
    if (page.ok()) take_running_out(names_[upstream], *page);
    read(upstream + 1);
  });
}

void Alerts::read_parked() {
  ports::CallFilter filter;
  filter.state = call::State::unknown;
  filter.limit = kCallsMax;
  parts_.driver->list(std::move(filter), [this](const Result<ports::CallPage>& page) {
    if (page.ok()) take_parked(*page);
    numbers_ = std::move(reading_);
    const Instant now = parts_.clock->read().mono;
    const Duration pause = std::min((now - begun_.mono) * kReadShare, kReadPauseMax);
    next_read_ = now + pause;
    busy_ = false;
    judge();
  });
}

void Alerts::add(AlertNumbers& numbers, const call::Call& call, bool runs_out) const {
  numbers.calls += 1;
  earlier(numbers.oldest, call.accepted.wall);
  if (runs_out) earlier(numbers.runs_out, call::ends_at(call));
  const std::string& field = parts_.settings->alerts.stake;
  if (field.empty()) return;
  for (const call::IndexValue& value : call.index) {
    if (value.name != field || value.hashed) continue;
    if (!numbers.stake) numbers.stake.emplace();
    numbers.stake->add(value.value);
  }
}

void Alerts::take_running_out(const std::string& upstream, const ports::CallPage& page) {
  Numbers& numbers = reading_[upstream];
  for (const auto& call : page.calls) {
    add(numbers.half, *call, true);
    const auto by_time =
        call::stage_of_time(call->accepted.wall, call::ends_at(*call), begun_.wall);
    if (std::max(call->stage, by_time) >= 2) add(numbers.three_quarters, *call, true);
  }
  if (page.matched <= page.calls.size() && !page.more) return;
  numbers.half.calls = page.matched;
  numbers.half.at_least = page.more;
  numbers.three_quarters.at_least = true;
  if (numbers.half.stake) numbers.half.stake->cut();
  if (numbers.three_quarters.stake) numbers.three_quarters.stake->cut();
}

void Alerts::take_parked(const ports::CallPage& page) {
  for (const auto& call : page.calls)
    add(reading_[call->upstream].parked, *call, false);
  if (!page.more) return;
  for (auto& [name, numbers] : reading_) {
    numbers.parked.at_least = true;
    if (numbers.parked.stake) numbers.parked.stake->cut();
  }
}

AlertFacts Alerts::facts(const Now& now) const {
  AlertFacts out;
  const engine::Stats& stats = parts_.driver->stats();
  for (const std::string& name : names_) {
    const auto found = stats.upstreams.find(name);
    out.upstreams.push_back(facts_of(
        name, found == stats.upstreams.end() ? engine::UpstreamStats{} : found->second, now));
  }
  for (const auto& [name, numbers] : numbers_) {
    auto at = std::find_if(out.upstreams.begin(), out.upstreams.end(),
                           [&](const UpstreamFacts& facts) { return facts.name == name; });
    if (at == out.upstreams.end()) {  // parked calls of an upstream that is configured no more
      at = out.upstreams.insert(out.upstreams.end(), UpstreamFacts{});
      at->name = name;
    }
    at->half = numbers.half;
    at->three_quarters = numbers.three_quarters;
    at->parked = numbers.parked;
  }
  const JournalStanding journal = parts_.journal();
  out.journal_refusing = journal.refusing;
  out.journal_why = journal.why;
  return out;
}

void Alerts::judge() {
  const Now now = parts_.clock->read();
  const std::vector<Notice> notices = book_.look(watch_.look(facts(now), now), now.wall);
  for (const Notice& notice : notices)
    parts_.log(notice);
  mail_.send(notices, book_.active(), now);
  std::string memory = book_.memory();
  if (memory != remembered_) {
    remembered_ = std::move(memory);
    parts_.remember(remembered_);
  }
}

std::string Alerts::json() const {
  const WallTime now = parts_.clock->read().wall;
  JsonArray alerts;
  for (const Alert& alert : book_.active())
    alerts.add(alert_json(alert, parts_.settings->alerts.stake, now));
  return call::JsonObject().raw("alerts", alerts.done()).done();
}

}  // namespace hf::control
