// One request and its answer, as the connection follows them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "adapters/http/connection_body.h"
#include "call/intake.h"
#include "http1/body.h"
#include "http1/head.h"
#include "ports/door.h"

namespace hf::adapters {

class AnswerPipe;

// The request being handled, from its head on.
struct ConnectionExchange {
  std::shared_ptr<const call::Intake> intake;  // of the time of its head
  call::IncomingHead head;
  std::optional<IpAddress> client;          // its network; nothing: the peer has no IP address
  std::unique_ptr<ports::Door::Stay> stay;  // null: nobody counts its request
  http1::BodyFraming framing;
  std::optional<http1::BodyDecoder> decoder;  // none: no body
  bool head_method = false;
  bool old_version = false;  // HTTP/1.0
  bool keep_alive = false;
  bool relayed = false;        // on a route that only observes: nobody is hurried
  bool owes_continue = false;  // the client waits for 100 before it sends the body
  std::uint64_t body_max = 0;  // of a body that is read whole
  std::shared_ptr<RequestBody> source;
  // The answer, once begun.
  bool begun = false;
  http1::BodyFraming answer;
  std::uint64_t answer_left = 0;  // of Kind::length: not handed over yet
  std::string held;               // kept back until finish(true): last byte, or a whole head
  bool finished = false;
  bool close = false;  // announced, or needed
  std::shared_ptr<AnswerPipe> pipe;
};

}  // namespace hf::adapters
