// Where a server breaks: which rate to try next. A ramp that doubles until the objective breaks,
// bisection between the last rate that was kept and the first that was not, then a hold at what was
// found. A continuous ramp would only give an outer bound: the server is still filling its queues
// while the rate has gone on. Pure; the caller makes the load.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace hf::load {

struct SearchPlan {
  double first_rate = 50;  // requests a second
  double growth = 2;       // from step to step of the ramp; more than 1
  double max_rate = 1'000'000;
  double min_rate = 1;      // where the first rate breaks, lower ones are tried down to this
  double tolerance = 0.05;  // the search ends when both ends are this close, of the lower one
  Duration step = Duration::seconds(5);
  Duration hold = Duration::seconds(15);
  int max_steps = 60;
};

enum class Phase : std::uint8_t { fixed, ramp, bisect, hold };
std::string_view to_string(Phase phase);

struct SearchStep {
  Phase phase = Phase::ramp;
  double rate = 0;
  Duration length;
};

enum class StepOutcome : std::uint8_t {
  kept,       // every window kept the objective
  broken,     // one did not
  generator,  // the generator could not make this load: nothing is known of the server
  stopped,    // somebody ended it
};
std::string_view to_string(StepOutcome outcome);

enum class SearchEnd : std::uint8_t {
  found,      // the objective is kept at `kept` and broken at `broken`; the hold confirmed it
  unsteady,   // rates that were kept for a step were not for a hold, again and again
  unbroken,   // kept at the highest rate that may be tried
  nothing,    // broken at the lowest
  generator,  // the generator was the limit: what the server can do above `kept` is not known
  stopped,
};
std::string_view to_string(SearchEnd end);

// One thread at a time.
class Search {
 public:
  explicit Search(const SearchPlan& plan);

  // The step to make now; nothing when the search has ended.
  [[nodiscard]] const std::optional<SearchStep>& now() const { return step_; }
  // What became of it.
  void step(StepOutcome outcome);

  [[nodiscard]] SearchEnd end() const { return end_; }  // of no meaning before the end
  [[nodiscard]] double kept() const { return kept_; }   // highest; 0: none
  [[nodiscard]] std::optional<double> broken() const { return broken_; }  // lowest

 private:
  void on_kept();
  void on_broken();
  void on_generator();
  void go_on();
  void finish(SearchEnd end);
  void try_rate(Phase phase, double rate);

  SearchPlan plan_;
  std::optional<SearchStep> step_;
  SearchEnd end_ = SearchEnd::stopped;
  double kept_ = 0;
  std::optional<double> broken_;
  std::vector<double> kept_rates_;
  int steps_ = 0;
  int failed_holds_ = 0;
  bool again_ = false;  // this step is made a second time, since the generator failed
};

}  // namespace hf::load
