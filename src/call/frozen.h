// Whether what was frozen of a call at its acceptance is as it was written.
#pragma once

#include <cstdint>

#include "call/call.h"

namespace hf::call {

// A hash of all of a call that a change does not tell, but for the request's body: for this process
// only, and against accidents only.
std::uint64_t frozen_hash(const Call& call);

}  // namespace hf::call
