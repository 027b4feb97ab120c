// `holdfast explain` and `holdfast duplicates`: what the records show of a call that may have been
// doubled, and which callers repeat calls under new keys.
#pragma once

#include <string>
#include <vector>

#include "app/admin_client.h"

namespace CLI {
class App;
}

namespace hf::app {

struct ExplainOptions {
  AdminHints where;
  bool json = false;
  bool duplicates = false;
  std::string call;
  std::string key;
  std::vector<std::string> matches;
  std::string since;
  std::string window;    // duplicates
  std::string evidence;  // explain: file for the page
};

// What the two commands exit with, also documented in their --help.
inline constexpr int kExplainClear = 0;     // nothing was doubled; no repeats
inline constexpr int kExplainTwice = 1;     // doubled, or the same content twice; repeats
inline constexpr int kExplainNotKnown = 2;  // a fact is missing, or no such call
inline constexpr int kExplainFailed = 3;    // the command line is wrong, or nobody answered

// Adds the subcommands; parsing one of them runs it and sets `code`. `options` and `code` outlive
// the parsing.
void add_explain_commands(CLI::App& app, ExplainOptions& options, int& code);

int run_explain(const ExplainOptions& options);

}  // namespace hf::app
