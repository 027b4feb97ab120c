// What may be kept, how old it is, and when it may stand in for an error: one row a rule.
#include "stale/rules.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/quantity.h"

namespace hf::stale {
namespace {

constexpr WallTime kWall{1'700'000'000'000};  // Tue, 14 Nov 2023 22:13:20 GMT
constexpr Now kAt{Instant{1'000'000'000'000}, kWall, BootId{1}};

Duration secs(std::int64_t count) {
  return Duration::seconds(count);
}
Instant later(std::int64_t seconds) {
  return kAt.mono + secs(seconds);
}
std::string date(std::int64_t offset) {
  return format_http_date(kWall + secs(offset));
}
call::AnswerHead answer(Fields fields = {}, int status = 200) {
  return {status, std::move(fields)};
}
Kept kept(Fields fields) {
  return keep(answer(std::move(fields)), make_body("x"), kAt.mono, kAt);
}

TEST(StaleRules, WhatMayBeKept) {
  struct Row {
    std::string_view rule;
    Fields request;
    call::AnswerHead head;
    NotKept expected;
  };
  const Fields mine{{"Authorization", "Bearer x"}};
  const auto says = [](std::string value) { return Fields{{"Cache-Control", std::move(value)}}; };
  const std::vector<Row> rows{
      {"section 3: a final status that is understood", {}, answer(), NotKept::none},
      {"only 200s: part of it", {}, answer({}, 206), NotKept::status},
      {"only 200s: without content", {}, answer({}, 204), NotKept::status},
      {"only 200s: an error", {}, answer({}, 500), NotKept::status},
      {"3: no-store of the answer", {}, answer(says("no-store")), NotKept::no_store},
      {"3: no-store of the request", says("no-store"), answer(), NotKept::no_store},
      {"5.2.2.4: no-cache could never be used", {}, answer(says("no-cache")), NotKept::no_store},
      {"5.2.2.4: nor in its qualified form", {}, answer(says("no-cache=\"X\"")), NotKept::no_store},
      {"3: private in a shared memory", {}, answer(says("private")), NotKept::is_private},
      {"3: private of some fields", {}, answer(says("private=\"X\"")), NotKept::is_private},
      {"3: no-store beats public", {}, answer(says("public, no-store")), NotKept::no_store},
      {"3.5: Authorization", mine, answer(), NotKept::authorization},
      {"3.5: max-age is no permission", mine, answer(says("max-age=60")), NotKept::authorization},
      {"3.5: nor is stale-if-error", mine, answer(says("stale-if-error=60")),
       NotKept::authorization},
      {"3.5: nor proxy-revalidate", mine, answer(says("proxy-revalidate")), NotKept::authorization},
      {"3.5: public is", mine, answer(says("public")), NotKept::none},
      {"3.5: s-maxage is", mine, answer(says("s-maxage=0")), NotKept::none},
      {"3.5: must-revalidate is", mine, answer(says("must-revalidate")), NotKept::none},
      {"a cookie is set for one user",
       {},
       answer({{"Set-Cookie", "id=1"}, {"Cache-Control", "public"}}),
       NotKept::set_cookie},
      {"4.1: Vary: *", {}, answer({{"Vary", "Accept"}, {"Vary", "*"}}), NotKept::vary},
      {"4.1: Vary", {}, answer({{"Vary", "Accept"}}), NotKept::none},
      {"an event stream has no end",
       {},
       answer({{"Content-Type", "Text/Event-Stream; charset=utf-8"}}),
       NotKept::event_stream},
  };
  for (const Row& row : rows)
    EXPECT_EQ(to_string(may_keep(row.request, row.head)), to_string(row.expected)) << row.rule;
}

TEST(StaleRules, AgeAndLifetime) {
  struct Row {
    std::string_view rule;
    Fields fields;
    std::int64_t delay;
    std::int64_t age;
    std::int64_t lifetime;
  };
  const std::vector<Row> rows{
      {"nothing said: no heuristic", {}, 0, 0, 0},
      {"4.2.3: apparent age", {{"Date", date(-30)}}, 0, 30, 0},
      {"4.2.3: a clock ahead of ours", {{"Date", date(30)}}, 0, 0, 0},
      {"4.2.3: Age, and how long it took", {{"Age", "10"}}, 5, 15, 0},
      {"4.2.3: the greater of both", {{"Age", "10"}, {"Date", date(-60)}}, 5, 60, 0},
      {"5.1: an Age that is none", {{"Age", "old"}}, 0, 0, 0},
      {"4.2.1: s-maxage first",
       {{"Cache-Control", "max-age=60, s-maxage=10"}, {"Expires", date(99)}},
       0,
       0,
       10},
      {"4.2.1: then max-age", {{"Cache-Control", "max-age=60"}, {"Expires", date(99)}}, 0, 0, 60},
      {"4.2.1: then Expires less Date", {{"Expires", date(90)}, {"Date", date(-10)}}, 0, 10, 100},
      {"5.3: Expires that is none", {{"Expires", "0"}}, 0, 0, 0},
      {"4.2.1: Expires twice", {{"Expires", date(90)}, {"Expires", date(90)}}, 0, 0, 0},
      {"5.3: in the past", {{"Expires", date(-90)}}, 0, 0, 0},
  };
  for (const Row& row : rows) {
    const Terms terms = terms_of(row.fields, secs(row.delay), kWall);
    EXPECT_EQ(terms.initial_age, secs(row.age)) << row.rule;
    EXPECT_EQ(terms.lifetime, secs(row.lifetime)) << row.rule;
  }
}

TEST(StaleRules, WhenItMayStandIn) {
  struct Row {
    std::string_view rule;
    std::string says;
    Fields request;
    std::int64_t after;
    Missed expected;
  };
  // The route says an hour.
  const auto asks = [](std::string value) { return Fields{{"Cache-Control", std::move(value)}}; };
  const std::vector<Row> rows{
      {"the operator's permission", "", {}, 3600, Missed::none},
      {"and its bound", "", {}, 3601, Missed::too_old},
      {"counted from the end of freshness", "max-age=100", {}, 3700, Missed::none},
      {"and no longer", "max-age=100", {}, 3701, Missed::too_old},
      {"5861/4: the answer's own word", "stale-if-error=10", {}, 10, Missed::none},
      {"5861/4: is a bound", "stale-if-error=10", {}, 11, Missed::too_old},
      {"the route's is one too", "stale-if-error=99999", {}, 3601, Missed::too_old},
      {"5861/4: the request's word", "", asks("stale-if-error=5"), 6, Missed::too_old},
      {"5861/4: gives no more than the answer", "stale-if-error=5", asks("stale-if-error=50"), 6,
       Missed::too_old},
      {"0 forbids", "max-age=10, stale-if-error=0", {}, 11, Missed::too_old},
      {"4.2.4: must-revalidate", "must-revalidate", {}, 1, Missed::revalidate},
      {"4.2.4: even beside stale-if-error",
       "must-revalidate, stale-if-error=60",
       {},
       1,
       Missed::revalidate},
      {"4.2.4: proxy-revalidate", "proxy-revalidate", {}, 1, Missed::revalidate},
      {"5.2.2.10: s-maxage means proxy-revalidate", "s-maxage=10", {}, 11, Missed::revalidate},
      {"5.2.3: unless the answer says more",
       "s-maxage=10, stale-if-error=60",
       {},
       70,
       Missed::none},
      {"5.2.2.2: while fresh it needs no validation",
       "max-age=60, must-revalidate",
       {},
       59,
       Missed::none},
      {"5.2.1.4: no-cache", "max-age=60", asks("no-cache"), 1, Missed::client},
      {"5861/4: whatever it says of freshness", "", asks("max-age=0"), 60, Missed::none},
      {"4.3.2: If-Match is the application's",
       "max-age=60",
       {{"If-Match", "\"a\""}},
       1,
       Missed::precondition},
      {"4.3.2: so is If-Unmodified-Since",
       "max-age=60",
       {{"If-Unmodified-Since", date(0)}},
       1,
       Missed::precondition},
      {"RFC 9110 14.2: a Range may be answered whole",
       "",
       {{"Range", "bytes=0-1"}, {"If-Range", "\"a\""}},
       1,
       Missed::none},
  };
  for (const Row& row : rows) {
    const Kept one = kept(row.says.empty() ? Fields{} : asks(row.says));
    EXPECT_EQ(to_string(may_serve(one, row.request, Duration::hours(1), later(row.after))),
              to_string(row.expected))
        << row.rule;
  }
}

TEST(StaleRules, SelectsByVaryAndByWhoAsks) {
  const call::OwnerRule credential;
  const call::OwnerRule by_user{call::OwnerRule::Kind::header, "X-User"};
  using Names = std::vector<std::string>;
  EXPECT_EQ(selecting_fields({}, credential),
            (Names{"api-key", "authorization", "cookie", "x-api-key"}));
  EXPECT_EQ(selecting_fields({{"Vary", "Accept, cookie"}}, by_user),
            (Names{"accept", "api-key", "authorization", "cookie", "x-api-key", "x-user"}));
  // Its author says that it is everybody's.
  EXPECT_EQ(selecting_fields({{"Cache-Control", "public"}, {"Vary", "Accept"}}, by_user),
            Names{"accept"});
  EXPECT_EQ(selecting_fields({{"Cache-Control", "s-maxage=5"}}, by_user), Names{});

  EXPECT_EQ(selecting_fields({{"Cache-Control", "public"}, {"Content-Encoding", "br"}}, credential),
            Names{"accept-encoding"});

  const Names names{"accept", "cookie"};
  const auto said = [&](const Fields& request) { return selected_by(request, names); };
  EXPECT_EQ(said({{"Accept", " a "}, {"X", "1"}}), said({{"X", "2"}, {"accept", "a"}}));
  EXPECT_NE(said({{"Accept", "a"}}), said({{"Accept", "b"}}));
  EXPECT_NE(said({{"Accept", ""}}), said({}));
  EXPECT_NE(said({{"Accept", "a"}}), said({{"Cookie", "a"}}));
  EXPECT_NE(said({{"Accept", "ab"}}), said({{"Accept", "a"}, {"Accept", "b"}}));
}

TEST(StaleRules, KeepsWhatIsEndToEnd) {
  const Kept one = keep(answer({{"Connection", "X-Hop"},
                                {"X-Hop", "1"},
                                {"Keep-Alive", "timeout=5"},
                                {"Content-Length", "1"},
                                {"Age", "7"},
                                {"Holdfast-Attempts", "2"},
                                {"ETag", "\"a\""}}),
                        make_body("x"), kAt.mono - secs(2), kAt);
  EXPECT_EQ(one.fields, (Fields{{"ETag", "\"a\""}, {"Date", date(0)}}));
  EXPECT_EQ(age_of(one, later(10)), secs(19));
  EXPECT_EQ(age_of(one, kAt.mono - secs(100)), secs(9)) << "never younger than it came";
}

TEST(StaleRules, ConditionsThatCanBeJudgedHere) {
  const Kept tagged = kept({{"ETag", "W/\"a,b\""}, {"Last-Modified", date(-100)}});
  const auto match = [&](std::string value) {
    return not_modified(tagged, {{"If-None-Match", std::move(value)}}, kWall);
  };
  EXPECT_TRUE(match("\"a,b\""));
  EXPECT_TRUE(match("\"x\", W/\"a,b\""));
  EXPECT_TRUE(match("*"));
  EXPECT_FALSE(match("\"a\""));
  EXPECT_FALSE(match("a,b"));
  const auto since = [&](std::string value) {
    return not_modified(tagged, {{"If-Modified-Since", std::move(value)}}, kWall);
  };
  EXPECT_TRUE(since(date(-100)));
  EXPECT_FALSE(since(date(-101)));
  EXPECT_FALSE(since("yesterday"));
  // RFC 9110 section 13.1.3: not looked at beside If-None-Match.
  EXPECT_FALSE(
      not_modified(tagged, {{"If-None-Match", "\"z\""}, {"If-Modified-Since", date(0)}}, kWall));
  EXPECT_FALSE(not_modified(kept({}), {{"If-None-Match", "\"\""}}, kWall));
}

TEST(StaleRules, A304ConfirmsWhatItIsAbout) {
  const Kept old = kept({{"ETag", "\"a\""}, {"X", "1"}, {"X", "2"}, {"Content-Type", "t"}});
  Now then = kAt;
  then.mono = later(500);
  then.wall = kWall + secs(500);
  const auto fresh = confirmed(
      old, {{"ETag", "\"a\""}, {"X", "3"}, {"X", "4"}, {"Content-Type", "other"}}, then.mono, then);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(age_of(*fresh, then.mono), secs(0));
  EXPECT_EQ(
      fresh->fields,
      (Fields{
          {"Content-Type", "t"}, {"ETag", "\"a\""}, {"X", "3"}, {"X", "4"}, {"Date", date(500)}}));
  EXPECT_EQ(fresh->body, old.body);
  EXPECT_FALSE(confirmed(old, {{"ETag", "\"b\""}}, then.mono, then));
  EXPECT_FALSE(confirmed(old, {}, then.mono, then));
}

// Whatever an answer and a request say: beyond the window nothing stands in, and what is marked as
// one user's is not kept.
RC_GTEST_PROP(StaleRules, NeverBeyondTheWindow, ()) {
  const auto number = [](int most) { return *rc::gen::inRange(0, most); };
  std::string says;
  for (const std::string_view word :
       {"public", "must-revalidate", "proxy-revalidate", "no-store", "private", "no-cache"}) {
    if (number(5) == 0) says += std::string(word) + ", ";
  }
  std::optional<int> max_age;
  std::optional<int> s_maxage;
  std::optional<int> own;
  if (number(2) == 0) says += "max-age=" + std::to_string(*(max_age = number(100))) + ", ";
  if (number(3) == 0) says += "s-maxage=" + std::to_string(*(s_maxage = number(100))) + ", ";
  if (number(2) == 0) says += "stale-if-error=" + std::to_string(*(own = number(100))) + ", ";
  Fields request;
  if (number(2) == 0) request.push_back({"Authorization", "Bearer a"});
  const call::AnswerHead head = answer({{"Cache-Control", says}});
  const auto has = [&](std::string_view word) { return says.find(word) != std::string::npos; };
  const NotKept verdict = may_keep(request, head);
  if (has("no-store") || has("private") || has("no-cache")) RC_ASSERT(verdict != NotKept::none);
  if (!request.empty() && !has("public") && !s_maxage && !has("must-revalidate")) {
    RC_ASSERT(verdict != NotKept::none);
  }
  if (verdict != NotKept::none) return;
  const int route = number(100) + 1;
  const int after = number(400);
  const Kept one = keep(head, make_body("x"), kAt.mono, kAt);
  if (may_serve(one, request, secs(route), later(after)) != Missed::none) return;
  const int lifetime = s_maxage ? *s_maxage : max_age.value_or(0);
  RC_ASSERT(after <= lifetime + std::min(route, own.value_or(route)));
  if (has("-revalidate") || (s_maxage && !own)) RC_ASSERT(after < lifetime);
}

}  // namespace
}  // namespace hf::stale
