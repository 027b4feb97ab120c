// Features for operators, and their words kept in a file.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "control/facts.h"
#include "traffic/features.h"

namespace hf::control {

// {"features": [...], "level": N, "of": N, "pressure": {...}}; the first goes off first.
std::string features_json(const traffic::Features& features);

FeatureFacts feature_facts(const traffic::Features& features);

// A line a word: what operators have said of features, for the next process.
std::string words_text(const traffic::Features& features);
// Takes what words_text wrote, but what is over or no longer configured. A line that cannot be read
// is left out. How many were taken.
std::size_t take_words(traffic::Features& features, std::string_view text, WallTime now);

// {"on": true, "for": "1h", "reason": "..."} of a request; reason and time are required.
Result<traffic::Override> parse_word(const std::string& body, WallTime now);

}  // namespace hf::control
