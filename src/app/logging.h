// The process's one log, and how the engine's notes become its lines.
#pragma once

#include <string>
#include <string_view>

#include "adapters/telemetry/log.h"
#include "engine/effect.h"

namespace hf::app {

adapters::Log& the_log();
void log_note(const engine::Note& note);
// Of the process as a whole: `what` is a fixed word.
void log_event(adapters::LogLevel level, std::string_view what, const std::string& detail);

}  // namespace hf::app
