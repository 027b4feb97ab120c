// A selection as queries and command lines write it: names and values. The admin API, the bulk
// commands and an export without a server read the same words.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "call/hasher.h"
#include "call/selection.h"
#include "call/settings.h"

namespace hf::control {

using QueryPairs = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t kMatchesMax = 8;
inline constexpr std::size_t kSelectionValuesMax = 64;  // in all
inline constexpr std::size_t kSelectionValueMax = 1024;

struct SelectionContext {
  const call::Settings* settings = nullptr;  // null: none is known; keys cannot be looked for
  std::optional<call::Hasher> hasher = std::nullopt;
  WallTime now;
};

// Takes the pairs that belong to a selection out of `pairs` and reads them:
//
//   state, reason, effect, cause, status   several with commas, or given several times
//   upstream, route, key, match            several times; match is NAME=VALUE
//   min_attempts, max_attempts             a number
//   older_than, newer_than                 a duration ago, or a time
//
// A duration becomes a time in `taken` (where it is not null), so that what is read again later
// means the same calls. ErrorKind::invalid says which value is wrong.
Result<call::Selection> take_selection(QueryPairs& pairs, const SelectionContext& context,
                                       QueryPairs* taken = nullptr);

// "state, reason, ...": the names of such pairs.
std::string selection_names();

// NAME=VALUE of a field that some route declares.
Result<call::FieldMatch> parse_match(const std::string& text, const SelectionContext& context);

// A selection for people and records, without what identifies a client's customer: the values of
// matches and keys are cut to hashes ("state=dead match=customer=#9f86d081884c").
std::string shown_selection(const QueryPairs& taken, const std::optional<call::Hasher>& hasher);
// "a=1&b=2", as query_pairs reads it.
std::string query_text(const QueryPairs& pairs);

}  // namespace hf::control
