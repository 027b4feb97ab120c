#include "base/ids.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/prng.h"

namespace hf {
namespace {

constexpr std::int64_t kEnd = 1LL << 48;

TEST(Ids, TextHas36CharactersAndParsesStrictly) {
  const auto id = CallId::make({1'795'232'360'123}, 0x0123456789abcdefULL, ~0ULL);
  const auto text = id.text();
  EXPECT_EQ(text.size(), CallId::kTextSize);
  EXPECT_EQ(CallId::parse(text).value(), id);
  EXPECT_FALSE(CallId::parse(text.substr(1)).ok());
  EXPECT_FALSE(CallId::parse(text + "0").ok());
  EXPECT_FALSE(CallId::parse("").ok());
  EXPECT_FALSE(CallId::parse(std::string(36, 'u')).ok());
  EXPECT_FALSE(CallId::from_bytes("short").ok());
}

TEST(Ids, StrongIdsShowTheirNumber) {
  EXPECT_EQ(raw(AttemptId{7}), 7U);
}

RC_GTEST_PROP(Ids, ReadBackAsTextAndBytes, (std::uint64_t high, std::uint64_t low)) {
  const WallTime born{*rc::gen::inRange<std::int64_t>(0, kEnd)};
  const auto id = CallId::make(born, high, low);
  RC_ASSERT(id.born() == born);
  RC_ASSERT(CallId::parse(id.text()).value() == id);
  RC_ASSERT(CallId::from_bytes(id.raw()).value() == id);
}

RC_GTEST_PROP(Ids, SortByBirthInEveryForm, (std::uint64_t a, std::uint64_t b)) {
  const WallTime early{*rc::gen::inRange<std::int64_t>(0, kEnd - 1)};
  const WallTime late{*rc::gen::inRange<std::int64_t>(early.ms + 1, kEnd)};
  const auto x = CallId::make(early, a, a);
  const auto y = CallId::make(late, b, b);
  RC_ASSERT(x < y);
  RC_ASSERT(x.raw() < y.raw());
  RC_ASSERT(x.text() < y.text());
}

RC_GTEST_PROP(Ids, EveryRandomBitCounts, (std::uint64_t high, std::uint64_t low)) {
  const auto bit = 1ULL << *rc::gen::inRange(0, 64);
  const WallTime born{5};
  RC_ASSERT(CallId::make(born, high, low) != CallId::make(born, high ^ bit, low));
  RC_ASSERT(CallId::make(born, high, low) != CallId::make(born, high, low ^ bit));
}

RC_GTEST_PROP(CallIds, ComeInTheOrderInWhichTheyAreMade, (std::uint64_t seed)) {
  CallIds ids;
  Prng prng(seed);
  WallTime now{1'800'000'000'000};
  CallId last = ids.next(now, prng.next(), prng.next());
  for (int i = 0; i < 300; ++i) {
    now.ms += static_cast<std::int64_t>(prng.below(2));
    const CallId next = ids.next(now, prng.next(), prng.next());
    RC_ASSERT(last < next);
    RC_ASSERT(next.born() == now);
    last = next;
  }
}

TEST(CallIds, SixteenBitsCountAndAllOthersAreAsRandomAsTheirMaker) {
  CallIds ids;
  const WallTime now{7};
  EXPECT_EQ(ids.next(now, 0x123456789abcdef0, 5), CallId::make(now, 0x0000123456789abc, 5));
  EXPECT_EQ(ids.next(now, 0x123456789abcdef0, 5), CallId::make(now, 0x0001123456789abc, 5));
  EXPECT_EQ(ids.next(WallTime{8}, 0x123456789abcdef0, 6),
            CallId::make(WallTime{8}, 0x0000123456789abc, 6));
}

// The count stays where it is: two of them are still two, and none is of another time.
TEST(CallIds, MoreThanCanBeCountedAreInNoOrderAndNothingElse) {
  CallIds ids;
  const WallTime now{7};
  for (int i = 0; i < 0x10000; ++i)
    EXPECT_EQ(ids.next(now, 0, 0).born(), now);
  EXPECT_EQ(ids.next(now, 0, 1), CallId::make(now, 0xffff000000000000, 1));
  EXPECT_EQ(ids.next(now, 0, 2), CallId::make(now, 0xffff000000000000, 2));
}

}  // namespace
}  // namespace hf
