#include "load/usl.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

namespace hf::load {
namespace {

// CRAN's package `usl` 3.0 (github.com/cran/usl, commit 9814ea06): tests/coef.R holds the points,
// tests/coef.Rout.save what R finds.
TEST(Usl, fits_as_the_package_of_r_does) {
  const auto fit =
      fit_usl({{1, 1}, {2, 1.8868}, {4, 3.0769}, {6, 3.5294}, {8, 3.5398}, {10, 3.3557}});
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->alpha, 0.02, 5e-5);
  EXPECT_NEAR(fit->beta, 0.02, 5e-5);
  EXPECT_NEAR(fit->gamma, 1.00, 5e-4);
}

// The SPEC SDM91 benchmark, from data/specsdm91.rda of the same package (Gunther, Guerrilla
// Capacity Planning, 2007); peak, optimum and fitted values as its tests/*.Rout.save have them.
TEST(Usl, fits_spec_sdm91_as_published) {
  const auto fit = fit_usl({{1, 64.9},
                            {18, 995.9},
                            {36, 1652.4},
                            {72, 1853.2},
                            {108, 1828.9},
                            {144, 1775.0},
                            {216, 1702.2}});
  ASSERT_TRUE(fit);
  ASSERT_TRUE(fit->peak() && fit->optimal());
  EXPECT_NEAR(*fit->peak(), 96.51956, 0.0001 * 96.51956);
  EXPECT_NEAR(*fit->optimal(), 36.06401, 0.0001 * 36.06401);
  EXPECT_NEAR(fit->at(1), 90, 0.5);
  EXPECT_NEAR(fit->at(18), 1078, 0.5);
  EXPECT_NEAR(fit->at(216), 1646, 0.5);
  EXPECT_GT(fit->r_squared, 0.97);
}

TEST(Usl, perfect_scaling_has_no_peak) {
  const auto fit = fit_usl({{1, 10}, {2, 20}, {4, 40}, {8, 80}});
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->gamma, 10, 1e-6);
  EXPECT_NEAR(fit->alpha, 0, 1e-6);
  EXPECT_NEAR(fit->at(16), 160, 1e-3);
}

// Better than linear asks for a negative alpha; the bound holds.
TEST(Usl, parameters_are_never_negative) {
  const auto fit = fit_usl({{1, 10}, {2, 22}, {4, 50}, {8, 110}});
  ASSERT_TRUE(fit);
  EXPECT_GE(fit->alpha, 0);
  EXPECT_GE(fit->beta, 0);
  EXPECT_FALSE(fit->peak() && *fit->peak() < 8);
}

TEST(Usl, too_few_points_and_nonsense_give_nothing) {
  EXPECT_FALSE(fit_usl({}));
  EXPECT_FALSE(fit_usl({{1, 1}, {2, 2}, {3, 3}}));
  EXPECT_FALSE(fit_usl({{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5}}));
  EXPECT_FALSE(fit_usl({{10, 1}, {11, 2}, {12, 3}, {13, 4}}));
  EXPECT_FALSE(fit_usl({{0, 1}, {1, 2}, {2, 3}, {4, 4}}));
  EXPECT_FALSE(fit_usl({{1, 0}, {2, 0}, {3, 0}, {4, 0}}));
  EXPECT_FALSE(fit_usl({{1, std::nan("")}, {2, 1}, {3, 1}, {4, 1}}));
}

RC_GTEST_PROP(Usl, finds_the_law_that_made_the_points, ()) {
  UslFit law;
  law.alpha = *rc::gen::inRange(0, 500) / 1000.0;
  law.beta = *rc::gen::inRange(0, 1000) / 100'000.0;
  law.gamma = *rc::gen::inRange(1, 100'000) / 10.0;
  std::vector<UslPoint> points;
  for (const double n : {1.0, 2.0, 5.0, 11.0, 23.0, 50.0, 120.0})
    points.push_back({n, law.at(n)});
  const auto fit = fit_usl(points);
  RC_ASSERT(fit.has_value());
  for (const double n : {1.0, 8.0, 40.0, 200.0})
    RC_ASSERT(std::abs(fit->at(n) - law.at(n)) <= 1e-3 * law.at(n));
  std::reverse(points.begin(), points.end());
  const auto again = fit_usl(points);
  RC_ASSERT(again->alpha == fit->alpha && again->beta == fit->beta && again->gamma == fit->gamma);
}

}  // namespace
}  // namespace hf::load
