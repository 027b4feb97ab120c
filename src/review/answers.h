// The six questions of a route, answered from its rehearsals.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "review/facts.h"
#include "review/rules.h"

namespace hf::review {

enum class Verdict : std::uint8_t { yes, partly, no };
std::string_view to_string(Verdict verdict);

struct Answer {
  Question question = Question::retries;
  Verdict verdict = Verdict::no;
  std::string why;  // a sentence or three
};

// In the order of the questions. Of a route that is not reached there are none.
std::vector<Answer> answers_of(const RouteFacts& facts, const call::Settings& settings);

}  // namespace hf::review
