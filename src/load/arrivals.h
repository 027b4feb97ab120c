// When each request of a load is due, known before any is sent: how long the answers take moves
// none of them. That is what makes the load open, and latencies free of coordinated omission.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/prng.h"
#include "base/time.h"

namespace hf::load {

enum class Spacing : std::uint8_t {
  even,     // all gaps equal; while the rate changes, they change with it
  poisson,  // independent of each other at that rate, as many users are; the same for one seed
};

// Rates are in requests a second. The rate goes in a straight line from the first to the last.
struct Stretch {
  Duration length;
  double first_rate = 0;  // 0 or more
  double last_rate = 0;
};

struct ArrivalPlan {
  Instant begin;
  std::vector<Stretch> stretches;  // one after another
  Spacing spacing = Spacing::even;
  std::uint64_t seed = 1;  // of poisson
};

// One of `shares` generators that divide the load among them takes every n-th request; together
// they make exactly the load of one. One thread at a time.
class Arrivals {
 public:
  explicit Arrivals(const ArrivalPlan& plan, std::uint64_t share = 0, std::uint64_t shares = 1);

  // When the next request is due, never earlier than the one before; nothing after the plan's end.
  std::optional<Instant> next();

 private:
  // From the begin, when the integral of the rate reaches `requests`; nothing if it never does.
  // Asked with numbers that do not fall.
  std::optional<Duration> time_of(double requests);

  ArrivalPlan plan_;
  Prng prng_;
  std::uint64_t share_;
  std::uint64_t shares_;
  std::uint64_t drawn_ = 0;
  double reached_ = 0;  // of the integral, by poisson
  std::size_t stretch_ = 0;
  double before_ = 0;  // of the integral, by the stretches that are over
  Duration passed_;    // by them
};

}  // namespace hf::load
