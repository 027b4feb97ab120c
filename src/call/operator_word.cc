#include "call/operator_word.h"

#include <fmt/format.h>

#include "base/planted.h"

namespace hf::call {
namespace {

std::string why_no_retry(const Call& call, const Standing& standing) {
  if (call.state != State::dead && !(call.state == State::waiting && call.held)) {
    if (call.state == State::unknown) {
      return "its outcome is unknown: settle it with `calls resolve` first";
    }
    return fmt::format("only dead and waiting calls can be retried; this one is {}",
                       to_string(call.state));
  }
  if (standing.behind) {
    return "it stands behind another call with its order key: see `calls blocked`";
  }
  if (call.state == State::dead && call.asked.order) {
    return "it has left its line; the client's own repeat takes its place at the end";
  }
  if (call.state == State::dead && call.body_bytes > 0 && !standing.body_there) {
    // Sent without it, it would be another request under the same key.
    HF_PROBE("a-retry-without-a-body");
    return "its request's body is no longer kept; the client's own repeat brings it again";
  }
  return {};
}

std::string why_no_cancel(const Call& call) {
  if (terminal(call.state)) return fmt::format("it has ended already: {}", to_string(call.state));
  if (call.unresolved || call.state == State::unknown) {
    return "it may have taken effect: settle it with `calls resolve` instead";
  }
  return {};
}

}  // namespace

std::string why_not(Word word, const Call& call, const Standing& standing) {
  switch (word) {
    case Word::retry:
      return why_no_retry(call, standing);
    case Word::cancel:
      return why_no_cancel(call);
    case Word::resolve_applied:
    case Word::resolve_not_applied:
      if (call.state == State::unknown || (call.unresolved && !terminal(call.state))) return {};
      return fmt::format("only calls whose outcome is unknown can be resolved; this one is {}",
                         to_string(call.state));
  }
  return {};
}

std::string_view outcome_of(Word word) {
  switch (word) {
    case Word::retry:
      return "will be attempted now";
    case Word::cancel:
      return "cancelled";
    case Word::resolve_applied:
      return "answered: known to have taken effect";
    case Word::resolve_not_applied:
      return "dead: known not to have taken effect";
  }
  return "?";
}

std::set<State> states_for(Word word) {
  switch (word) {
    case Word::retry:
      return {State::dead, State::waiting, State::unknown};
    case Word::cancel:
      return {State::waiting, State::sending, State::verifying, State::open, State::unknown};
    case Word::resolve_applied:
    case Word::resolve_not_applied:
      return {State::unknown};
  }
  return {};
}

std::string_view to_string(Word word) {
  switch (word) {
    case Word::retry:
      return "retry";
    case Word::cancel:
      return "cancel";
    case Word::resolve_applied:
      return "resolve_applied";
    case Word::resolve_not_applied:
      return "resolve_not_applied";
  }
  return "?";
}

std::optional<Word> parse_word(std::string_view text) {
  for (const Word word :
       {Word::retry, Word::cancel, Word::resolve_applied, Word::resolve_not_applied}) {
    if (to_string(word) == text) return word;
  }
  return std::nullopt;
}

}  // namespace hf::call
