// `holdfast features`: which optional features are on, why, and a person's word on them.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "app/admin_client.h"
#include "app/calls_view.h"

namespace CLI {
class App;
}

namespace hf::app {

struct FeaturesOptions {
  AdminHints where;
  bool json = false;
  enum class Action { show, set, release } action = Action::show;
  std::string name;
  std::string value;  // on, off
  std::string lasts;
  std::string reason;
};

// `options` and `code` outlive the parsing.
void add_features_command(CLI::App& app, FeaturesOptions& options, int& code);

// 0: done; 1: no answer, or it was refused.
int run_features(const FeaturesOptions& options);

// {features: [...], level, of, pressure} as people read it.
std::string show_features(const boost::json::object& answer, const ViewOptions& options);

}  // namespace hf::app
