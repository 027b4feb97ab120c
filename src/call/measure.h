// What a refusal compares: as people and scripts ask first.
#pragma once

#include <cstdint>
#include <string>

namespace hf::call {

struct Measure {
  std::string rule;  // its name: a closed list, or of a limit in the configuration
  std::int64_t measured = 0;
  std::int64_t threshold = 0;
  std::string unit;
};
// For the log: "concurrency, 8 attempts, threshold 8".
std::string in_words(const Measure& measure);

}  // namespace hf::call
