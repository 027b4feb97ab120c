#include "call/importance.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "call/call.h"

namespace hf::call {
namespace {

ClassSettings listening(CallClass at_most) {
  ClassSettings out;
  out.at_most = at_most;
  out.by_priority = true;
  out.match = {{"X-Kind", {"report", "export"}, CallClass::low},
               {"X-Prefetch", {}, CallClass::optional}};
  return out;
}

TEST(Importance, IsTheRoutes) {
  ClassSettings rule;
  rule.at_most = CallClass::critical;
  EXPECT_EQ(class_of(rule, {{"X-Kind", "report"}}, 7), CallClass::critical);
}

TEST(Importance, PriorityAndFieldsLowerIt) {
  const auto rule = listening(CallClass::critical);
  EXPECT_EQ(class_of(rule, {}, 0), CallClass::critical);
  EXPECT_EQ(class_of(rule, {}, kUrgencyDefault), CallClass::critical);
  EXPECT_EQ(class_of(rule, {}, 4), CallClass::low);
  EXPECT_EQ(class_of(rule, {}, 5), CallClass::low);
  EXPECT_EQ(class_of(rule, {}, 6), CallClass::optional);
  EXPECT_EQ(class_of(rule, {{"x-kind", " export "}}, 3), CallClass::low);
  EXPECT_EQ(class_of(rule, {{"X-Kind", "order"}}, 3), CallClass::critical);
  EXPECT_EQ(class_of(rule, {{"X-Prefetch", ""}, {"X-Kind", "report"}}, 3), CallClass::optional);
}

// A client must not get above what its route allows, whatever it sends.
RC_GTEST_PROP(Importance, NothingThatAClientSaysRaisesIt, ()) {
  const auto at_most = static_cast<CallClass>(*rc::gen::inRange(0, 4));
  Fields fields;
  const auto count = *rc::gen::inRange(0, 4);
  for (int i = 0; i < count; ++i) {
    fields.push_back({*rc::gen::element<std::string>("X-Kind", "X-Prefetch", "Priority"),
                      *rc::gen::element<std::string>("report", "export", "u=0", "critical", "")});
  }
  const auto urgency = static_cast<std::uint8_t>(*rc::gen::inRange(0, 8));
  RC_ASSERT(class_of(listening(at_most), fields, urgency) <= at_most);
}

TEST(Importance, AnyoneIsToldApartByAddressWithoutPort) {
  Digest anyone;
  Digest alice;
  alice.bytes[0] = 1;
  EXPECT_EQ(share_of(*parse_ip("192.0.2.1")), share_of(*parse_ip("192.0.2.1")));
  EXPECT_NE(share_of(*parse_ip("192.0.2.1")), share_of(*parse_ip("192.0.2.2")));
  EXPECT_EQ(share_of(alice), share_of(alice));
  EXPECT_NE(share_of(alice), share_of(anyone));
}

}  // namespace
}  // namespace hf::call
