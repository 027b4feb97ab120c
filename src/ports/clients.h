// The way in: exchanges with clients. I/O thread only.
#pragma once

#include <memory>

#include "base/ids.h"
#include "call/attempt.h"
#include "call/intake.h"
#include "call/reply.h"
#include "ports/streams.h"

namespace hf::ports {

class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  // A call exists. `body` is its stream when call.streamed, else null.
  virtual void on_call(ExchangeId id, call::NewCall call, std::shared_ptr<BodySource> body) = 0;
  virtual void on_ask(ExchangeId id, call::CallAsk ask) = 0;
  // The client is gone (RST or write error; a half-close is not gone). No reply is awaited any
  // more, but reply() and finish() for the id stay harmless.
  virtual void on_gone(ExchangeId id) = 0;
};

class Clients {
 public:
  virtual ~Clients() = default;
  // Exactly one reply(), or one begin() and one finish(), for each exchange that is not gone.
  virtual void reply(ExchangeId id, call::Reply reply) = 0;
  // Sends the head and gives the sink for the body. The last byte (of a known length) or the last
  // chunk is kept back until finish(true): the journal may have to know first.
  // Null when the client is gone.
  virtual std::shared_ptr<AnswerSink> begin(ExchangeId id, call::AnswerHead head) = 0;
  // complete false: the connection is broken off so that the client sees a cut answer.
  virtual void finish(ExchangeId id, bool complete) = 0;
};

}  // namespace hf::ports
