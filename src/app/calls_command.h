// `holdfast calls ...`, `holdfast alerts`, `upstreams`, `pause` and `resume`: an operator's
// tools, as a client of the admin API.
#pragma once

#include <string>
#include <vector>

#include "app/admin_client.h"
#include "app/bulk_command.h"
#include "app/export_command.h"
#include "app/selection_options.h"

namespace CLI {
class App;
}

namespace hf::app {

struct CallsOptions {
  enum class Action {
    list,
    show,
    retry,
    cancel,
    resolve,
    upstreams,
    pause,
    resume,
    alerts,
    incident,
    blocked
  };
  Action action = Action::list;
  AdminHints where;
  bool json = false;  // the API's answer as it is, for scripts

  SelectionOptions select;  // list
  int limit = 50;
  std::string after;
  std::string upstream;  // pause, resume: which
  std::string call;      // show, retry, cancel, resolve: its id; empty: those that `bulk` selects
  BulkOptions bulk;      // retry, cancel, resolve
  OperationsOptions operations;
  ExportOptions exported;
  std::string reason;
  std::vector<std::string> words;  // resolve: the id, if one call is meant, and the outcome
  std::string outcome;             // resolve: applied, not_applied
  std::string answer_file;  // resolve applied: what the upstream answered; "-": standard input
  int answer_status = 200;
  std::string answer_type = "application/json";
  std::string pause_for;
  std::string since;     // incident: "2h" ago, or a time
  std::string until;     // empty: now
  std::string out_file;  // incident: where its draft goes; empty: standard output
};

// Adds the subcommands; parsing one of them runs it and sets `code`. `options` and `code` outlive
// the parsing.
void add_calls_commands(CLI::App& app, CallsOptions& options, int& code);

// Prints to stdout, errors to stderr. 0 done; 1 refused, not found, or no answer; 2 the command
// line is wrong. Of bulk commands as run_bulk says.
int run_calls(const CallsOptions& options);

}  // namespace hf::app
