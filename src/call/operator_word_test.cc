#include "call/operator_word.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

constexpr State kAll[] = {State::waiting, State::sending,  State::verifying, State::unknown,
                          State::open,    State::answered, State::dead,      State::cancelled};

Call in_state(State state) {
  Call out;
  out.state = state;
  out.held = state == State::waiting;
  out.unresolved = state == State::unknown || state == State::verifying;
  return out;
}

std::set<State> possible(Word word) {
  std::set<State> out;
  for (const State state : kAll) {
    if (why_not(word, in_state(state), {}).empty()) out.insert(state);
  }
  return out;
}

TEST(OperatorWord, WhatIsPossibleInWhichState) {
  EXPECT_EQ(possible(Word::retry), (std::set{State::waiting, State::dead}));
  EXPECT_EQ(possible(Word::cancel), (std::set{State::waiting, State::sending, State::open}));
  EXPECT_EQ(possible(Word::resolve_applied), (std::set{State::verifying, State::unknown}));
  EXPECT_EQ(possible(Word::resolve_not_applied), possible(Word::resolve_applied));
}

TEST(OperatorWord, ADeadCallIsRetriedOnlyWhole) {
  Call dead = in_state(State::dead);
  dead.body_bytes = 5;
  EXPECT_EQ(why_not(Word::retry, dead, {}), "");
  EXPECT_NE(why_not(Word::retry, dead, {false, false}).find("no longer kept"), std::string::npos);
  dead.asked.order.emplace();
  EXPECT_NE(why_not(Word::retry, dead, {}).find("left its line"), std::string::npos);
}

TEST(OperatorWord, NobodyOvertakesHisLine) {
  const Call waiting = in_state(State::waiting);
  EXPECT_NE(why_not(Word::retry, waiting, {true, true}).find("calls blocked"), std::string::npos);
  EXPECT_EQ(why_not(Word::cancel, waiting, {true, true}), "");
}

TEST(OperatorWord, DoubtIsSettledFirst) {
  EXPECT_NE(why_not(Word::retry, in_state(State::unknown), {}).find("calls resolve"),
            std::string::npos);
  Call open = in_state(State::open);
  open.unresolved = true;
  EXPECT_NE(why_not(Word::cancel, open, {}).find("calls resolve"), std::string::npos);
  EXPECT_EQ(why_not(Word::resolve_applied, open, {}), "");
}

TEST(OperatorWord, WordsReadBack) {
  for (const Word word :
       {Word::retry, Word::cancel, Word::resolve_applied, Word::resolve_not_applied}) {
    EXPECT_EQ(parse_word(to_string(word)), word);
    EXPECT_FALSE(outcome_of(word).empty());
    EXPECT_FALSE(states_for(word).empty());
  }
  EXPECT_FALSE(parse_word("pause"));
}

}  // namespace
}  // namespace hf::call
