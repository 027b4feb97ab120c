#include "base/hash_map.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>

namespace hf {
namespace {

// Few homes, so that nearly every key has neighbours in its way.
struct Crowded {
  std::uint64_t operator()(int key) const { return static_cast<std::uint64_t>(key) % 5; }
};

TEST(HashMap, AnEmptyOneHasNothing) {
  HashMap<int, std::string, Crowded> map;
  EXPECT_EQ(map.find(1), nullptr);
  EXPECT_FALSE(map.erase(1));
  EXPECT_EQ(map.size(), 0U);
}

TEST(HashMap, WhatIsThereStays) {
  HashMap<int, std::string, Crowded> map;
  map.insert(1, "one");
  EXPECT_EQ(map.insert(1, "another"), "one");
  EXPECT_FALSE(map.meet(1, "a third").second);
  EXPECT_EQ(*map.find(1), "one");
  EXPECT_EQ(map.size(), 1U);
  EXPECT_TRUE(map.meet(2, "two").second);
  EXPECT_EQ(*map.find(2), "two");
}

TEST(HashMap, IsClearedAndGoesOn) {
  HashMap<int, int, Crowded> map;
  map.clear();
  for (const int many : {3, 500, 2}) {
    for (int key = 0; key < many; ++key)
      map.insert(key, key);
    EXPECT_EQ(map.size(), static_cast<std::size_t>(many));
    map.clear();
    EXPECT_EQ(map.size(), 0U);
    for (int key = 0; key < many; ++key)
      EXPECT_EQ(map.find(key), nullptr);
  }
}

RC_GTEST_PROP(HashMap, IsAMapWhateverIsDoneToIt, ()) {
  HashMap<int, int, Crowded> map;
  std::map<int, int> model;
  const auto steps = *rc::gen::container<std::vector<std::pair<int, bool>>>(
      rc::gen::pair(rc::gen::inRange(0, 40), rc::gen::arbitrary<bool>()));
  int n = 0;
  for (const auto& [key, put] : steps) {
    n += 1;
    if (put) {
      const int stored = map.insert(key, n);
      RC_ASSERT(stored == model.emplace(key, n).first->second);
    } else {
      const bool erased = map.erase(key);
      RC_ASSERT(erased == (model.erase(key) == 1));
    }
    RC_ASSERT(map.size() == model.size());
    for (int each = 0; each < 40; ++each) {
      const int* found = map.find(each);
      const auto expected = model.find(each);
      RC_ASSERT((found != nullptr) == (expected != model.end()));
      if (found != nullptr) RC_ASSERT(*found == expected->second);
    }
  }
}

}  // namespace
}  // namespace hf
