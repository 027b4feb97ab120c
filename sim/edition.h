// Which worlds a seed draws.
#pragma once

#include <cstdint>

namespace hf::sim {

// What worlds are drawn from. A seed draws in each edition what it drew when that was the newest,
// so that the worlds that found something can be run again.
enum class Edition : std::uint8_t {
  plain,   // before there were lookups, and things that a caller may ask
  asking,  // with both
  full,    // with everything
};

}  // namespace hf::sim
