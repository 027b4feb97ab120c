// Answers of the admin API as tables for people. Pure: text and the time in, text out.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hf::app {

struct ViewOptions {
  WallTime now;
  bool colour = false;
};

// {calls: [...], more, next}
std::string show_calls(const boost::json::object& page, const ViewOptions& options);
// One call with its timeline.
std::string show_call(const boost::json::object& call, const ViewOptions& options);
// {alerts: [...]}
std::string show_alerts(const boost::json::object& answer, const ViewOptions& options);
// {lines: [...], more}
std::string show_blocked(const boost::json::object& answer, const ViewOptions& options);
// {upstreams: [...]}
std::string show_upstreams(const boost::json::object& answer, const ViewOptions& options);

// "just now", "3m ago", "in 2h": the two largest units that matter, as people say it.
std::string relative(WallTime at, WallTime now);

}  // namespace hf::app
