// How long to wait before the next attempt.
#pragma once

#include <vector>

#include "base/prng.h"
#include "base/time.h"

namespace hf::policy {

struct Backoff {
  Duration base;  // the longest wait before the first retry
  Duration cap;   // the longest wait before any retry
};

// The wait before the `retry`-th retry (1 is the first): uniform in [0, min(cap, base *
// 2^(retry-1))]. Full jitter, because clients that failed together must not come back together.
// Saturates; a negative base or cap counts as zero.
Duration full_jitter(const Backoff& backoff, int retry, Prng& prng);

// `around` plus or minus up to `permille` (0 to 1000) of it, uniform. Zero and below stay as they
// are.
Duration spread(Duration around, int permille, Prng& prng);

// The waits of a held call, without jitter (see spread).
struct Schedule {
  std::vector<Duration> steps;

  // The wait after the n-th failed attempt (n >= 1): the n-th step, the last one again and again, a
  // minute when there are none.
  [[nodiscard]] Duration after(int attempts_made) const;
};

}  // namespace hf::policy
