// `holdfast report`: what routes that only observe (`mode: observe`) would have done, from a
// running Holdfast over its admin API, or from the journal's directory when none runs.
#pragma once

#include <string>

#include "app/admin_client.h"

namespace CLI {
class App;
}

namespace hf::app {

struct ReportOptions {
  AdminHints where;
  std::string journal;  // its directory; empty: over the admin API
  std::string since = "24h";
  std::string route;
  bool json = false;
};

// `options` and `code` outlive the parsing.
void add_report_command(CLI::App& app, ReportOptions& options, int& code);

// 0: a report; 1: no answer, or it cannot be read; 2: the command line is wrong.
int run_report(const ReportOptions& options);

}  // namespace hf::app
