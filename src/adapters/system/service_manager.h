// What a service tells whoever started it, in the protocol of sd_notify(3): systemd, and other
// managers that speak it. It is a datagram of text, so libsystemd is not linked for it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace hf::adapters {

class ServiceManager {
 public:
  // As systemd sets them; an empty one is not set.
  struct Environment {
    std::string notify_socket;  // NOTIFY_SOCKET: "/path", or "@name" in the abstract namespace
    std::string watchdog_usec;  // WATCHDOG_USEC
    std::string watchdog_pid;   // WATCHDOG_PID: whom that is meant for
  };
  static Environment environment();

  // Nobody to talk to: every word is dropped.
  ServiceManager() = default;
  // Errors: invalid (an address or a number that cannot be), unavailable (no socket).
  static Result<ServiceManager> open(const Environment& environment);
  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager& operator=(ServiceManager&& other) noexcept;
  ~ServiceManager();

  [[nodiscard]] bool there() const { return fd_ >= 0; }
  // We are killed when alive() is not heard for so long; none: nobody waits for it.
  [[nodiscard]] std::optional<Duration> watchdog() const { return watchdog_; }

  // None of these waits for the manager, but ready(), for at most a second: a word that finds its
  // queue full is lost, which only matters for the one that the start waits for. One thread.
  void ready();
  // One line for people (`systemctl status`).
  void status(const std::string& text);
  void alive();
  // From here to the exit it takes `at_most`; the manager's own limit does not count.
  void stopping(Duration at_most);
  // The thread that says alive() is busy for up to `at_most`; ready() ends it.
  void away(Duration at_most);

 private:
  void send(const std::string& text, bool patient) const;

  int fd_ = -1;
  std::string address_;  // a sockaddr_un's bytes
  std::optional<Duration> watchdog_;
};

}  // namespace hf::adapters
