// `holdfast sandbox`: a fake upstream that misbehaves on demand and keeps a ledger of what really
// happened. It shares no HTTP code with the proxy, so that it cannot mirror its bugs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "sandbox/options.h"

namespace hf::sandbox {

class Sandbox {
 public:
  explicit Sandbox(SandboxOptions options);
  ~Sandbox();  // stops it
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  // Listens and starts a thread of its own; returns the data port. ErrorKind::invalid for options
  // that do not parse, ErrorKind::unavailable when the address cannot be had. Once an object.
  Result<std::uint16_t> start();
  // Closes everything and joins the thread; effects that were still to come do not come any more.
  // Idempotent.
  void stop();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::uint16_t control_port() const;  // 0 if there is none
  // Any thread, while it runs: what GET and POST of "/_..." do, without a socket. Returns the body.
  std::string control(const std::string& method, const std::string& target,
                      const std::string& body = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Prints "sandbox listening on http://HOST:PORT" (and a second line for the control port) to
// stdout, runs until SIGINT or SIGTERM, and returns the exit code. Call it from the main thread
// before any other thread exists: the two signals are blocked from here on.
int run_sandbox(const SandboxOptions& options);

}  // namespace hf::sandbox
