// Section 4 of DESIGN as a function: from the evidence of one attempt and what is known of the
// earlier ones to what may be done next. Every cell of the table has a test (decide_test.cc).
#pragma once

#include <string_view>

#include "call/attempt.h"
#include "call/settings.h"

namespace hf::call {

// The rows of the table.
enum class Row : std::uint8_t {
  nothing_sent,
  refused,       // a declared refusal
  in_progress,   // declared: an earlier request with this key still runs
  credentials,   // 401, 403, 407 to a held attempt
  retry_status,  // 408, any other 5xx, bytes that are no answer
  no_status,     // sent, no final status: timeout, reset, 1xx only, crash, partly sent
  answer_cut,    // final head, body cut or framing broken
  complete,      // any other complete answer
};

// The columns.
enum class Column : std::uint8_t { safe, key, verify, none };
Column column_of(Mode mode, bool safe_method);

enum class Ruling : std::uint8_t {
  again,             // may be sent again
  again_not_before,  // ... after the refusal's pause
  again_later,       // ... under the same key, when the earlier one has had time to finish
  final_answer,
  pass_on,           // the client gets it, nothing is stored, the call is `open`
  credentials,       // held: wait for an operator's new credentials
  verify,            // ask the upstream first
  unresolved_end,    // nobody may send it again
  answered_by_head,  // the route says that a final head proves the effect
  cut_off,           // safe, but bytes have been forwarded: the exchange ends broken
};

struct Evidently {
  const Idempotency* idempotency = nullptr;  // as frozen
  bool safe_method = false;
  bool held = false;  // no client was waiting for this attempt
  bool unresolved_before = false;
  bool head_is_proof = false;
  const AnswerRule* rule = nullptr;  // what `classify` says of this answer; null: nothing
};

struct Decision {
  Row row = Row::complete;
  Ruling ruling = Ruling::final_answer;
  bool unresolved = false;    // of the whole call, after this attempt
  Proof proof = Proof::none;  // of this attempt
  std::string_view rule;      // its name, for timeline, log and explain
};

// A rule speaks before the status. It can only choose among the rows: what a row allows in a column
// stays as it is.
Row row_of(const AttemptOutcome& outcome, const Idempotency& idempotency, bool held,
           const AnswerRule* rule = nullptr);
Decision decide(const AttemptOutcome& outcome, const Evidently& known);

std::string_view to_string(Row row);
std::string_view to_string(Ruling ruling);

}  // namespace hf::call
