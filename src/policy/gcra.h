// The generic cell rate algorithm (ITU-T I.371, annex A; "virtual scheduling") over one number that
// is kept elsewhere: what a limit per client needs, of which there are millions. Integer arithmetic
// in nanoseconds; the clock of `now` is monotonic.
//
// rate.h is its sibling for one limit of an upstream's: exact to a fraction of a nanosecond, with a
// burst of a tenth.
#pragma once

#include <cstdint>

#include "base/quantity.h"
#include "base/time.h"

namespace hf::policy {

class Gcra {
 public:
  // Over any time t at most burst + t * rate units. rate.count and rate.per > 0, burst >= 1. A unit
  // takes rate.per / rate.count, rounded up to a nanosecond: never more than what is written, and
  // at a million a second at most a thousandth less.
  Gcra(Rate rate, std::int64_t burst);

  struct Verdict {
    bool admitted = false;
    std::int64_t arrival = 0;    // what to keep where admitted
    std::int64_t used = 0;       // units of the burst in use, this request's included
    std::int64_t remaining = 0;  // units that would still be admitted now
    Duration again_after;        // refused: until this very request would be admitted
    Duration full_after;         // until the whole burst is there again
  };
  // `arrival` is what was kept, 0 for nobody known; `cost` >= 1 units, more than the burst is never
  // admitted (again_after is then Duration::max()).
  [[nodiscard]] Verdict ask(std::int64_t arrival, Instant now, std::int64_t cost = 1) const;

  // What there is without asking for any of it: `remaining` and `full_after` alone.
  [[nodiscard]] Verdict look(std::int64_t arrival, Instant now) const;

  [[nodiscard]] std::int64_t burst() const { return burst_; }
  [[nodiscard]] Duration interval() const { return {interval_}; }

 private:
  // What is owed now. A state of the future beyond what can be owed (the clock stepped back) is not
  // believed.
  [[nodiscard]] std::int64_t owed(std::int64_t arrival, Instant now) const;

  std::int64_t interval_;  // ns a unit
  std::int64_t burst_;
  std::int64_t tolerance_;  // burst * interval
};

}  // namespace hf::policy
