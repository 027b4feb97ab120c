// Error answers made by Holdfast, wherever they were made.
#pragma once

#include "call/problem_counts.h"
#include "control/facts.h"
#include "engine/stats.h"

namespace hf::control {

// The engine's, and those of requests that it never saw.
inline call::ProblemCounts problems_of(const engine::Stats& stats, const ServerFacts& server) {
  call::ProblemCounts out = stats.problems;
  out.add(server.problems);
  return out;
}

}  // namespace hf::control
