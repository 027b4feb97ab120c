#include "control/alert_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace hf::control {
namespace {

constexpr std::size_t kLinesMax = 10'000;

std::string_view next_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const std::string_view out = line.substr(0, end);
  line.remove_prefix(std::min(line.size(), end + 1));
  return out;
}

std::optional<WallTime> parse_ms(std::string_view text) {
  WallTime out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.ms);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return out;
}

}  // namespace

std::optional<Notice> AlertBook::tell(Entry& entry, WallTime now) const {
  if (entry.told && now - *entry.told < every_) return {};
  const auto what = entry.owed ? Notice::What::still : Notice::What::begun;
  entry.told = now;
  entry.owed = true;
  return Notice{what, {entry.finding, entry.since}, now};
}

std::vector<Notice> AlertBook::look(const std::vector<AlertFinding>& findings, WallTime now) {
  std::vector<Notice> out;
  std::set<Key> seen;
  for (auto& [key, entry] : entries_) {
    entry.since = std::min(entry.since, now);
    if (entry.told) entry.told = std::min(*entry.told, now);
    if (entry.gone) entry.gone = std::min(*entry.gone, now);
  }
  for (const AlertFinding& finding : findings) {
    const Key key{finding.cause, finding.upstream};
    seen.insert(key);
    const auto [at, fresh] = entries_.try_emplace(key);
    Entry& entry = at->second;
    const bool was_over = fresh || (entry.gone && !entry.owed);
    if (was_over) entry.since = now;
    entry.gone.reset();
    entry.finding = finding;
    if (auto notice = tell(entry, now)) out.push_back(std::move(*notice));
  }
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = at->second;
    if (!seen.contains(at->first)) {
      if (!entry.gone) entry.gone = now;
      if (entry.owed && now - *entry.gone >= over_after_) {
        entry.owed = false;
        out.push_back({Notice::What::over, {entry.finding, entry.since}, now});
      }
      const bool quiet = !entry.told || now - *entry.told >= every_;
      if (!entry.owed && quiet) {
        at = entries_.erase(at);
        continue;
      }
    }
    ++at;
  }
  return out;
}

std::vector<Alert> AlertBook::active() const {
  std::vector<Alert> out;
  for (const auto& [key, entry] : entries_) {
    if (!entry.gone) out.push_back({entry.finding, entry.since});
  }
  return out;
}

std::string AlertBook::memory() const {
  std::string out;
  for (const auto& [key, entry] : entries_) {
    if (!entry.told) continue;
    out += fmt::format("{} {} {} {} {}\n", to_string(key.first), entry.since.ms, entry.told->ms,
                       entry.owed ? 1 : 0, key.second);
  }
  return out;
}

void AlertBook::restore(std::string_view memory, WallTime now) {
  for (std::size_t lines = 0; !memory.empty() && lines < kLinesMax; ++lines) {
    std::string_view line = memory.substr(0, memory.find('\n'));
    memory.remove_prefix(std::min(memory.size(), line.size() + 1));
    const auto cause = parse_alert_cause(next_word(line));
    const auto since = parse_ms(next_word(line));
    const auto told = parse_ms(next_word(line));
    const std::string_view owed = next_word(line);
    if (!cause || !since || !told || (owed != "0" && owed != "1")) continue;
    Entry entry;
    entry.finding.cause = *cause;
    entry.finding.upstream = std::string(line);
    entry.since = *since;
    entry.told = *told;
    entry.owed = owed == "1";
    entry.gone = now;
    entries_.insert_or_assign({*cause, entry.finding.upstream}, std::move(entry));
  }
}

}  // namespace hf::control
