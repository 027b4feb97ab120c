// Asking an upstream whether a call took effect (DESIGN section 4, Verify): what is asked, and what
// the answer means.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "call/attempt.h"
#include "call/call.h"
#include "call/settings.h"

namespace hf::call {

inline constexpr std::uint64_t kLookupAnswerMax = 256 * 1024;  // a longer one settles nothing
inline constexpr std::size_t kLookupTargetMax = 8 * 1024;

// What is wrong with a template, for `check`; nothing if it can be used. Placeholders are {key},
// {path}, {body:/json/pointer} and {form:field}; a brace that is not part of one is refused.
std::optional<std::string> lookup_fault(std::string_view get);
// Whether the template has this placeholder, such as "key" or "body:/ref".
bool lookup_uses(std::string_view get, std::string_view placeholder);

// The target with each placeholder's value percent-encoded (all but the unreserved characters of
// RFC 3986; {path} keeps its slashes and what is encoded already), or nothing when one has no
// value: a header key that the call does not have, a body without that member. `request` needs its
// body. The result is below the upstream's base path, like the template.
std::optional<std::string> lookup_target(const Lookup& lookup, const UpstreamSettings& upstream,
                                         const Request& request, const std::optional<KeyUse>& key);

// The GET that asks: the call's own credential and the fields that name an account, without what
// describes its body, its key, its preferences and conditions.
Request lookup_request(const UpstreamSettings& upstream, const Request& request,
                       std::string target);

enum class Looked : std::uint8_t {
  found,    // it took effect
  absent,   // nothing there; what that proves is a matter of time
  present,  // something is there, but the condition does not hold: not settled, not absent
  unclear,  // anything else: ask again
};
struct LookupVerdict {
  Looked looked = Looked::unclear;
  std::string detail;           // for the timeline: no content of the answer
  Body answer;                  // found, and the lookup declares one: the bytes at its pointer
  bool answer_missing = false;  // declared, but not in what was found
};
// Judges a lookup's end. Never throws: an upstream's bytes are anything.
LookupVerdict judge_lookup(const Lookup& lookup, const AttemptOutcome& outcome);

std::string_view to_string(Looked looked);

}  // namespace hf::call
