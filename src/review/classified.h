// Answers that the rules of `classify` speak of, written down: what becomes of each is foretold
// like that of a status.
#pragma once

#include <string>
#include <vector>

#include "call/settings.h"
#include "review/stage.h"

namespace hf::review {

struct ClassifiedAnswer {
  std::string name;  // "200 with /ok: false, /error: ratelimited"
  Act act;
};

// One for each rule, in their order, of the first status and values that it names. A rule that an
// earlier one leaves nothing to, or for which no answer could be written, has none.
std::vector<ClassifiedAnswer> classified_answers(const std::vector<call::AnswerRule>& rules);

}  // namespace hf::review
