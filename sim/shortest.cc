#include "sim/shortest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>
#include <utility>

#include "sim/world.h"

namespace hf::sim {
namespace {

constexpr std::size_t kIdLength = 36;  // of a call id as text

bool part_of_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// `word` with nothing of a longer one around it: order-1 is not order-12.
bool has_word(const std::string& line, const std::string& word) {
  for (auto at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
    const auto end = at + word.size();
    const bool begins = at == 0 || !part_of_word(line[at - 1]);
    if (begins && (end == line.size() || !part_of_word(line[end]))) return true;
  }
  return false;
}

void collect_words(const std::string& text, std::set<std::string>& orders,
                   std::set<std::string>& ids) {
  std::string word;
  for (const char c : text + ' ') {
    if (part_of_word(c) || c == '-') {
      word += c;
      continue;
    }
    if (word.starts_with("order-") || word.starts_with("last-") || word.starts_with("shop-"))
      orders.insert(word);
    if (word.size() == kIdLength && word.find('-') == std::string::npos) ids.insert(word);
    word.clear();
  }
}

struct Recorded {
  std::vector<std::string> lines;
  bool same = false;  // the same oracle has spoken
};

Recorded play(WorldOptions options, const std::string& oracle, bool keep) {
  Recorded out;
  if (keep) {
    options.trace = [&out](Instant at, const std::string& line) {
      out.lines.push_back(fmt::format("{:>14.6f} {}", static_cast<double>(at.ns) / 1e9, line));
    };
  }
  const Verdict verdict = World(std::move(options)).run();
  out.same = std::any_of(verdict.violations.begin(), verdict.violations.end(),
                         [&](const std::string& what) { return oracle_of(what) == oracle; });
  return out;
}

// What befalls everybody.
bool is_of_the_world(const std::string& line) {
  for (const char* what : {" boot", " crash", " drain", " healed", " VIOLATION", " the wall clock",
                           " another configuration", " driver stopped"}) {
    const auto at = line.find(what);
    if (at != std::string::npos && at <= 15) return true;
  }
  return false;
}

std::vector<std::string> of_these(const std::vector<std::string>& lines,
                                  const std::set<std::string>& orders, std::set<std::string> ids) {
  const auto about = [](const std::string& line, const std::set<std::string>& words) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& word) { return has_word(line, word); });
  };
  std::set<std::string> others;
  for (const std::string& line : lines) {
    if (about(line, orders)) collect_words(line, others, ids);
  }
  std::vector<std::string> out;
  for (const std::string& line : lines) {
    if (is_of_the_world(line) || about(line, orders) || about(line, ids)) out.push_back(line);
  }
  if (out.size() > kShortestLines) {
    out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(kShortestLines));
  }
  return out;
}

}  // namespace

Shortest shortest_trace(std::uint64_t seed, Edition edition, const std::string& violation) {
  const std::string oracle = oracle_of(violation);
  WorldOptions options{.seed = seed, .edition = edition};
  std::set<std::string> orders;
  std::set<std::string> ids;
  collect_words(violation, orders, ids);
  Shortest out;
  if (!orders.empty()) {
    options.only = orders;
    if (!play(options, oracle, false).same) options.only.clear();
  }
  for (const std::string& group : FaultPlan::groups()) {
    options.without.push_back(group);
    if (!play(options, oracle, false).same) options.without.pop_back();
  }
  out.orders.assign(options.only.begin(), options.only.end());
  out.without = options.without;
  const Recorded last = play(std::move(options), oracle, true);
  for (const std::string& line : last.lines) {
    if (line.find("VIOLATION " + oracle) != std::string::npos) collect_words(line, orders, ids);
  }
  out.lines = of_these(last.lines, orders, ids);
  return out;
}

}  // namespace hf::sim
