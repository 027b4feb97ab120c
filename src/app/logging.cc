#include "app/logging.h"

#include <utility>

namespace hf::app {
namespace {

adapters::LogLevel level_of(engine::Note::Level level) {
  switch (level) {
    case engine::Note::Level::info:
      return adapters::LogLevel::info;
    case engine::Note::Level::warning:
      return adapters::LogLevel::warning;
    case engine::Note::Level::error:
      return adapters::LogLevel::error;
  }
  return adapters::LogLevel::error;
}

}  // namespace

adapters::Log& the_log() {
  static adapters::Log log;  // a process has one stderr
  return log;
}

void log_note(const engine::Note& note) {
  adapters::LogLine line;
  line.level = level_of(note.level);
  line.what = note.what;
  line.route = note.route;
  line.upstream = note.upstream;
  line.rule = note.rule;
  if (note.call) {
    line.call = note.call->text();
    line.evidence = std::string(call::to_string(note.evidence));
    line.cause = std::string(call::to_string(note.cause));
  }
  line.status = note.status;
  line.attempts = note.attempts;
  line.detail = note.detail;
  the_log().write(line);
}

void log_event(adapters::LogLevel level, std::string_view what, const std::string& detail) {
  adapters::LogLine line;
  line.level = level;
  line.what = std::string(what);
  line.detail = detail;
  the_log().write(line);
}

}  // namespace hf::app
