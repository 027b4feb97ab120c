// Routes that only observe, in reviews and forecasts.
#include <gtest/gtest.h>

#include <algorithm>

#include "review/forecast.h"
#include "review/review.h"

namespace hf::review {
namespace {

// Two routes to one upstream, where repeats are second effects.
config::Loaded two_routes(const std::string& first, const std::string& second) {
  auto loaded = config::load_text(
      "upstreams: { up: { url: \"https://up.example\" } }\n"
      "routes:\n"
      "  - { path: /a, upstream: up, mode: " +
          first +
          ", suspect: { window: 1m } }\n"
          "  - { path: /b, upstream: up, mode: " +
          second + " }\n",
      "holdfast.yaml");
  EXPECT_NE(loaded.settings, nullptr);
  return loaded;
}

std::size_t serious(const Report& report) {
  return report.count(Level::error) + report.count(Level::warning);
}

TEST(ReviewObserve, FindingsAreTheSameAndOnlyNotes) {
  const Report acts = review(two_routes("enforce", "enforce"));
  const Report observes = review(two_routes("observe", "observe"));
  ASSERT_GT(serious(acts), 0U);
  EXPECT_EQ(acts.findings.size(), observes.findings.size());
  for (const Finding& finding : observes.findings) {
    if (finding.subject.empty()) continue;  // of the service as a whole
    EXPECT_TRUE(finding.observed) << finding.message;
    EXPECT_EQ(finding.level(), Level::note);
  }
  EXPECT_TRUE(observes.routes.front().observes);
  EXPECT_FALSE(acts.routes.front().observes);
  ASSERT_EQ(acts.routes.front().answers.size(), observes.routes.front().answers.size());
  for (std::size_t i = 0; i < acts.routes.front().answers.size(); ++i) {
    EXPECT_EQ(acts.routes.front().answers[i].why, observes.routes.front().answers[i].why);
  }
}

TEST(ReviewObserve, ARouteThatActsIsNotExcusedByOneThatObserves) {
  for (const auto& [first, second] :
       {std::pair{"observe", "enforce"}, std::pair{"enforce", "observe"}}) {
    const Report report = review(two_routes(first, second));
    EXPECT_GT(serious(report), 0U) << first;
  }
}

TEST(ReviewObserve, AForecastSaysThatNothingIsDoneYet) {
  const auto loaded = two_routes("observe", "enforce");
  const auto watched = forecast(loaded, {"POST", "/a", {}, std::nullopt});
  ASSERT_TRUE(watched.ok());
  EXPECT_TRUE(watched->observes);
  EXPECT_FALSE(watched->outcomes.empty());
  EXPECT_NE(json_of(*watched, loaded.places).find("\"observes\":true"), std::string::npos);
  const auto acts = forecast(loaded, {"POST", "/b", {}, std::nullopt});
  ASSERT_TRUE(acts.ok());
  EXPECT_FALSE(acts->observes);
  EXPECT_EQ(json_of(*acts, loaded.places).find("observes"), std::string::npos);
}

}  // namespace
}  // namespace hf::review
