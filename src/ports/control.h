// Requests of operators and scrapers, as the control plane sees them: whole, small, and without any
// notion of the sockets they came by. I/O thread only.
#pragma once

#include <functional>
#include <memory>
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

// An answer without an end: what is written goes out as it comes.
class ControlSink {
 public:
  virtual ~ControlSink() = default;
  // False: the peer is gone, or has not taken what was written for too long; nothing is sent any
  // more.
  virtual bool write(std::string bytes) = 0;
};

struct ControlReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  Fields fields;  // beside Content-Type, Content-Length and Connection
  // Set: the answer goes on behind `body` until the peer goes. Called once, at once.
  std::function<void(std::shared_ptr<ControlSink>)> stream = nullptr;
};

// Called at most once, at once or later; later calls are ignored. A reply that does not come is the
// server's to make up for.
using ControlRespond = std::function<void(ControlReply)>;
using ControlHandler = std::function<void(ControlRequest, ControlRespond)>;

}  // namespace hf::ports
