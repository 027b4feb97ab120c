// The simulated way out: ports::Upstream in virtual time, over connections that are reused, closed
// and lost. It says of an exchange what the real adapter says when the other end does the same;
// sim/contract holds the two against each other. What stands at the other end is a
// SimPeer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ports/upstream.h"
#include "sim/connections.h"
#include "sim/peer_act.h"
#include "sim/schedule.h"

namespace hf::sim {

// Names an exchange, also when its attempt is over or its process dead. Never used again.
enum class ExchangeNumber : std::uint64_t {};

// How a request gets to the other end.
struct Passage {
  enum class Door : std::uint8_t {
    open,
    refuses,
    fails,   // taken up and dropped before a byte could be written
    silent,  // nobody says anything: the connect timeout ends it
  };
  Door door = Door::open;
  Duration dial = {};  // until a new connection is there, or is refused
  Duration way = {};   // from the last byte written until it has arrived
  // What the other end does without waiting for the whole request. Its `reads` is not `all`.
  std::optional<PeerAct> early = {};
  // If it goes over a connection that was used before: the other end is closing that one, and will
  // not read the request.
  bool meets_the_end = false;
  // Held while the request may still arrive or its attempt has not ended.
  std::shared_ptr<void> token = {};
};

// A request at the other end, or on its way there when its sender went.
struct Arrival {
  enum class Sender : std::uint8_t { waits, gave_up, died };
  ExchangeNumber exchange{};
  Sender sender = Sender::waits;
  std::shared_ptr<const ports::AttemptSpec> spec;
  std::shared_ptr<const std::string> body;
  std::shared_ptr<void> token;  // of its passage
};

class SimPeer {
 public:
  virtual ~SimPeer() = default;
  // An attempt begins; nothing of it is sent yet.
  virtual Passage pass(const ports::AttemptSpec& spec) = 0;
  // The whole request is there. To a sender that waits the peer acts, now or later, once.
  virtual void on_request(const Arrival& arrival) = 0;
};

struct WireOptions {
  // Connections are kept and reused. Without, each attempt has a connection of its own.
  bool reuses = true;
  // An exchange that nobody ends is ended by its head timeout. Without, only by silence.
  bool timers = true;
  // A planted mistake: given-up exchanges leave connections that are reused all the same.
  bool reuses_abandoned = false;
};

class SimWire final : public ports::Upstream {
 public:
  // All outlive the wire.
  SimWire(Schedule& schedule, SimPeer& peer, WireOptions options)
      : schedule_(schedule), peer_(peer), options_(options) {}

  void attach(ports::UpstreamEvents* events) { events_ = events; }
  // The process died: nobody hears the ends of its attempts; what is on its way arrives.
  void forget();
  void reuse_abandoned() { options_.reuses_abandoned = true; }

  void start(ports::AttemptSpec spec) override;
  void cancel(AttemptId id) override;
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override;
  void capture(AttemptId id, std::uint64_t max) override;

  // For the peer. Events may be raised from within. An exchange that is over is no longer reached,
  // but over a reused connection the act may reach another one.
  void act(ExchangeNumber number, PeerAct act);
  // Somebody waits for an act.
  [[nodiscard]] bool waits(ExchangeNumber number) const;
  // The other end closes its idle connections, or speaks on them unasked.
  void spoil_idle(const std::string& authority) { connections_.spoil(authority); }
  void spoil_idle() { connections_.close_all(); }

  [[nodiscard]] std::size_t idle() const { return connections_.idle(schedule_.now()); }
  // Exchanges that a closing connection took from requests that asked for care.
  [[nodiscard]] std::uint64_t careful_losses() const { return careful_losses_; }
  // Answers that were read by another exchange than the one they were for.
  [[nodiscard]] std::uint64_t mixed_up() const { return mixed_up_; }

 private:
  struct Exchange;
  using Held = std::shared_ptr<Exchange>;
  class InCall;

  // wire.cc: the request
  [[nodiscard]] Held find(AttemptId id) const;
  bool read_ahead(const Held& exchange);
  void dial(const Held& exchange);
  void send(const Held& exchange);
  void send_body(const Held& exchange);
  void ask_body(const Held& exchange);
  [[nodiscard]] static bool window_full(const Exchange& exchange);
  void on_body(const Held& exchange, ports::BodySource::What what, const std::string& bytes);
  void request_over(const Held& exchange);
  void arrive(const Held& exchange);
  void meet_the_end(const Held& exchange, call::Cause cause);
  void stop_source(Exchange& exchange);
  void finish(const Held& exchange, call::Cause cause);
  void report_head(const Held& exchange, bool overflow);
  void report(std::function<void()> what);
  void let_go(Exchange& exchange);

  // wire_answer.cc
  void run(const Held& exchange);
  bool read(const Held& exchange);
  void read_head(const Held& exchange);
  void begin_answer(const Held& exchange);
  void take_piece(const Held& exchange);
  bool take_end(const Held& exchange);
  void settle_capture(const Held& exchange);
  void complete(const Held& exchange);
  void hand_over(const Held& exchange);
  void on_sink_ready(const Held& exchange, bool more);
  void await_head(const Held& exchange);
  void await_more(const Held& exchange);

  Schedule& schedule_;
  SimPeer& peer_;
  WireOptions options_;
  ports::UpstreamEvents* events_ = nullptr;
  SimConnections connections_;
  std::uint64_t life_ = 0;
  std::uint64_t last_number_ = 0;
  int in_call_ = 0;
  int running_ = 0;
  std::vector<std::function<void()>> reports_;  // raised once nothing runs
  std::map<AttemptId, Held> live_;              // until their end is decided
  std::set<AttemptId> used_;
  // Which connection the answer to an exchange comes on, and whose reader stands there now.
  std::map<ExchangeNumber, std::uint64_t> sent_on_;
  std::map<std::uint64_t, Held> reader_;
  std::uint64_t careful_losses_ = 0;
  std::uint64_t mixed_up_ = 0;
};

}  // namespace hf::sim
