// Features for OpenFeature SDKs: the OpenFeature Remote Evaluation Protocol
// (open-feature/protocol, service/openapi.yaml; its ADR 0008 for the change stream). No targeting:
// every context gets the same values.
//   POST /ofrep/v1/evaluate/flags/{key}   one flag
//   POST /ofrep/v1/evaluate/flags         all of them; ETag and If-None-Match
//   GET  /ofrep/v1/stream                 server-sent events: "fetch again", never a value
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ports/control.h"
#include "traffic/features.h"

namespace hf::control {

struct OfrepOptions {
  std::function<std::string()> token = {};  // resolved; empty: anybody may ask
  std::vector<std::string> origins;         // of web pages; "*": any
  std::string epoch;                        // of this process: goes into ETags
};

// The I/O thread. `features` outlives it.
class Ofrep {
 public:
  Ofrep(traffic::Features& features, OfrepOptions options);

  void handle(const ports::ControlRequest& request, const ports::ControlRespond& respond);
  // Tells everybody who listens that values have changed.
  void changed();
  // A line that keeps connections alive. To be called a few times a minute.
  void breathe();
  [[nodiscard]] std::size_t listeners() const { return streams_.size(); }

 private:
  ports::ControlReply reply(const ports::ControlRequest& request);
  ports::ControlReply one(const std::string& key) const;
  ports::ControlReply all(const ports::ControlRequest& request) const;
  ports::ControlReply stream();
  void tell(const std::string& text);
  [[nodiscard]] bool allowed(const ports::ControlRequest& request) const;
  void add_origin(const ports::ControlRequest& request, ports::ControlReply& reply) const;
  [[nodiscard]] std::string etag() const;
  [[nodiscard]] std::string event() const;

  traffic::Features& features_;
  OfrepOptions options_;
  std::vector<std::shared_ptr<ports::ControlSink>> streams_;
};

}  // namespace hf::control
