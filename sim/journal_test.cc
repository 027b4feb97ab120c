// What only the simulated journal has: time, faults, and a view of what is durable.
#include "sim/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/journal/journal_fixture.h"

namespace hf::sim {
namespace {

using namespace adapters::testing;  // NOLINT: fixture
using adapters::CommitFate;
using ports::CommitResult;
using ports::ReadId;

class SimJournalTest : public ::testing::Test {
 protected:
  Schedule schedule;
  Prng prng{1};
  TestClock clock;
  JournalFaults faults;
  Recorder recorder;
  std::unique_ptr<SimJournal> journal;

  SimJournalTest() {
    faults.group_max = 100;
    faults.pickup_us = 20;
    faults.sync_us = 1000;
  }
  void start() {
    journal = std::make_unique<SimJournal>(
        schedule, prng, faults, call::Sealer(test_key(), counting_nonces()),
        [this] { return clock.read(); }, call::Retention{});
    open();
  }
  void open() {
    ASSERT_TRUE(journal->open().ok());
    recorder = Recorder{};
    journal->attach(recorder);
  }
  call::Call call(std::uint64_t n) { return sample_call(n, clock.read()); }
  void ask(std::uint64_t n) {
    call::Batch batch;
    batch.calls.push_back(create(call(n), clock.read()));
    journal->commit(CommitId{n}, std::move(batch));
  }
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      journal->wake();
      ASSERT_TRUE(schedule.step());
    }
  }
  CommitResult commit(std::uint64_t n) {
    ask(n);
    run_until([&] { return recorder.commits.contains(n); });
    return recorder.commits.at(n);
  }
  void pass(Duration time) {
    bool over = false;
    schedule.after(time, [&over] { over = true; });
    run_until([&over] { return over; });
  }
  bool durable(std::uint64_t n) { return journal->durable_call(call(n).id) != nullptr; }
};

TEST_F(SimJournalTest, WhatArrivesDuringASyncSharesTheNextOne) {
  start();
  ask(1);
  journal->wake();
  ASSERT_TRUE(schedule.step());  // it has taken the first, and syncs
  ask(2);
  ask(3);
  EXPECT_TRUE(recorder.commits.empty());
  ASSERT_TRUE(schedule.step());
  EXPECT_EQ(recorder.order, (std::vector<std::uint64_t>{1}));
  EXPECT_TRUE(durable(1));
  EXPECT_FALSE(durable(2));
  run_until([&] { return recorder.order.size() > 1; });
  EXPECT_EQ(recorder.order, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_FALSE(journal->waits());
}

TEST_F(SimJournalTest, DurableIsWhatIsSyncedThisInstant) {
  start();
  ask(1);
  journal->read_call(ReadId{9}, call(1).id, ports::Want::head);
  journal->wake();
  ASSERT_TRUE(schedule.step());
  EXPECT_FALSE(durable(1));  // staged, and read by whoever asks in order
  EXPECT_FALSE(journal->durable_key(call(1).key->identity).has_value());
  ASSERT_TRUE(schedule.step());
  EXPECT_NE(*recorder.calls.at(9), nullptr);
  ASSERT_TRUE(durable(1));
  EXPECT_EQ(journal->durable_call(call(1).id)->state, call::State::sending);
  EXPECT_EQ(journal->durable_key(call(1).key->identity)->call, call(1).id);
}

TEST_F(SimJournalTest, ACrashInASyncKeepsAnyPrefixOfIt) {
  start();
  std::set<std::size_t> kept;
  for (std::uint64_t round = 0; round < 60; ++round) {
    for (std::uint64_t n = 0; n < 4; ++n)
      ask(round * 10 + n);
    journal->wake();
    ASSERT_TRUE(schedule.step());
    const SimJournal::Crash crash = journal->crash();
    EXPECT_EQ(crash.under_way, 4U);
    open();
    for (std::uint64_t n = 0; n < 4; ++n)
      EXPECT_EQ(durable(round * 10 + n), n < crash.survived);
    kept.insert(crash.survived);
  }
  EXPECT_EQ(kept, (std::set<std::size_t>{0, 1, 2, 3, 4}));
}

TEST_F(SimJournalTest, AFailedSyncMayLeaveAPartOfItInTheLog) {
  start();
  for (const CommitFate fate : {CommitFate::failed, CommitFate::failed_written}) {
    const std::uint64_t n = fate == CommitFate::failed ? 1 : 2;
    journal->fail_next(fate);
    EXPECT_EQ(commit(n), CommitResult::failed);
    EXPECT_TRUE(journal->made_to_fail());
    EXPECT_FALSE(recorder.health.back().accepting);
    EXPECT_EQ(commit(n + 10), CommitResult::failed);
    journal->crash();
    open();
    EXPECT_FALSE(journal->made_to_fail());
    EXPECT_EQ(durable(n), fate == CommitFate::failed_written);
    EXPECT_FALSE(durable(n + 10));
  }
}

TEST_F(SimJournalTest, WithAFullDiskNothingIsWrittenAndPerhapsNotOpened) {
  const Instant at = schedule.now() + Duration::seconds(10);
  faults.full = {at, at + Duration::seconds(10)};
  start();
  EXPECT_EQ(commit(1), CommitResult::ok);
  EXPECT_TRUE(recorder.health.empty());
  pass(Duration::seconds(11));
  ASSERT_EQ(recorder.health.size(), 1U);
  EXPECT_FALSE(recorder.health[0].accepting);
  EXPECT_NE(commit(2), CommitResult::ok);
  int refused = 0;
  int opened = 0;
  for (int i = 0; i < 40; ++i) {
    journal->crash();
    const auto found = journal->open();
    refused += found.ok() ? 0 : 1;
    opened += found.ok() ? 1 : 0;
    if (!found.ok()) {
      EXPECT_EQ(found.error().kind, ErrorKind::full);
    }
  }
  EXPECT_GT(refused, 5);
  EXPECT_GT(opened, 5);
  pass(Duration::seconds(10));
  journal->crash();
  open();
  EXPECT_EQ(commit(3), CommitResult::ok);
}

TEST_F(SimJournalTest, ReadOnlyItStillReads) {
  const Instant at = schedule.now() + Duration::seconds(10);
  faults.read_only = {at, at + Duration::seconds(10)};
  start();
  EXPECT_EQ(commit(1), CommitResult::ok);
  pass(Duration::seconds(11));
  journal->read_call(ReadId{9}, call(1).id, ports::Want::head);
  run_until([&] { return recorder.calls.contains(9); });
  EXPECT_TRUE(recorder.calls.at(9).ok());
  EXPECT_NE(commit(2), CommitResult::ok);
  EXPECT_FALSE(durable(2));
}

TEST_F(SimJournalTest, ASyncThatHangsCompletes) {
  faults.hang_permille = 1000;
  start();
  const Instant asked = schedule.now();
  EXPECT_EQ(commit(1), CommitResult::ok);
  EXPECT_GE(schedule.now() - asked, Duration::seconds(2));
  EXPECT_LE(schedule.now() - asked, SimJournal::kHang + Duration::seconds(1));
  journal->heal();
  const Instant healed = schedule.now();
  EXPECT_EQ(commit(2), CommitResult::ok);
  EXPECT_LT(schedule.now() - healed, Duration::seconds(1));
}

TEST_F(SimJournalTest, AConflictThoughNothingWasWrong) {
  start();
  journal->fail_next(CommitFate::conflict);
  ask(1);
  ask(2);
  run_until([&] { return recorder.order.size() == 2; });
  EXPECT_EQ(recorder.commits.at(1), CommitResult::conflict);
  EXPECT_EQ(recorder.commits.at(2), CommitResult::ok);
  EXPECT_TRUE(journal->made_to_fail());
  EXPECT_FALSE(durable(1));
  EXPECT_TRUE(durable(2));
}

}  // namespace
}  // namespace hf::sim
