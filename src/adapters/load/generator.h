// Makes a load: requests at the moments of their schedule, over as many connections as it takes.
// Epoll directly, not Asio: a generator that needs more processor than its target measures itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "call/settings.h"
#include "load/arrivals.h"
#include "load/requests.h"
#include "load/tally.h"

namespace hf::adapters {

struct LoadTarget {
  std::string address;  // an IP address, without brackets
  std::uint16_t port = 80;
  std::string host;                      // as the URL names it: for the certificate
  std::optional<call::UpstreamTls> tls;  // nothing: plain
};

struct LoadOptions {
  LoadTarget target;
  std::vector<load::PreparedRequest> requests;  // not empty; asked for in turn
  std::size_t threads = 1;
  std::size_t connections = 4096;            // at most, of all threads: the one bound of the load
  Duration timeout = Duration::seconds(10);  // of a request, from when it was due
};

// What the generator says of itself.
struct LoadSelf {
  double cpu = 0;                 // of one core, of the busiest thread, since the step began
  std::uint64_t connections = 0;  // open now
  std::uint64_t most = 0;         // may be open: as asked, or as the descriptors allow
  std::uint64_t opened = 0;       // since it was made
  std::uint64_t waiting = 0;      // requests that are due, and neither answered nor given up
  bool bound_reached = false;     // in this step: requests waited for a connection
  std::string exhausted;          // what the machine refused: "no local port is free"; else empty
};

// Calls from one thread only; the load is made by threads of its own.
class LoadGenerator {
 public:
  // ErrorKind::invalid: the address or the TLS files; unavailable: no epoll, no thread.
  static Result<std::unique_ptr<LoadGenerator>> make(LoadOptions options);
  ~LoadGenerator();
  LoadGenerator(const LoadGenerator&) = delete;
  LoadGenerator& operator=(const LoadGenerator&) = delete;

  // Begins the requests of `plan`, counted in slices of that length. What is still under way of the
  // step before is counted nowhere: to be called when quiet().
  void begin(const load::ArrivalPlan& plan, Duration slice);
  // No new requests from now on.
  void halt();
  // Nothing is due, nothing is under way, and no request of the plan is to come.
  [[nodiscard]] bool quiet() const;
  // From the step's begin to now, each request counted in the slice it was due in. Good until the
  // next call of anything.
  const std::vector<load::Slice>& slices();
  [[nodiscard]] LoadSelf self() const;

  // The clock that plans are made with.
  static Instant now();

 private:
  struct Parts;
  explicit LoadGenerator(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace hf::adapters
