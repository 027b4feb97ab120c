// The power of two choices (Mitzenmacher 1996): of two drawn at random, the one with less under
// way. Nearly as good as the least loaded of all, and a newcomer or one that fails fast is not
// given everything at once.
#pragma once

#include <cstddef>
#include <vector>

#include "base/prng.h"

namespace hf::policy {

// An index into `loads`, which must not be empty. Draws only where there is a choice. Of two with
// equal loads, the first drawn.
std::size_t less_loaded_of_two(const std::vector<int>& loads, Prng& prng);

}  // namespace hf::policy
