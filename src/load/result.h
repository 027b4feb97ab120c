// What a run measured: what `load` prints, writes as JSON (docs/load.md) and draws.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "load/arrivals.h"
#include "load/capacity.h"
#include "load/front.h"
#include "load/objective.h"
#include "load/search.h"
#include "load/tally.h"
#include "load/usl.h"

namespace hf::load {

struct Spread {
  Duration p50;
  Duration p90;
  Duration p99;
  Duration p999;
  Duration max;
  Duration mean;
  bool operator==(const Spread&) const = default;
};
Spread spread_of(const Histogram& histogram);

// One moment of a timeline; what was due in it.
struct Moment {
  Duration at;            // from the run's begin
  double rate = 0;        // due a second
  double throughput = 0;  // answered a second, whenever they were due
  double errors = 0;      // share
  Duration p50;
  Duration p99;
  Duration max;
  std::uint64_t in_flight = 0;  // most
  bool operator==(const Moment&) const = default;
};

// How the generator did: whether the numbers are the server's.
struct GeneratorFacts {
  double cpu = 0;    // of one core, of the busiest thread
  Duration lag_p99;  // from when a request was due to when the generator came to it
  Duration lag_max;
  std::uint64_t queued = 0;       // requests that waited for the bound of connections
  std::uint64_t unsent = 0;       // of those, never sent
  std::uint64_t connections = 0;  // the bound
  std::string exhausted;          // what the machine refused
  bool operator==(const GeneratorFacts&) const = default;
};

struct StepResult {
  Phase phase = Phase::fixed;
  StepOutcome outcome = StepOutcome::kept;
  std::string name;                  // of a phase of a schedule
  double rate = 0;                   // as planned, the last one of a ramp
  std::optional<double> first_rate;  // of a ramp
  Duration begin;                    // from the run's begin
  Duration length;                   // of the schedule as far as it was followed
  std::uint64_t due = 0;
  std::uint64_t answered = 0;
  std::map<int, std::uint64_t> statuses;
  std::array<std::uint64_t, kFailures> failures{};
  double throughput = 0;  // whole answers a second of the schedule's time
  double in_flight = 0;   // mean, by Little's law: throughput times mean service time
  std::uint64_t in_flight_max = 0;
  Duration silence;  // longest time without an answer though some were waited for
  Spread latency;    // from when they were due
  Spread service;    // from when they were sent
  Spread connect;
  GeneratorFacts generator;
  std::optional<Breach> breach;
  // Where a phase broke: from when on, since its begin, it was kept again; nothing: not within it.
  std::optional<Duration> kept_from;
  std::string why;  // why the generator was the limit; empty: it was not
  std::vector<Moment> moments;

  [[nodiscard]] std::uint64_t failed() const;
  [[nodiscard]] std::uint64_t errors() const;
  [[nodiscard]] double error_share() const;
};

// A step from what was counted in it. `from` is the run's begin, `length` as in StepResult.
StepResult step_result(const SearchStep& step, std::span<const Slice> slices, Instant from,
                       Duration length);

enum class Limit : std::uint8_t {
  none,
  server_latency,
  queueing,
  errors,
  connections,
  generator,
};
std::string_view to_string(Limit limit);

struct Verdict {
  Limit limit = Limit::none;
  std::string rule;      // its name in docs/load.md
  std::string sentence;  // what gave way, or why nothing is said
  std::vector<std::string> evidence;
};

struct RunResult {
  std::string version;
  std::string target;
  std::string mode;  // "rate", "find" or "phases"
  WallTime started;
  Duration length;
  Objective objective;
  Spacing spacing = Spacing::even;
  std::vector<StepResult> steps;
  std::optional<SearchEnd> end;  // of a search
  double kept = 0;
  std::optional<double> broken;
  std::vector<Histogram::Place> latency;  // of a run at one rate
  std::vector<Histogram::Place> service;
  std::optional<UslFit> usl;
  Verdict verdict;
  std::optional<FrontFinding> front;  // what a Holdfast before the server saw
  Capacity capacity;
  std::vector<std::string> notes;  // what a reader has to know of how it was measured
  bool stopped = false;
};

}  // namespace hf::load
