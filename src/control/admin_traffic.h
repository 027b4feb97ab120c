// The admin API's paths about traffic: shares of clients, and optional features.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ports/control.h"

namespace hf::control {

// Each empty: there is none of it.
struct TrafficAdmin {
  std::function<std::string()> limits = {};  // {"limits": [...]}
  // False: nobody is known by that name.
  std::function<bool(std::string_view limit, std::string_view client)> lift = {};
  std::function<std::string()> features = {};  // {"features": [...]}
  // A word on a feature, or its end: what was done. Errors: invalid, not_found.
  std::function<Result<std::string>(const std::string& name, const std::string& body)> set_feature =
      {};
  std::function<Result<std::string>(const std::string& name)> release_feature = {};
  std::function<std::string()> autoscale = {};  // {"upstreams": ...}
};

// What was asked for below /v1/limits and /v1/features.
struct TrafficAsk {
  std::string_view method;
  std::string_view kind;  // limits, features
  const std::string& name;
  std::string_view action;
  const std::string& body;
};

// False: there is nothing at this path. `log` may be empty.
bool answer_traffic(const TrafficAdmin& traffic, const TrafficAsk& ask,
                    const std::function<void(std::string_view, const std::string&)>& log,
                    const ports::ControlRespond& respond);

}  // namespace hf::control
