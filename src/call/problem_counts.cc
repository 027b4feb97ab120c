#include "call/problem_counts.h"

#include <utility>

namespace hf::call {

void ProblemCounts::count(const ProblemSpec& spec, std::string_view upstream) {
  std::string code(to_string(spec.code));
  by_code_[code] += 1;
  if (!spec.measure) return;
  const Measure& measure = *spec.measure;
  note({std::move(code), measure.rule, std::string(upstream), measure.unit},
       {1, measure.measured, measure.threshold});
}

void ProblemCounts::add(const ProblemCounts& other) {
  for (const auto& [code, count] : other.by_code_)
    by_code_[code] += count;
  for (const auto& [rule, refusals] : other.by_rule_)
    note(rule, refusals);
}

void ProblemCounts::note(const Rule& rule, const Refusals& refusals) {
  auto found = by_rule_.find(rule);
  if (found == by_rule_.end()) {
    if (by_rule_.size() >= kRulesMax) return;
    found = by_rule_.emplace(rule, Refusals{}).first;
  }
  found->second.count += refusals.count;
  found->second.measured = refusals.measured;
  found->second.threshold = refusals.threshold;
}

}  // namespace hf::call
