// The log: JSON lines for machines, readable ones on a terminal. Any thread.
//
// Repeats are bounded: of lines that are equal but for their detail, `burst` are written in each
// `window`; the next one that is written tells how many were left out. A line of one call is always
// written: it is the record of how that call ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "adapters/telemetry/log_line.h"
#include "base/time.h"

namespace hf::adapters {

enum class LogFormat : std::uint8_t { automatic, json, plain };

struct LogOptions {
  LogFormat format = LogFormat::automatic;  // plain when stderr is a terminal
  LogLevel least = LogLevel::info;
  int burst = 20;
  Duration window = Duration::seconds(10);
  std::size_t kinds_max = 256;  // kinds of lines that are counted at once
  // For tests; empty: stderr, without colours unless it is a terminal (and NO_COLOR is not set).
  std::function<void(const std::string& line)> sink;
  std::function<Now()> now;  // empty: the real clocks
};

class Log {
 public:
  explicit Log(LogOptions options = {});
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(const LogLine& line);
  // Lines that libraries and adapters say through spdlog's default logger come here as well, with
  // `what` "message".
  void take_over_spdlog();
  [[nodiscard]] std::uint64_t left_out() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace hf::adapters
