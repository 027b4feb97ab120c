// Answers made by Holdfast, and the marks put on answers of an upstream (DESIGN section 3, "To the
// client"). Pure: the engine decides what to say, this turns it into status, fields and body.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/fields.h"
#include "base/ids.h"
#include "base/time.h"
#include "call/call.h"
#include "call/measure.h"

namespace hf::call {

// The codes of DESIGN section 3. Names on the wire are to_string's, with dashes.
enum class Code : std::uint8_t {
  key_missing,
  key_invalid,
  bad_request,
  not_supported,      // 400
  signature_refused,  // 401
  blocked,            // 403
  no_route,
  no_such_call,  // 404
  in_progress,
  outcome_unknown,
  outcome_applied,
  answer_not_kept,  // 409
  dead,
  cancelled,
  already_ended,
  key_expired,
  key_owned_by_another,  // 409
  body_too_large,        // 413
  expectation_failed,    // 417
  key_reused,            // 422
  limited,
  paused,
  quota_exceeded,
  banned,          // 429
  head_too_large,  // 431
  unreachable,
  connection_lost,
  invalid_answer,  // 502
  held,
  breaker_open,
  overloaded,
  journal_unavailable,
  draining,  // 503
  timeout,
  deadline,  // 504
  loop,      // 508
};
std::string_view to_string(Code code);
int status_of(Code code);
// One sentence for a person: what happened.
std::string_view title_of(Code code);
// The problem type on the wire: the one that the IETF registers for it where there is one
// (draft-ietf-httpapi-ratelimit-headers-11 section 5; ADR 0017), else urn:holdfast:problem:<code>.
std::string type_of(Code code);
// The `error.type` that the SDKs know (DESIGN section 3).
std::string_view error_type_of(Code code);
// An error type registered by RFC 9209 section 2.3: what Proxy-Status says of a code by itself, and
// of the end of an attempt (empty for Cause::none).
std::string_view proxy_error_of(Code code);
std::string_view proxy_error_of(Cause cause);
// What a client is told besides the code's title; empty where that says it all.
std::string_view detail_of(Cause cause);

struct ProblemSpec {
  Code code = Code::bad_request;
  Effect effect = Effect::none;
  bool safe_to_retry =
      false;  // this same request, with the same key if it had one, may be sent again
  std::optional<CallId> call;
  int attempts = 0;                     // 0: none
  std::optional<Duration> retry_after;  // rounded up to whole seconds, at least 1
  std::optional<int> upstream_status;   // answer_not_kept: the status it had
  std::string detail;                   // what to do; never a body, key or credential
  std::string proxy_status;             // RFC 9209 error token and parameters; empty: by code
  std::optional<Measure> measure;       // of refusals: which rule, and what was measured
  std::vector<std::string> violated_policies;  // of RateLimit-Policy
};

// A whole answer, ready for the wire but for framing and hop-by-hop fields.
struct Reply {
  int status = 0;
  Fields fields;
  Body body;                                             // null: none
  bool close = false;                                    // the connection must not be used again
  std::shared_ptr<const ProblemSpec> problem = nullptr;  // what it says; of those problem() made
};
// RFC 9457 problem JSON with the `error` member that SDKs need, Holdfast-Effect, Holdfast-Call,
// Holdfast-Attempts, Proxy-Status, Retry-After, and the no-retry advice where !safe_to_retry.
Reply problem(const ProblemSpec& spec);

// The code of a reply that problem() made; empty for any other.
std::string_view problem_code(const Reply& reply);

// Names an earlier call of the same content and another key (a route's `on_suspect: warn`).
inline constexpr std::string_view kResemblesField = "Holdfast-Resembles";

struct AnswerMarks {
  std::optional<CallId> call;  // none for a call that is not journaled
  int attempts = 1;
  std::optional<Effect> effect;           // only where it is not plainly final
  bool advise_no_retry = false;           // x-should-retry / stripe-should-retry: false
  std::optional<WallTime> replayed_from;  // Idempotent-Replayed, Holdfast-Replayed
  bool wait_applied = false;              // Preference-Applied
  std::optional<CallId> resembles;        // Holdfast-Resembles
};
// Drops every Holdfast-* field of the upstream's answer and adds ours.
void mark_answer(Fields& fields, const AnswerMarks& marks);
Reply upstream_answer(const Answer& answer, const AnswerMarks& marks);

// 202 {call, state, reason, next_attempt_at} with Location, for calls that were agreed to be held.
Reply accepted(const Call& call, bool preference_applied);
// GET /.holdfast/calls/{id}: 200 {call, state, reason, effect, attempts, created_at,
// next_attempt_at, deadline}.
Reply status(const Call& call);
// GET /.holdfast/calls/{id}/response: the stored answer marked, 202 with the status JSON while not
// ended, else 409.
Reply response(const Call& call);
// The 202 of DELETE while an attempt runs.
Reply cancel_noted(const Call& call);
// JSON object of the status members; also what the admin API shows.
std::string status_json(const Call& call);

}  // namespace hf::call
