// What an operator may say of a call, and when it cannot be done: judged by the engine when it is
// said, and before that by whoever wants to know what would come of it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "call/call.h"
#include "call/selection.h"

namespace hf::call {

enum class Word : std::uint8_t { retry, cancel, resolve_applied, resolve_not_applied };

// What is known of the call beside its record.
struct Standing {
  bool body_there = true;  // the journal, or memory, still has its request's body
  bool behind = false;     // another one with its order key stands before it
};

// Why the word cannot be followed as the call stands, for people; empty: it can. Of an attempt
// under way only the engine knows.
std::string why_not(Word word, const Call& call, const Standing& standing);
// Of calls whose attempt, or lookup, runs at this moment.
inline constexpr std::string_view kAttemptRuns =
    "an attempt is being made; ask again when it has ended";
// The call is not as it was when whoever gave the word looked at it.
inline constexpr std::string_view kChangedMeanwhile = "it has changed meanwhile";
// What comes of a word that is followed.
std::string_view outcome_of(Word word);

// The states in which a word is worth saying, where a person names none: those in which it can be
// followed, and those that have to be settled first.
std::set<State> states_for(Word word);

std::string_view to_string(Word word);
std::optional<Word> parse_word(std::string_view text);

}  // namespace hf::call
