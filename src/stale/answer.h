// The answer that stands in for an error, as the client gets it. Pure.
#pragma once

#include <string>

#include "call/reply.h"
#include "stale/rules.h"

namespace hf::stale {

// The error that it stands in for.
struct Error {
  int status = 0;
  std::string reason;            // `unreachable`, `upstream-503`: visible ASCII without quotes
  bool of_the_upstream = false;  // its own answer, not one made here for want of one
  // A refusal made here: one that spares an upstream, and is an error for as long as that is down.
  bool sparing = false;
};
// 500, 502, 503 and 504: what counts as an error (RFC 5861 section 4).
bool is_error(int status);
// What an answer may stand in for: such an error, but not Holdfast's own word that it drains, or
// that the client's deadline is over; and its 429 `paused` and `limited`, as `sparing`. Reason
// empty: nothing.
Error error_of(const call::Reply& reply);
Error error_of(const call::AnswerHead& head);

// 200 with what is kept, or 304 where the request's condition holds: Age, Cache-Status (RFC 9211)
// with the error, and of the error's own fields Proxy-Status, Holdfast-Call, Holdfast-Attempts.
call::Reply stand_in(const Kept& kept, const Fields& request, const Error& error,
                     const Fields& error_fields, const Now& now);

}  // namespace hf::stale
