// Everything that runs in one life of `holdfast serve`: the ports' real implementations, wired to
// one engine on one I/O thread. A life ends by a drain, or because the journal broke; then the next
// one rebuilds itself from the journal.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "call/settings.h"

namespace hf::app {

enum class LifeEnd {
  drained,  // asked to, and everything was finished or held
  broken,   // a commit failed: begin anew from the journal
};

class Shell {
 public:
  explicit Shell(std::shared_ptr<const call::Settings> settings);
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
