// The client-facing side: HTTP/1.1 over TCP or TLS, as DESIGN section 3 asks. Everything happens on
// the thread that runs the io_context.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "call/intake.h"
#include "call/problem_counts.h"
#include "call/settings.h"
#include "policy/busiest.h"
#include "ports/clients.h"
#include "ports/door.h"

namespace boost::asio {
class io_context;
}

namespace hf::adapters {

class ServerCore;
struct PassedSocket;

// Limits of the server. The durations are checked by one sweep over all connections, so each may be
// late by `sweep`.
struct ServerOptions {
  call::ClientAddressSettings
      client_address;                    // who a request comes from, where proxies stand before us
  std::uint64_t buffers = 256ULL << 20;  // request bytes held at once; beyond it 503 overloaded
  int connections_max = 20000;           // beyond it 503 overloaded and closed
  std::size_t head_max = 64 * 1024;      // beyond it 431
  Duration handshake = Duration::seconds(10);
  Duration head_within = Duration::seconds(10);  // from the first byte of a head to its last
  Duration body_idle = Duration::seconds(15);    // between two reads of a body that is waited for
  // A body that is waited for longer than `body_grace` must have come at `body_rate` bytes a
  // second.
  Duration body_grace = Duration::seconds(30);
  std::uint64_t body_rate = 512;
  Duration keep_alive = Duration::seconds(75);  // longer than the SDKs', so that they close first
  Duration write_idle = Duration::seconds(30);  // a client that takes no byte of its answer
  // On a route that only observes, instead of body_idle, body_rate and write_idle: what the
  // application and its upstream bear between them is not ours to end.
  Duration relayed_idle = Duration::hours(1);
  Duration first_request = Duration::seconds(1);  // of a new connection, while the server drains
  Duration linger = Duration::seconds(2);         // for a client to see its answer before the close
  Duration park =
      Duration::seconds(2);  // an idle plain connection gives its buffer back after this
  Duration sweep = Duration::millis(250);
};

struct ServerCounters {
  std::uint64_t connections = 0;  // open now
  std::uint64_t accepted = 0;
  std::uint64_t refused_connections = 0;  // over connections_max
  std::uint64_t refused_buffers = 0;      // there was no room in `buffers`
  std::uint64_t requests = 0;             // heads that were understood
  std::uint64_t malformed = 0;            // refused by framing, limits or time, before any call
  std::uint64_t answers = 0;              // complete, handed to the kernel
  std::uint64_t cut_answers = 0;          // finish(id, false), or the client went in the middle
  std::uint64_t gone = 0;                 // clients that went before their answer
  std::uint64_t timed_out = 0;            // closed by a deadline, idle keep-alive left out
  std::uint64_t handshakes_failed = 0;
  std::uint64_t parked = 0;          // times a connection gave its buffer back
  std::uint64_t buffered_bytes = 0;  // of `buffers`, in use now
  call::ProblemCounts problems;      // refused before the engine saw it
};

class Server : public ports::Clients {
 public:
  Server(boost::asio::io_context& io, std::shared_ptr<const call::Intake> intake,
         ServerOptions options);
  // Closes everything without a word to the events; later completions in the io_context are
  // harmless.
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before listen(). `events` outlives the server or close_all().
  void set_events(ports::ClientEvents& events);
  // Before listen(). What judges each request first; it outlives the server's requests.
  void set_door(ports::Door& door);
  // Binds and accepts at once. `address` is "127.0.0.1:8080" or "[::1]:8080"; port 0 takes a free
  // one. `listener` is the name that routes know (IncomingHead::listener), empty for the main one.
  // `passed`: a socket that listens there already (start_listening). Gives the port. Errors:
  // invalid (address, TLS files), unavailable (bind).
  Result<std::uint16_t> listen(const std::string& address, std::string listener = {},
                               const call::TlsListen& tls = {},
                               const PassedSocket* passed = nullptr);
  // For heads read from now on; a request whose head was judged keeps its own.
  void set_intake(std::shared_ptr<const call::Intake> intake);

  // Who is connected already goes on as before.
  void stop_accepting();
  // Stops accepting, closes idle connections, and lets every further answer say Connection: close.
  // How long to wait for idle() is the caller's to decide.
  void drain();
  // No request is being read, waited for or answered.
  [[nodiscard]] bool idle() const;
  // Cuts every connection; on_gone is reported for the exchanges that were open. Accepting stops.
  void close_all();

  [[nodiscard]] const ServerCounters& counters() const;
  // The clients that asked most lately, by address.
  [[nodiscard]] policy::Busiest::Top busiest(std::size_t most) const;

  void reply(ExchangeId id, call::Reply reply) override;
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId id, call::AnswerHead head) override;
  void finish(ExchangeId id, bool complete) override;

 private:
  std::shared_ptr<ServerCore> core_;
};

}  // namespace hf::adapters
