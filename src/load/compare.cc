#include "load/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "load/words.h"

namespace hf::load {
namespace {

constexpr double kSure = 0.01;  // of being wrong in any of the numbers
constexpr int kNumbers = 4;
constexpr double kZ99 = 2.5758;
constexpr double kWorthAWord = 0.05;
constexpr std::size_t kLeastBlocks = 8;
constexpr std::int64_t kMostBlocks = 60;
constexpr Duration kSettling = Duration::seconds(1);

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The sum of the ranks of `before` in both, and the correction for ties.
struct Ranks {
  double sum = 0;
  double ties = 0;
};

Ranks rank(const std::vector<double>& before, const std::vector<double>& after) {
  std::vector<std::pair<double, bool>> all;
  for (const double value : before)
    all.emplace_back(value, true);
  for (const double value : after)
    all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  Ranks out;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && all[end].first == all[i].first)
      end += 1;
    const double tied = static_cast<double>(end - i);
    const double middle = static_cast<double>(i + end + 1) / 2;
    for (std::size_t k = i; k < end; ++k)
      out.sum += all[k].second ? middle : 0;
    out.ties += tied * tied * tied - tied;
    i = end;
  }
  return out;
}

// What a run at one rate was, block by block.
struct Blocks {
  std::vector<double> p50;
  std::vector<double> p99;
  std::vector<double> errors;
  std::vector<double> throughput;
};

Blocks blocks_of(const StepResult& step) {
  Blocks out;
  const Duration block = std::max(Duration::seconds(1), step.length / kMostBlocks);
  std::int64_t now = -1;
  double count = 0;
  std::array<double, kNumbers> sums{};
  const auto end_block = [&] {
    if (count == 0) return;
    out.p50.push_back(sums[0] / count);
    out.p99.push_back(sums[1] / count);
    out.errors.push_back(sums[2] / count);
    out.throughput.push_back(sums[3] / count);
    sums = {};
    count = 0;
  };
  for (const Moment& moment : step.moments) {
    const Duration into = moment.at - step.begin;
    if (into < kSettling || moment.rate <= 0 || into >= step.length) continue;
    if (into.ns / block.ns != now) {
      end_block();
      now = into.ns / block.ns;
    }
    count += 1;
    sums[0] += static_cast<double>(moment.p50.ns) / 1e3;
    sums[1] += static_cast<double>(moment.p99.ns) / 1e3;
    sums[2] += moment.errors;
    sums[3] += moment.throughput;
  }
  end_block();
  return out;
}

ComparedNumber number_of(std::string name, std::string unit, bool more_is_better, double least,
                         double risk, const std::vector<double>& before,
                         const std::vector<double>& after) {
  ComparedNumber out;
  out.name = std::move(name);
  out.unit = std::move(unit);
  out.test = shift_test(before, after);
  const double size = std::abs(out.test.shift);
  const bool matters = size >= least && size >= kWorthAWord * std::abs(out.test.before);
  const bool sure = out.test.p < risk;
  if (matters && sure) {
    const bool up = out.test.shift > 0;
    out.difference = up == more_is_better ? Difference::better : Difference::worse;
    return out;
  }
  // Alike only where any difference that matters is ruled out.
  const double reach = std::max(std::abs(out.test.low), std::abs(out.test.high));
  const double line = std::max(least, kWorthAWord * std::abs(out.test.before));
  out.difference = reach <= line ? Difference::same : Difference::unclear;
  return out;
}

std::optional<std::string> cannot_compare(const RunResult& before, const RunResult& after) {
  for (const RunResult* run : {&before, &after}) {
    const char* which = run == &before ? "first" : "second";
    if (run->steps.empty()) return fmt::format("the {} run has no steps", which);
    if (run->stopped) return fmt::format("the {} run was stopped before its end", which);
    if (run->verdict.limit == Limit::generator)
      return fmt::format("in the {} run the generator was the limit", which);
  }
  if (before.mode != after.mode) {
    return fmt::format("one is a run in mode {} and the other in mode {}", before.mode, after.mode);
  }
  if (before.mode == "find" && !(before.objective == after.objective)) {
    return fmt::format("their objectives differ ({}; {})", to_string(before.objective),
                       to_string(after.objective));
  }
  if (before.mode == "find") return std::nullopt;
  if (before.steps.size() != after.steps.size()) return "they have not as many phases";
  for (std::size_t i = 0; i < before.steps.size(); ++i) {
    const StepResult& a = before.steps[i];
    const StepResult& b = after.steps[i];
    if (std::abs(a.rate - b.rate) > 0.01 * a.rate) {
      return fmt::format("their rates differ ({}; {})", per_second(a.rate), per_second(b.rate));
    }
    if (before.mode == "phases" && (a.length != b.length || a.first_rate != b.first_rate))
      return fmt::format("their phases differ ({})", a.name);
  }
  return std::nullopt;
}

// Of two steps at one rate, all four numbers; else why they say nothing.
std::optional<std::string> add_numbers(const StepResult& before, const StepResult& after,
                                       std::size_t steps, Comparison& out) {
  const Blocks a = blocks_of(before);
  const Blocks b = blocks_of(after);
  if (a.p50.size() < kLeastBlocks || b.p50.size() < kLeastBlocks) {
    return fmt::format("Cannot tell: {}{} and {} seconds were measured, and it takes {} of each.",
                       before.name.empty() ? "" : "in phase " + before.name + " ", a.p50.size(),
                       b.p50.size(), kLeastBlocks);
  }
  const std::string phase = before.name.empty() ? "" : before.name + " ";
  const double sure = kSure / (kNumbers * static_cast<double>(steps));
  out.numbers.push_back(number_of(phase + "p50", "us", false, 100, sure, a.p50, b.p50));
  out.numbers.push_back(number_of(phase + "p99", "us", false, 100, sure, a.p99, b.p99));
  out.numbers.push_back(
      number_of(phase + "errors", "share", false, 0.0001, sure, a.errors, b.errors));
  out.numbers.push_back(
      number_of(phase + "throughput", "/s", true, 0.1, sure, a.throughput, b.throughput));
  return std::nullopt;
}

Comparison of_searches(const RunResult& before, const RunResult& after) {
  Comparison out;
  if (before.end != SearchEnd::found || after.end != SearchEnd::found) {
    out.sentence = "Cannot tell: not both searches found a breaking point.";
    return out;
  }
  const std::string brackets = fmt::format(
      "before: kept at {}, broken at {}; after: kept at {}, broken at {}", per_second(before.kept),
      per_second(*before.broken), per_second(after.kept), per_second(*after.broken));
  if (after.kept >= *before.broken) {
    out.difference = Difference::better;
    out.sentence = "Better: it keeps a rate at which it broke before (" + brackets + ").";
  } else if (*after.broken <= before.kept) {
    out.difference = Difference::worse;
    out.sentence = "Worse: it breaks at a rate that it kept before (" + brackets + ").";
  } else {
    out.sentence = "Cannot tell: the brackets overlap (" + brackets +
                   "); a smaller --tolerance would part them, if they differ.";
  }
  return out;
}

std::string listed(const std::vector<ComparedNumber>& numbers, Difference difference) {
  std::string out;
  for (const ComparedNumber& number : numbers) {
    if (number.difference == difference) out += (out.empty() ? "" : ", ") + number.name;
  }
  return out;
}

}  // namespace

std::string_view to_string(Difference difference) {
  switch (difference) {
    case Difference::better:
      return "better";
    case Difference::worse:
      return "worse";
    case Difference::same:
      return "same";
    case Difference::unclear:
      return "cannot tell";
  }
  return "";
}

ShiftTest shift_test(const std::vector<double>& before, const std::vector<double>& after) {
  HF_CHECK(!before.empty() && !after.empty());
  const double n = static_cast<double>(before.size());
  const double m = static_cast<double>(after.size());
  ShiftTest out;
  out.before = median(before);
  out.after = median(after);
  std::vector<double> shifts;
  for (const double a : before) {
    for (const double b : after)
      shifts.push_back(b - a);
  }
  std::sort(shifts.begin(), shifts.end());
  out.shift = median(shifts);
  const double deviation = std::sqrt(n * m * (n + m + 1) / 12);
  const auto cut = static_cast<std::ptrdiff_t>(std::floor(n * m / 2 - kZ99 * deviation));
  const auto last = static_cast<std::ptrdiff_t>(shifts.size()) - 1;
  const auto at = std::clamp<std::ptrdiff_t>(cut, 0, last);
  out.low = shifts[static_cast<std::size_t>(at)];
  out.high = shifts[static_cast<std::size_t>(last - at)];

  const Ranks ranks = rank(before, after);
  const double u = ranks.sum - n * (n + 1) / 2;
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - ranks.ties / (all * (all - 1)));
  if (variance <= 0) return out;  // all the same
  const double off = std::max(0.0, std::abs(u - n * m / 2) - 0.5);
  out.p = std::erfc(off / std::sqrt(variance) / std::sqrt(2.0));
  return out;
}

Comparison compare(const RunResult& before, const RunResult& after) {
  Comparison out;
  if (const auto why = cannot_compare(before, after)) {
    out.sentence = "Cannot tell: " + *why + ".";
    return out;
  }
  if (before.mode == "find") return of_searches(before, after);
  for (std::size_t i = 0; i < before.steps.size(); ++i) {
    if (auto short_of = add_numbers(before.steps[i], after.steps[i], before.steps.size(), out)) {
      out.numbers.clear();
      out.sentence = std::move(*short_of);
      return out;
    }
  }
  const std::string better = listed(out.numbers, Difference::better);
  const std::string worse = listed(out.numbers, Difference::worse);
  const std::string unclear = listed(out.numbers, Difference::unclear);
  if (!better.empty() && !worse.empty()) {
    out.sentence = fmt::format("Cannot tell: {} better, {} worse.", better, worse);
  } else if (!better.empty() || !worse.empty()) {
    out.difference = worse.empty() ? Difference::better : Difference::worse;
    out.sentence =
        fmt::format("{}: {}.", worse.empty() ? "Better" : "Worse", worse.empty() ? better : worse);
  } else if (unclear.empty()) {
    out.difference = Difference::same;
    out.sentence = "The same: every difference that would matter is ruled out.";
  } else {
    out.sentence = fmt::format(
        "Cannot tell: {} may differ by more than {} and may not; longer runs would tell.", unclear,
        percent(kWorthAWord));
  }
  return out;
}

}  // namespace hf::load
