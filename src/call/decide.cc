#include "call/decide.h"

#include <algorithm>

#include "base/fields.h"
#include "base/planted.h"

namespace hf::call {
namespace {

bool among(const std::vector<int>& statuses, int status) {
  return std::find(statuses.begin(), statuses.end(), status) != statuses.end();
}

bool has_status(const AttemptOutcome& outcome) {
  return outcome.evidence >= Evidence::answer_begun;
}

// `"type": "<name>"` inside a small JSON error body. A scan, not a parser: a wrong guess here only
// keeps the call unresolved, which is the safe side.
bool error_type_is(const Body& body, std::string_view type) {
  const std::string_view text = view(body);
  std::size_t at = 0;
  while ((at = text.find("\"type\"", at)) != std::string_view::npos) {
    at += 6;
    std::size_t value = text.find_first_not_of(" \t\r\n:", at);
    if (value == std::string_view::npos || text[value] != '"') continue;
    if (text.substr(value + 1, type.size() + 1) == std::string(type) + '"') return true;
  }
  return false;
}

bool replay_marked(const AttemptOutcome& outcome, const Idempotency& idempotency) {
  if (idempotency.replay_marker.empty()) return false;
  const Field* marker = find_field(outcome.head.fields, idempotency.replay_marker);
  return marker != nullptr && same_name(marker->value, "true");
}

bool advised_against(const AttemptOutcome& outcome, const Idempotency& idempotency) {
  return std::any_of(idempotency.no_retry_advice.begin(), idempotency.no_retry_advice.end(),
                     [&](const Field& advice) {
                       const Field* found = find_field(outcome.head.fields, advice.name);
                       return found != nullptr && same_name(found->value, advice.value);
                     });
}

// Whether a complete answer under the same key also tells what became of earlier attempts.
bool settles_earlier(const AttemptOutcome& outcome, const Evidently& known) {
  const Idempotency& idempotency = *known.idempotency;
  const int status = outcome.head.status;
  // A 200 that says "error" is no 200.
  if (known.rule != nullptr) return replay_marked(outcome, idempotency);
  if (status >= 200 && (status < 300 || HF_BUG("any-answer-settles-the-earlier"))) return true;
  if (replay_marked(outcome, idempotency)) return true;
  if (!among(idempotency.settles, status)) return false;
  if (!idempotency.settles_field.empty() &&
      find_field(outcome.head.fields, idempotency.settles_field) == nullptr) {
    return false;
  }
  return idempotency.settles_unless_type.empty() ||
         !error_type_is(outcome.body, idempotency.settles_unless_type);
}

Row whole_or_cut(const AttemptOutcome& outcome) {
  return outcome.evidence == Evidence::answer_complete ? Row::complete : Row::answer_cut;
}

// The row that a rule of `classify` puts an answer into.
Row row_by(const AnswerRule& rule, const AttemptOutcome& outcome, bool held) {
  switch (rule.means) {
    case Meaning::refused:
      return Row::refused;
    case Meaning::in_progress:
      return Row::in_progress;
    case Meaning::credentials:
      return held ? Row::credentials : whole_or_cut(outcome);
    case Meaning::unresolved:
      return Row::retry_status;
    case Meaning::error:
      return whole_or_cut(outcome);
  }
  return Row::retry_status;
}

Decision retry_status_under_key(const AttemptOutcome& outcome, const Idempotency& idempotency,
                                Row row) {
  const bool no_more = advised_against(outcome, idempotency) || replay_marked(outcome, idempotency);
  const bool doubt = !HF_BUG("an-error-settles-the-earlier");
  return {row, no_more ? Ruling::unresolved_end : Ruling::again, doubt, Proof::none,
          no_more ? "stored-error-or-advice" : "retry-same-key"};
}

Decision decide_safe(const AttemptOutcome& outcome, Row row, bool safe_method) {
  // A repeatable call may be sent again, and may have taken effect all the same.
  const bool doubt = !safe_method;
  switch (row) {
    case Row::retry_status:
      return {row, Ruling::again, doubt, Proof::none, "safe-retry"};
    case Row::no_status:
      return {row, Ruling::again, doubt, Proof::none, "safe-retry"};
    case Row::answer_cut:
      return {row, outcome.forwarded ? Ruling::cut_off : Ruling::again, doubt, Proof::none,
              outcome.forwarded ? "forwarded-then-cut" : "safe-retry"};
    default:
      return {row, Ruling::final_answer, false, Proof::none, "final"};
  }
}

Decision decide_key(const AttemptOutcome& outcome, Row row, const Evidently& known) {
  const Idempotency& idempotency = *known.idempotency;
  switch (row) {
    case Row::in_progress:
      if (known.unresolved_before) {
        return {row, Ruling::again_later, true, Proof::none, "in-progress-same-key"};
      }
      return {row, Ruling::pass_on, false, Proof::none, "in-progress-elsewhere"};
    case Row::retry_status:
      return retry_status_under_key(outcome, idempotency, row);
    case Row::no_status:
    case Row::answer_cut:
      return {row, Ruling::again, true, Proof::none, "retry-same-key"};
    default:
      break;
  }
  if (!known.unresolved_before) return {row, Ruling::final_answer, false, Proof::none, "final"};
  if (settles_earlier(outcome, known)) {
    return {row, Ruling::final_answer, false, Proof::none, "settles-earlier"};
  }
  return retry_status_under_key(outcome, idempotency, row);
}

Decision decide_verify(Row row, const Evidently& known) {
  if (row == Row::complete && known.unresolved_before) {
    // One answer tells of its own attempt only; the lookup tells of all.
    return {row, Ruling::verify, true, Proof::none, "verify"};
  }
  if (row == Row::complete) return {row, Ruling::final_answer, false, Proof::none, "final"};
  return {row, Ruling::verify, true, Proof::none, "verify"};
}

Decision decide_none(Row row, const Evidently& known) {
  if (row == Row::answer_cut && known.head_is_proof) {
    return {row, Ruling::answered_by_head, false, Proof::none, "head-is-proof"};
  }
  if (row == Row::complete) {
    return {row, Ruling::final_answer, false, Proof::none, "final"};
  }
  if (HF_BUG("retry-an-unknown")) return {row, Ruling::again, false, Proof::none, "safe-retry"};
  return {row, Ruling::unresolved_end, true, Proof::none, "no-repeat-without-proof"};
}

}  // namespace

Column column_of(Mode mode, bool safe_method) {
  if (safe_method || mode == Mode::repeatable) return Column::safe;
  if (mode == Mode::key) return Column::key;
  return mode == Mode::verify ? Column::verify : Column::none;
}

Row row_of(const AttemptOutcome& outcome, const Idempotency& idempotency, bool held,
           const AnswerRule* rule) {
  if (outcome.evidence == Evidence::nothing_sent) return Row::nothing_sent;
  if (!has_status(outcome)) {
    return outcome.cause == Cause::invalid_answer ? Row::retry_status : Row::no_status;
  }
  if (rule != nullptr) return row_by(*rule, outcome, held);
  const int status = outcome.head.status;
  // A refusal is judged by its status line alone: the promise does not depend on the body.
  if (among(idempotency.refused, status)) return Row::refused;
  if (status == 503 && HF_BUG("any-503-is-a-refusal")) return Row::refused;
  const bool in_progress = among(idempotency.in_progress, status);
  if (in_progress && !HF_BUG("in-progress-is-an-answer")) return Row::in_progress;
  const bool credential = status == 401 || status == 403 || status == 407;
  if (held && credential && !HF_BUG("a-refused-credential-is-an-answer")) return Row::credentials;
  if (status == 408 || status >= 500) return Row::retry_status;
  return whole_or_cut(outcome);
}

namespace {

Decision decide_by_table(const AttemptOutcome& outcome, const Evidently& known) {
  const Column column = column_of(known.idempotency->mode, known.safe_method);
  Row row = row_of(outcome, *known.idempotency, known.held, known.rule);
  if (row == Row::in_progress && (column == Column::safe || column == Column::none)) {
    // Without keys nothing can be in progress under one: an answer like any other.
    row = whole_or_cut(outcome);
  }
  const bool before = known.unresolved_before && !HF_BUG("judge-by-the-last-attempt");
  switch (row) {
    case Row::nothing_sent:
      return {row, Ruling::again, before, Proof::no_byte, "no-byte-sent"};
    case Row::refused:
      return {row, Ruling::again_not_before, before, Proof::refused_status, "declared-refusal"};
    case Row::credentials:
      return {row, Ruling::credentials, before, Proof::none, "credentials"};
    default:
      break;
  }
  switch (column) {
    case Column::safe:
      return decide_safe(outcome, row, known.safe_method);
    case Column::key:
      return decide_key(outcome, row, known);
    case Column::verify:
      return decide_verify(row, known);
    case Column::none:
      return decide_none(row, known);
  }
  return {};
}

}  // namespace

Decision decide(const AttemptOutcome& outcome, const Evidently& known) {
  Decision out = decide_by_table(outcome, known);
  if (known.rule == nullptr) return out;
  if (out.row == Row::refused) out.rule = "classified-refusal";
  if (out.row == Row::complete && out.rule == "final") out.rule = "classified-error";
  return out;
}

std::string_view to_string(Row row) {
  switch (row) {
    case Row::nothing_sent:
      return "nothing_sent";
    case Row::refused:
      return "refused";
    case Row::in_progress:
      return "in_progress";
    case Row::credentials:
      return "credentials";
    case Row::retry_status:
      return "retry_status";
    case Row::no_status:
      return "no_status";
    case Row::answer_cut:
      return "answer_cut";
    case Row::complete:
      return "complete";
  }
  return "?";
}

std::string_view to_string(Ruling ruling) {
  switch (ruling) {
    case Ruling::again:
      return "again";
    case Ruling::again_not_before:
      return "again_not_before";
    case Ruling::again_later:
      return "again_later";
    case Ruling::final_answer:
      return "final";
    case Ruling::pass_on:
      return "pass_on";
    case Ruling::credentials:
      return "credentials";
    case Ruling::verify:
      return "verify";
    case Ruling::unresolved_end:
      return "unresolved_end";
    case Ruling::answered_by_head:
      return "answered_by_head";
    case Ruling::cut_off:
      return "cut_off";
  }
  return "?";
}

}  // namespace hf::call
