// How many optional features are off, by one signal of load: off fast, one after another; on
// slowly, one by one, and more slowly each time that proves to have been too soon. (Brownout:
// Klein, Maggio, Arzen, Hernandez-Rodriguez, ICSE 2014, has a continuous dimmer by control theory;
// with a handful of features there are a handful of steps, and what users notice is flapping.)
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hf::policy {

struct DimmerConfig {
  int steps = 1;                                    // features there are; 0: nothing to dim
  std::int64_t full_permille = 1000;                // overload, from here on
  std::int64_t calm_permille = 500;                 // no load to speak of, below here
  Duration dim_after = Duration::millis(200);       // of overload, before the first step ...
  Duration dim_every = Duration::millis(500);       // ... and between steps
  Duration restore_after = Duration::seconds(5);    // of calm, before a step back
  Duration restore_longest = Duration::minutes(5);  // that this may become
};

class Dimmer {
 public:
  explicit Dimmer(DimmerConfig config);

  // `pressure` in thousandths: the measured load over what counts as overload. To be told a few
  // times a second. True: the level has changed.
  bool observe(std::int64_t pressure, Instant now);

  // Steps that are off: 0 (all is on) to config.steps.
  [[nodiscard]] int level() const { return level_; }
  // How much calm it takes at present to come back by a step.
  [[nodiscard]] Duration patience() const { return patience_; }

 private:
  bool dim(Instant now);
  bool restore(Instant now);

  DimmerConfig config_;
  int level_ = 0;
  Duration patience_;
  std::optional<Instant> loaded_since_;
  std::optional<Instant> calm_since_;
  std::optional<Instant> dimmed_at_;
  std::optional<Instant> restored_at_;
};

}  // namespace hf::policy
