// The small simulator as an ordinary test: worlds from seeds, judged by the clients' and upstreams'
// own records. docs/simulation.md tells what each named seed found.
#include "sim/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace hf::sim {
namespace {

// Worlds that were drawn before there were lookups, and what they found then.
Verdict old_world(std::uint64_t seed) {
  return World({.seed = seed, .edition = Edition::plain}).run();
}

// And of those that had lookups, and were small.
Verdict asking_world(std::uint64_t seed) {
  return World({.seed = seed, .edition = Edition::asking}).run();
}

int seen(const Verdict& verdict, const std::string& oracle) {
  int times = 0;
  for (const std::string& violation : verdict.violations)
    times += violation.starts_with(oracle) ? 1 : 0;
  return times;
}

TEST(World, HoldsItsInvariantsUnderFaultsAndCrashes) {
  Verdict sum;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const Verdict verdict = World({.seed = seed}).run();
    ASSERT_THAT(verdict.violations, testing::IsEmpty()) << "holdfast-sim --trace --seed " << seed;
    // What a world is at least.
    EXPECT_GE(verdict.calls, 200U) << seed;
    EXPECT_GE(verdict.crashes, 1U) << seed;
    EXPECT_GE(verdict.took, Duration::seconds(60)) << seed;
    sum += verdict;
  }
  // The worlds were hostile enough to mean something.
  EXPECT_GT(sum.crashes, 300U);
  EXPECT_GT(sum.reboots, 50U);
  EXPECT_GT(sum.reconfigured, 100U);
  EXPECT_GT(sum.unknown, 500U);
  EXPECT_GT(sum.dead, 50U);
  EXPECT_GT(sum.cancelled, 100U);
  EXPECT_GT(sum.effects, 5000U);
  EXPECT_GT(sum.asides, 3000U);
  EXPECT_GT(sum.commands, 3000U);
  EXPECT_GT(sum.retired, 1000U);
  EXPECT_GT(sum.lookups, 3000U);
  EXPECT_GT(sum.found, 500U);
  EXPECT_GT(sum.in_line, 300U);
  EXPECT_GT(sum.told, 1000U);
  EXPECT_GT(sum.refused, 5000U);
  EXPECT_GT(sum.waited, 500U);
}

TEST(World, ReplaysExactlyFromItsSeed) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Verdict first = World({.seed = seed}).run();
    const Verdict second = World({.seed = seed}).run();
    EXPECT_EQ(first.digest, second.digest) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
    EXPECT_EQ(first.effects, second.effects) << seed;
    EXPECT_EQ(first.commands, second.commands) << seed;
  }
}

TEST(World, OracleSeesEffectsThatDouble) {
  int doubled = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    doubled += seen(World({.seed = seed, .keys_ignored = true}).run(), "never-doubled");
  EXPECT_GT(doubled, 0);
}

TEST(World, OracleSeesASettleThatIsTooShort) {
  int doubled = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    doubled += seen(World({.seed = seed, .settle_too_short = true}).run(), "never-doubled");
  EXPECT_GT(doubled, 0);
}

TEST(World, OraclesSeeOrderAndTimesThatAreNotKept) {
  std::map<std::string, int> times;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const Verdict verdict =
        World({.seed = seed, .edition = Edition::asking, .asks_unsent = true}).run();
    for (const char* oracle : {"fifo", "not-before", "deadline"})
      times[oracle] += seen(verdict, oracle);
  }
  EXPECT_GT(times["fifo"], 0);
  EXPECT_GT(times["not-before"], 0);
  EXPECT_GT(times["deadline"], 0);
}

// A lookup that was asked within settle and answered after it counted as the second absence.
TEST(World, Seed281ASlowLookupTellsOfTheMomentItWasAsked) {
  EXPECT_THAT(asking_world(281).violations, testing::IsEmpty());
}

// Two absences, one before and one after a reboot that set the clock ahead.
TEST(World, Seed4508AbsencesOfTwoBootsAreNotASettleApart) {
  EXPECT_THAT(asking_world(4508).violations, testing::IsEmpty());
  EXPECT_THAT(asking_world(10131).violations, testing::IsEmpty());
}

// Cancelled while it was verified live: open, and sent again.
TEST(World, Seed3995ACancelledCallIsNotResumed) {
  EXPECT_THAT(asking_world(3995).violations, testing::IsEmpty());
  EXPECT_THAT(asking_world(9967).violations, testing::IsEmpty());
}

// The write that an attempt waits for took until after the deadline, and it was sent all the same.
TEST(World, Seed102513ADeadlineHoldsWhileTheIntentIsWritten) {
  EXPECT_THAT(asking_world(102513).violations, testing::IsEmpty());
  EXPECT_THAT(asking_world(108576).violations, testing::IsEmpty());
}

// After a reboot behind the journal's time a deadline of before lay an hour ahead again.
TEST(World, Seed100572ADeadlineIsOverWhereNobodyKnowsItsAge) {
  EXPECT_THAT(asking_world(100572).violations, testing::IsEmpty());
}

// The intent of an attempt that was due in time took until within the margin of its key's end.
TEST(World, Seed20001541NothingLeavesInTheMarginOfAKeysEnd) {
  EXPECT_THAT(World({.seed = 20001541}).run().violations, testing::IsEmpty());
}

// Retention took the body of a call that was being revived, and its repeat was sent without one.
TEST(World, Seed21037377ACallIsNotSentWithoutItsBody) {
  EXPECT_THAT(World({.seed = 21037377}).run().violations, testing::IsEmpty());
}

// Who asked for an answer at once, in a line, waited for as long as the call did.
TEST(World, Seed304868PatienceHoldsWhileALineIsRead) {
  EXPECT_THAT(asking_world(304868).violations, testing::IsEmpty());
  EXPECT_THAT(asking_world(303340).violations, testing::IsEmpty());
}

// A request refused for its body took the due call out of the page that it waited in.
TEST(World, Seed510189ARefusedRequestDoesNotLoseADueCall) {
  EXPECT_THAT(asking_world(510189).violations, testing::IsEmpty());
}

// Two reads that each found a call gone from memory asked again and again, each keeping the other's
// suspicion alive.
TEST(World, Seed38ReadsThatSuspectEachOtherComeToRest) {
  EXPECT_THAT(old_world(38).violations, testing::IsEmpty());
}

// An operator's retry of a dead call whose body had been retired sent the request without it.
TEST(World, Seed5ARetryIsNeverSentWithoutItsBody) {
  EXPECT_THAT(old_world(5).violations, testing::IsEmpty());
  EXPECT_THAT(old_world(76).violations, testing::IsEmpty());
}

// After a step back over a reboot the wall clock caught up with the journal, and keys that the
// upstream had long forgotten counted as young again: effects doubled.
TEST(World, Seed2104AClockThatWasBehindStaysSuspect) {
  EXPECT_THAT(old_world(2104).violations, testing::IsEmpty());
}

// A held call that asked at a closed gate and left unchanged made every read of it look old: pages
// and key look-ups went round for as long as the breaker was open, and clients waited for it.
TEST(World, Seed876ACallThatOnlyAskedAtTheGateLeavesReadsGood) {
  const Verdict verdict = old_world(876);
  EXPECT_THAT(verdict.violations, testing::IsEmpty());
  EXPECT_LT(verdict.events, 50'000U);  // it was half a million
}

// The clock was set back while a request that asks for a time was on its way: its oracle had
// reckoned from the clock of its asking.
TEST(World, Seed94558895077897WhatIsOnItsWayComesByTheClockThatWasSet) {
  EXPECT_THAT(World({.seed = 94558895077897}).run().violations, testing::IsEmpty());
}

}  // namespace
}  // namespace hf::sim
