// `holdfast calls export`: calls as lines of JSON (docs/formats/export.md), from a running Holdfast
// over its admin API, or from the journal's directory when none runs.
#pragma once

#include <string>

#include "app/admin_client.h"
#include "app/selection_options.h"

namespace CLI {
class App;
}

namespace hf::app {

struct ExportOptions {
  AdminHints where;
  SelectionOptions select;
  std::string journal;  // its directory; empty: over the admin API
  std::string key_file;
  std::string out_file;  // empty: standard output
  std::string after;
  bool go_on = false;  // after what `out_file` holds already
  bool unsealed = false;
  bool bodies = false;
  bool credentials = false;
  std::string patience = "2m";
};

// `options` and `code` outlive the parsing.
void add_export_command(CLI::App& calls, ExportOptions& options, int& code);

// Lines to standard output or the file, everything else to stderr. 0 done; 1 no answer, or it
// cannot be read or written; 2 the command line is wrong; 4 stopped before the end.
int run_export(const ExportOptions& options);

}  // namespace hf::app
