#include "base/shared_value.h"

#include <gtest/gtest.h>

#include <string>

namespace hf {
namespace {

struct Rules {
  std::string text = "first";
  bool operator==(const Rules&) const = default;
};
using Shared = SharedValue<Rules>;

TEST(SharedValue, ACopySharesUntilItIsChanged) {
  Shared one(Rules{"one"});
  Shared other = one;
  EXPECT_EQ(&*one, &*other);
  other.own().text = "other";
  EXPECT_EQ(one->text, "one");
  EXPECT_EQ(other->text, "other");
}

TEST(SharedValue, EqualIsWhatIsEqualNotWhatIsShared) {
  EXPECT_EQ(Shared(Rules{"one"}), Shared(Rules{"one"}));
  EXPECT_FALSE(Shared(Rules{"one"}) == Shared(Rules{"other"}));
}

TEST(SharedValue, NobodysIsADefaultThatNobodyCanChange) {
  Shared one;
  one.own().text = "changed";
  EXPECT_EQ(Shared()->text, "first");
}

TEST(SharedValue, WhatIsMovedFromCanStillBeRead) {
  Shared one(Rules{"one"});
  const Shared other = std::move(one);
  EXPECT_EQ(one->text, "one");  // NOLINT(bugprone-use-after-move): that is the promise
  EXPECT_EQ(other->text, "one");
}

TEST(SharedValue, APartKeepsTheWholeAlive) {
  struct Whole {
    Rules rules{"of a whole"};
  };
  auto whole = std::make_shared<const Whole>();
  const std::weak_ptr<const Whole> watched = whole;
  {
    const Shared part(std::shared_ptr<const Rules>(whole, &whole->rules));
    whole.reset();
    EXPECT_EQ(part->text, "of a whole");
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace hf
