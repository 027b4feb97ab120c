// How families of metrics are written: rows of a table, one for each family. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "call/problem_counts.h"
#include "control/facts.h"
#include "control/metrics.h"
#include "engine/stats.h"

namespace hf::control {

// The lines of one family.
class MetricLines {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  explicit MetricLines(std::string_view family) : family_(family) {}
  void add(std::uint64_t value) { add({}, value); }
  void add(Labels labels, std::uint64_t value) { add({}, labels, std::to_string(value)); }
  void add(std::string_view suffix, Labels labels, std::string_view value);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string_view family_;
  std::string text_;
};

struct MetricInput {
  const engine::Stats& stats;
  const Facts& facts;
  const call::ProblemCounts& problems;  // of both
};
using WriteMetric = std::function<void(MetricLines&, const MetricInput&)>;

struct MetricRow {
  MetricFamily family;
  WriteMetric write;
};

// With all six digits.
std::string seconds_text(std::uint64_t micros);
// Shortest decimal, as `le` labels and thresholds are usually written.
std::string short_seconds(std::uint64_t micros);

}  // namespace hf::control
