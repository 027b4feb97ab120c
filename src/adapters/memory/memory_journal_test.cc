#include "adapters/memory/memory_journal.h"

#include <gtest/gtest.h>

#include "adapters/journal/journal_fixture.h"

namespace hf::adapters {
namespace {

using namespace testing;  // NOLINT: fixture
using ports::CommitResult;

class MemoryJournalTest : public ::testing::Test {
 protected:
  TestClock clock;
  Recorder recorder;
  MemoryJournal journal{call::Sealer(test_key(), counting_nonces()),
                        [this] { return clock.read(); }};

  void SetUp() override { open(); }
  call::Recovered open() {
    auto recovered = journal.open();
    EXPECT_TRUE(recovered.ok());
    recorder = Recorder{};
    journal.attach(recorder);
    return *std::move(recovered);
  }
  void ask(std::uint64_t n) {
    call::Batch batch;
    batch.calls.push_back(create(sample_call(n, clock.read()), clock.read()));
    journal.commit(CommitId{n}, std::move(batch));
  }
  bool there(std::uint64_t n) {
    return journal.store().count(
               call::call_key(call::Prefix::call_head, sample_call(n, clock.read()).id)) == 1;
  }
};

TEST_F(MemoryJournalTest, NothingHappensUntilPumped) {
  ask(1);
  EXPECT_FALSE(there(1));
  EXPECT_TRUE(recorder.commits.empty());
  EXPECT_EQ(journal.pending(), 1U);
  EXPECT_TRUE(journal.pump_one());
  EXPECT_TRUE(there(1));
  EXPECT_FALSE(journal.pump_one());
}

TEST_F(MemoryJournalTest, ACrashKeepsAPrefixOfWhatWasUnderWay) {
  ask(1);
  journal.pump();
  ask(2);
  ask(3);
  ask(4);
  journal.crash(2);
  const auto recovered = open();
  EXPECT_TRUE(there(1));
  EXPECT_TRUE(there(2));
  EXPECT_TRUE(there(3));
  EXPECT_FALSE(there(4));
  EXPECT_FALSE(recovered.fresh);
  EXPECT_EQ(recovered.sending.size(), 3U);
  EXPECT_TRUE(recorder.commits.empty());
}

TEST_F(MemoryJournalTest, EveryFateOfACommit) {
  ask(1);
  journal.pump_one(CommitFate::conflict);
  EXPECT_EQ(recorder.commits.at(1), CommitResult::conflict);
  EXPECT_FALSE(there(1));
  ask(2);
  journal.pump_one(CommitFate::failed);
  EXPECT_EQ(recorder.commits.at(2), CommitResult::failed);
  EXPECT_FALSE(there(2));
  EXPECT_TRUE(journal.broken());
  ask(3);  // fail-stop
  journal.read_call(ports::ReadId{9}, sample_call(1, clock.read()).id, ports::Want::head);
  journal.pump();
  EXPECT_EQ(recorder.commits.at(3), CommitResult::failed);
  EXPECT_FALSE(recorder.calls.at(9).ok());
  open();
  ask(4);
  journal.pump_one(CommitFate::unknown_written);
  EXPECT_EQ(recorder.commits.at(4), CommitResult::unknown);
  EXPECT_TRUE(there(4));
  open();
  ask(5);
  journal.pump_one(CommitFate::unknown_lost);
  EXPECT_EQ(recorder.commits.at(5), CommitResult::unknown);
  EXPECT_FALSE(there(5));
  open();
  ask(6);
  journal.pump_one(CommitFate::failed_written);
  EXPECT_EQ(recorder.commits.at(6), CommitResult::failed);
  EXPECT_TRUE(journal.broken());
  open();
  EXPECT_TRUE(there(6));
}

TEST_F(MemoryJournalTest, HealthIsToldOn) {
  journal.set_health({false, "full"});
  ASSERT_EQ(recorder.health.size(), 1U);
  EXPECT_FALSE(recorder.health[0].accepting);
}

TEST_F(MemoryJournalTest, ADamagedRecordIsAnErrorNotACall) {
  ask(1);
  journal.pump();
  const auto id = sample_call(1, clock.read()).id;
  journal.store()[call::call_key(call::Prefix::call_head, id)].back() ^= 1;
  journal.read_call(ports::ReadId{9}, id, ports::Want::head);
  journal.pump();
  ASSERT_FALSE(recorder.calls.at(9).ok());
  EXPECT_EQ(recorder.calls.at(9).error().kind, ErrorKind::corrupt);
}

TEST_F(MemoryJournalTest, EqualRunsGiveEqualBytes) {
  ask(1);
  journal.pump();
  MemoryJournal other(call::Sealer(test_key(), counting_nonces()), [this] { return clock.read(); });
  ASSERT_TRUE(other.open().ok());
  Recorder unused;
  other.attach(unused);
  call::Batch batch;
  batch.calls.push_back(create(sample_call(1, clock.read()), clock.read()));
  other.commit(CommitId{1}, std::move(batch));
  other.pump();
  EXPECT_EQ(journal.store(), other.store());
}

}  // namespace
}  // namespace hf::adapters
