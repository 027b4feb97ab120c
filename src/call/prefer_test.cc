#include "call/prefer.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

Preferences read(std::string_view value) {
  return read_preferences({{"prefer", std::string(value)}});
}

TEST(Prefer, Reads) {
  EXPECT_TRUE(read("respond-async").respond_async);
  EXPECT_TRUE(read("foo=\"a,respond-async\", Respond-Async; x=1").respond_async);
  EXPECT_FALSE(read("foo=\"respond-async\"").respond_async);
  EXPECT_FALSE(read("foo; respond-async").respond_async);
  EXPECT_FALSE(read("foo=\"a, respond-async").respond_async);  // the quote is never closed
  EXPECT_EQ(read("wait=10").wait, Duration::seconds(10));
  EXPECT_EQ(read("WAIT = \"5\"; x").wait, Duration::seconds(5));
  EXPECT_EQ(read("wait=0").wait, Duration{});
  EXPECT_EQ(read("wait=99999999999999999999").wait, Duration::max());
  EXPECT_EQ(read("wait=3, wait=9").wait, Duration::seconds(3));
  for (const char* bad :
       {"", "wait", "wait=", "wait=-1", "wait=1.5", "wait=5s", "wait=x, wait=9"}) {
    EXPECT_FALSE(read(bad).wait) << bad;
  }
}

TEST(Prefer, OfSeveralLinesTheFirstCounts) {
  const auto both = read_preferences({{"Prefer", "wait=1"}, {"Prefer", "respond-async, wait=2"}});
  EXPECT_EQ(both.wait, Duration::seconds(1));
  EXPECT_TRUE(both.respond_async);
}

TEST(Prefer, DropsWhatWasConsumedOnly) {
  Fields fields{
      {"Prefer", "respond-async, foo=\"a, b\"; x=1,wait=5"}, {"X", "wait=5"}, {"Prefer", "wait=6"}};
  drop_preferences(fields, true, true);
  EXPECT_EQ(fields, (Fields{{"Prefer", "foo=\"a, b\"; x=1"}, {"X", "wait=5"}}));

  Fields untouched{{"Prefer", "respond-async,  wait=5"}};
  drop_preferences(untouched, false, false);
  EXPECT_EQ(untouched, (Fields{{"Prefer", "respond-async,  wait=5"}}));
  drop_preferences(untouched, false, true);
  EXPECT_EQ(untouched, (Fields{{"Prefer", "respond-async"}}));
}

}  // namespace
}  // namespace hf::call
