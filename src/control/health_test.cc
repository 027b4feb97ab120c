#include "control/health.h"

#include <gtest/gtest.h>

namespace hf::control {
namespace {

TEST(StatusLine, SaysWhatStandsAndWhatIsWrong) {
  Facts facts;
  EXPECT_EQ(status_line(facts), "taking calls");
  facts.journal.emplace();
  facts.journal->standing = {{"waiting", 12, 60}, {"sending", 0, 0}, {"unknown", 1, 5}};
  EXPECT_EQ(status_line(facts), "taking calls; 12 waiting, 1 unknown");
  facts.journal->accepting = false;
  EXPECT_EQ(status_line(facts),
            "taking calls; 12 waiting, 1 unknown; the journal takes no new durable calls");
  facts.journal->standing.clear();
  facts.journal->broken = true;
  facts.draining = true;
  EXPECT_EQ(status_line(facts),
            "draining; the journal takes no new durable calls; the journal is broken");
}

}  // namespace
}  // namespace hf::control
