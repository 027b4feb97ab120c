// Features, wired: the load is looked at a few times a second, OpenFeature SDKs ask on a listener
// of their own, and what operators say is kept in a file.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "adapters/system/passed_sockets.h"
#include "base/result.h"
#include "call/settings.h"
#include "ports/clock.h"
#include "runtime/driver.h"
#include "traffic/features.h"

namespace hf::app {

// I/O thread only. Made only where features are configured.
class FeaturesWiring {
 public:
  // All outlive it.
  FeaturesWiring(boost::asio::io_context& io, runtime::Driver& driver, ports::Clock& clock,
                 std::shared_ptr<const call::Settings> settings);
  ~FeaturesWiring();

  // Begins to look and to answer. Gives the port; errors are for people.
  Result<std::uint16_t> listen(const adapters::PassedSocket* passed);

  [[nodiscard]] const traffic::Features& features() const;
  // {"features": [...]}
  [[nodiscard]] std::string json() const;
  // An operator's word, or its end; kept and told at once. Errors: invalid (the body), not_found.
  Result<std::string> set(const std::string& name, const std::string& body);
  Result<std::string> release(const std::string& name);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hf::app
