// Error answers of ours, counted as they are made: by code, and by rule with what was measured
// against what at the last refusal. One thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "call/reply.h"

namespace hf::call {

class ProblemCounts {
 public:
  // Who refused. A limit may have the name of a rule of ours: its codes are others.
  struct Rule {
    std::string code;
    std::string rule;
    std::string upstream;  // whose limit it is; empty where it is of the whole process
    std::string unit;
    auto operator<=>(const Rule&) const = default;
  };
  struct Refusals {
    std::uint64_t count = 0;
    std::int64_t measured = 0;  // at the last one
    std::int64_t threshold = 0;
  };
  using ByCode = std::map<std::string, std::uint64_t>;
  using ByRule = std::map<Rule, Refusals>;

  // Names come from the configuration; only one that is loaded anew all the time gets there. What
  // comes after that is counted by code alone.
  static constexpr std::size_t kRulesMax = 4096;

  void count(const ProblemSpec& spec, std::string_view upstream = {});
  // As if all that `other` counted had been counted here, after what is here already.
  void add(const ProblemCounts& other);

  [[nodiscard]] const ByCode& by_code() const { return by_code_; }
  [[nodiscard]] const ByRule& by_rule() const { return by_rule_; }

 private:
  void note(const Rule& rule, const Refusals& refusals);

  ByCode by_code_;
  ByRule by_rule_;
};

}  // namespace hf::call
