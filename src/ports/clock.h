// Time for the driver, and the one timer that it arms.
#pragma once

#include <optional>

#include "base/time.h"

namespace hf::ports {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now read() noexcept = 0;
};

class WakeTimer {
 public:
  virtual ~WakeTimer() = default;
  // Calls the driver's on_wake() at `when` or soon after; replaces any earlier wish. None: never.
  virtual void wake_at(std::optional<Instant> when) = 0;
};

}  // namespace hf::ports
