// The draft of a post-mortem against golden/incident/*.md. HOLDFAST_UPDATE_GOLDEN=1 writes it anew.
#include "control/incident.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "control/json.h"

namespace hf::control {
namespace {

using call::Happening;
using call::State;

constexpr WallTime kSince{1'800'000'000'000};  // 2027-01-15T08:00:00Z
constexpr WallTime kUntil = kSince + Duration::hours(2);
constexpr WallTime kNow = kUntil + Duration::minutes(1);

WallTime minute(int n) {
  return kSince + Duration::minutes(n);
}

call::Call a_call(std::uint64_t n, int begun, State state) {
  call::Call out;
  out.id = CallId::make(minute(begun), 0, n);
  out.state = state;
  out.route = "/v1/";
  out.upstream = "pay";
  out.owner.bytes.fill(static_cast<unsigned char>(n % 2));
  out.accepted.wall = minute(begun);
  out.deadline = Duration::hours(23);
  out.attempts = 1;
  out.index = {{"amount", std::to_string(100 * n), false}};
  return out;
}

call::TimelineEvent event(Happening what, int at, std::uint32_t attempt = 0) {
  call::TimelineEvent out;
  out.what = what;
  out.at = minute(at);
  out.attempt = attempt;
  return out;
}

call::TimelineEvent accepted(int at, std::string from) {
  auto out = event(Happening::accepted, at);
  out.where = std::move(from);
  return out;
}

call::TimelineEvent ended(int at, std::uint32_t attempt, int status) {
  auto out = event(Happening::attempt_ended, at, attempt);
  out.where = "192.0.2.7:443";
  if (status == 0) {
    out.cause = call::Cause::reset;
    out.evidence = call::Evidence::sent;
    out.rule = "retry-same-key";
  } else {
    out.evidence = call::Evidence::answer_complete;
    out.status = static_cast<std::uint16_t>(status);
  }
  return out;
}

void add(Incident& incident, const call::Call& call, std::vector<call::TimelineEvent> timeline) {
  ASSERT_TRUE(incident.add(call));
  incident.add(ports::CallDetail{std::make_shared<const call::Call>(call), std::move(timeline)});
}

// One call went through at once, one after a retry, one was held and answered, one is parked, one
// waits since before the window, one died.
Incident outage() {
  Incident out({kSince, kUntil}, "amount");
  EXPECT_FALSE(out.add(a_call(1, 1, State::answered)));
  call::Call retried = a_call(2, 10, State::answered);
  retried.attempts = 2;
  retried.asked_again = 3;
  add(out, retried,
      {accepted(10, "198.51.100.1:5000"), event(Happening::attempt_started, 10, 1), ended(10, 1, 0),
       event(Happening::attempt_started, 10, 2), ended(10, 2, 200),
       event(Happening::answered, 10)});
  call::Call held = a_call(3, 11, State::answered);
  held.held = true;
  add(out, held,
      {accepted(11, "198.51.100.1:5001"), event(Happening::attempt_started, 11, 1),
       ended(11, 1, 503), event(Happening::held, 11), event(Happening::attempt_started, 40, 2),
       ended(40, 2, 200), event(Happening::answered, 40)});
  call::Call parked = a_call(4, 12, State::unknown);
  parked.unresolved = true;
  parked.ended = call::Stamp{minute(13), {}, {}};
  parked.upstream = "sms";
  add(out, parked,
      {accepted(12, "[2001:db8::1]:9"), event(Happening::attempt_started, 12, 1), ended(13, 1, 0),
       event(Happening::became_unknown, 13)});
  call::Call waiting = a_call(5, -30, State::waiting);
  waiting.held = true;
  add(out, waiting,
      {accepted(-30, "198.51.100.2:1"), event(Happening::attempt_started, 20, 4),
       ended(20, 4, 503)});
  call::Call dead = a_call(6, 14, State::dead);
  dead.index.front().value = "many";
  add(out, dead, {accepted(14, "198.51.100.2:2"), event(Happening::died, 15)});
  return out;
}

std::string golden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(HF_SOURCE_DIR) + "/golden/incident/" + name;
  if (std::getenv("HOLDFAST_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
  }
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Incident, AnOutageAsMarkdown) {
  const std::string text = outage().markdown(kNow);
  EXPECT_EQ(golden("outage.md", text), text);
}

TEST(Incident, AnOutageAsJson) {
  const std::string text = outage().json(kNow);
  EXPECT_EQ(golden("outage.json", text + "\n"), text + "\n");
  EXPECT_TRUE(JsonMembers::read(text).ok());
}

TEST(Incident, NothingHappened) {
  const std::string text = Incident({kSince, kUntil}, {}).markdown(kNow);
  EXPECT_EQ(golden("quiet.md", text), text);
}

TEST(Incident, WhatWasParkedLongBeforeIsNoPartOfIt) {
  Incident incident({kSince, kUntil}, {});
  call::Call old = a_call(1, -300, State::unknown);
  old.ended = call::Stamp{minute(-200), {}, {}};
  EXPECT_FALSE(incident.add(old));
  old.ended = call::Stamp{minute(5), {}, {}};
  EXPECT_TRUE(incident.add(old));
  EXPECT_FALSE(incident.add(a_call(2, 200, State::unknown)));  // after it
}

TEST(Incident, WhatClientsWroteStaysText) {
  Incident incident({kSince, kUntil}, {});
  call::Call call = a_call(1, 1, State::dead);
  call.route = "/a|b<script>\n# x";
  ASSERT_TRUE(incident.add(call));
  const std::string text = incident.markdown(kNow);
  EXPECT_NE(text.find("route /a\\|b\\<script\\>?\\# x"), std::string::npos) << text;
}

TEST(Incident, SaysWhenItIsCut) {
  Incident incident({kSince, kUntil}, {});
  incident.add(a_call(1, 1, State::dead));
  incident.cut_calls();
  incident.cut_details();
  const std::string text = incident.markdown(kNow);
  EXPECT_NE(text.find("there were more than could be read"), std::string::npos);
  EXPECT_NE(text.find("of the first 1000 affected calls"), std::string::npos);
}

}  // namespace
}  // namespace hf::control
