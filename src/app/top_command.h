// `holdfast top`: a running Holdfast, refreshed each second.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "app/admin_client.h"
#include "app/calls_view.h"

namespace CLI {
class App;
}

namespace hf::app {

struct TopOptions {
  AdminHints where;
  std::string interval = "1s";
  bool once = false;
  bool json = false;
};

// `options` and `code` outlive the parsing.
void add_top_command(CLI::App& app, TopOptions& options, int& code);

// 0: ended by its user, or --once; 1: no answer; 2: the command line is wrong.
int run_top(const TopOptions& options);

// One screen: what happened between two answers of /v1/top.
std::string show_top(const boost::json::object& before, const boost::json::object& now,
                     const ViewOptions& options);

}  // namespace hf::app
