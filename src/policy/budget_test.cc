#include "policy/budget.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hf::policy {
namespace {

constexpr Instant kStart{5'000'000'000};

int take_all(Budget& budget, Instant now) {
  int count = 0;
  while (budget.try_take(now))
    ++count;
  return count;
}

BudgetConfig without_floor() {
  BudgetConfig config;
  config.floor.count = 0;
  return config;
}

TEST(Budget, TheFloorStartsFullAndRefillsEvenly) {
  Budget budget{BudgetConfig{}};
  EXPECT_EQ(take_all(budget, kStart), 10);
  EXPECT_EQ(budget.next_token(kStart), kStart + Duration::millis(100));
  EXPECT_FALSE(budget.try_take({(kStart + Duration::millis(100)).ns - 1}));
  EXPECT_TRUE(budget.try_take(kStart + Duration::millis(100)));
  EXPECT_EQ(take_all(budget, kStart + Duration::hours(1)), 10);
}

TEST(Budget, FiveSuccessesPayForOneRetry) {
  Budget budget(without_floor());
  for (int i = 0; i < 4; ++i)
    budget.earn(kStart);
  EXPECT_FALSE(budget.try_take(kStart));
  EXPECT_EQ(budget.next_token(kStart), std::nullopt);
  budget.earn(kStart);
  EXPECT_EQ(budget.next_token(kStart), kStart);
  EXPECT_EQ(take_all(budget, kStart), 1);
}

TEST(Budget, EarnedTokensExpire) {
  Budget budget(without_floor());
  for (int i = 0; i < 50; ++i)
    budget.earn(kStart);
  EXPECT_EQ(budget.available(kStart + Duration::seconds(9)), 10);
  EXPECT_EQ(budget.available(kStart + Duration::seconds(10)), 0);
  EXPECT_FALSE(budget.try_take(kStart + Duration::seconds(10)));
}

TEST(Budget, TheOldestAreSpentFirst) {
  Budget budget(without_floor());
  for (int i = 0; i < 5; ++i)
    budget.earn(kStart);
  for (int i = 0; i < 5; ++i)
    budget.earn(kStart + Duration::seconds(5));
  EXPECT_TRUE(budget.try_take(kStart + Duration::seconds(5)));
  EXPECT_EQ(budget.available(kStart + Duration::seconds(12)), 1);
}

TEST(Budget, EarnedTokensAreSpentBeforeTheFloor) {
  Budget budget{BudgetConfig{}};
  for (int i = 0; i < 5; ++i)
    budget.earn(kStart);
  EXPECT_EQ(budget.available(kStart), 11);
  EXPECT_TRUE(budget.try_take(kStart));
  EXPECT_EQ(budget.available(kStart + Duration::hours(1)), 10);
}

TEST(Budget, EarnedTokensAreBounded) {
  BudgetConfig config = without_floor();
  config.max_tokens = 3;
  Budget budget(config);
  for (int i = 0; i < 1000; ++i)
    budget.earn(kStart);
  EXPECT_EQ(take_all(budget, kStart), 3);
}

TEST(Budget, ReconfigureKeepsWhatFits) {
  Budget budget{BudgetConfig{}};
  for (int i = 0; i < 25; ++i)
    budget.earn(kStart);
  EXPECT_EQ(budget.available(kStart), 15);
  BudgetConfig config;
  config.floor = {4, Duration::seconds(2)};
  config.max_tokens = 2;
  budget.reconfigure(config);
  EXPECT_EQ(budget.available(kStart), 6);
  EXPECT_EQ(take_all(budget, kStart), 6);
  EXPECT_EQ(budget.next_token(kStart), kStart + Duration::millis(500));
  config.floor.count = 0;
  budget.reconfigure(config);
  EXPECT_FALSE(budget.try_take(kStart + Duration::hours(1)));
}

TEST(Budget, ASmallerPurseKeepsTheNewest) {
  BudgetConfig config = without_floor();
  Budget budget(config);
  for (int i = 0; i < 5; ++i)
    budget.earn(kStart);
  for (int i = 0; i < 5; ++i)
    budget.earn(kStart + Duration::seconds(5));
  config.max_tokens = 1;
  budget.reconfigure(config);
  EXPECT_EQ(budget.available(kStart + Duration::seconds(12)), 1);
}

TEST(Budget, AClockThatStepsBackGivesNothing) {
  Budget budget{BudgetConfig{}};
  EXPECT_EQ(take_all(budget, kStart), 10);
  EXPECT_FALSE(budget.try_take({0}));
  EXPECT_EQ(budget.next_token({0}), kStart + Duration::millis(100));
  EXPECT_EQ(take_all(budget, kStart), 0);
}

TEST(Budget, ExtremeRatesDoNotOverflow) {
  BudgetConfig config;
  config.floor = {INT64_MAX, Duration::max()};
  Budget budget(config);
  EXPECT_TRUE(budget.try_take(kStart));
  EXPECT_TRUE(budget.try_take(Instant::max()));
}

// Against the promise itself: retries since any moment never exceed a full floor, its refill, what
// successes earned since, and the earned tokens that may have been there.
RC_GTEST_PROP(BudgetModel, RetriesStayWithinWhatWasPaid, ()) {
  BudgetConfig config;
  config.floor = {*rc::gen::inRange(0, 5), Duration::millis(*rc::gen::inRange(1, 2000))};
  config.max_tokens = *rc::gen::inRange(0, 4);
  config.permille = *rc::gen::inRange(0, 1500);
  Budget budget(config);
  struct Event {
    std::int64_t ms;
    bool earned;
  };
  std::vector<Event> events;
  std::int64_t ms = 0;
  for (int i = *rc::gen::inRange(0, 60); i > 0; --i) {
    ms += *rc::gen::weightedElement<int>({{3, 0}, {2, 7}, {2, 150}, {1, 4000}});
    const Instant now = Instant{} + Duration::millis(ms);
    if (*rc::gen::arbitrary<bool>()) {
      budget.earn(now);
      events.push_back({ms, true});
      continue;
    }
    const auto next = budget.next_token(now);
    const bool taken = budget.try_take(now);
    RC_ASSERT(taken == (next && *next == now));
    if (taken) events.push_back({ms, false});
    if (!taken && next) {
      auto exact = budget;
      auto early = budget;
      RC_ASSERT(exact.try_take(*next));
      RC_ASSERT(!early.try_take({next->ns - 1}));
    }
  }
  for (std::size_t from = 0; from < events.size(); ++from) {
    std::int64_t taken = 0;
    std::int64_t earned = 0;
    for (std::size_t to = from; to < events.size(); ++to) {
      events[to].earned ? earned += config.permille : taken += 1000;
      const auto passed = events[to].ms - events[from].ms;
      const auto refill = passed * 1'000'000 * config.floor.count * 1000 / config.floor.per.ns + 1;
      RC_ASSERT(taken <= config.floor.count * 1000 + refill + earned + config.max_tokens * 1000);
    }
  }
}

}  // namespace
}  // namespace hf::policy
