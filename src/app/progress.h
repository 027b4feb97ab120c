// Where something long stands, on standard error: one line that changes in place on a terminal,
// else a line every few seconds. And whether somebody wants it to end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

namespace hf::app {

class Progress {
 public:
  // `quiet`: nothing is ever shown.
  explicit Progress(bool quiet);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const std::string& line);
  // Takes the line away, so that something else can be said.
  void clear();

 private:
  bool quiet_;
  bool terminal_;
  bool shown_ = false;
  std::optional<Instant> last_;
};

// From now on SIGINT and SIGTERM end nothing by themselves: stop_asked() says that one came. A
// second one ends the process as usual.
void catch_stop();
bool stop_asked();
// sleep: of the command line, between two steps; false when it was cut short by a stop.
bool rest(Duration how_long);

Instant mono_now();

// "1,240"
std::string grouped(std::uint64_t number);
// "3m20s": whole seconds, two units at most.
std::string shortly(Duration length);

}  // namespace hf::app
