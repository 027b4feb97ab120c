// How long the other side says it keeps an idle connection.
#pragma once

#include <optional>

#include "base/fields.h"
#include "base/time.h"

namespace hf::http1 {

// `Keep-Alive: timeout=5, max=100` (RFC 2068 section 19.7.1.1; whole seconds). The shortest when
// there are several; nothing without one that is a plain number. A hint only: the other side may
// close earlier, and 0 means at once.
std::optional<Duration> keep_alive_timeout(const Fields& fields);

}  // namespace hf::http1
