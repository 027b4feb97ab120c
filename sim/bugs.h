// The bugs that can be planted, to test the simulator: each is a point in the product's sources
// (HF_BUG of base/planted.h) and must be caught, within a number of worlds, by the oracle that is
// named for it here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hf::sim {

constexpr int kCaughtWithin = 2000;  // worlds

struct PlantedBug {
  std::string_view name;
  std::string_view what;                    // what the product does wrong then
  std::vector<std::string_view> caught_by;  // oracles, any of which may speak first
};

// In the order of what they break.
std::span<const PlantedBug> planted_bugs();
// Null: there is none of that name.
const PlantedBug* find_bug(std::string_view name);
// For the whole process, before its first world. False: no point in the sources has that name.
bool plant(std::string_view name);
// Points of the sources that planted_bugs() does not know, and the other way round.
std::vector<std::string> strays();
// How often the planted bug did its harm.
std::uint64_t harm_done(std::string_view name);

}  // namespace hf::sim
