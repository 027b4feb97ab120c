// What a shared memory of answers may keep, and when a kept one may stand in for an error: RFC 9111
// (sections 3, 3.5, 4.1, 4.2, 4.2.4, 4.3.2, 4.3.4) and RFC 5861 section 4, narrowed where a mistake
// would show one user's data to another. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fields.h"
#include "base/time.h"
#include "call/attempt.h"
#include "call/settings.h"

namespace hf::stale {

// Of one answer, fields included.
inline constexpr std::uint64_t kAnswerMax = 1ULL << 20;

// Why an answer is not kept. Names are labels of metrics.
enum class NotKept : std::uint8_t {
  none,        // it may be
  status,      // not a whole 200
  no_store,    // section 3: in the request or the answer; no-cache too, since it could not be used
  is_private,  // section 3: we are shared
  authorization,  // section 3.5: and no public, s-maxage or must-revalidate
  set_cookie,     // allowed by the RFC, and made for one user
  vary,           // `*`, or more fields than we look at
  event_stream,   // has no end
  too_large,      // for one answer
  no_room,        // among the copies under way
  cut,            // it did not come whole
  outdated,       // a write went through meanwhile
  classified,     // a rule of `classify` says it is no plain answer
};
inline constexpr NotKept kLastNotKept = NotKept::classified;
std::string_view to_string(NotKept why);

// By its head alone. `request` is what went upstream, per-attempt fields included.
NotKept may_keep(const Fields& request, const call::AnswerHead& answer);

// The request fields that a kept answer depends on: its Vary (section 4.1), and where it is not
// declared `public` or `s-maxage` all that tells one user from another. Lower case, sorted.
std::vector<std::string> selecting_fields(const Fields& answer, const call::OwnerRule& owner);
// What the request says in these fields: equal for requests that such an answer fits.
std::string selected_by(const Fields& request, const std::vector<std::string>& names);

// How long it is fresh, and how long beyond that it may be used at an error.
struct Terms {
  Duration initial_age;                    // section 4.2.3: corrected_initial_age
  Duration lifetime;                       // section 4.2.1, without a heuristic
  bool only_fresh = false;                 // section 4.2.4: never stale
  std::optional<Duration> stale_if_error;  // its own word
  bool operator==(const Terms&) const = default;
};
// `delay`: from the request to the answer's head, which came at `at`.
Terms terms_of(const Fields& answer, Duration delay, WallTime at);

struct Kept {
  Fields fields;  // end to end, and with a Date
  Body body;
  Terms terms;
  Instant asked;  // when its request was made
  Instant at;     // when its head was here
};
Kept keep(call::AnswerHead answer, Body body, Instant asked, const Now& at);

Duration age_of(const Kept& kept, Instant now);
// Beyond its freshness; negative while it is fresh.
Duration staleness_of(const Kept& kept, Instant now);

// Why an error is not replaced. Names are labels of metrics.
enum class Missed : std::uint8_t {
  none,  // it is
  nothing_kept,
  too_old,       // the route's, the answer's or the request's limit has passed
  revalidate,    // it says that it must not be used stale
  client,        // the request says no-cache
  precondition,  // If-Match or If-Unmodified-Since: only the application can judge these
};
inline constexpr Missed kLastMissed = Missed::precondition;
std::string_view to_string(Missed why);

// `most`: the route's stale_if_error.
Missed may_serve(const Kept& kept, const Fields& request, Duration most, Instant now);

// Whether the request's own condition holds of what is kept, so that 304 says it all (section
// 4.3.2).
bool not_modified(const Kept& kept, const Fields& request, WallTime now);

// A 304 that came for the same request confirms what is kept (sections 3.2, 4.3.4): the same with
// its fields and times. Empty: it is about something else, or says that nothing is to be kept.
std::optional<Kept> confirmed(const Kept& kept, const Fields& answer, Instant asked, const Now& at);

}  // namespace hf::stale
