// Error answers made by Holdfast, wherever they were made.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "control/facts.h"
#include "engine/stats.h"

namespace hf::control {

// By code: the engine's, and those of requests that it never saw.
inline std::map<std::string, std::uint64_t> problems_of(const engine::Stats& stats,
                                                        const ServerFacts& server) {
  auto out = stats.problems_by_code;
  for (const auto& [code, count] : server.problems_by_code)
    out[code] += count;
  return out;
}

}  // namespace hf::control
