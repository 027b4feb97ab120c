// One life of a world's process: the driver with its clock, its timer and its ports. It dies in a
// crash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "ports/clock.h"
#include "runtime/driver.h"
#include "runtime/limits_door.h"
#include "sim/mortal.h"
#include "sim/world.h"

namespace hf::sim {

struct World::Shell final : ports::Clock, ports::WakeTimer {
  Shell(World& world, std::uint64_t life);

  Now read() noexcept override;
  void wake_at(std::optional<Instant> when) override;

  World& world_;
  std::uint64_t life_;
  std::uint64_t wish_ = 0;
  MortalJournal journal_;
  MortalUpstream upstream_;
  MortalClients clients_;
  std::unique_ptr<runtime::Driver> driver;
  std::optional<runtime::LimitsDoor> door;  // what it knows of anybody dies with the process
};

}  // namespace hf::sim
