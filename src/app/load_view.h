// What `holdfast load` shows: one screen while it runs, a line now and then where there is no
// terminal, and the summary.
#pragma once

#include <string>

#include "app/load_run.h"
#include "load/result.h"

namespace hf::app {

// Lines of a screen of that width, without an end.
std::string load_screen(const LoadStatus& status, const std::string& target, int width);
std::string load_line(const LoadStatus& status);
// A line for a step that is over.
std::string step_line(const load::StepResult& step);
std::string load_summary(const load::RunResult& run);

}  // namespace hf::app
