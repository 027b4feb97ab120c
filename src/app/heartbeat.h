// What the service manager hears of one life while it runs: that the I/O thread turns, and a line
// for people.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

#include "adapters/system/service_manager.h"

namespace hf::app {

// The I/O thread. The manager outlives it. Without a manager it does nothing.
class Heartbeat {
 public:
  Heartbeat(boost::asio::io_context& io, adapters::ServiceManager& manager,
            std::function<std::string()> status);
  // Says ready, and from then on that we are alive, several times within the manager's patience.
  void begin();

 private:
  void beat();

  adapters::ServiceManager& manager_;
  std::function<std::string()> status_;
  std::string told_;
  Duration every_;
  boost::asio::steady_timer timer_;
};

}  // namespace hf::app
