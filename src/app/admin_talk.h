// What every client command does around one request: the answer read as JSON, or said why not.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>

#include "app/admin_client.h"

namespace CLI {
class App;
}

namespace hf::app {

// --config, --admin and --token-file, as find_admin reads them. `hints` outlives the parsing.
void add_where(CLI::App& command, AdminHints& hints);

// "holdfast: ..." to stderr; gives `code` back.
int complain(const std::string& what, int code);

// An answer of 200; else what the API says.
// ErrorKind: unavailable (no connection, or 5xx: ask again), timeout and closed (the same, and it
// may have been done), full (409 `busy`: ask again), not_found, invalid (all others).
Result<AdminAnswer> good_answer(Result<AdminAnswer> answer);
// The object that it is.
Result<boost::json::object> read_answer(const Result<AdminAnswer>& answer);

// What a command was told: its JSON where `whole`, else as `show` puts it. Gives the exit code.
int print_answer(const Result<AdminAnswer>& answer, bool whole,
                 const std::function<std::string(const boost::json::object&)>& show);

// Asks until there is an answer that means something, `patience` is over, or somebody wants it to
// end (progress.h): Holdfast may be starting anew at this moment. `waiting` is called once, with
// what it waits for. For what may be asked twice.
Result<AdminAnswer> ask_patiently(const AdminPlace& place, const std::string& method,
                                  const std::string& target, const std::string& body,
                                  Duration patience,
                                  const std::function<void(const std::string&)>& waiting);

}  // namespace hf::app
