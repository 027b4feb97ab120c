#include "control/pressure.h"

#include <algorithm>

namespace hf::control {
namespace {

constexpr std::uint64_t kOpen = 2;  // of UpstreamStats::breaker_open
constexpr std::int64_t kBreakerPermille = 2000;
constexpr std::int64_t kMostPermille = 1'000'000;

traffic::Pressure one(const std::string& name, const engine::UpstreamStats& stats,
                      Duration target) {
  const Duration threshold = stats.load.threshold.ns > 0 ? stats.load.threshold : target;
  traffic::Pressure out;
  out.upstream = name;
  out.rule = "queue-delay";
  out.measured = stats.load.queue_delay.ns / 1000;
  out.threshold = std::max<std::int64_t>(1, threshold.ns / 1000);
  out.permille = std::min((Duration{out.measured} * 1000).ns / out.threshold, kMostPermille);
  if (stats.breaker_open == kOpen && out.permille < kBreakerPermille) {
    out.permille = kBreakerPermille;
    out.rule = "breaker-open";
  }
  return out;
}

}  // namespace

traffic::Pressure pressure_of(const engine::Stats& stats, const call::FeatureSettings& settings) {
  traffic::Pressure out;
  for (const auto& [name, upstream] : stats.upstreams) {
    const bool watched =
        settings.watch.empty() ||
        std::find(settings.watch.begin(), settings.watch.end(), name) != settings.watch.end();
    if (!watched) continue;
    traffic::Pressure found = one(name, upstream, settings.target);
    if (out.upstream.empty() || found.permille > out.permille) out = std::move(found);
  }
  return out;
}

}  // namespace hf::control
