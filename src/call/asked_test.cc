#include "call/asked.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

constexpr WallTime kNow{1'800'000'000'000};

AskedFields asked(Fields fields) {
  auto out = read_asked(fields);
  EXPECT_TRUE(std::holds_alternative<AskedFields>(out));
  return std::holds_alternative<AskedFields>(out) ? std::get<AskedFields>(out) : AskedFields{};
}
bool refused(Fields fields) {
  return std::holds_alternative<std::string>(read_asked(fields));
}

TEST(ReadAsked, TimesAreSecondsDurationsOrDates) {
  const auto at = [](const char* text) {
    return asked({{"Holdfast-Not-Before", text}}).not_before->from(kNow) - kNow;
  };
  EXPECT_EQ(at("90"), Duration::seconds(90));
  EXPECT_EQ(at(" 0 "), Duration{});
  EXPECT_EQ(at("2h30m"), Duration::minutes(150));
  EXPECT_EQ(at("Fri, 15 Jan 2027 08:01:00 GMT"), Duration::minutes(1));
  EXPECT_EQ(at("Fri, 15 Jan 2027 07:59:00 GMT"), Duration::minutes(-1));
  EXPECT_EQ(asked({{"holdfast-deadline", "5s"}}).deadline->from(kNow), kNow + Duration::seconds(5));
  EXPECT_FALSE(asked({}).deadline.has_value());
}

TEST(ReadAsked, WhatIsNoTimeIsRefused) {
  for (const char* text : {"", "-1", "soon", "1.5", "1h30", "99999999999999999999", "400d",
                           "Fri, 99 Jan 2027 08:01:00 GMT", "1,2"}) {
    EXPECT_TRUE(refused({{"Holdfast-Not-Before", text}})) << text;
    EXPECT_TRUE(refused({{"Holdfast-Deadline", text}})) << text;
  }
  EXPECT_TRUE(refused({{"Holdfast-Deadline", "1"}, {"holdfast-deadline", "1"}}));
}

TEST(ReadAsked, ADeadlineBeforeItsBeginningIsRefused) {
  EXPECT_TRUE(refused({{"Holdfast-Not-Before", "1h"}, {"Holdfast-Deadline", "3600"}}));
  EXPECT_TRUE(refused({{"Holdfast-Not-Before", "Fri, 15 Jan 2027 08:01:00 GMT"},
                       {"Holdfast-Deadline", "Fri, 15 Jan 2027 08:00:59 GMT"}}));
  EXPECT_FALSE(refused({{"Holdfast-Not-Before", "1h"}, {"Holdfast-Deadline", "3601"}}));
  EXPECT_FALSE(refused(
      {{"Holdfast-Not-Before", "Fri, 15 Jan 2027 08:01:00 GMT"}, {"Holdfast-Deadline", "1"}}));
}

TEST(ReadAsked, OrderIsOneWord) {
  EXPECT_EQ(asked({{"Holdfast-Order", "account-1"}}).order, "account-1");
  EXPECT_EQ(asked({{"Holdfast-Order", "\"account-1\""}}).order, "account-1");
  EXPECT_TRUE(refused({{"Holdfast-Order", ""}}));
  EXPECT_TRUE(refused({{"Holdfast-Order", "a b"}}));
  EXPECT_TRUE(refused({{"Holdfast-Order", std::string(256, 'a')}}));
  EXPECT_TRUE(refused({{"Holdfast-Order", "a"}, {"Holdfast-Order", "a"}}));
}

TEST(ReadAsked, OfPriorityTheUrgencyCounts) {
  const auto urgency = [](Fields fields) {
    return static_cast<int>(asked(std::move(fields)).urgency);
  };
  EXPECT_EQ(urgency({}), 3);
  EXPECT_EQ(urgency({{"Priority", "u=0"}}), 0);
  EXPECT_EQ(urgency({{"Priority", "i, u=7"}}), 7);
  EXPECT_EQ(urgency({{"Priority", "u=1;x=2"}}), 1);
  EXPECT_EQ(urgency({{"Priority", "u=1"}, {"Priority", "u=5"}}), 5);
  for (const char* text : {"u=8", "u=-1", "u", "u=33", "urgent", "U=1"})
    EXPECT_EQ(urgency({{"Priority", text}}), 3) << text;
}

}  // namespace
}  // namespace hf::call
