// What every client command does around one request: the answer read as JSON, or said why not.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "app/admin_client.h"

namespace hf::app {

// "holdfast: ..." to stderr; gives `code` back.
int complain(const std::string& what, int code);

// The object of an answer of 200; else what the API says, or that it is none.
// ErrorKind: unavailable (no connection, or 5xx: ask again), timeout and closed (the same, and it
// may have been done), full (409 `busy`: ask again), not_found, invalid (all others).
Result<boost::json::object> read_answer(const Result<AdminAnswer>& answer);

}  // namespace hf::app
