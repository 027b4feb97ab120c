// The signal for autoscalers: how much each upstream is asked for, over how much it bears. Pure;
// the shell samples once a second.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "engine/stats.h"

namespace hf::control {

// Of one upstream, over the last kAutoscaleWindow.
struct Demand {
  std::uint64_t in_flight = 0;  // now
  std::uint64_t waiting = 0;
  std::uint64_t limit = 0;
  std::int64_t utilisation_permille = 0;  // in flight, over the limit
  // What was asked for, over the limit: in flight, waiting, and what was sent away, counted as the
  // calls that would have been in flight (Little's law: rate times time at the upstream). More than
  // 1000 is more than it bears, and by how much.
  std::int64_t demand_permille = 0;
  std::int64_t shed_per_mille_second = 0;  // calls sent away, in thousandths a second
  std::int64_t ended_per_mille_second = 0;
  Duration queue_delay;
  Duration backlog_age;
};

inline constexpr std::size_t kAutoscaleWindow = 15;  // samples

class Autoscale {
 public:
  // Once a second.
  void sample(const engine::Stats& stats, Instant now);
  // As sampled last; nothing: no such upstream.
  [[nodiscard]] std::optional<Demand> demand(const std::string& upstream) const;
  [[nodiscard]] std::map<std::string, Demand> all() const;

 private:
  struct Sample {
    Instant at;
    engine::UpstreamLoad load;
    std::uint64_t shed = 0;
    std::uint64_t ended = 0;
  };
  std::map<std::string, std::deque<Sample>> samples_;
};

// {"upstreams": {NAME: {...}}}; ratios as decimals, so that an autoscaler needs no arithmetic.
std::string autoscale_json(const Autoscale& autoscale);
// One of them, flat: for KEDA's valueLocation. Nothing: no such upstream.
std::optional<std::string> autoscale_json(const Autoscale& autoscale, const std::string& upstream);

}  // namespace hf::control
