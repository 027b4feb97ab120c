#include "call/selection.h"

#include <algorithm>
#include <array>

namespace hf::call {
namespace {

constexpr std::array kStates{State::waiting, State::sending,  State::verifying, State::unknown,
                             State::open,    State::answered, State::dead,      State::cancelled};
constexpr std::array kReasons{
    WaitReason::first_attempt, WaitReason::backoff,    WaitReason::breaker, WaitReason::paused,
    WaitReason::rate,          WaitReason::budget,     WaitReason::order,   WaitReason::credentials,
    WaitReason::set_aside,     WaitReason::not_before, WaitReason::verify};
constexpr std::array kEffects{Effect::none, Effect::unknown, Effect::pending, Effect::applied};
constexpr std::array kCauses{Cause::none,
                             Cause::dns,
                             Cause::connect_refused,
                             Cause::connect_timeout,
                             Cause::connect_failed,
                             Cause::tls,
                             Cause::reset,
                             Cause::closed,
                             Cause::head_timeout,
                             Cause::idle_timeout,
                             Cause::invalid_answer,
                             Cause::crash,
                             Cause::cancelled,
                             Cause::client_body,
                             Cause::no_address,
                             Cause::address_refused,
                             Cause::proxy_unreachable,
                             Cause::proxy_refused,
                             Cause::proxy_credentials,
                             Cause::proxy_failed};
static_assert(kCauses.size() == static_cast<std::size_t>(kLastCause) + 1);

template <typename Values>
std::string listed(const Values& values) {
  std::string out;
  for (const auto value : values)
    out += (out.empty() ? "" : ", ") + std::string(to_string(value));
  return out;
}

template <typename Values>
auto parsed(const Values& values, std::string_view text)
    -> std::optional<typename Values::value_type> {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](const auto value) { return to_string(value) == text; });
  if (found == values.end()) return std::nullopt;
  return *found;
}

template <typename T>
bool in(const std::set<T>& wanted, const T& value) {
  return wanted.empty() || wanted.contains(value);
}

bool in_time(const Call& call, const Selection& wanted) {
  const WallTime born = call.id.born();
  if (wanted.from && born < *wanted.from) return false;
  if (wanted.until && born >= *wanted.until) return false;
  return !wanted.as_of || (born <= *wanted.as_of && standing_since(call) <= *wanted.as_of);
}

bool by_attempts(const Call& call, const Selection& wanted) {
  if (wanted.attempts_min && call.attempts < *wanted.attempts_min) return false;
  if (wanted.attempts_max && call.attempts > *wanted.attempts_max) return false;
  if (!in(wanted.causes, call.last_cause)) return false;
  const int status = last_answer_status(call);
  return wanted.statuses.empty() ||
         std::any_of(wanted.statuses.begin(), wanted.statuses.end(), [&](const auto& range) {
           return status >= range.low && status <= range.high;
         });
}

}  // namespace

bool selects_all(const Selection& wanted) {
  return wanted.states.empty() && wanted.reasons.empty() && wanted.upstreams.empty() &&
         wanted.routes.empty() && wanted.effects.empty() && wanted.causes.empty() &&
         wanted.statuses.empty() && !wanted.attempts_min && !wanted.attempts_max &&
         wanted.matches.empty() && !wanted.keys && !wanted.from && !wanted.until;
}

bool fits(const Call& call, const Selection& wanted) {
  if (!in(wanted.states, call.state) || !in(wanted.upstreams, call.upstream)) return false;
  if (!in(wanted.routes, call.route) || !in(wanted.effects, effect_of(call))) return false;
  // A reason is of those that wait; what is left of it elsewhere says nothing.
  const bool waits = call.state == State::waiting || call.state == State::verifying;
  if (!wanted.reasons.empty() && !(waits && wanted.reasons.contains(call.reason))) return false;
  if (!in_time(call, wanted) || !by_attempts(call, wanted)) return false;
  if (wanted.keys && !(call.key && wanted.keys->contains(call.key->identity))) return false;
  return std::all_of(wanted.matches.begin(), wanted.matches.end(),
                     [&](const FieldMatch& match) { return has_field(call, match); });
}

bool has_field(const Call& call, const FieldMatch& match) {
  return std::any_of(call.index.begin(), call.index.end(), [&](const IndexValue& field) {
    return field.name == match.name && field.value == (field.hashed ? match.hashed : match.value);
  });
}

WallTime standing_since(const Call& call) {
  const bool ended = call.ended && (terminal(call.state) || call.state == State::unknown);
  return ended ? call.ended->wall : call.accepted.wall;
}

int last_answer_status(const Call& call) {
  return call.answer ? call.answer->status : call.last_status;
}

std::optional<WaitReason> parse_reason(std::string_view text) {
  return parsed(kReasons, text);
}
std::optional<Effect> parse_effect(std::string_view text) {
  return parsed(kEffects, text);
}
std::optional<Cause> parse_cause(std::string_view text) {
  return parsed(kCauses, text);
}
std::string known_states() {
  return listed(kStates);
}
std::string known_reasons() {
  return listed(kReasons);
}
std::string known_effects() {
  return listed(kEffects);
}
std::string known_causes() {
  return listed(kCauses);
}

}  // namespace hf::call
