// Requests of a route that only observes (`mode: observe`): they go upstream at once and once, as
// they came. What Holdfast would have done with them is judged beside them, by the same settings
// as if the route acted (docs/adr/0013).
#pragma once

#include <string_view>

#include "call/intake.h"
#include "call/settings.h"

namespace hf::call {

// Limits of what is relayed, so that nothing waits for ever; longer than what an application waits.
inline constexpr Duration kRelayConnect = Duration::minutes(2);
inline constexpr Duration kRelayIdle = Duration::hours(1);  // for the head, and between two reads

// For each route that only observes: the route without memory for a second attempt, its upstream
// without fields put in, signatures, and limits shorter than those above.
RelayedRoutes relayed_routes(const Settings& settings);

// The call that flows: target and Host as the route says, fields as they came but for those of the
// connection and of framing. No Via: there are servers that compress no answer for a proxy.
NewCall relayed_call(const RelayedRoute& as, const IncomingHead& head);

// The same settings with every route acting: what the requests are judged by.
Settings acting(const Settings& settings);

}  // namespace hf::call
