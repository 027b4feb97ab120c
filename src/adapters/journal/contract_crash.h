// What survives a crash and a commit that did not go well, the same for every journal; instantiated
// where the journal is.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/journal/contract_fixture.h"

namespace hf::adapters::testing {

template <typename Harness>
class JournalCrash : public JournalSuite<Harness> {};

TYPED_TEST_SUITE_P(JournalCrash);

// Whatever was under way at a crash: a prefix of it is there, whole, with all that was reported.
TYPED_TEST_P(JournalCrash, ACrashLeavesAPrefixWithAllThatWasReported) {
  constexpr std::uint64_t kCalls = 24;
  bool lost = false;
  for (std::uint64_t round = 0; round < 8; ++round) {
    const std::uint64_t first = round * 100;
    for (std::uint64_t n = first; n < first + kCalls; ++n) {
      call::Batch batch;
      batch.calls.push_back(create(sample_call(n, this->now()), this->now()));
      this->ask_commit(std::move(batch));
    }
    const std::uint64_t of_first = this->next - kCalls;  // the commit of the first call
    this->harness.settle(this->asked - kCalls + 3 * round);
    this->harness.crash(round * 7919 + 5);
    const Recorder& told = *this->harness.before;
    const std::size_t answers = told.order.size();
    this->asked = 0;
    ASSERT_TRUE(this->harness.recovered->ok()) << this->harness.recovered->error().context;
    bool there = true;
    for (std::uint64_t i = 0; i < kCalls; ++i) {
      const call::Call call = sample_call(first + i, this->now());
      const bool found = this->read(call.id) != nullptr;
      EXPECT_TRUE(there || !found) << "a hole before " << i << " in round " << round;
      there = found;
      if (told.commits.contains(of_first + i)) {
        EXPECT_EQ(told.commits.at(of_first + i), CommitResult::ok);
        EXPECT_TRUE(found) << i << " was reported in round " << round;
      }
      this->expect_whole(call, found);
      lost = lost || !found;
    }
    EXPECT_EQ(told.order.size(), answers);  // nothing is answered after a crash
  }
  // Where a thread of its own writes, it may always have been faster.
  EXPECT_TRUE(lost || !TypeParam::kInStep) << "no crash came in time";
}

// What is not `ok` says nothing of the disk, but that nothing is half there; and after it nothing
// is written any more.
TYPED_TEST_P(JournalCrash, ACommitThatWentWrongIsWholeOrAbsent) {
  for (std::uint64_t round = 0; round < 8; ++round) {
    const call::Call before = this->created(round * 10);
    this->harness.fail_next(round);
    call::Batch batch;
    const call::Call one = sample_call(round * 10 + 1, this->now());
    const call::Call two = sample_call(round * 10 + 2, this->now());
    batch.calls.push_back(create(one, this->now()));
    batch.calls.push_back(create(two, this->now()));
    const CommitResult result = this->commit(std::move(batch));
    EXPECT_TRUE(result == CommitResult::failed || result == CommitResult::unknown);
    const call::Call later = sample_call(round * 10 + 3, this->now());
    EXPECT_EQ(this->commit(create(later, this->now())), CommitResult::failed);
    this->harness.journal().read_call(ReadId{this->next}, before.id, Want::head);
    this->harness.settle(++this->asked);
    EXPECT_FALSE(this->harness.recorder->calls.at(this->next++).ok());

    this->harness.crash(round * 104'729);
    this->asked = 0;
    ASSERT_TRUE(this->harness.recovered->ok()) << this->harness.recovered->error().context;
    this->expect_whole(before, true);
    const bool found = this->read(one.id) != nullptr;
    this->expect_whole(one, found);
    this->expect_whole(two, found);
    this->expect_whole(later, false);
  }
}

// What a start has found stays, whatever comes after.
TYPED_TEST_P(JournalCrash, WhatAStartHasFoundIsThereAfterTheNextCrash) {
  for (std::uint64_t n = 0; n < 12; ++n) {
    call::Batch batch;
    batch.calls.push_back(create(sample_call(n, this->now()), this->now()));
    this->ask_commit(std::move(batch));
  }
  this->harness.settle(4);
  this->harness.crash(1'000'003);
  ASSERT_TRUE(this->harness.recovered->ok());
  const std::size_t found = (*this->harness.recovered)->sending.size();
  EXPECT_GE(found, 4U);
  this->harness.crash(0);
  ASSERT_TRUE(this->harness.recovered->ok());
  EXPECT_EQ((*this->harness.recovered)->sending.size(), found);
}

REGISTER_TYPED_TEST_SUITE_P(JournalCrash, ACrashLeavesAPrefixWithAllThatWasReported,
                            ACommitThatWentWrongIsWholeOrAbsent,
                            WhatAStartHasFoundIsThereAfterTheNextCrash);

}  // namespace hf::adapters::testing
