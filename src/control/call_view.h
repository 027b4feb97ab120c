// Calls as the admin API shows them: what an operator needs to judge one, and never a body, a key
// or a credential in clear. Query strings are left out for the same reason: many carry tokens.
#pragma once

#include <string>

#include "call/call.h"
#include "ports/journal.h"

namespace hf::control {

// One entry of a list: the status members and whose attempt went where.
std::string list_json(const call::Call& call);
// All of it, with the timeline. `detail.call` is there.
std::string detail_json(const ports::CallDetail& detail);

}  // namespace hf::control
