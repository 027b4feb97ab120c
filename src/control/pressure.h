// How loaded the application behind is, as one number: what dims features and asks for more
// instances.
#pragma once

#include "call/features.h"
#include "engine/stats.h"
#include "traffic/features.h"

namespace hf::control {

// The most loaded upstream among those that `settings` watches: how long its calls queue, over what
// counts as overload there; an open breaker is twice overload.
traffic::Pressure pressure_of(const engine::Stats& stats, const call::FeatureSettings& settings);

}  // namespace hf::control
