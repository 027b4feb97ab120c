// The admin and health listeners of one life: what the parts show of themselves to operators and
// scrapers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adapters/http/server.h"
#include "adapters/http/upstream.h"
#include "adapters/rocksdb/rocksdb_journal.h"
#include "base/result.h"
#include "call/hasher.h"
#include "call/record_seal.h"
#include "call/settings.h"
#include "ports/clock.h"
#include "runtime/driver.h"

namespace hf::app {

class FeaturesWiring;
class LimitsWiring;
class Observing;
class StaleWiring;

// All outlive the wiring.
struct ControlParts {
  boost::asio::io_context* io = nullptr;
  runtime::Driver* driver = nullptr;
  adapters::Server* server = nullptr;
  adapters::HttpUpstream* upstream = nullptr;
  ports::Clock* clock = nullptr;
  adapters::RocksdbJournal* journal = nullptr;  // null: none is needed
  Observing* observing = nullptr;               // null: no route only observes
  LimitsWiring* limits = nullptr;               // null: there are none
  FeaturesWiring* features = nullptr;           // the same
  StaleWiring* stale = nullptr;                 // null: no route keeps answers
  std::string token;                            // of the admin API
  std::optional<call::Hasher> hasher;           // of client data, as the intake's
  bool fresh = false;                           // the journal was empty at this start
  std::optional<call::Sealer> sealer;           // of the journal; none: there is none
  std::function<CallId()> fresh_id;
};

class ControlWiring {
 public:
  ControlWiring(ControlParts parts, std::shared_ptr<const call::Settings> settings);
  ~ControlWiring();
  // Each gives the port; errors are for people.
  Result<std::uint16_t> listen_admin(const std::string& address,
                                     const adapters::PassedSocket* passed);
  Result<std::uint16_t> listen_health(const std::string& address,
                                      const adapters::PassedSocket* passed);
  // How it stands, in one line for people.
  [[nodiscard]] std::string status_line() const;
  void set_draining();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::app
