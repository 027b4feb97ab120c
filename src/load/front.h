// A Holdfast that stands before the server, as its own metrics tell it while it is under load:
// which upstream, and which of its limits, gave way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hf::load {

struct FrontUpstream {
  double attempts = 0;  // counters since the process began
  double retries = 0;
  std::map<std::string, double> outcomes;                      // of attempts, by row
  std::map<std::pair<std::string, std::string>, double> shed;  // calls, by class and rule
  double queue = 0;                                            // now
  double queue_delay = 0;  // seconds that the longest of them has waited
  double in_flight = 0;
  double limit = 0;                // of these, declared or learnt; 0: not told
  std::optional<double> baseline;  // seconds; only where the limit is learnt
  double paused = 0;
  bool breaker_open = false;
};

// One look at /metrics.
struct FrontSample {
  Instant at;
  std::map<std::string, FrontUpstream> upstreams;
  std::map<std::string, double> problems;  // error answers made by Holdfast, by code
  // Requests that a limit per client looked at, by its name and what it said of them.
  std::map<std::string, std::map<std::string, double>> client_limits;
  double requests = 0;  // calls
  double heads = 0;     // requests that came, with those that a limit per client refused
  double refused_connections = 0;
  double cpu_seconds = 0;
  double started = 0;  // seconds since 1970
};

// From the text format of Prometheus. ErrorKind::invalid: these are not Holdfast's metrics.
Result<FrontSample> read_front(std::string_view metrics, Instant at);

// What is declared, and not told by the metrics; empty where it is not known.
struct FrontLimits {
  struct Client {
    bool observes = false;        // it counts what it would refuse, and refuses nothing
    std::string rate;             // "5/20s"; empty: none
    std::vector<std::string> by;  // "address", "header:Authorization"; empty: all together
  };
  std::map<std::string, double> rates;  // of upstreams, a second
  std::map<std::string, Client> clients;
};

struct FrontFinding {
  std::string upstream;  // empty: Holdfast itself
  // "breaker", "pause", "client_limit", "overload", "failures", "connections_max", "learnt",
  // "concurrency", "rate", "queue", "cpu", "upstream", "none"
  std::string limit;
  std::string name;  // of a limit per client; else empty
  std::string sentence;
  std::vector<std::string> also;  // what else stood in the way, or would have
  // Attempts for each request that came in, by upstream: what a call costs.
  std::map<std::string, double> attempts_per_call;
  // Where upstreams learn their limit: what it was at the end.
  std::map<std::string, double> learnt;
  bool operator==(const FrontFinding&) const = default;
};

// What of a load broke its objective, as far as it matters here: who was refused, or who waited.
enum class FrontQuestion : std::uint8_t { delay, errors };

// Of the looks between `from` and `to`, two at least; nothing with fewer. `question` says what is
// named first where both happened.
std::optional<FrontFinding> front_finding(const std::vector<FrontSample>& samples, Instant from,
                                          Instant to, const FrontLimits& limits,
                                          FrontQuestion question = FrontQuestion::delay);

}  // namespace hf::load
