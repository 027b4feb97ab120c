#include "policy/pause.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace hf::policy {
namespace {

constexpr Instant kNow{1'000'000};

Instant in(int ns) {
  return {kNow.ns + ns};
}

TEST(Pauses, OnlyEverLengthen) {
  Pauses pauses;
  EXPECT_FALSE(pauses.extend("a", kNow, kNow)) << "already over";
  EXPECT_TRUE(pauses.extend("a", in(100), kNow));
  EXPECT_FALSE(pauses.extend("a", in(100), kNow));
  EXPECT_FALSE(pauses.extend("a", in(50), kNow));
  EXPECT_TRUE(pauses.extend("a", in(200), kNow));
  EXPECT_EQ(pauses.until("a", kNow), in(200));
  EXPECT_EQ(pauses.until("b", kNow), std::nullopt);
}

TEST(Pauses, AreOverAtTheirEnd) {
  Pauses pauses;
  EXPECT_TRUE(pauses.extend("a", in(100), kNow));
  EXPECT_EQ(pauses.until("a", in(99)), in(100));
  EXPECT_EQ(pauses.until("a", in(100)), std::nullopt);
  EXPECT_TRUE(pauses.all(in(100)).empty());
  EXPECT_EQ(pauses.size(), 1U);
  pauses.expire(in(100));
  EXPECT_EQ(pauses.size(), 0U);
}

TEST(Pauses, CanBeLiftedAndListed) {
  Pauses pauses;
  EXPECT_TRUE(pauses.extend("b", in(1), kNow));
  EXPECT_TRUE(pauses.extend("a", in(2), kNow));
  EXPECT_TRUE(pauses.extend("c", in(3), kNow));
  EXPECT_EQ(pauses.all(kNow), (std::vector<Pause>{{"a", in(2)}, {"b", in(1)}, {"c", in(3)}}));
  pauses.lift("a");
  pauses.lift("absent");
  EXPECT_EQ(pauses.all(in(1)), (std::vector<Pause>{{"c", in(3)}}));
}

TEST(Pauses, WhenFullTheOneThatEndsFirstGoes) {
  Pauses pauses(2);
  EXPECT_TRUE(pauses.extend("a", in(100), kNow));
  EXPECT_TRUE(pauses.extend("b", in(200), kNow));
  EXPECT_FALSE(pauses.extend("c", in(50), kNow)) << "it ends first itself";
  EXPECT_TRUE(pauses.extend("c", in(300), kNow));
  EXPECT_EQ(pauses.all(kNow), (std::vector<Pause>{{"b", in(200)}, {"c", in(300)}}));
  EXPECT_TRUE(pauses.extend("b", in(400), kNow)) << "lengthening needs no room";
  EXPECT_EQ(pauses.size(), 2U);
  EXPECT_TRUE(pauses.extend("d", in(301), in(300))) << "what is over makes room";
  EXPECT_EQ(pauses.all(in(300)), (std::vector<Pause>{{"b", in(400)}, {"d", in(301)}}));
}

TEST(Pauses, ClampedToTheMaximum) {
  const auto hour = Duration::hours(1);
  EXPECT_EQ(clamp_pause(Duration::seconds(5), hour), Duration::seconds(5));
  EXPECT_EQ(clamp_pause(Duration::max(), hour), hour);
  EXPECT_EQ(clamp_pause(Duration::seconds(-5), hour), Duration{});
  EXPECT_EQ(clamp_pause(Duration::seconds(5), Duration::seconds(-1)), Duration{});
}

RC_GTEST_PROP(PausesModel, AgreeWithAMapOfTheLatestEnds, ()) {
  Pauses pauses;
  std::map<std::string, Instant> model;
  Instant now = kNow;
  for (int i = *rc::gen::inRange(0, 60); i > 0; --i) {
    const auto key = std::string(1, *rc::gen::element('a', 'b', 'c', 'd'));
    const auto live = [&] { return model.count(key) > 0 && model[key] > now; };
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1: {
        const Instant until{now.ns + *rc::gen::inRange(-5, 20)};
        const bool longer = until > now && (!live() || until > model[key]);
        RC_ASSERT(pauses.extend(key, until, now) == longer);
        if (longer) model[key] = until;
        break;
      }
      case 2:
        pauses.lift(key);
        model.erase(key);
        break;
      case 3:
        pauses.expire(now);
        std::erase_if(model, [&](const auto& one) { return one.second <= now; });
        RC_ASSERT(pauses.size() == model.size());
        break;
      case 4:
        now.ns += *rc::gen::inRange(0, 8);
        break;
    }
    RC_ASSERT(pauses.until(key, now) == (live() ? std::optional(model[key]) : std::nullopt));
    std::vector<Pause> expected;
    for (const auto& [name, until] : model) {
      if (until > now) expected.push_back({name, until});
    }
    RC_ASSERT(pauses.all(now) == expected);
  }
}

RC_GTEST_PROP(PausesModel, AreBoundedAndKeepTheLongest, ()) {
  const auto room = *rc::gen::inRange<std::size_t>(1, 6);
  Pauses pauses(room);
  std::vector<Instant> ends;
  const auto lengths = *rc::gen::unique<std::vector<int>>(rc::gen::inRange(1, 1'000'000));
  for (const int length : lengths) {
    ends.push_back(in(length));
    pauses.extend(std::to_string(length), in(length), kNow);
    RC_ASSERT(pauses.size() <= room);
  }
  std::sort(ends.rbegin(), ends.rend());
  if (ends.size() > room) ends.resize(room);
  for (const auto end : ends) {
    RC_ASSERT(pauses.until(std::to_string(end.ns - kNow.ns), kNow) == end);
  }
}

}  // namespace
}  // namespace hf::policy
