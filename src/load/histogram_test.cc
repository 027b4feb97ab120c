#include "load/histogram.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

namespace hf::load {
namespace {

TEST(Histogram, empty_has_no_values) {
  const Histogram none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.quantile(0.99), Duration{});
  EXPECT_EQ(none.mean(), Duration{});
  EXPECT_TRUE(none.places().empty());
}

TEST(Histogram, what_is_too_long_counts_as_the_longest) {
  Histogram one;
  one.record(Duration::max());
  one.record(Duration::seconds(-1));
  EXPECT_EQ(one.max(), Histogram::kLongest);
  EXPECT_EQ(one.quantile(0), Duration{});
  EXPECT_LT(one.places().size() * sizeof(Histogram::Place), 27U * 1024);
}

// Each quantile is that of the sorted values, or at most 1/128 above it.
RC_GTEST_PROP(Histogram, quantiles_are_within_their_error, ()) {
  auto micros = *rc::gen::nonEmpty(
      rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(0, 60'000'000)));
  Histogram all;
  for (const std::int64_t value : micros)
    all.record(Duration::micros(value));
  std::sort(micros.begin(), micros.end());
  for (const double share : {0.0, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double wanted = std::ceil(share * static_cast<double>(micros.size()));
    const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(wanted));
    const std::int64_t exact = micros[rank - 1];
    const std::int64_t read = all.quantile(share).ns / 1000;
    RC_ASSERT(read >= exact);
    RC_ASSERT(read <= exact + exact / 128);
  }
  RC_ASSERT(all.max().ns / 1000 == micros.back());
}

RC_GTEST_PROP(Histogram, merged_is_as_recorded_together, ()) {
  const auto gen =
      rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(0, 10'000'000));
  const auto a = *gen;
  const auto b = *gen;
  Histogram left;
  Histogram right;
  Histogram both;
  for (const auto value : a) {
    left.record(Duration::micros(value));
    both.record(Duration::micros(value));
  }
  for (const auto value : b) {
    right.record(Duration::micros(value));
    both.record(Duration::micros(value));
  }
  left.merge(right);
  RC_ASSERT(left.places() == both.places());
  RC_ASSERT(left.mean() == both.mean());
  RC_ASSERT(left.max() == both.max());
}

RC_GTEST_PROP(Histogram, over_a_limit_misses_at_most_what_is_within_its_error, ()) {
  const auto micros =
      *rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(0, 1'000'000));
  const std::int64_t limit = *rc::gen::inRange<std::int64_t>(0, 1'000'000);
  Histogram all;
  std::uint64_t surely = 0;
  std::uint64_t at_most = 0;
  for (const std::int64_t value : micros) {
    all.record(Duration::micros(value));
    at_most += value > limit ? 1U : 0U;
    surely += value > limit + limit / 128 + 1 ? 1U : 0U;
  }
  RC_ASSERT(all.count_over(Duration::micros(limit)) <= at_most);
  RC_ASSERT(all.count_over(Duration::micros(limit)) >= surely);
}

}  // namespace
}  // namespace hf::load
