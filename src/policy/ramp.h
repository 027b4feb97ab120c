// The recovery ramp for held traffic: an upstream that has just come back must not be met by the
// whole backlog at once.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hf::policy {

struct RampConfig {
  int start_permille = 100;  // of the limit, at least 1
  Duration step = Duration::seconds(10);
};

// Starts without a ramp, at the full limit; the caller reports a restart as trouble. After trouble
// it begins at start_permille and doubles at the end of each step in which results came and fewer
// than 5 % of them failed. A step without results shows nothing and does not grow.
class Ramp {
 public:
  Ramp(RampConfig config, int limit);

  // Breaker opened, pause, restart: begin again.
  void on_trouble(Instant now);
  // A result of an attempt at this upstream.
  void on_result(bool ok, Instant now);
  // How many held attempts may run at once, 1 to limit (0 if that is 0).
  [[nodiscard]] int allowed(Instant now) const;
  // When allowed() will grow if no more results come; nothing if it will not.
  [[nodiscard]] std::optional<Instant> next_change(Instant now) const;
  void set_limit(int limit);

 private:
  [[nodiscard]] bool healthy() const;
  [[nodiscard]] Instant step_end() const { return began_ + config_.step; }
  [[nodiscard]] std::int64_t level(Instant now) const;

  RampConfig config_;
  int limit_;
  bool ramping_ = false;
  std::int64_t level_ = 0;  // while ramping
  Instant began_;           // of the step that the results below belong to
  std::int64_t results_ = 0;
  std::int64_t failed_ = 0;
};

}  // namespace hf::policy
