// The small simulator as an ordinary test: worlds from seeds, judged by the clients' and upstreams'
// own records.
#include "sim/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hf::sim {
namespace {

TEST(World, HoldsItsInvariantsUnderFaultsAndCrashes) {
  std::uint64_t crashes = 0;
  std::uint64_t unknown = 0;
  std::uint64_t effects = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const Verdict verdict = World({seed}).run();
    ASSERT_THAT(verdict.violations, testing::IsEmpty()) << "holdfast-sim --trace --seed " << seed;
    crashes += verdict.crashes;
    unknown += verdict.unknown;
    effects += verdict.effects;
  }
  // The worlds were hostile enough to mean something.
  EXPECT_GT(crashes, 500U);
  EXPECT_GT(unknown, 100U);
  EXPECT_GT(effects, 5000U);
}

TEST(World, ReplaysExactlyFromItsSeed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Verdict first = World({seed}).run();
    const Verdict second = World({seed}).run();
    EXPECT_EQ(first.digest, second.digest) << seed;
    EXPECT_EQ(first.events, second.events) << seed;
    EXPECT_EQ(first.effects, second.effects) << seed;
  }
}

TEST(World, OracleSeesEffectsThatDouble) {
  int seen = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Verdict verdict = World({seed, false, true}).run();
    for (const std::string& violation : verdict.violations) {
      if (violation.find("never-doubled") != std::string::npos) ++seen;
    }
  }
  EXPECT_GT(seen, 0);
}

// Found by the simulator: two reads that each found a call gone from memory asked again and again,
// each keeping the other's suspicion alive.
TEST(World, Seed38ReadsThatSuspectEachOtherComeToRest) {
  EXPECT_THAT(World({38}).run().violations, testing::IsEmpty());
}

}  // namespace
}  // namespace hf::sim
