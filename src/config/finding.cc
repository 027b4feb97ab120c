#include "config/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/fields.h"

namespace hf::config {
namespace {

constexpr std::size_t kShown = 64;      // bytes of a value in a message
constexpr std::size_t kCompared = 64;   // longer words are not compared: the table is quadratic
constexpr std::size_t kMaxListed = 24;  // candidates named when none is near

// Levenshtein with a swap of neighbours as one step ("tiemouts" is one away from "timeouts").
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    cost[i][0] = i;
  std::iota(cost[0].begin(), cost[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string format(const Finding& finding) {
  std::string out = finding.file;
  if (finding.line > 0) out += fmt::format(":{}:{}", finding.line, finding.column);
  out += fmt::format(": {}: ", finding.level == Level::error ? "error" : "warning");
  if (!finding.path.empty()) out += fmt::format("{}: ", finding.path);
  out += finding.message;
  if (!finding.suggestion.empty()) out += "; " + finding.suggestion;
  return out + fmt::format(" [{}]", finding.rule);
}

void Findings::add(Rule rule, Position at, std::string path, std::string message,
                   std::string suggestion) {
  const auto& row = row_of(rule);
  const bool error = row.level == Level::error;
  failed_ = failed_ || error;
  // Counted apart, so that a crowd of warnings cannot hide an error.
  auto& count = error ? errors_ : warnings_;
  if (++count > kMaxFindings) {
    cut_ = true;
    return;
  }
  findings_.push_back({row.level, file_, at.line, at.column, std::move(path), std::move(message),
                       std::move(suggestion), std::string(row.id)});
}

std::vector<Finding> Findings::take() {
  if (cut_) {
    warnings_ = 0;
    add(Rule::too_many, {}, {}, "more is wrong than is worth listing",
        "repair what is listed and check again");
  }
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
  return std::move(findings_);
}

std::string in_quotes(std::string_view text) {
  std::string out = "`";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + (text.size() > kShown ? "...`" : "`");
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.empty() || word.size() > kCompared) return {};
  const std::string wanted = lower_ascii(word);
  std::string_view best;
  // A third of the word may be wrong: more would suggest one unrelated word for another.
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto candidate : candidates) {
    if (candidate.size() > kCompared) continue;
    const auto distance = edit_distance(wanted, lower_ascii(candidate));
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return std::string(best);
}

std::string suggest(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string near = nearest(word, candidates);
  if (!near.empty()) return fmt::format("did you mean {}?", in_quotes(near));
  if (candidates.empty()) return {};
  std::string out = "known: ";
  for (std::size_t i = 0; i < candidates.size() && i < kMaxListed; ++i) {
    if (i > 0) out += ", ";
    out += candidates[i];
  }
  return candidates.size() > kMaxListed ? out + ", ..." : out;
}

}  // namespace hf::config
