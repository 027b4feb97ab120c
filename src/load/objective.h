// What a server is held to, and whether a window of a load keeps it. Judged on windows that slide,
// never on totals: ten seconds of nothing but errors are 5 % of a run of three minutes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "load/tally.h"

namespace hf::load {

struct LatencyGoal {
  int per_mille_mille = 0;  // 990000: p99; more than 0 and less than 1000000
  Duration limit;           // answers later than this, from when they were due, are too late
  bool operator==(const LatencyGoal&) const = default;
};

struct Objective {
  std::vector<LatencyGoal> latency;
  std::optional<int> errors_ppm;  // at most so many in a million end in an error

  [[nodiscard]] bool empty() const { return latency.empty() && !errors_ppm; }
  bool operator==(const Objective&) const = default;
};

// "p99<200ms", "p99.9<1s, p50<20ms"; `errors`: "<0.1%", "0.1%" or "0". Empty texts set nothing.
// ErrorKind::invalid says what to write.
Result<Objective> parse_objective(std::string_view latency, std::string_view errors);
std::string to_string(const Objective& objective);  // "p99<200ms, errors<0.1%"
std::string name_of(const LatencyGoal& goal);       // "p99", "p99.9"

// Why a window did not keep it.
struct Breach {
  enum class Kind : std::uint8_t { latency, errors };
  Kind kind = Kind::latency;
  LatencyGoal goal;        // of latency
  Duration measured;       // at that percentile; at least this where some are not answered yet
  std::uint64_t over = 0;  // too late, or in error
  std::uint64_t of = 0;    // requests that were due
  Duration from;           // the window, from the step's begin
  Duration to;
};

// The worst breach of the objective by these requests, if there is one. Those not answered by now
// have waited `waited` at least. Sure as soon as something is returned: more answers cannot mend
// it.
std::optional<Breach> breach_of(const Objective& objective, const Tally& tally, Duration waited);
// "p99 was 1.4 s (limit 200 ms; 31 of 400 were later) from 4 s to 6 s"
std::string in_words(const Breach& breach, std::string_view of = "the step");

// How long a window has to be at that rate so that its percentiles mean something: requests enough
// for two to be later than the strictest percentile allows, but from 2 to 10 s. With fewer, one
// late request breaks it.
Duration window_for(const Objective& objective, double rate);

// How long a step at that rate has to be, `planned` at least: some windows after its settling.
Duration step_for(const Objective& objective, double rate, Duration planned, Duration settle);

// A breach of these slices' first windows was told as soon as it was sure; the same window when all
// is answered or given up, so that what was "at least" is known.
Breach settled(const Objective& objective, const Breach& breach, std::span<const Slice> slices);

// From when on, since the first slice's begin, every window keeps the objective: how long a server
// takes to come back. Nothing where the last one does not. All is answered or given up.
std::optional<Duration> kept_from(const Objective& objective, Duration window,
                                  std::span<const Slice> slices);

// The windows of one step, one slice apart. One thread at a time.
class Judge {
 public:
  // Requests due before `settle` has passed are not judged: connections are opened then.
  // `patience` is how long a request is waited for.
  Judge(Objective objective, Duration window, Duration settle, Duration patience);

  // `slices` are all of the step so far, in order. Gives the first breach, and from then on the
  // same.
  const std::optional<Breach>& look(std::span<const Slice> slices, Instant now);
  // The same when all is answered or given up. Where no window was as long as it should be, the
  // whole step is one: nothing ends as kept without having been judged.
  const std::optional<Breach>& conclude(std::span<const Slice> slices, Instant now);
  // When windows that end at `end` are judged for good.
  [[nodiscard]] Instant certain_at(Instant end) const { return end + grace_; }
  [[nodiscard]] std::size_t judged() const { return judged_; }  // windows that were kept

 private:
  std::optional<Breach> judge(std::span<const Slice> slices, std::size_t first, std::size_t end,
                              Instant now) const;

  Objective objective_;
  Duration window_;
  Duration settle_;
  Duration grace_;
  std::size_t next_ = 0;  // the slice that the next window ends with
  std::size_t judged_ = 0;
  std::optional<Breach> breach_;
};

}  // namespace hf::load
