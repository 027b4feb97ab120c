#include "load/objective.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/fields.h"
#include "base/quantity.h"
#include "load/words.h"

namespace hf::load {
namespace {

constexpr int kMillion = 1'000'000;
constexpr Duration kShortWindow = Duration::seconds(2);
constexpr Duration kLongWindow = Duration::seconds(10);

// "99.9" with at most four decimals, in millionths of 100.
std::optional<int> hundredths(std::string_view text) {
  int whole = 0;
  int scale = 0;
  bool point = false;
  if (text.empty() || text.size() > 7) return std::nullopt;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9' && (!point || scale < 4)) {
      whole = whole * 10 + (c - '0');
      scale += point ? 1 : 0;
    } else {
      return std::nullopt;
    }
  }
  for (; scale < 4; ++scale) {
    if (whole > kMillion) return std::nullopt;
    whole *= 10;
  }
  return whole;
}

Result<LatencyGoal> parse_goal(std::string_view text) {
  const auto mark = text.find('<');
  const std::string_view name = trim_blanks(text.substr(0, mark));
  if (mark == std::string_view::npos || name.size() < 2 || name.front() != 'p') {
    return fail(ErrorKind::invalid, "an objective is written as p99<200ms");
  }
  LatencyGoal goal;
  const auto share = hundredths(name.substr(1));
  if (!share || *share <= 0 || *share >= kMillion) {
    return fail(ErrorKind::invalid, fmt::format("`{}` is no percentile: write one from p1 to "
                                                "p99.9999, as in p99<200ms",
                                                name));
  }
  goal.per_mille_mille = *share;
  auto limit = parse_duration(trim_blanks(text.substr(mark + 1)));
  if (!limit.ok()) return limit.take_error().in(fmt::format("the limit of {}", name));
  if (*limit < Duration::micros(100) || *limit > Duration::hours(1)) {
    return fail(ErrorKind::invalid,
                fmt::format("the limit of {} is from 100us to 1h, as in p99<200ms", name));
  }
  goal.limit = *limit;
  return goal;
}

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// How many of `count` may be beyond, rounded down.
std::uint64_t allowed(std::uint64_t count, int beyond_ppm) {
  return count * static_cast<std::uint64_t>(beyond_ppm) / kMillion;
}

// The value at a percentile when `pending` more have waited `waited` at least.
Duration measured_at(const Tally& tally, const LatencyGoal& goal, std::uint64_t pending,
                     Duration waited) {
  const double share = static_cast<double>(goal.per_mille_mille) / kMillion;
  if (pending == 0) return tally.latency.quantile(share);
  const double rank = share * static_cast<double>(tally.due);
  const double known = static_cast<double>(tally.latency.count());
  if (rank > known) return std::max(waited, goal.limit);
  return tally.latency.quantile(known == 0 ? 1 : rank / known);
}

}  // namespace

Result<Objective> parse_objective(std::string_view latency, std::string_view errors) {
  Objective out;
  while (!trim_blanks(latency).empty()) {
    const auto end = latency.find(',');
    HF_TRY(const LatencyGoal goal, parse_goal(trim_blanks(latency.substr(0, end))));
    if (out.latency.size() >= 8) return fail(ErrorKind::invalid, "at most 8 percentiles");
    out.latency.push_back(goal);
    latency = end == std::string_view::npos ? std::string_view{} : latency.substr(end + 1);
  }
  std::string_view share = trim_blanks(errors);
  if (share.empty()) return out;
  if (share.front() == '<') share = trim_blanks(share.substr(1));
  const bool percent = share.ends_with('%');
  if (percent) share.remove_suffix(1);
  const auto ppm = hundredths(share);
  if (!ppm || *ppm > kMillion || (!percent && *ppm != 0)) {
    return fail(ErrorKind::invalid, "a share of errors is written as <0.1%, from 0 to 100%");
  }
  out.errors_ppm = *ppm;
  return out;
}

std::string name_of(const LatencyGoal& goal) {
  return fmt::format("p{:.6g}", static_cast<double>(goal.per_mille_mille) / 10'000);
}

std::string to_string(const Objective& objective) {
  std::string out;
  for (const LatencyGoal& goal : objective.latency) {
    out +=
        fmt::format("{}{}<{}", out.empty() ? "" : ", ", name_of(goal), format_duration(goal.limit));
  }
  if (objective.errors_ppm) {
    out += fmt::format("{}errors<{:.6g}%", out.empty() ? "" : ", ",
                       static_cast<double>(*objective.errors_ppm) / 10'000);
  }
  return out;
}

std::optional<Breach> breach_of(const Objective& objective, const Tally& tally, Duration waited) {
  std::optional<Breach> worst;
  double worst_by = 0;
  const auto note = [&](const Breach& breach, double by) {
    if (worst && by <= worst_by) return;
    worst = breach;
    worst_by = by;
  };
  if (objective.errors_ppm) {
    const std::uint64_t errors = tally.errors();
    if (errors > allowed(tally.due, *objective.errors_ppm)) {
      Breach breach;
      breach.kind = Breach::Kind::errors;
      breach.over = errors;
      breach.of = tally.due;
      const double limit = std::max(1.0, static_cast<double>(*objective.errors_ppm)) / kMillion;
      // Late answers follow errors more often than the other way round.
      note(breach, 2 * share_of(errors, tally.due) / limit);
    }
  }
  for (const LatencyGoal& goal : objective.latency) {
    const std::uint64_t pending = waited > goal.limit ? tally.pending() : 0;
    const std::uint64_t over = tally.latency.count_over(goal.limit) + pending;
    const int beyond = kMillion - goal.per_mille_mille;
    if (over <= allowed(tally.due, beyond)) continue;
    Breach breach;
    breach.goal = goal;
    breach.over = over;
    breach.of = tally.due;
    breach.measured = measured_at(tally, goal, pending, waited);
    note(breach, share_of(over, tally.due) * kMillion / beyond);
  }
  return worst;
}

std::string in_words(const Breach& breach, std::string_view of) {
  const std::string when =
      fmt::format("from {} to {} of {}", brief(breach.from), brief(breach.to), of);
  if (breach.kind == Breach::Kind::errors) {
    return fmt::format("{} of {} requests ({}) ended in an error {}", breach.over, breach.of,
                       percent(share_of(breach.over, breach.of)), when);
  }
  return fmt::format("{} was {} (limit {}): {} of {} requests ({}) were later {}",
                     name_of(breach.goal), brief(breach.measured), brief(breach.goal.limit),
                     breach.over, breach.of, percent(share_of(breach.over, breach.of)), when);
}

Duration window_for(const Objective& objective, double rate) {
  double needed = 20;
  for (const LatencyGoal& goal : objective.latency)
    needed = std::max(needed, 2.0 * kMillion / (kMillion - goal.per_mille_mille));
  if (objective.errors_ppm && *objective.errors_ppm > 0)
    needed = std::max(needed, std::min(500.0, 1.0 * kMillion / *objective.errors_ppm));
  const double seconds = rate > 0 ? needed / rate : 1e9;
  if (seconds >= 10) return kLongWindow;
  return std::max(kShortWindow, Duration::nanos(static_cast<std::int64_t>(seconds * 1e9)));
}

Duration step_for(const Objective& objective, double rate, Duration planned, Duration settle) {
  return std::max(planned, settle + window_for(objective, rate) + Duration::seconds(1));
}

Breach settled(const Objective& objective, const Breach& breach, std::span<const Slice> slices) {
  Tally tally;
  for (const Slice& slice : slices) {
    const Duration at = slice.begin - slices.front().begin;
    if (at >= breach.from && at + slice.length <= breach.to) tally.merge(slice.tally);
  }
  auto found = breach_of(objective, tally, {});
  if (!found) return breach;
  found->from = breach.from;
  found->to = breach.to;
  return *found;
}

std::optional<Duration> kept_from(const Objective& objective, Duration window,
                                  std::span<const Slice> slices) {
  if (slices.empty()) return Duration{};
  const Instant begin = slices.front().begin;
  for (std::size_t last = slices.size(); last > 0; --last) {
    std::size_t first = last - 1;
    const Instant end = slices[last - 1].end();
    if (end - begin < window && last < slices.size()) break;
    while (first > 0 && slices[first - 1].begin >= end - window)
      first -= 1;
    Tally tally;
    for (std::size_t i = first; i < last; ++i)
      tally.merge(slices[i].tally);
    if (!breach_of(objective, tally, {})) continue;
    if (last == slices.size()) return std::nullopt;
    // The window one slice later was kept, and all after it.
    return slices[first + 1].begin - begin;
  }
  return Duration{};
}

Judge::Judge(Objective objective, Duration window, Duration settle, Duration patience)
    : objective_(std::move(objective)), window_(window), settle_(settle) {
  // What is not answered within a goal's limit is known to be over it. Errors may come as late as
  // requests are waited for.
  for (const LatencyGoal& goal : objective_.latency)
    grace_ = std::max(grace_, goal.limit);
  if (objective_.latency.empty()) grace_ = patience;
  grace_ = std::min(grace_, patience) + Duration::millis(1);
}

// Of the slices from `first` to before `end`.
std::optional<Breach> Judge::judge(std::span<const Slice> slices, std::size_t first,
                                   std::size_t end, Instant now) const {
  Tally tally;
  for (std::size_t i = first; i < end; ++i)
    tally.merge(slices[i].tally);
  // Each slice's requests have waited for other times; what is certain of all is the shortest.
  auto found = breach_of(objective_, tally, now - slices[end - 1].end());
  if (found) {
    found->from = slices[first].begin - slices.front().begin;
    found->to = slices[end - 1].end() - slices.front().begin;
  }
  return found;
}

const std::optional<Breach>& Judge::look(std::span<const Slice> slices, Instant now) {
  if (objective_.empty() || slices.empty()) return breach_;
  const Instant begin = slices.front().begin;
  for (; !breach_ && next_ < slices.size(); ++next_) {
    const Instant end = slices[next_].end();
    if (end > now) break;
    if (end - begin < settle_ + window_) continue;
    std::size_t first = next_;
    while (first > 0 && slices[first - 1].begin >= end - window_)
      first -= 1;
    breach_ = judge(slices, first, next_ + 1, now);
    if (breach_ || now < certain_at(end)) break;
    judged_ += 1;
  }
  return breach_;
}

const std::optional<Breach>& Judge::conclude(std::span<const Slice> slices, Instant now) {
  look(slices, now);
  if (breach_ || judged_ > 0 || objective_.empty() || slices.empty()) return breach_;
  breach_ = judge(slices, 0, slices.size(), now);
  judged_ = 1;
  return breach_;
}

}  // namespace hf::load
