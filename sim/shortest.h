// The shortest trace of a violation: with as few orders and faults as still bring it about, and of
// its events only those that have to do with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/edition.h"

namespace hf::sim {

struct Shortest {
  std::vector<std::string> orders;   // that are needed; empty: all
  std::vector<std::string> without;  // faults that it does not need
  std::vector<std::string> lines;    // the last kShortestLines at most
};

constexpr std::size_t kShortestLines = 60;

// Runs the world again and again, some thirty times. `violation` is what it was seen to violate.
Shortest shortest_trace(std::uint64_t seed, Edition edition, const std::string& violation);

}  // namespace hf::sim
