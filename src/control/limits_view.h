// Limits per client, for operators: what each has let through and refused, and whom.
#pragma once

#include <string>

#include "control/facts.h"
#include "traffic/limiter.h"

namespace hf::control {

// {"limits": [...], "keys": N, "keys_max": N}; offenders with how often they were refused, those
// refused most first. `now` and `wall` are one moment.
std::string limits_json(traffic::Limiter& limiter, const Now& now);

LimitFacts limit_facts(const traffic::Limiter& limiter);

}  // namespace hf::control
