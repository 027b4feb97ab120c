// Everything that moves, in one answer: what `holdfast top` looks at each second.
#pragma once

#include <string>

#include "control/facts.h"
#include "engine/stats.h"

namespace hf::control {

// `upstreams`, `limits` and `features` are finished JSON, as their own paths give them.
struct TopParts {
  std::string upstreams;
  std::string limits;
  std::string features;
  std::string autoscale;
};
// {"at", "requests": {ROUTE: N}, "problems": {CODE: N}, "server": {...}, "upstreams": ..., ...};
// totals since the start, so that two answers give rates.
std::string top_json(const engine::Stats& stats, const Facts& facts, const TopParts& parts,
                     WallTime now);

}  // namespace hf::control
