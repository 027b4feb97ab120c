// Sockets that listen already when the process starts: socket activation as systemd does it
// (sd_listen_fds(3)). Whoever holds them keeps the connections that arrive while no Holdfast runs.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hf::adapters {

struct PassedSocket {
  int fd = -1;          // open until the process ends
  std::string name;     // of the socket unit, for people
  std::string address;  // where it listens: "127.0.0.1:8080", "[::1]:8080"
};

// As systemd sets them; an empty one is not set.
struct PassedEnvironment {
  std::string pid;    // LISTEN_PID: for whom they are
  std::string count;  // LISTEN_FDS
  std::string names;  // LISTEN_FDNAMES, separated by colons
  int first = 3;      // the number of the first of them
};
PassedEnvironment passed_environment();

// None when nothing was passed to this process. Errors (invalid) say which descriptor cannot be
// listened on, and what to change in the socket unit. The descriptors are not inherited further.
Result<std::vector<PassedSocket>> passed_sockets(const PassedEnvironment& environment);

// The one that listens at `address`, in any spelling of it; null when there is none. A wildcard is
// an address of its own: a socket on [::]:80 is not the one for 0.0.0.0:80.
const PassedSocket* passed_at(const std::vector<PassedSocket>& sockets, const std::string& address);

}  // namespace hf::adapters
