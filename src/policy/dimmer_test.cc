#include "policy/dimmer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "base/prng.h"

namespace hf::policy {
namespace {

constexpr Duration kTick = Duration::millis(100);

struct Scene {
  explicit Scene(int steps) : dimmer(config(steps)) {}
  static DimmerConfig config(int steps) {
    DimmerConfig out;
    out.steps = steps;
    return out;
  }
  // Lets time pass at one pressure; gives how often the level changed.
  int pass(Duration time, std::int64_t pressure) {
    int changes = 0;
    for (Duration gone; gone < time; gone = gone + kTick) {
      now = now + kTick;
      changes += dimmer.observe(pressure, now) ? 1 : 0;
    }
    return changes;
  }
  Dimmer dimmer;
  Instant now{1'000'000'000};
};

TEST(Dimmer, one_after_another_goes_off_under_load) {
  Scene scene(3);
  scene.pass(Duration::millis(200), 1000);
  EXPECT_EQ(scene.dimmer.level(), 0);
  scene.pass(Duration::millis(100), 1000);
  EXPECT_EQ(scene.dimmer.level(), 1);
  scene.pass(Duration::millis(500), 1000);
  EXPECT_EQ(scene.dimmer.level(), 2);
  scene.pass(Duration::seconds(10), 5000);
  EXPECT_EQ(scene.dimmer.level(), 3);
}

TEST(Dimmer, a_single_spike_switches_nothing) {
  Scene scene(3);
  for (int i = 0; i < 100; ++i) {
    scene.pass(kTick * 2, 9000);
    scene.pass(kTick, 900);
  }
  EXPECT_EQ(scene.dimmer.level(), 0);
}

TEST(Dimmer, comes_back_step_by_step_when_it_is_calm) {
  Scene scene(2);
  scene.pass(Duration::seconds(2), 1500);
  ASSERT_EQ(scene.dimmer.level(), 2);
  scene.pass(Duration::seconds(60), 700);  // neither calm nor overload
  EXPECT_EQ(scene.dimmer.level(), 2);
  scene.pass(Duration::seconds(5), 100);
  EXPECT_EQ(scene.dimmer.level(), 2);
  scene.pass(kTick, 100);
  EXPECT_EQ(scene.dimmer.level(), 1);
  scene.pass(Duration::seconds(5), 100);
  EXPECT_EQ(scene.dimmer.level(), 0);
}

// An upstream that can bear two features and not three, for an hour.
TEST(Dimmer, does_not_flap) {
  Scene scene(3);
  int changes = 0;
  for (int i = 0; i < 36'000; ++i)
    changes += scene.pass(kTick, scene.dimmer.level() == 0 ? 1300 : 300);
  EXPECT_LT(changes, 40);
  EXPECT_EQ(scene.dimmer.patience(), Duration::minutes(5));
}

TEST(Dimmer, long_calm_forgets_what_was_too_soon) {
  Scene scene(1);
  for (int i = 0; i < 6'000; ++i)
    scene.pass(kTick, scene.dimmer.level() == 0 ? 1300 : 300);
  ASSERT_GT(scene.dimmer.patience(), Duration::seconds(30));
  scene.pass(Duration::hours(1), 0);
  EXPECT_EQ(scene.dimmer.patience(), Duration::seconds(5));
  EXPECT_EQ(scene.dimmer.level(), 0);
}

RC_GTEST_PROP(DimmerModel, its_level_is_within_bounds_and_moves_by_one, ()) {
  const int steps = *rc::gen::inRange(0, 6);
  Scene scene(steps);
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  int before = 0;
  for (int i = 0; i < 3000; ++i) {
    scene.now = scene.now + Duration::millis(static_cast<std::int64_t>(prng.below(3000)));
    const bool changed =
        scene.dimmer.observe(static_cast<std::int64_t>(prng.below(2000)), scene.now);
    const int level = scene.dimmer.level();
    RC_ASSERT(level >= 0 && level <= steps);
    RC_ASSERT(changed == (level != before));
    RC_ASSERT(std::abs(level - before) <= 1);
    before = level;
  }
}

}  // namespace
}  // namespace hf::policy
