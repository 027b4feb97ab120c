// A load in phases: rates that follow each other without a pause, run as given. What one phase
// leaves in a server's queues is the next one's to bear; that is what they are for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "load/arrivals.h"

namespace hf::load {

struct PhasePlan {
  std::string name;  // as given, else its place: "2"
  double first_rate = 0;
  double last_rate = 0;  // not the first one: a straight line between them
  Duration length;

  // The rate that a window of it has at least.
  [[nodiscard]] double least_rate() const {
    return first_rate < last_rate ? first_rate : last_rate;
  }
  bool operator==(const PhasePlan&) const = default;
};

inline constexpr std::size_t kMostPhases = 50;

// "500/s", "500" or "30000/m": requests a second. ErrorKind::invalid says what to write.
Result<double> parse_rate_a_second(std::string_view text);

// "51/s:6s, surge=512/s:12s, 512..51/s:30s": [NAME=]RATE[..RATE]:TIME, one after another. Times are
// whole seconds (tens of them beyond 20 minutes), four hours together. A rate of 0 is a pause.
// ErrorKind::invalid says what is wrong.
Result<std::vector<PhasePlan>> parse_phases(std::string_view text);

std::vector<Stretch> stretches_of(const std::vector<PhasePlan>& phases);

// The longest slice of time that is at most `wanted`, of which each phase has a whole number, so
// that what is due in a phase can be counted for it alone; of a single phase, `wanted`.
Duration slice_for(const std::vector<PhasePlan>& phases, Duration wanted);

}  // namespace hf::load
