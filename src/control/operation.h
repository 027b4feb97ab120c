// A bulk operation: one word of an operator for many calls, where it stands, and what came of it.
// It is what `--resume` goes on from and what the audit shows; kept beside the journal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "call/hasher.h"
#include "call/operator_word.h"
#include "call/timeline.h"
#include "control/selection_query.h"

namespace hf::control {

// Of a call that a walk came across, and could not make out.
inline constexpr std::string_view kUnreadable = "its record cannot be read";

// Calls with one outcome, and the first of them.
struct Tally {
  std::uint64_t calls = 0;
  std::vector<CallId> sample;
  void add(const CallId& id);
};
inline constexpr std::size_t kTallySample = 3;
// Different reasons that are counted apart; what is beyond counts as "other reasons".
inline constexpr std::size_t kTalliesMax = 32;
using Tallies = std::map<std::string, Tally>;
void add_to(Tallies& tallies, const std::string& what, const CallId& id);
// [{"why", "calls", "sample"}], the most calls first.
std::string tallies_json(const Tallies& tallies);

struct Operation {
  enum class Stage : std::uint8_t { running, stopped, finished };

  CallId id;  // made like a call's
  call::Word word = call::Word::retry;
  QueryPairs query;      // the selection as it was asked for, its times absolute
  bool implied = false;  // no state was named: those of states_for(word)
  std::string reason;
  std::string by;    // who, in their own words
  std::string from;  // the address that began it
  WallTime begun;
  WallTime as_of;              // what comes to fit later is left alone
  std::uint64_t selected = 0;  // as counted before; 0: not counted

  Stage stage = Stage::running;
  std::uint64_t driver = 1;  // raised by each resume, so that one command drives it
  WallTime changed;          // the last step
  std::optional<WallTime> ended;
  std::optional<CallId> after;  // all calls up to here have been looked at
  std::uint64_t examined = 0;
  std::uint64_t done = 0;
  std::uint64_t left = 0;  // no longer fitted when their turn came
  Tallies refused;
  // Written before they are acted on: what became of them stands in their timelines.
  std::vector<CallId> in_flight;

  // What it is called in timelines: "bulk 06gz...".
  [[nodiscard]] std::string name() const { return "bulk " + id.text(); }
  // Whether it has acted on the call that has this timeline.
  [[nodiscard]] bool acted_on(const std::vector<call::TimelineEvent>& timeline) const;
  [[nodiscard]] Result<call::Selection> selection(const SelectionContext& context) const;

  // As it is kept. Reading back is ErrorKind::invalid where a later version wrote it, and corrupt
  // where nobody did.
  [[nodiscard]] std::string text() const;
  static Result<Operation> parse(std::string_view text);

  // As the admin API shows it.
  [[nodiscard]] std::string json(const std::optional<call::Hasher>& hasher) const;
};

std::string_view to_string(Operation::Stage stage);

// The states that are meant where none is named.
void imply_states(call::Selection& selection, call::Word word);

}  // namespace hf::control
