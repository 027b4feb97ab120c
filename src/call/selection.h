// Which calls a person means: by what a listing, a bulk command and an export select. Pure: a call
// as it stands, and a yes or no.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "call/call.h"

namespace hf::call {

// A declared field that a call had, by its value or by the hash that stands for it.
struct FieldMatch {
  std::string name;
  std::string value;
  std::string hashed;  // hashed_value(); empty: not tried
};

struct StatusRange {
  int low = 0;
  int high = 0;
};

// What is empty or absent restricts nothing; all that is there must hold.
struct Selection {
  std::set<State> states;
  std::set<WaitReason> reasons;
  std::set<std::string> upstreams;
  std::set<std::string> routes;
  std::set<Effect> effects;
  std::set<Cause> causes;             // of the last attempt
  std::vector<StatusRange> statuses;  // of the last answer; 0: there was none
  std::optional<int> attempts_min;
  std::optional<int> attempts_max;
  std::vector<FieldMatch> matches;
  std::optional<std::set<Digest>> keys;  // its key is one of these; an empty set: none fits
  std::optional<WallTime> from;          // born then or later
  std::optional<WallTime> until;         // born before
  // What has come to stand as it stands after this moment is left alone: a selection that was made
  // then does not grow.
  std::optional<WallTime> as_of;
};

// Nothing restricts it but perhaps a moment: every call fits.
bool selects_all(const Selection& selection);

bool fits(const Call& call, const Selection& selection);
bool has_field(const Call& call, const FieldMatch& match);

// Since when it has stood where it stands: its end where it has one (of an unknown one, since it is
// unknown), else its acceptance, or what began it anew.
WallTime standing_since(const Call& call);
// Of the last answer that an attempt saw, or was given by a person; 0: there was none.
int last_answer_status(const Call& call);

std::optional<WaitReason> parse_reason(std::string_view text);
std::optional<Effect> parse_effect(std::string_view text);
std::optional<Cause> parse_cause(std::string_view text);
// Every value, for messages: "waiting, sending, ...".
std::string known_states();
std::string known_reasons();
std::string known_effects();
std::string known_causes();

}  // namespace hf::call
