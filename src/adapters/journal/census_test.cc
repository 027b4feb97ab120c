#include "adapters/journal/census.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "adapters/memory/memory_journal.h"

namespace hf::adapters {
namespace {

class CensusTest : public testing::Test {
 protected:
  void add(call::Prefix index, std::int64_t born, std::string value = {}) {
    const CallId id = CallId::make(WallTime{born}, ++n_, 0);
    std::string key(1, static_cast<char>(index));
    if (index == call::Prefix::due) key += std::string(24, 'h');
    store_.emplace(key + std::string(id.raw()), std::move(value));
  }
  void add_due(std::int64_t born, call::State state) {
    add(call::Prefix::due, born, std::string(1, static_cast<char>(state)));
  }
  std::map<std::string, std::string> store_;
  std::uint64_t n_ = 0;
};

TEST_F(CensusTest, CountsByStateWithTheOldest) {
  add_due(5000, call::State::waiting);
  add_due(4000, call::State::waiting);
  add_due(3000, call::State::open);
  add(call::Prefix::sending, 7000);
  add(call::Prefix::unknown, 9000);
  add(call::Prefix::unknown, 8000);
  add(call::Prefix::call_head, 1);  // not an index
  Census census(view_of(store_));
  const auto ended = census.turn(100);
  ASSERT_TRUE(ended.ok() && *ended);
  const StandingByState& standing = census.standing();
  EXPECT_EQ(standing.at(call::State::waiting).calls, 2U);
  EXPECT_EQ(standing.at(call::State::waiting).oldest, WallTime{4000});
  EXPECT_EQ(standing.at(call::State::open).calls, 1U);
  EXPECT_EQ(standing.at(call::State::sending).calls, 1U);
  EXPECT_EQ(standing.at(call::State::unknown).calls, 2U);
  EXPECT_EQ(standing.at(call::State::unknown).oldest, WallTime{8000});
}

TEST_F(CensusTest, AnyLengthOfTurnGivesTheSame) {
  for (int i = 0; i < 17; ++i)
    add_due(1000 + i, call::State::waiting);
  for (int i = 0; i < 5; ++i)
    add(call::Prefix::unknown, 2000 + i);
  for (std::size_t limit = 1; limit <= 30; ++limit) {
    Census census(view_of(store_));
    int turns = 0;
    for (;;) {
      const auto ended = census.turn(limit);
      ASSERT_TRUE(ended.ok());
      ASSERT_LT(++turns, 100);
      if (*ended) break;
      EXPECT_TRUE(census.busy());
      EXPECT_TRUE(census.standing().empty());
    }
    EXPECT_FALSE(census.busy());
    EXPECT_EQ(census.standing().at(call::State::waiting).calls, 17U) << limit;
    EXPECT_EQ(census.standing().at(call::State::unknown).calls, 5U) << limit;
  }
}

TEST_F(CensusTest, AnEmptyJournalHasNothingStanding) {
  Census census(view_of(store_));
  const auto ended = census.turn(10);
  ASSERT_TRUE(ended.ok());
  EXPECT_TRUE(*ended);
  EXPECT_TRUE(census.standing().empty());
}

}  // namespace
}  // namespace hf::adapters
