#include "call/call.h"

#include <gtest/gtest.h>

#include "call/frozen.h"

namespace hf::call {
namespace {

constexpr std::array kStates{State::waiting, State::sending,  State::verifying, State::unknown,
                             State::open,    State::answered, State::dead,      State::cancelled};

TEST(Call, states_have_words_that_parse_back) {
  for (const State state : kStates)
    EXPECT_EQ(parse_state(to_string(state)), state);
  EXPECT_EQ(parse_state("?"), std::nullopt);
  EXPECT_EQ(parse_state(""), std::nullopt);
}

TEST(Call, terminal_states_are_answered_dead_and_cancelled) {
  for (const State state : kStates) {
    EXPECT_EQ(terminal(state),
              state == State::answered || state == State::dead || state == State::cancelled);
  }
}

TEST(Call, effect_tells_what_is_known) {
  Call call;
  const auto effect = [&](State state, bool held, bool unresolved) {
    call.state = state;
    call.held = held;
    call.unresolved = unresolved;
    return effect_of(call);
  };
  EXPECT_EQ(effect(State::answered, false, false), Effect::applied);
  EXPECT_EQ(effect(State::dead, true, false), Effect::none);
  EXPECT_EQ(effect(State::cancelled, true, false), Effect::none);
  EXPECT_EQ(effect(State::unknown, true, true), Effect::unknown);
  EXPECT_EQ(effect(State::open, false, true), Effect::unknown);
  EXPECT_EQ(effect(State::open, false, false), Effect::none);
  EXPECT_EQ(effect(State::waiting, true, true), Effect::pending);
  EXPECT_EQ(effect(State::sending, true, false), Effect::pending);
  EXPECT_EQ(effect(State::sending, false, false), Effect::unknown);
}

TEST(Call, elapsed_time_takes_the_careful_clock) {
  const Stamp since{WallTime{1'000'000}, BootId{1}, Instant{5'000'000'000}};
  Now now{Instant{65'000'000'000}, WallTime{1'010'000}, BootId{1}};  // 60 s, and 10 s by the wall
  EXPECT_EQ(elapsed_at_most(since, now), Duration::seconds(60));
  EXPECT_EQ(elapsed_at_least(since, now), Duration::seconds(10));
  now.wall = WallTime{1'100'000};
  EXPECT_EQ(elapsed_at_most(since, now), Duration::seconds(100));
  EXPECT_EQ(elapsed_at_least(since, now), Duration::seconds(60));
  now.boot = BootId{2};  // monotonic times of two boots are not comparable
  EXPECT_EQ(elapsed_at_most(since, now), Duration::seconds(100));
  EXPECT_EQ(elapsed_at_least(since, now), Duration::seconds(100));
}

TEST(Call, index_follows_state_hold_and_due_time) {
  Call call;
  call.state = State::open;
  call.held = true;
  call.next_attempt_at = WallTime{42};
  call.accepted.wall = WallTime{1000};
  call.deadline = Duration::seconds(8);
  call.stage = 1;
  EXPECT_EQ(indexed(call), (Indexed{State::open, true, WallTime{42}, 0, 1, WallTime{9000}, false,
                                    frozen_hash(call)}));
  for (const State state : kStates) {
    EXPECT_EQ(has_due(state),
              state == State::waiting || state == State::open || state == State::verifying);
  }
}

TEST(Call, a_held_call_ends_with_its_deadline_or_its_key) {
  Call call;
  call.accepted.wall = WallTime{0};
  call.deadline = Duration::hours(23);
  call.idempotency.own().mode = Mode::key;
  call.idempotency.own().lifetime = Duration::hours(10);
  EXPECT_EQ(ends_at(call), WallTime{} + Duration::hours(23));  // nothing was sent under the key
  call.first_sent = Stamp{WallTime{} + Duration::hours(1), {}, {}};
  EXPECT_EQ(ends_at(call), WallTime{} + Duration::hours(11) - Duration::minutes(6));
  call.deadline = Duration::hours(2);
  EXPECT_EQ(ends_at(call), WallTime{} + Duration::hours(2));
}

TEST(Call, stages_of_its_time) {
  const WallTime from{1000};
  const WallTime ends{9000};
  EXPECT_EQ(stage_of_time(from, ends, WallTime{4999}), 0);
  EXPECT_EQ(stage_of_time(from, ends, WallTime{5000}), 1);
  EXPECT_EQ(stage_of_time(from, ends, WallTime{6999}), 1);
  EXPECT_EQ(stage_of_time(from, ends, WallTime{7000}), 2);
  EXPECT_EQ(stage_of_time(from, ends, WallTime{99000}), 2);
  EXPECT_EQ(stage_of_time(from, from, from), 2);  // no time at all is used up at once
}

}  // namespace
}  // namespace hf::call
