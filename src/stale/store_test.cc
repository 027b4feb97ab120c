// Bounded memory for answers.
#include "stale/store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace hf::stale {
namespace {

call::Digest target(int n) {
  call::Digest out;
  out.bytes[0] = static_cast<unsigned char>(n);
  return out;
}

// A request that says this in every field that it is asked for.
Selector says(int value) {
  return [value](const std::vector<std::string>& names) {
    call::Digest out;
    if (!names.empty()) out.bytes[1] = static_cast<unsigned char>(value + 1);
    return out;
  };
}

std::shared_ptr<const Kept> answer(std::size_t size, std::int64_t asked = 0) {
  auto out = std::make_shared<Kept>();
  out->body = make_body(std::string(size, 'x'));
  out->asked = Instant{asked};
  out->at = Instant{asked};
  return out;
}

const std::vector<std::string> kNone;
const std::vector<std::string> kAccept{"accept"};

TEST(StaleStore, TheLeastAskedForGoesFirst) {
  const std::uint64_t one = Store::cost_of(*answer(1000), kNone);
  Store store(one * 3);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(store.put(target(i), says(0), kNone, answer(1000)));
  EXPECT_TRUE(store.find(target(0), says(0)));
  ASSERT_TRUE(store.put(target(3), says(0), kNone, answer(1000)));
  EXPECT_TRUE(store.find(target(0), says(0)));
  EXPECT_FALSE(store.find(target(1), says(0)));
  EXPECT_EQ(store.evicted(), 1U);
  EXPECT_EQ(store.bytes(), one * 3);
  EXPECT_FALSE(store.put(target(4), says(0), kNone, answer(one * 4)));
}

TEST(StaleStore, AnAnswerStandsForThoseThatSayTheSame) {
  Store store(1 << 20);
  store.put(target(1), says(1), kAccept, answer(10));
  store.put(target(1), says(2), kAccept, answer(20));
  EXPECT_EQ(store.find(target(1), says(1))->body->size(), 10U);
  EXPECT_EQ(store.find(target(1), says(2))->body->size(), 20U);
  EXPECT_FALSE(store.find(target(1), says(3)));
  EXPECT_FALSE(store.find(target(2), says(1)));
  store.put(target(1), says(1), kAccept, answer(30, 5));
  EXPECT_EQ(store.find(target(1), says(1))->body->size(), 30U);
  EXPECT_EQ(store.size(), 2U);
  // It was asked for before the one that is there.
  store.put(target(1), says(1), kAccept, answer(40, 4));
  EXPECT_EQ(store.find(target(1), says(1))->body->size(), 30U);
}

TEST(StaleStore, WhatIsForgottenIsGone) {
  Store store(1 << 20);
  store.put(target(1), says(1), kAccept, answer(10));
  store.put(target(1), says(2), kAccept, answer(10));
  store.put(target(2), says(0), kNone, answer(10));
  store.forget_fitting(target(1), says(1), true);
  EXPECT_FALSE(store.find(target(1), says(1)));
  EXPECT_TRUE(store.find(target(1), says(2)));
  store.forget_fitting(target(2), says(0), true);
  EXPECT_TRUE(store.find(target(2), says(0))) << "everybody's";
  store.forget_fitting(target(2), says(0), false);
  store.forget(target(1));
  EXPECT_EQ(store.size(), 0U);
  EXPECT_EQ(store.bytes(), 0U);
}

TEST(StaleStore, CopiesUnderWayTakeHalfAtMost) {
  Store store(100'000);
  store.put(target(1), says(0), kNone, answer(60'000));
  EXPECT_FALSE(store.reserve(50'001));
  EXPECT_TRUE(store.find(target(1), says(0)));
  EXPECT_TRUE(store.reserve(30'000));
  EXPECT_TRUE(store.find(target(1), says(0)));
  EXPECT_TRUE(store.reserve(20'000));
  EXPECT_FALSE(store.find(target(1), says(0))) << "it made room";
  EXPECT_FALSE(store.reserve(1));
  store.release(50'000);
  EXPECT_EQ(store.bytes(), 0U);
}

TEST(StaleStore, VariantsOfATargetAreBounded) {
  Store store(1 << 20);
  for (int i = 0; i < 100; ++i)
    store.put(target(1), says(i), kAccept, answer(1));
  EXPECT_EQ(store.size(), kVariantsMax);
  EXPECT_TRUE(store.find(target(1), says(99)));
  EXPECT_FALSE(store.find(target(1), says(0)));
}

RC_GTEST_PROP(StaleStore, NeverMoreThanItMay, ()) {
  const auto number = [](int most) { return *rc::gen::inRange(0, most); };
  const auto max = static_cast<std::uint64_t>(2000 + number(20'000));
  Store store(max);
  std::uint64_t reserved = 0;
  std::map<std::pair<int, int>, std::size_t> last;  // what was put there last, if anything may be
  for (int step = 0; step < 60; ++step) {
    const int where = number(4);
    const int who = number(3);
    switch (number(5)) {
      case 0: {
        const auto bytes = static_cast<std::uint64_t>(number(4000));
        if (store.reserve(bytes)) reserved += bytes;
        break;
      }
      case 1:
        store.release(reserved);
        reserved = 0;
        break;
      case 2:
        store.forget(target(where));
        for (int each = 0; each < 3; ++each)
          last.erase({where, each});
        break;
      default: {
        const auto size = static_cast<std::size_t>(number(5000));
        if (store.put(target(where), says(who), kAccept, answer(size, step))) {
          last[{where, who}] = size;
        } else {
          last.erase({where, who});
        }
        break;
      }
    }
    RC_ASSERT(store.bytes() <= max);
    RC_ASSERT(store.copying() == reserved);
    RC_ASSERT(reserved <= max / 2);
    for (int at = 0; at < 4; ++at) {
      for (int each = 0; each < 3; ++each) {
        const auto found = store.find(target(at), says(each));
        if (!found) continue;
        const auto known = last.find({at, each});
        RC_ASSERT(known != last.end());
        RC_ASSERT(found->body->size() == known->second);
      }
    }
  }
}

}  // namespace
}  // namespace hf::stale
