// What gave way, from what was measured, by named rules; and whether anything may be said at all.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "load/result.h"

namespace hf::load {

// A generator that comes this late to its requests, or is this busy, measures itself.
struct GeneratorLimits {
  // At p99: without an objective so much, else a tenth of its tightest limit within these.
  Duration lag = Duration::millis(5);
  Duration least_lag = Duration::millis(1);
  Duration most_lag = Duration::millis(50);
  Duration kept_lag = Duration::millis(250);  // where the objective was kept all the same
  double cpu = 0.9;                           // of one core, of one thread
};

// Why this step says nothing of the server; nothing if it does. A breach that shows without the
// requests that the generator was late for or never sent is the server's all the same.
std::optional<std::string> generator_fault(const StepResult& step, const Objective& objective,
                                           const GeneratorLimits& limits = {});

// Of a whole run: its steps, its search's end. Limit::none where nothing gave way.
Verdict verdict_of(const RunResult& run);

// Of a run without a search: the highest rate that was kept, and the lowest that broke by itself
// (one that follows a higher rate that broke may only suffer from it). Ramps say neither, unless
// there is nothing else.
void note_kept(RunResult& run);

// Of a phase that broke: "kept again from 4.2 s into it".
std::string recovery_in_words(const StepResult& step);

// The step that tells most: the one that broke at the lowest rate (of phases the first that broke),
// else the one with the highest. Null without steps.
const StepResult* telling_step(const RunResult& run);

// The law through the steps of a search, each a point; nothing where they are too few or too close.
std::optional<UslFit> law_of(const std::vector<StepResult>& steps);

}  // namespace hf::load
