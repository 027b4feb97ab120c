// Requests of operators and scrapers, as the control plane sees them: whole, small, and without any
// notion of the sockets they came by. I/O thread only.
#pragma once

#include <functional>
#include <string>

#include "base/fields.h"

namespace hf::ports {

struct ControlRequest {
  std::string method;
  std::string target;  // as sent
  Fields fields;
  std::string body;
  std::string peer;  // ip:port
};

struct ControlReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  Fields fields;  // beside Content-Type, Content-Length and Connection
};

// Called at most once, at once or later; later calls are ignored. A reply that does not come is the
// server's to make up for.
using ControlRespond = std::function<void(ControlReply)>;
using ControlHandler = std::function<void(ControlRequest, ControlRespond)>;

}  // namespace hf::ports
