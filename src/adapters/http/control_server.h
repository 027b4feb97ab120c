// The small HTTP server of the admin and the health listener. It is not on the hot path and talks
// to operators and scrapers alone, so a library reads HTTP here; the data plane has its own strict
// framing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "ports/control.h"

namespace boost::asio {
class io_context;
}

namespace hf::adapters {

struct PassedSocket;

struct ControlLimits {
  std::uint32_t head = 16 * 1024;          // beyond it 431
  std::uint64_t body = 2 * 1024 * 1024;    // beyond it 413
  int connections = 100;                   // beyond it 503 and closed
  Duration read = Duration::seconds(10);   // for a whole request, idle time included
  Duration reply = Duration::seconds(10);  // for the handler; beyond it 504
  Duration write = Duration::seconds(10);  // for the answer to be taken
  std::size_t unsent = 64 * 1024;          // of an answer without an end; beyond it closed
};

// The thread of the io_context only. The handler is called for one request of a connection at a
// time; it and what it captured must outlive the server or stop().
class ControlServer {
 public:
  ControlServer(boost::asio::io_context& io, ports::ControlHandler handler,
                ControlLimits limits = {});
  // Closes everything; completions that are still in the io_context are harmless.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // "127.0.0.1:8081" or "[::1]:8081", port 0 for a free one. Gives the port. May be called for
  // several addresses. `passed`: a socket that listens there already (start_listening). Errors:
  // invalid (address), unavailable (bind).
  Result<std::uint16_t> listen(const std::string& address, const PassedSocket* passed = nullptr);
  // Closes listeners and connections. The handler is not called any more.
  void stop();
  [[nodiscard]] int connections() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace hf::adapters
