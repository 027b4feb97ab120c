// `idempotency.lookup`: how an upstream is asked what became of a call.
#pragma once

#include "call/settings.h"
#include "config/section.h"

namespace hf::config {

// Fills `out.lookup` and `out.idempotency.settle`; what is wrong is found, not thrown.
void read_lookup(Section in, call::UpstreamSettings& out);

}  // namespace hf::config
