// When an upstream says to come back.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace hf::policy {

// The value of Retry-After (RFC 9110 section 10.2.3): whole seconds, or an HTTP date, which is zero
// when past. Fractions of a second ("1.5"), which some send, are taken too, rounded up to a
// nanosecond. Never negative; saturates. Anything else, a sign included, is nothing.
std::optional<Duration> parse_retry_after(std::string_view value, WallTime now);

// The value of X-RateLimit-Reset and its kin, for which there is no standard: a number of seconds
// from now, of seconds since 1970 (from 10^9 on, which as seconds from now would be 31 years) or of
// milliseconds since 1970 (from 10^12 on); or a duration with units, "6m0s". Same limits as above.
std::optional<Duration> parse_rate_reset(std::string_view value, WallTime now);

}  // namespace hf::policy
