// Bytes that flow past the engine: a streamed request body and a streamed answer, with
// back-pressure. I/O thread only; implemented by the server side, used by the upstream side.
#pragma once

#include <functional>
#include <string>

namespace hf::ports {

// The body of a streamed request.
class BodySource {
 public:
  enum class What { data, end, aborted };
  using Deliver = std::function<void(What, std::string bytes)>;

  virtual ~BodySource() = default;
  // Asks for the next piece; one ask at a time. `deliver` is called exactly once, possibly before
  // read() returns, unless stop() comes first.
  virtual void read(Deliver deliver) = 0;
  virtual void stop() = 0;
  // True while every byte read so far is still kept, so that a second attempt can begin anew.
  [[nodiscard]] virtual bool replayable() const = 0;
  // Begin again from the first byte; only while replayable().
  virtual void rewind() = 0;
  // The declared length, or -1 for chunked.
  [[nodiscard]] virtual std::int64_t length() const = 0;
};

// Where a streamed answer goes.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  // Hands over a piece; `ready(true)` when the next may come, `ready(false)` when the client is
  // gone (never called again then). May be called before write() returns.
  virtual void write(std::string bytes, std::function<void(bool)> ready) = 0;
};

}  // namespace hf::ports
