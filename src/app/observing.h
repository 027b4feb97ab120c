// Routes that only observe, wired: the relay beside the driver, and its findings on their way to
// files. Made only where some route observes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "adapters/http/server.h"
#include "base/result.h"
#include "call/hasher.h"
#include "call/settings.h"
#include "call/webhook_door.h"
#include "control/observed.h"
#include "ports/clock.h"
#include "ports/upstream.h"
#include "runtime/driver.h"
#include "runtime/relay.h"

namespace hf::app {

// All outlive it.
struct ObservingParts {
  boost::asio::io_context* io = nullptr;
  ports::Clock* clock = nullptr;
  adapters::Server* server = nullptr;
  ports::Upstream* upstream = nullptr;
  runtime::Driver* driver = nullptr;
  std::shared_ptr<const call::Settings> settings;
  std::optional<call::Hasher> hasher;
  call::WebhookDoor door;  // its `refused` and `warn` are not used
  std::uint64_t seed = 0;
};

class Observing {
 public:
  explicit Observing(ObservingParts parts);
  ~Observing();
  // What stands before the driver for the server and the upstream side.
  [[nodiscard]] runtime::Relay& relay();
  // From now on findings are written every few seconds.
  void begin();
  // Writes what there is, and waits for it. After the last call; the destructor does it too.
  void end();
  // By route and finding, of this process.
  [[nodiscard]] const control::ObservedCounts& counts() const;
  // All since then, as JSON; called back on the I/O thread unless end() came first.
  using Answer = std::function<void(Result<std::string>)>;
  void sum_up(WallTime since, const std::string& route, Answer answer);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace hf::app
