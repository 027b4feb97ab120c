// What the parts of the shell tell of themselves, as plain numbers: control names no adapter, so
// whoever wires the program copies them in. Totals count since the process began.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "call/address_book.h"
#include "call/problem_counts.h"

namespace hf::control {

struct ProcessFacts {
  std::string version;
  WallTime started;
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t cpu_micros = 0;
  std::uint64_t log_lines_left_out = 0;  // repeats that the log did not write
};

struct JournalFacts {
  std::uint64_t commits = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t failures = 0;
  std::uint64_t reads = 0;
  std::uint64_t sync_micros = 0;                  // in all
  std::vector<std::uint64_t> sync_bounds_micros;  // upper bounds, ascending
  std::vector<std::uint64_t> sync_counts;         // one more than bounds: what took longer
  std::uint64_t bytes_written = 0;
  std::uint64_t database_bytes = 0;
  std::uint64_t max_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t retired = 0;
  std::uint64_t evicted = 0;
  std::uint64_t queued = 0;
  struct Standing {
    std::string state;
    std::uint64_t calls = 0;
    std::uint64_t oldest_seconds = 0;  // since the oldest of them was accepted
  };
  std::vector<Standing> standing;
  bool accepting = true;  // new durable calls
  bool broken = false;    // nothing is written any more
  bool fresh = false;     // it was empty at the start: earlier keys are unknown
};

// The client-facing side.
struct ServerFacts {
  std::uint64_t connections = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused_connections = 0;
  std::uint64_t refused_buffers = 0;
  call::ProblemCounts problems;  // beside those of the engine
  std::uint64_t requests = 0;
  std::uint64_t malformed = 0;
  std::uint64_t answers = 0;
  std::uint64_t cut_answers = 0;
  std::uint64_t gone = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t buffered_bytes = 0;
  std::uint64_t buffer_limit_bytes = 0;
};

// The clients that asked most in the last seconds.
struct ClientFacts {
  struct Client {
    std::string address;
    std::uint64_t asked = 0;
    std::uint64_t refused = 0;  // with 429 or 503 of ours
  };
  Duration over;
  std::vector<Client> busiest;
};

// The side towards upstreams, all of them together.
struct OutgoingFacts {
  std::uint64_t active = 0;
  std::uint64_t idle = 0;
  std::uint64_t connected = 0;
  std::uint64_t connect_failed = 0;
  std::uint64_t redialled = 0;
  std::uint64_t lookups = 0;
  std::uint64_t secret_failures = 0;
  std::uint64_t reused = 0;
  std::uint64_t dropped_idle = 0;
  std::uint64_t dropped_poll = 0;
  std::uint64_t dropped_stale = 0;
  struct Certificate {
    std::string upstream;
    WallTime expires;
  };
  std::vector<Certificate> certificates;  // our own, shown to upstreams
  struct Address {
    std::string upstream;
    std::string url;  // whose name stands for it
    call::AddressFacts facts;
  };
  std::vector<Address> addresses;  // where a name stands for several
  struct Proxy {
    std::string upstream;
    std::string proxy;  // host:port
    std::map<std::string, std::uint64_t> results;
  };
  std::vector<Proxy> proxies;  // that have been asked
};

struct AlertCounts {
  struct Active {
    std::string cause;
    std::string upstream;
  };
  struct Notices {
    std::string target;
    std::uint64_t sent = 0;
    std::uint64_t failed = 0;
    std::uint64_t dropped = 0;
  };
  std::vector<Active> active;
  std::vector<Notices> notices;
};

// Limits per client.
struct LimitFacts {
  struct Limit {
    std::string name;
    std::map<std::string, std::uint64_t> results;
    std::uint64_t near = 0;
    std::uint64_t bans = 0;
  };
  std::vector<Limit> limits;
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;
  std::uint64_t evicted = 0;
};

// Answers that stood in for errors.
struct StaleFacts {
  using ByRoute = std::map<std::pair<std::string, std::string>, std::uint64_t>;
  ByRoute served;    // by route and error
  ByRoute missed;    // errors that went out, by route and why nothing stood in
  ByRoute not_kept;  // answers, by route and why
  std::uint64_t answers = 0;
  std::uint64_t bytes = 0;
  std::uint64_t max_bytes = 0;
  std::uint64_t evicted = 0;
};

// Features that the load switches.
struct FeatureFacts {
  std::map<std::string, bool> on;  // by feature
  std::uint64_t dims = 0;          // times that the load switched one off
  std::uint64_t permille = 0;      // the signal, of what counts as overload
};

struct Facts {
  ProcessFacts process;
  std::optional<JournalFacts> journal;  // none: no route needs one
  ServerFacts server;
  ClientFacts clients;
  OutgoingFacts outgoing;
  AlertCounts alerts;
  // Of routes that only observe, by route and finding.
  std::map<std::pair<std::string, std::string>, std::uint64_t> observed;
  LimitFacts limits;
  std::map<std::string, std::int64_t> demand_permille;  // by upstream (control/autoscale.h)
  std::optional<StaleFacts> stale;                      // none: no route keeps answers
  std::optional<FeatureFacts> features;                 // none: none are configured
  bool draining = false;
};

// Called for each scrape, on the I/O thread.
using FactSource = std::function<Facts()>;

}  // namespace hf::control
