// One line of the log, and its two spellings. Pure. A line never holds a body, a key or a
// credential: whoever fills it has none of them at hand.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace hf::adapters {

enum class LogLevel : std::uint8_t { info, warning, error };

// Empty strings and zeros are left out.
struct LogLine {
  LogLevel level = LogLevel::info;
  std::string what;  // a fixed word: call_unknown, journal_refusing, draining, ...
  std::string call;  // the call's id
  std::string route;
  std::string upstream;
  std::string rule;
  std::string evidence;
  std::string cause;
  int status = 0;
  int attempts = 0;
  std::string detail;
};

// {"ts":"2026-11-21T03:39:20.123Z","level":"error","what":"call_unknown",...}. `left_out` counts
// equal lines that were not written since the last one.
std::string json_line(const LogLine& line, WallTime at, std::uint64_t left_out);
// 03:39:20.123 ERROR call_unknown call=... cause=reset: what happened. Control characters are
// escaped, so that nothing a peer sent can move the cursor or fake a line.
std::string plain_line(const LogLine& line, WallTime at, std::uint64_t left_out, bool colour);

}  // namespace hf::adapters
