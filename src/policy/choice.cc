#include "policy/choice.h"

#include "base/check.h"

namespace hf::policy {

std::size_t less_loaded_of_two(const std::vector<int>& loads, Prng& prng) {
  HF_CHECK(!loads.empty());
  if (loads.size() == 1) return 0;
  const auto first = static_cast<std::size_t>(prng.below(loads.size()));
  auto second = static_cast<std::size_t>(prng.below(loads.size() - 1));
  if (second >= first) ++second;
  return loads[second] < loads[first] ? second : first;
}

}  // namespace hf::policy
