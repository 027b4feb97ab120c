// A run as one HTML page with plots: nothing is loaded from elsewhere, no script runs.
#pragma once

#include <string>

#include "load/result.h"

namespace hf::load {

std::string report_html(const RunResult& run);

}  // namespace hf::load
