// A Holdfast that stands before the server, as its own metrics tell it while it is under load:
// which upstream, and which of its limits, gave way.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace hf::load {

struct FrontUpstream {
  double attempts = 0;  // counters since the process began
  double retries = 0;
  double queue = 0;  // now
  double in_flight = 0;
  double paused = 0;
  bool breaker_open = false;
};

// One look at /metrics.
struct FrontSample {
  Instant at;
  std::map<std::string, FrontUpstream> upstreams;
  std::map<std::string, double> problems;  // error answers made by Holdfast, by code
  double requests = 0;
  double refused_connections = 0;
  double cpu_seconds = 0;
  double started = 0;  // seconds since 1970
};

// From the text format of Prometheus. ErrorKind::invalid: these are not Holdfast's metrics.
Result<FrontSample> read_front(std::string_view metrics, Instant at);

// What the configuration allows; empty where it is not known.
struct FrontLimits {
  struct Of {
    std::optional<double> concurrency;
    std::optional<double> rate;  // a second
  };
  std::map<std::string, Of> upstreams;
};

struct FrontFinding {
  std::string upstream;  // empty: Holdfast itself
  std::string limit;     // "breaker", "pause", "connections_max", "concurrency", "rate", "queue",
                         // "cpu", "upstream", "none"
  std::string sentence;
  // Attempts for each request that came in, by upstream: what a call costs.
  std::map<std::string, double> attempts_per_call;
  bool operator==(const FrontFinding&) const = default;
};

// Of the looks between `from` and `to`, two at least; nothing with fewer.
std::optional<FrontFinding> front_finding(const std::vector<FrontSample>& samples, Instant from,
                                          Instant to, const FrontLimits& limits);

}  // namespace hf::load
