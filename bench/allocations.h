// How often this program has asked for memory with `new`, by any thread.
#pragma once

#include <cstdint>

namespace hf {

std::uint64_t allocations();

}  // namespace hf
