// What a measured rate asks of a configuration, as text to be merged into one.
#pragma once

#include <string>

#include "base/result.h"
#include "load/capacity.h"
#include "load/result.h"

namespace hf::load {

// YAML: concurrency and rate of `upstream`, one limit for everybody together that begins by only
// observing, and in comments the numbers for autoscaling; each line says where it comes from.
// ErrorKind::invalid: the run does not tell enough, and why.
Result<std::string> plan_yaml(const RunResult& run, const std::string& upstream,
                              const CapacityAsked& asked);

}  // namespace hf::load
