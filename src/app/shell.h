// Everything that runs in one life of `holdfast serve`: the ports' real implementations, wired to
// one engine on one I/O thread. A life ends by a drain, or because the journal broke; then the next
// one rebuilds itself from the journal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapters/system/passed_sockets.h"
#include "adapters/system/service_manager.h"
#include "app/traffic_sample.h"
#include "base/result.h"
#include "call/settings.h"

namespace hf::app {

enum class LifeEnd {
  drained,  // asked to, and everything was finished or held
  broken,   // a commit failed: begin anew from the journal
};

// What the process was started with; it outlives every life.
struct Surroundings {
  std::vector<adapters::PassedSocket> sockets;
  adapters::ServiceManager manager;
  std::unique_ptr<TrafficSample> sample;  // null: none is taken
};

class Shell {
 public:
  Shell(std::shared_ptr<const call::Settings> settings, Surroundings& surroundings);
  ~Shell();

  // Opens, recovers, binds. Errors are for people: what failed and what to do.
  Result<void> start();
  // Runs until a life ends. SIGTERM and SIGINT drain.
  LifeEnd run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::app
