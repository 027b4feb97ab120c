// What the records of some calls prove about doubling, and what they do not: sentences, each from a
// named rule that names its evidence. Pure: calls and their timelines in, words out.
// docs/operating.md lists the rules.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ports/journal.h"

namespace hf::control {

// In order of what outweighs what, the last the most.
enum class Verdict : std::uint8_t {
  nothing_doubled,
  not_known,     // and a fact that is missing
  same_content,  // sent twice under different keys; one of them may have come to nothing
  doubled,       // two effects at the upstream, by its own answers
};

// One event of one call: indices into what explain() was given.
struct EventRef {
  std::size_t call = 0;
  std::size_t event = 0;
  bool operator==(const EventRef&) const = default;
};

struct Sentence {
  std::string_view rule;  // stable
  Verdict weight = Verdict::nothing_doubled;
  std::string text;
  std::string_view unproved;       // what this does not prove
  std::vector<EventRef> evidence;  // may be empty: then the call's head is it
};

struct Explanation {
  Verdict verdict = Verdict::nothing_doubled;
  std::string headline;
  std::vector<EventRef> timeline;   // of all calls together, by time
  std::vector<Sentence> sentences;  // what weighs most first
};

// `calls` in order of acceptance; `cut`: there are more that were not looked at.
Explanation explain(const std::vector<ports::CallDetail>& calls, bool cut);

// A, B, ... Z, then 27, 28: how sentences and timelines name the calls.
std::string call_label(std::size_t index);
std::string_view to_string(Verdict verdict);

}  // namespace hf::control
