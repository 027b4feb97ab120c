// Limits per client, wired: the door before the server, and its refusals in the log.
#pragma once

#include <memory>
#include <string>

#include "call/settings.h"
#include "ports/clock.h"
#include "runtime/limits_door.h"

namespace hf::app {

// I/O thread only. Made only where limits are configured.
class LimitsWiring {
 public:
  // `clock` outlives it.
  LimitsWiring(std::shared_ptr<const call::Settings> settings, ports::Clock& clock);

  [[nodiscard]] ports::Door& door() { return door_; }
  [[nodiscard]] traffic::Limiter& limiter() { return door_.limiter(); }
  // {"limits": [...]}
  [[nodiscard]] std::string json();

 private:
  ports::Clock& clock_;
  runtime::LimitsDoor door_;
};

}  // namespace hf::app
