// What an answer means beyond its status: `classify` (DESIGN section 4). Slack says "not done" with
// a 200, GitHub with a 403, AWS with a 400; only fields and bodies tell. A rule names the row of
// the decision table, and the table stays as it is: what nobody declared is judged by its status.
#pragma once

#include <cstddef>
#include <vector>

#include "call/attempt.h"
#include "call/settings.h"

namespace hf::call {

// A longer body is not looked at: a rule about bodies does not fit it.
inline constexpr std::size_t kClassifiedBodyMax = 64 * 1024;

// The first rule that fits, or null. Rules about bodies fit complete ones only, that are here and
// not encoded: `json` where the Content-Type is JSON's, `form` where it is a form's, `contains`
// where it is no event stream. An upstream's bytes are anything: never throws, and a member that is
// there twice fits nothing. The result points into `rules`.
const AnswerRule* classify(const std::vector<AnswerRule>& rules, const AttemptOutcome& outcome);

// Whether some rule fits an answer of this head once its body is there: it has to be read before
// anything of it is handed on.
bool wants_body(const std::vector<AnswerRule>& rules, const AnswerHead& head);

// Whether some rule looks at bodies, so that none should come encoded.
bool reads_bodies(const std::vector<AnswerRule>& rules);

}  // namespace hf::call
