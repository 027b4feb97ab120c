// The client of the admin API: one request, one answer, blocking.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "control/admin_reply.h"

namespace hf::app {

// Where the admin API is, and how to be let in.
struct AdminPlace {
  std::string address;  // host:port
  std::string token;    // empty: none is sent
};

// What the command line says of it; empty: not said.
struct AdminHints {
  std::string config;      // --config
  std::string admin;       // --admin, else HOLDFAST_ADMIN
  std::string token_file;  // --token-file, else HOLDFAST_TOKEN_FILE
};

// Command line, then environment, then configuration (holdfast.yaml here, if there is one), then
// the defaults of `serve`. Errors are for people: what is missing and how to say it.
Result<AdminPlace> find_admin(const AdminHints& hints);

// Where the health listener is, which asks for no token: `address` if it is not empty, else as the
// configuration says. Errors as above.
Result<AdminPlace> find_health(const std::string& config, const std::string& address);

struct AdminAnswer {
  int status = 0;
  std::string body;
};

// Errors: unavailable (no connection), closed, timeout, invalid (an address that is none).
Result<AdminAnswer> ask_admin(const AdminPlace& place, const std::string& method,
                              const std::string& target, const std::string& body = {},
                              Duration patience = Duration::seconds(20));

using control::percent_encoded;

}  // namespace hf::app
