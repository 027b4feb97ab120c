// Which of a request's fields go upstream, which are made anew for every attempt, and which end
// here.
#pragma once

#include "base/fields.h"
#include "call/intake.h"
#include "call/settings.h"

namespace hf::call {

// The fields that are frozen with the call, in the order and spelling in which they came. Dropped
// are those of the connection, Holdfast-*, the per-attempt ones, the body's framing and Expect
// (written anew by whoever sends), Host unless the route keeps it, and every field that the
// upstream has injected: the client's own credential must not stand beside the injected one. Where
// `classify` reads bodies, Accept-Encoding says identity.
Fields frozen_fields(const RouteSettings& route, const UpstreamSettings& upstream,
                     const Fields& fields);

// traceparent and tracestate as they came, Via with ourselves at its end, and where the route keeps
// Host also Forwarded (RFC 7239) with the client at its end. On other routes Forwarded is dropped:
// who calls us is no business of a foreign upstream.
Fields per_attempt_fields(const RouteSettings& route, const IncomingHead& head);

}  // namespace hf::call
