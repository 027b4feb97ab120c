// What is inside the envelope of records that the first two versions wrote: read for ever, written
// no more.
#pragma once

#include "call/call.h"
#include "call/payload.h"
#include "call/timeline.h"

namespace hf::call {

// Behind the version byte. A call of these versions is all of it, as it last was; its events have
// records of their own.
Call read_early_call(PayloadReader& in);
TimelineEvent read_early_event(PayloadReader& in);

}  // namespace hf::call
