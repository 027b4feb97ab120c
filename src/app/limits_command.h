// `holdfast limits`: what each limit per client has let through and refused, and whom; and `lift`.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "app/admin_client.h"
#include "app/calls_view.h"

namespace CLI {
class App;
}

namespace hf::app {

struct LimitsOptions {
  AdminHints where;
  bool json = false;
  std::string lift;  // a limit's name; empty: show them
  std::string client;
  std::string reason;
};

// `options` and `code` outlive the parsing.
void add_limits_command(CLI::App& app, LimitsOptions& options, int& code);

// 0: done; 1: no answer, or it was refused.
int run_limits(const LimitsOptions& options);

// {limits: [...], keys, keys_max} as tables.
std::string show_limits(const boost::json::object& answer, const ViewOptions& options);

}  // namespace hf::app
