// Families of what traffic management decides: refusals, limits per client, answers that stand in,
// features, and how loaded each upstream is.
#pragma once

#include <vector>

#include "control/metric_row.h"

namespace hf::control {

std::vector<MetricRow> traffic_rows();

}  // namespace hf::control
