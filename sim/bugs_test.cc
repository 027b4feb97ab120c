// The simulator is itself tested: every bug that can be planted is caught by an oracle that it
// names, every rare branch is taken by some world, and nothing of either is in the program.
#include "sim/bugs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "base/planted.h"
#include "sim/campaign.h"

namespace hf::sim {
namespace {

unsigned jobs() {
  return std::max(1U, std::thread::hardware_concurrency());
}

std::vector<std::string> points() {
  std::vector<std::string> out;
  for (const auto& all : {planted::bugs(), planted::probes()}) {
    for (const planted::Point* point : all)
      out.emplace_back(point->name);
  }
  return out;
}

std::string read_program(const std::string& name) {
  std::ifstream file(HF_BINARY_DIR "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Bugs, HaveAPointEachAndEveryPointIsOne) {
  EXPECT_GE(planted_bugs().size(), 18U);
  EXPECT_THAT(strays(), testing::IsEmpty());
  std::set<std::string_view> names;
  for (const PlantedBug& bug : planted_bugs()) {
    EXPECT_TRUE(names.insert(bug.name).second) << bug.name;
    EXPECT_FALSE(bug.caught_by.empty()) << bug.name;
  }
}

std::vector<std::string_view> names_of_bugs() {
  std::vector<std::string_view> out;
  for (const PlantedBug& bug : planted_bugs())
    out.push_back(bug.name);
  return out;
}

class PlantedBugTest : public testing::TestWithParam<std::string_view> {};

TEST_P(PlantedBugTest, IsCaughtByAnOracleThatItNames) {
  CampaignOptions options;
  options.worlds = kCaughtWithin;
  options.jobs = jobs();
  options.bug = find_bug(GetParam());
  ASSERT_NE(options.bug, nullptr);
  const Outcome outcome = run_campaign(options, [](const Outcome&) {});
  ASSERT_TRUE(outcome.caught) << outcome.counts.worlds << " worlds, and it did its harm "
                              << outcome.harm << " times";
  EXPECT_GT(outcome.harm, 0U);
}

std::string test_name(const testing::TestParamInfo<std::string_view>& bug) {
  std::string name(bug.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBugTest, testing::ValuesIn(names_of_bugs()), test_name);

// A bug lives in the processes that run its worlds, and in no other.
TEST(Bugs, AreNotThereUntilTheyArePlanted) {
  CampaignOptions options;
  options.worlds = 1;
  options.bug = find_bug("release-before-commit");
  ASSERT_NE(options.bug, nullptr);
  EXPECT_GT(run_campaign(options, [](const Outcome&) {}).harm, 0U);
  for (const planted::Point* point : planted::bugs()) {
    EXPECT_FALSE(point->armed) << point->name;
    EXPECT_EQ(point->hits.load(), 0U) << point->name;
  }
}

TEST(Probes, ABatchOfWorldsTakesEveryRareBranch) {
  CampaignOptions options;
  options.worlds = 500;
  options.jobs = jobs();
  const Outcome outcome = run_campaign(options, [](const Outcome&) {});
  EXPECT_GE(outcome.probes.size(), 30U);
  for (const auto& [name, hits] : outcome.probes) {
    EXPECT_GT(hits, 0U) << name;
  }
  for (const Violated& world : outcome.violated)
    ADD_FAILURE() << "seed " << world.seed << ": " << world.what.front();
}

TEST(Program, HasNothingPlantedInIt) {
  const std::string program = read_program("holdfast");
  ASSERT_NE(program.find("key-lifetime-over"), std::string::npos)
      << HF_BINARY_DIR "/holdfast is not there, or not what it should be";
  // That the search would find them.
  const std::string simulator = read_program("holdfast-sim");
  for (const std::string& name : points()) {
    EXPECT_NE(simulator.find(name), std::string::npos) << name;
    EXPECT_EQ(program.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace hf::sim
