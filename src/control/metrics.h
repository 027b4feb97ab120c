// /metrics in the text format of Prometheus, version 0.0.4. Pure. docs/metrics.md lists the same
// families; a test holds the two together.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/facts.h"
#include "engine/stats.h"

namespace hf::control {

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

struct MetricFamily {
  std::string_view name;
  std::string_view type;  // counter, gauge, histogram
  std::string_view help;
};
// Every family there is, in the order in which they are written.
const std::vector<MetricFamily>& metric_families();

std::string metrics_text(const engine::Stats& stats, const Facts& facts);

}  // namespace hf::control
