// The report on routes that only observe, for people. Pure: the API's JSON in, text out.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace hf::app {

// {since, until, first_hour, forgotten_keys, unreadable_lines, routes}
std::string show_report(const boost::json::object& report);

}  // namespace hf::app
