// What explain and duplicates answer, for people: text for a terminal, and one page for a dispute.
// Pure: the API's JSON in, text out.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

namespace hf::app {

// {verdict, headline, looked, sentences, calls, timeline}
std::string show_explanation(const boost::json::object& answer, bool colour);
// {since, window, calls, repeats, complete, callers, pairs}
std::string show_duplicates(const boost::json::object& answer);

// The same explanation as one self-contained HTML page: no script, nothing loaded from elsewhere,
// every text escaped, `data` (the API's answer as it came) embedded as JSON.
std::string evidence_page(const boost::json::object& answer, std::string_view data);

}  // namespace hf::app
