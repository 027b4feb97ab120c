// How full an upstream is, as the admin API tells it.
#pragma once

#include <string>

#include "engine/stats.h"

namespace hf::control {

// One JSON object. `watched`: what is done about calls that wait for long.
std::string load_json(const engine::UpstreamLoad& load, bool watched);

}  // namespace hf::control
