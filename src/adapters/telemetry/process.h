// What the kernel says of this process, for /metrics.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace hf::adapters {

struct ProcessReading {
  WallTime started;  // by the wall clock when it was first asked for
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t cpu_micros = 0;
};

// A few reads of /proc/self; what cannot be read is 0. Any thread.
ProcessReading read_process();

}  // namespace hf::adapters
