// One run of `holdfast load`: makes the steps that the plan or the search asks for, and measures
// them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "adapters/load/generator.h"
#include "base/time.h"
#include "load/objective.h"
#include "load/phases.h"
#include "load/result.h"
#include "load/search.h"

namespace hf::app {

struct LoadPlan {
  std::optional<load::SearchPlan> find;
  // Without a search: what follows each other, not empty. One of them is a run at one rate.
  std::vector<load::PhasePlan> phases;
  load::Objective objective;
  load::Spacing spacing = load::Spacing::even;
  std::uint64_t seed = 1;
  Duration timeout = Duration::seconds(10);
};

// Where a run stands, for people.
struct LoadStatus {
  load::SearchStep step;
  std::string name;        // of a phase; empty where there are none
  std::size_t number = 0;  // of it, from 1
  std::size_t of = 0;
  std::string earlier;  // phases that are over, and whether they were kept
  Duration into;        // of the step
  bool draining = false;
  load::Tally window;  // the last seconds that are over
  double asked = 0;    // in it, a second
  double answered = 0;
  std::uint64_t in_flight = 0;
  std::size_t judged = 0;  // windows that kept the objective in this step
  const std::optional<load::Breach>* breach = nullptr;
  const load::RunResult* run = nullptr;  // the steps that are over
  double kept = 0;
  std::optional<double> broken;
  adapters::LoadSelf self;
};

// `show` is called ten times a second. Ends early, with what there is, when stop_asked(). Gives
// when it began, on the generator's clock.
Instant run_load(const LoadPlan& plan, adapters::LoadGenerator& generator,
                 const std::function<void(const LoadStatus&)>& show, load::RunResult& result);

}  // namespace hf::app
