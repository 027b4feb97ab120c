// `holdfast load`: how much a server takes, and what gives way first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/admin_client.h"

namespace CLI {
class App;
}

namespace hf::app {

inline constexpr int kLoadDone = 0;
inline constexpr int kLoadFailed = 1;   // no connection, or a file that cannot be used
inline constexpr int kLoadBadLine = 2;  // the command line is wrong, or the target not consented to
inline constexpr int kLoadBroken = 3;   // the objective was broken, or no rate was found
inline constexpr int kLoadNoVerdict = 4;  // the generator was the limit; of compare: cannot tell

struct LoadOptionsLine {
  std::string url;
  std::string rate;
  std::string ramp_from;
  std::string duration;  // empty: 30s
  std::string phases;
  bool find = false;
  std::string objective;
  std::string errors;
  std::string requests;
  std::vector<std::string> bodies;  // for those of them that have none
  std::vector<std::string> headers;
  std::string method;
  std::string body;
  bool poisson = false;
  std::uint64_t seed = 1;
  std::size_t threads = 1;
  std::size_t connections = 4096;
  std::string timeout = "10s";
  std::string start = "50/s";
  std::string max_rate = "1000000/s";
  std::string step = "5s";
  std::string hold = "15s";
  std::string tolerance = "5%";
  std::string ca;
  std::string consent;
  bool json = false;
  std::string report;
  AdminHints front;     // a Holdfast before the server; all empty: none
  std::string traffic;  // a rate; empty: as the front tells
  std::string growth = "0%";
  std::string prices;
  std::string apply;     // where the plan is written; empty: none
  std::string upstream;  // which one the plan is for; empty: as the front tells
};

struct LoadCompareLine {
  std::string before;
  std::string after;
  bool json = false;
};

struct LoadLines {
  LoadOptionsLine load;
  LoadCompareLine compare;
};

// `lines` and `code` outlive the parsing.
void add_load_commands(CLI::App& app, LoadLines& lines, int& code);

// Gives one of the codes above.
int run_load_command(const LoadOptionsLine& line);
// 0: better or the same; 3: worse; 4: cannot tell; 1: a file cannot be used.
int run_load_compare(const LoadCompareLine& line);

}  // namespace hf::app
