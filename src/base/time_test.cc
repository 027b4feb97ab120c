#include "base/time.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hf {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

__extension__ typedef __int128 Wide;

std::int64_t clamped(Wide value) {
  return value > kMax ? kMax : value < kMin ? kMin : static_cast<std::int64_t>(value);
}

TEST(Time, UnitsAndSaturation) {
  EXPECT_EQ(Duration::millis(1500).ns, 1'500'000'000);
  EXPECT_EQ(Duration::minutes(2), Duration::seconds(120));
  EXPECT_EQ(Duration::hours(kMax), Duration::max());
  EXPECT_EQ(Duration::hours(kMin).ns, kMin);
  EXPECT_EQ(Duration::max() + Duration::nanos(1), Duration::max());
  EXPECT_EQ(Instant::max() + Duration::seconds(1), Instant::max());
  EXPECT_EQ((Instant{kMin} - Duration::seconds(1)).ns, kMin);
}

TEST(Time, WholeSecondsAreRoundedUp) {
  EXPECT_EQ(Duration::nanos(0).ceil_seconds(), 0);
  EXPECT_EQ(Duration::nanos(1).ceil_seconds(), 1);
  EXPECT_EQ(Duration::seconds(1).ceil_seconds(), 1);
  EXPECT_EQ((Duration::seconds(1) + Duration::nanos(1)).ceil_seconds(), 2);
  EXPECT_EQ(Duration::seconds(-3).ceil_seconds(), 0);
  EXPECT_EQ(Duration::max().ceil_seconds(), 9'223'372'037);
}

TEST(Time, WallTimesAddInMilliseconds) {
  EXPECT_EQ((WallTime{1000} + Duration::micros(2500)).ms, 1002);
  EXPECT_EQ((WallTime{1000} + Duration::seconds(-1)).ms, 0);
  EXPECT_EQ((WallTime{kMax} + Duration::seconds(1)).ms, kMax);
  EXPECT_EQ(WallTime{3000} - WallTime{1000}, Duration::seconds(2));
}

RC_GTEST_PROP(Time, DurationArithmeticSaturates, ()) {
  const auto number =
      rc::gen::oneOf(rc::gen::arbitrary<std::int64_t>(),
                     rc::gen::elementOf(std::vector<std::int64_t>{kMax, kMin, kMax - 1, 0, -1}));
  const auto a = *number;
  const auto b = *number;
  const Wide wide_a = a;
  RC_ASSERT((Duration{a} + Duration{b}).ns == clamped(wide_a + b));
  RC_ASSERT((Duration{a} - Duration{b}).ns == clamped(wide_a - b));
  RC_ASSERT((Instant{a} + Duration{b}).ns == clamped(wide_a + b));
  RC_ASSERT((Instant{a} - Instant{b}).ns == clamped(wide_a - b));
  RC_ASSERT((Duration{a} * b).ns == clamped(wide_a * b));
}

}  // namespace
}  // namespace hf
