#include "policy/reuse.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace hf::policy {
namespace {

constexpr Instant kOpened{3'000'000'000};
constexpr ReuseLimits kLimits;

// A connection opened and last used at kOpened.
bool after(Duration idle, bool careful, std::optional<Duration> keep_alive = std::nullopt) {
  return may_carry({kOpened, kOpened, keep_alive}, careful, kOpened + idle, kLimits);
}

TEST(Reuse, OnlyAnExchangeThatIsWhollyOverLeavesAKnownPlace) {
  EXPECT_TRUE(leaves_reusable({}));
  EXPECT_FALSE(leaves_reusable({.request_whole = false}));
  EXPECT_FALSE(leaves_reusable({.answer_whole = false}));
  EXPECT_FALSE(leaves_reusable({.nothing_behind = false}));
  EXPECT_FALSE(leaves_reusable({.persists = false}));
}

TEST(Reuse, WithoutAHint) {
  EXPECT_TRUE(after(Duration{}, true));
  EXPECT_TRUE(after(Duration::millis(999), true));
  EXPECT_FALSE(after(Duration::seconds(1), true));
  EXPECT_TRUE(after(Duration::millis(54'999), false));
  EXPECT_FALSE(after(Duration::seconds(55), false));
}

TEST(Reuse, InsideTheHintLessAMargin) {
  EXPECT_TRUE(after(Duration::millis(3'999), false, Duration::seconds(5)));
  EXPECT_FALSE(after(Duration::seconds(4), false, Duration::seconds(5)));
  EXPECT_TRUE(after(Duration::millis(499), true, Duration::seconds(1)));
  EXPECT_FALSE(after(Duration::millis(500), true, Duration::seconds(1)));
  EXPECT_FALSE(after(Duration{}, false, Duration{})) << "0 means at once";
}

TEST(Reuse, AHintDoesNotLengthen) {
  EXPECT_FALSE(after(Duration::seconds(55), false, Duration::hours(1)));
  EXPECT_FALSE(after(Duration::seconds(1), true, Duration::hours(1)));
}

TEST(Reuse, NotWhenTooOldHoweverLatelyUsed) {
  const Instant now = kOpened + Duration::minutes(5);
  EXPECT_FALSE(may_carry({kOpened, now, std::nullopt}, false, now, kLimits));
  const Instant before = now - Duration::millis(1);
  EXPECT_TRUE(may_carry({kOpened, before, std::nullopt}, false, before, kLimits));
}

RC_GTEST_PROP(Reuse, CareIsTheStricterRuleAndTimeNeverHelps, ()) {
  const auto millis = [](int most) { return Duration::millis(*rc::gen::inRange(0, most)); };
  const Instant used = kOpened + millis(400'000);
  std::optional<Duration> keep_alive;
  if (*rc::gen::arbitrary<bool>()) keep_alive = millis(120'000);
  const IdleConnection connection{kOpened, used, keep_alive};
  const Instant now = used + millis(70'000);
  const bool careful = may_carry(connection, true, now, kLimits);
  const bool free = may_carry(connection, false, now, kLimits);
  RC_ASSERT(!careful || free);
  const Instant later = now + millis(70'000);
  RC_ASSERT(!may_carry(connection, true, later, kLimits) || careful);
  RC_ASSERT(!may_carry(connection, false, later, kLimits) || free);
  if (keep_alive && now - used >= *keep_alive) RC_ASSERT(!free);
}

}  // namespace
}  // namespace hf::policy
