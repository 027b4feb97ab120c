#include "call/measure.h"

#include <fmt/format.h>

namespace hf::call {

std::string in_words(const Measure& measure) {
  return fmt::format("{}, {} {}, threshold {}", measure.rule, measure.measured, measure.unit,
                     measure.threshold);
}

}  // namespace hf::call
