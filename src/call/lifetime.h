// How late an attempt under a key may begin (DESIGN section 4, Key lifetime).
#pragma once

#include <algorithm>

#include "base/time.h"
#include "call/settings.h"

namespace hf::call {

// No attempt starts within this much of the end of its key's lifetime: the upstream must not have
// forgotten the key while the attempt is still on its way.
inline Duration key_margin(const Timeouts& timeouts, Duration lifetime) {
  return std::max(timeouts.connect + timeouts.head + Duration::seconds(10), lifetime / 100);
}

}  // namespace hf::call
