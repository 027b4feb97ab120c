// Which calls a command means: the same options for listing, for the bulk commands and for an
// export.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/selection_query.h"

namespace CLI {
class App;
}

namespace hf::app {

struct SelectionOptions {
  std::vector<std::string> states;
  std::vector<std::string> reasons;
  std::vector<std::string> upstreams;
  std::vector<std::string> routes;
  std::vector<std::string> effects;
  std::vector<std::string> causes;
  std::vector<std::string> statuses;
  std::vector<std::string> keys;
  std::vector<std::string> matches;
  std::string older_than;
  std::string newer_than;
  std::string min_attempts;
  std::string max_attempts;
};

// Adds them to a subcommand. `options` outlives the parsing.
void add_selection(CLI::App& command, SelectionOptions& options);

// As the admin API reads them; durations become times before `now`, so that all pages of one walk
// mean the same calls. ErrorKind::invalid names the option.
Result<control::QueryPairs> selection_pairs(const SelectionOptions& options, WallTime now);

// The same words as --help has them, for messages: "--state dead --upstream bank".
std::string selection_words(const control::QueryPairs& pairs);

WallTime wall_now();

}  // namespace hf::app
