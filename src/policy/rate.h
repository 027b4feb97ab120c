// A rate limit by the generic cell rate algorithm (ITU-T I.371): one number of state, no timer.
#pragma once

#include <cstdint>
#include <optional>

#include "base/quantity.h"
#include "base/time.h"

namespace hf::policy {

// Over any time t at most burst + t * rate admissions. All arithmetic is exact.
class RateLimit {
 public:
  // No rate: always free. burst is how many may go at once after a pause; 0 chooses a tenth of
  // rate.count, at least 1, so that no window of rate.per sees more than 10 % (or one) above what
  // is written: "100/s" lets 10 go at once and then one every 10 ms.
  explicit RateLimit(std::optional<Rate> rate, int burst = 0);

  bool try_take(Instant now);
  // When try_take will next succeed: `now` or later. Saturates. Exact after a try_take at `now`,
  // and as long as the clock does not step back in between.
  [[nodiscard]] Instant next_free(Instant now) const;
  // The admission just taken was not used (another limit refused). Undoes the last successful
  // try_take exactly; without one since the last give_back it does nothing, because an older
  // admission may have been paid off by time and giving it back again would break the bound.
  void give_back();

  [[nodiscard]] int burst() const { return burst_; }

 private:
  __extension__ typedef __int128 Wide;

  [[nodiscard]] Wide scaled(Instant t) const;
  [[nodiscard]] Wide tolerance() const;
  [[nodiscard]] Wide arrival_at(Instant now) const;

  std::optional<Rate> rate_;
  int burst_;
  // The theoretical arrival time of the next admission, in 1/count nanoseconds. A clock that steps
  // back takes it along, so that what is owed stays the same.
  std::optional<Wide> arrival_;
  Wide arrival_before_ = 0;  // what it was before the last successful try_take
  Instant latest_;
};

}  // namespace hf::policy
