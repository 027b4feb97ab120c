// What an upstream bears, and who makes way when it is full.
#pragma once

#include "call/settings.h"
#include "config/section.h"

namespace hf::config {

// `concurrency: N`, or `{ adaptive: true, min, max, start }`; `overload: { target, interval, calm
// }` or `off`. A limit that is learnt is watched for overload unless that is off.
void read_concurrency(Section& in, call::UpstreamSettings& out);

// `class: WORD`, or `{ at_most, by_priority, match: [{ header, values, class }] }`.
void read_class(Section& in, call::ClassSettings& out);

}  // namespace hf::config
