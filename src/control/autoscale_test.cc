#include "control/autoscale.h"

#include <gtest/gtest.h>

namespace hf::control {
namespace {

engine::Stats stats_of(std::uint64_t in_flight, std::uint64_t limit, std::uint64_t waiting,
                       std::uint64_t shed, std::uint64_t ended) {
  engine::Stats out;
  auto& app = out.upstreams["app"];
  app.load.in_flight = in_flight;
  app.load.limit = limit;
  app.load.waiting = waiting;
  app.load.shed[0][0] = shed;
  app.attempts_by_row[0] = ended;
  return out;
}

Instant second(int n) {
  return Instant{1} + Duration::seconds(n);
}

TEST(Autoscale, an_idle_upstream_asks_for_nothing) {
  Autoscale autoscale;
  EXPECT_FALSE(autoscale.demand("app"));
  autoscale.sample(stats_of(0, 20, 0, 0, 0), second(0));
  const auto demand = autoscale.demand("app");
  ASSERT_TRUE(demand);
  EXPECT_EQ(demand->demand_permille, 0);
  EXPECT_EQ(demand->utilisation_permille, 0);
}

TEST(Autoscale, half_of_what_it_bears) {
  Autoscale autoscale;
  for (int i = 0; i < 20; ++i)
    autoscale.sample(stats_of(10, 20, 0, 0, static_cast<std::uint64_t>(i) * 100), second(i));
  EXPECT_EQ(autoscale.demand("app")->utilisation_permille, 500);
  EXPECT_EQ(autoscale.demand("app")->demand_permille, 500);
  EXPECT_EQ(autoscale.demand("app")->ended_per_mille_second, 100'000);
}

// Twice what it bears: as many are sent away as are served. Utilisation alone would say "full" and
// nothing of by how much.
TEST(Autoscale, what_was_sent_away_counts_as_if_it_had_been_there) {
  Autoscale autoscale;
  for (int i = 0; i < 20; ++i) {
    const auto n = static_cast<std::uint64_t>(i) * 100;
    autoscale.sample(stats_of(20, 20, 0, n, n), second(i));
  }
  EXPECT_EQ(autoscale.demand("app")->utilisation_permille, 1000);
  EXPECT_EQ(autoscale.demand("app")->demand_permille, 2000);
  EXPECT_EQ(autoscale.demand("app")->shed_per_mille_second, 100'000);
}

TEST(Autoscale, who_waits_counts_and_the_past_is_forgotten) {
  Autoscale autoscale;
  for (int i = 0; i < 20; ++i)
    autoscale.sample(stats_of(20, 20, 10, 0, 0), second(i));
  EXPECT_EQ(autoscale.demand("app")->demand_permille, 1500);
  for (int i = 20; i < 36; ++i)
    autoscale.sample(stats_of(0, 20, 0, 0, 0), second(i));
  EXPECT_EQ(autoscale.demand("app")->demand_permille, 0);
}

TEST(Autoscale, json_for_people_and_autoscalers) {
  Autoscale autoscale;
  for (int i = 0; i < 3; ++i)
    autoscale.sample(stats_of(15, 20, 1, 0, static_cast<std::uint64_t>(i) * 5), second(i));
  const std::string one =
      R"({"upstream":"app","demand":0.8,"utilisation":0.75,"in_flight":15,"waiting":1,"limit":20,)"
      R"("shed_per_second":0,"ended_per_second":5,"queue_delay_seconds":0,)"
      R"("backlog_age_seconds":0})";
  EXPECT_EQ(autoscale_json(autoscale, "app"), one);
  EXPECT_EQ(autoscale_json(autoscale), R"({"upstreams":{"app":)" + one + "}}");
  EXPECT_FALSE(autoscale_json(autoscale, "other"));
}

}  // namespace
}  // namespace hf::control
