// One exchange on the simulated wire. Internal to it.
#pragma once

#include "sim/wire.h"

namespace hf::sim {

struct SimWire::Exchange {
  enum class Reading : std::uint8_t {
    head,
    capturing,
    waiting,  // the head is reported; the owner has to say what becomes of the body
    forwarding,
  };

  ExchangeNumber number{};
  std::uint64_t life = 0;
  std::shared_ptr<const ports::AttemptSpec> spec;
  Passage passage;
  Instant started;
  bool over = false;
  bool told = false;  // its end has been raised

  std::optional<SimConnection> connection;  // until the answer is complete
  bool reused = false;
  std::optional<Instant> first_byte_at;
  std::uint64_t bytes_sent = 0;
  std::shared_ptr<std::string> body = std::make_shared<std::string>();  // what was written of it
  std::uint64_t source_left = 0;
  bool source_over = true;
  bool asking = false;
  bool in_ask = false;
  bool broken_off = false;
  bool request_whole = false;
  Duration dialled;

  std::optional<PeerAct> act;
  Reading reading = Reading::head;
  bool met = false;        // the first bytes of the act have been read, if there are any
  std::size_t taken = 0;   // of the body
  bool body_over = false;  // nothing more of it comes
  call::Evidence answered = call::Evidence::nothing_sent;  // answer_begun from the head on
  call::AnswerHead head;
  std::optional<Instant> head_at;
  std::optional<Instant> whole_at;
  std::uint64_t capture_max = 0;
  std::string held;  // not handed on yet
  bool running = false;
  bool complete = false;
  Instant last_read;
  std::uint64_t bytes_received = 0;
  std::shared_ptr<ports::AnswerSink> sink;
  bool sink_busy = false;
  bool forwarded = false;

  [[nodiscard]] std::string authority() const {
    return spec->upstream->urls[spec->url].authority();
  }
  [[nodiscard]] bool wants_read() const {
    if (over || complete) return false;
    return reading == Reading::head || reading == Reading::capturing ||
           (reading == Reading::forwarding && !sink_busy);
  }
};

// Events are never raised from within a call of the port, nor of what is handed to it.
class SimWire::InCall {
 public:
  explicit InCall(SimWire& wire) : wire_(wire) { wire_.in_call_ += 1; }
  ~InCall() { wire_.in_call_ -= 1; }
  InCall(const InCall&) = delete;
  InCall& operator=(const InCall&) = delete;

 private:
  SimWire& wire_;
};

}  // namespace hf::sim
