// Which idle connection to an upstream may carry another request (DESIGN section 4, Connection
// reuse): false unknowns come from requests written into a connection that the peer was closing,
// and wrong answers from one whose last exchange was not over.
#pragma once

#include <optional>

#include "base/time.h"

namespace hf::policy {

// How the last exchange on a connection ended.
struct LastExchange {
  bool request_whole = true;   // every byte of it was taken
  bool answer_whole = true;    // read to its last byte, not given up before
  bool nothing_behind = true;  // no byte came after the answer
  bool persists = true;        // neither side said that it is the last one (RFC 9112 section 9.3)
};

// There is a known place to go on from: what comes next on it can only answer the next request.
[[nodiscard]] bool leaves_reusable(const LastExchange& last);

struct IdleConnection {
  Instant opened;
  Instant last_used;                   // the last byte of its last answer, or when it was opened
  std::optional<Duration> keep_alive;  // how long the peer said that it keeps it
};

struct ReuseLimits {
  // Below the 60 s after which the common servers and load balancers close.
  Duration idle = Duration::seconds(55);
  Duration careful_idle = Duration::seconds(1);
  // A name's records change while its connections live: none is older than this when it is reused.
  Duration age = Duration::minutes(5);
};

// `careful`: the request must not meet a closing connection, because its loss could not be told
// from its effect. The peer's hint is shortened by a second, or by half if it is shorter than two:
// the peer counts from when it sent its last byte, we from when we read it.
[[nodiscard]] bool may_carry(const IdleConnection& connection, bool careful, Instant now,
                             const ReuseLimits& limits);

}  // namespace hf::policy
