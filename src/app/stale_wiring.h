// Answers that stand in for errors, wired: between server, driver and upstream side, and in the
// log.
#pragma once

#include <memory>
#include <string>

#include "call/hasher.h"
#include "call/settings.h"
#include "control/facts.h"
#include "ports/clock.h"
#include "runtime/stale_answers.h"
#include "runtime/stale_watch.h"

namespace hf::app {

// I/O thread only. Made only where some route keeps answers.
class StaleWiring {
 public:
  // All but the settings outlive it.
  StaleWiring(const call::Settings& settings, const call::Hasher& hasher, ports::Clock& clock,
              ports::Clients& server, ports::Upstream& upstream);

  // What the driver has for clients and upstream, and the other two for its events.
  [[nodiscard]] runtime::StaleAnswers& answers() { return answers_; }
  [[nodiscard]] runtime::StaleWatch& watch() { return watch_; }
  [[nodiscard]] control::StaleFacts facts() const;

 private:
  std::uint64_t max_bytes_;
  runtime::StaleAnswers answers_;
  runtime::StaleWatch watch_;
};

}  // namespace hf::app
