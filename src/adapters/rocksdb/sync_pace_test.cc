#include "adapters/rocksdb/sync_pace.h"

#include <gtest/gtest.h>

namespace hf::adapters {
namespace {

using namespace std::chrono_literals;

TEST(SyncPace, WhoWasAloneKeepsNobodyWaiting) {
  EXPECT_EQ(pace_after(1), 0ns);
}

TEST(SyncPace, IsSlowerTheMoreASyncWasForAndNeverSlowerThanTwoMilliseconds) {
  for (std::size_t staged = 1; staged < 200; ++staged) {
    EXPECT_LE(pace_after(staged), pace_after(staged + 1));
    EXPECT_LE(pace_after(staged), 2ms);
  }
  EXPECT_EQ(pace_after(11), 600us);
  EXPECT_EQ(pace_after(4096), 2ms);
}

TEST(SyncPace, ManyWhoAreWaitedForAreNotKeptWaiting) {
  for (const auto left : {1ns, std::chrono::nanoseconds(2ms)}) {
    EXPECT_EQ(left_to_wait(0, left), left) << "nobody waits";
    EXPECT_EQ(left_to_wait(kSyncAtOnce - 1, left), left);
    EXPECT_EQ(left_to_wait(kSyncAtOnce, left), 0ns);
    EXPECT_EQ(left_to_wait(4096, left), 0ns);
  }
}

TEST(SyncPace, WhatIsOverdueDoesNotWait) {
  EXPECT_EQ(left_to_wait(1, 0ns), 0ns);
  EXPECT_EQ(left_to_wait(1, -5s), 0ns);
}

}  // namespace
}  // namespace hf::adapters
