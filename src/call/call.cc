#include "call/call.h"

#include <algorithm>

#include "call/frozen.h"

namespace hf::call {

Duration elapsed_at_most(const Stamp& since, const Now& now) {
  const Duration by_wall = now.wall - since.wall;
  if (since.boot != now.boot) return by_wall;
  return std::max(by_wall, now.mono - since.mono);
}

Duration elapsed_at_least(const Stamp& since, const Now& now) {
  const Duration by_wall = now.wall - since.wall;
  if (since.boot != now.boot) return by_wall;
  return std::min(by_wall, now.mono - since.mono);
}

namespace {

// Requests with the content of a call of a derived key join it while it is under way or in doubt.
bool in_doubt_or_under_way(const Call& call) {
  return !terminal(call.state) && (call.state != State::open || call.unresolved);
}

}  // namespace

Indexed indexed(const Call& call) {
  return {
      call.state, call.held,     call.next_attempt_at, in_line(call) ? call.asked.order->place : 0,
      call.stage, ends_at(call), others_join(call),    frozen_hash(call)};
}

bool others_join(const Call& call) {
  return call.key && call.key->derived && !call.key->made && in_doubt_or_under_way(call);
}

bool in_line(const Call& call) {
  if (!call.asked.order || call.asked.order->place == 0 || terminal(call.state)) return false;
  return call.state != State::open || call.unresolved;
}

WallTime ends_at(const Call& call) {
  const WallTime deadline = call.accepted.wall + call.deadline;
  if (call.idempotency->mode != Mode::key || !call.idempotency->lifetime || !call.first_sent) {
    return deadline;
  }
  // The exact margin depends on timeouts of the day; this is its least.
  const Duration lifetime = *call.idempotency->lifetime;
  const Duration margin = std::max(Duration::seconds(10), lifetime / 100);
  return std::min(deadline, call.first_sent->wall + (lifetime - margin));
}

std::uint8_t stage_of_time(WallTime accepted, WallTime ends, WallTime now) {
  const Duration whole = ends - accepted;
  const Duration used = now - accepted;
  if (used >= whole - whole / 4) return 2;
  return used >= whole / 2 ? 1 : 0;
}

Effect effect_of(const Call& call) {
  switch (call.state) {
    case State::answered:
      return Effect::applied;
    case State::dead:
    case State::cancelled:
      return Effect::none;
    case State::unknown:
      return Effect::unknown;
    case State::open:
      return call.unresolved ? Effect::unknown : Effect::none;
    case State::waiting:
    case State::sending:
    case State::verifying:
      return call.held ? Effect::pending : Effect::unknown;
  }
  return Effect::unknown;
}

std::string_view to_string(State state) {
  switch (state) {
    case State::waiting:
      return "waiting";
    case State::sending:
      return "sending";
    case State::verifying:
      return "verifying";
    case State::unknown:
      return "unknown";
    case State::open:
      return "open";
    case State::answered:
      return "answered";
    case State::dead:
      return "dead";
    case State::cancelled:
      return "cancelled";
  }
  return "?";
}

std::optional<State> parse_state(std::string_view text) {
  for (const State state : {State::waiting, State::sending, State::verifying, State::unknown,
                            State::open, State::answered, State::dead, State::cancelled}) {
    if (to_string(state) == text) return state;
  }
  return std::nullopt;
}

std::string_view to_string(WaitReason reason) {
  switch (reason) {
    case WaitReason::none:
      return "none";
    case WaitReason::first_attempt:
      return "first_attempt";
    case WaitReason::backoff:
      return "backoff";
    case WaitReason::breaker:
      return "breaker";
    case WaitReason::paused:
      return "paused";
    case WaitReason::rate:
      return "rate";
    case WaitReason::budget:
      return "budget";
    case WaitReason::order:
      return "order";
    case WaitReason::credentials:
      return "credentials";
    case WaitReason::set_aside:
      return "set_aside";
    case WaitReason::not_before:
      return "not_before";
    case WaitReason::verify:
      return "verify";
  }
  return "?";
}

std::string_view to_string(Effect effect) {
  switch (effect) {
    case Effect::none:
      return "none";
    case Effect::unknown:
      return "unknown";
    case Effect::pending:
      return "pending";
    case Effect::applied:
      return "applied";
  }
  return "?";
}

}  // namespace hf::call
