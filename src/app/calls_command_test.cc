#include "app/calls_command.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <vector>

#include "app/calls_view.h"
#include "app/test_admin.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

namespace json = boost::json;
using namespace testing;  // NOLINT: the fixture of this very test

constexpr WallTime kNow{1'790'000'000'000};

json::object object_of(const std::string& text) {
  return json::parse(text).as_object();
}

TEST(CallsView, TimesAsPeopleSayThem) {
  const auto ago = [](Duration by) { return relative(kNow, kNow + by); };
  EXPECT_EQ(ago(Duration::millis(300)), "now");
  EXPECT_EQ(ago(Duration::seconds(59)), "59s ago");
  EXPECT_EQ(ago(Duration::seconds(200)), "3m20s ago");
  EXPECT_EQ(ago(Duration::minutes(12)), "12m ago");
  EXPECT_EQ(ago(Duration::hours(26)), "1d2h ago");
  EXPECT_EQ(relative(kNow + Duration::hours(2), kNow), "in 2h");
}

TEST(CallsView, ListIsAligned) {
  const auto page = object_of(
      R"({"calls":[)"
      R"({"call":"a1","state":"unknown","attempts":2,"upstream":"stripe","method":"POST",)"
      R"("path":"/v1/charges","has_query":true,"last_cause":"reset","last_status":0,)"
      R"("created_at":"2026-09-21T14:03:20.000Z"},)"
      R"({"call":"b22","state":"waiting","reason":"breaker","attempts":0,"upstream":"a",)"
      R"("method":"PUT","path":"/\u001b[2J","created_at":"2026-09-21T14:13:10.000Z",)"
      R"("next_attempt_at":"2026-09-21T14:13:30.000Z"}],"more":true,"next":"b22"})");
  EXPECT_EQ(show_calls(page, {kNow, false}),
            "CALL  STATE    WHY      UPSTREAM  REQUEST               TRIES  BEGAN    NEXT\n"
            "a1    unknown  reset    stripe    POST /v1/charges?...  2      10m ago\n"
            "b22   waiting  breaker  a         PUT /?[2J             0      10s ago  in 10s\n"
            "more: --after b22\n");
  EXPECT_NE(show_calls(page, {kNow, true}).find("\033[1;31munknown\033[0m"), std::string::npos);
  EXPECT_EQ(show_calls(object_of(R"({"calls":[]})"), {kNow, false}), "no such calls\n");
}

TEST(CallsView, OneCallWithItsTimelineAndWhatToDo) {
  const auto text = show_call(
      object_of(R"({"call":"a1","state":"unknown","effect":"unknown","attempts":1,"mode":"none",)"
                R"("upstream":"sms","method":"POST","path":"/send","last_cause":"reset",)"
                R"("timeline":[{"at":"2026-09-21T14:13:20.000Z","what":"attempt_ended",)"
                R"("who":"upstream","attempt":1,"evidence":"sent","cause":"reset",)"
                R"("proof":"none","took_ms":12,"rule":"no-status","where":"192.0.2.1:443"}]})"),
      {kNow, false});
  EXPECT_NE(text.find("state         unknown (reset)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("upstream  1    attempt_ended  sent, reset, at 192.0.2.1:443, "
                      "rule: no-status, 12 ms\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("holdfast calls resolve a1 not_applied"), std::string::npos);
}

TEST(CallsView, Upstreams) {
  const auto text = show_upstreams(
      object_of(R"({"upstreams":[{"name":"stripe","breaker":"open","in_flight":3,"queue":4}]})"),
      {kNow, false});
  EXPECT_NE(text.find("stripe    open     3          4"), std::string::npos) << text;
  EXPECT_EQ(text.find("ADDRESS"), std::string::npos);
}

TEST(CallsView, UpstreamsWhoseLimitIsLearntOrThatAreWatchedSayHowLoadedTheyAre) {
  const auto text = show_upstreams(
      object_of(R"({"upstreams":[{"name":"bank","load":{"limit":24,"queue_delay_ms":120,)"
                R"("threshold_ms":50,"shed_below":"low","shed":{"optional":{"class-shed":6,)"
                R"("displaced":1},"low":{"displaced":0}},"learnt":{"baseline_us":10500,)"
                R"("latency_us":14000,"lesson":"grow"}}},)"
                R"({"name":"sms","load":{"limit":64,"queue_delay_ms":0,"threshold_ms":null,)"
                R"("shed_below":null,"shed":{},"learnt":null}}]})"),
      {});
  EXPECT_NE(text.find("UPSTREAM  LIMIT  LEARNT BY  BASELINE  LATENCY  QUEUE DELAY  TARGET  "
                      "REFUSED NOW  SENT AWAY"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("bank      24     grow       10.5ms    14.0ms   120.0ms      50.0ms  "
                      "below low    optional 7"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("64.0"), std::string::npos);
  EXPECT_EQ(text.rfind("sms"), text.find("sms")) << "one whose limit is declared says nothing more";
}

TEST(CallsView, WhichAddressIsLeftOutAndWhy) {
  const auto text = show_upstreams(
      object_of(R"({"upstreams":[{"name":"bank","breaker":"closed","addresses":[)"
                R"({"url":"a.test","address":null,"state":"out","last_failure":"connect_refused",)"
                R"("failures_in_a_row":5,"back_at":"2026-09-21T14:13:29.000Z","in_flight":0,)"
                R"("attempts":9,"failures":5,"ejections":1},)"
                R"({"url":"b.test","address":"192.0.2.1:443","state":"in"}]}]})"),
      {kNow, false});
  EXPECT_NE(
      text.find("\nbank      a.test                 out    connect_refused  5         in 9s  0"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("\nbank      b.test  192.0.2.1:443  in\n"), std::string::npos) << text;
}

TEST(CallsView, TheProxyOnTheWay) {
  const auto text = show_upstreams(
      object_of(
          R"({"upstreams":[{"name":"bank","proxy":{"address":"proxy.test:3128",)"
          R"("connections":{"opened":3,"proxy_refused":2}}},{"name":"direct","proxy":null}]})"),
      {kNow, false});
  EXPECT_NE(text.find("\nUPSTREAM  PROXY            CONNECTIONS\n"
                      "bank      proxy.test:3128  3 opened, 2 proxy_refused\n"),
            std::string::npos)
      << text;
}

TEST_F(CallsCommand, ListAsksWithTheTokenAndItsFilters) {
  admin.reply.body = R"({"calls":[],"more":false,"next":null})";
  EXPECT_EQ(run({"calls", "list", "--state", "unknown", "--upstream", "a b"}), 0);
  EXPECT_EQ(out, "no such calls\n");
  ASSERT_EQ(admin.requests.size(), 1U);
  EXPECT_EQ(admin.requests[0].method, "GET");
  EXPECT_EQ(admin.requests[0].target, "/v1/calls?state=unknown&upstream=a%20b&limit=50");
  EXPECT_EQ(find_field(admin.requests[0].fields, "Authorization")->value, "Bearer hf_secret");
  EXPECT_EQ(find_field(admin.requests[0].fields, "Host")->value, admin.address());
  EXPECT_EQ(run({"calls", "list", "--json"}), 0);
  EXPECT_EQ(out, R"({"calls":[],"more":false,"next":null,"unreadable":[],"examined":0})"
                 "\n");
}

TEST_F(CallsCommand, ListGoesOnUntilThereAreEnough) {
  admin.say(R"({"calls":[],"examined":2000,"more":true,"next":"b"})");
  admin.say(R"({"calls":[{"call":"a1"}],"examined":2000,"more":true,"next":"a1"})");
  admin.say(
      R"({"calls":[{"call":"a0"}],"unreadable":["b1"],"examined":7,"more":true,"next":"a0"})");
  EXPECT_EQ(run({"calls", "list", "--status", "5xx", "--limit", "2", "--json"}), 0);
  EXPECT_EQ(out, R"({"calls":[{"call":"a1"},{"call":"a0"}],"unreadable":["b1"],"examined":4007,)"
                 R"("more":true,"next":"a0"})"
                 "\n");
  ASSERT_EQ(admin.requests.size(), 3U);
  EXPECT_EQ(admin.requests[1].target, "/v1/calls?status=5xx&limit=2&after=b");
  EXPECT_EQ(admin.requests[2].target, "/v1/calls?status=5xx&limit=1&after=a1");
}

TEST_F(CallsCommand, ResolveSendsTheAnswer) {
  admin.reply.body = R"({"ok":true,"message":"answered: known to have taken effect"})";
  const auto file = write("answer.json", "{\"id\": 7}");
  EXPECT_EQ(run({"calls", "resolve", "a1", "applied", "--reason", "it is \"there\"", "--answer",
                 file, "--answer-status", "201"}),
            0);
  EXPECT_EQ(out, "answered: known to have taken effect\n");
  ASSERT_EQ(admin.requests.size(), 1U);
  EXPECT_EQ(admin.requests[0].target, "/v1/calls/a1/resolve");
  EXPECT_EQ(admin.requests[0].body,
            R"({"outcome":"applied","reason":"it is \"there\"","answer":{"status":201,)"
            R"("content_type":"application/json","body_base64":"eyJpZCI6IDd9"}})");
}

TEST_F(CallsCommand, CommandsOfCallsAndUpstreams) {
  admin.reply.body = R"({"ok":true,"message":"done"})";
  EXPECT_EQ(run({"calls", "retry", "a1"}), 0);
  EXPECT_EQ(run({"calls", "cancel", "a1", "--reason", "x"}), 0);
  EXPECT_EQ(run({"pause", "stripe", "--for", "10m", "--reason", "x"}), 0);
  EXPECT_EQ(run({"resume", "stripe"}), 0);
  EXPECT_EQ(run({"calls", "show", "a1", "--json"}), 0);
  EXPECT_EQ(run({"upstreams", "--json"}), 0);
  ASSERT_EQ(admin.requests.size(), 6U);
  EXPECT_EQ(admin.requests[0].target, "/v1/calls/a1/retry");
  EXPECT_EQ(admin.requests[1].body, R"({"reason":"x"})");
  EXPECT_EQ(admin.requests[2].target, "/v1/upstreams/stripe/pause");
  EXPECT_EQ(admin.requests[2].body, R"({"for":"10m","reason":"x"})");
  EXPECT_EQ(admin.requests[3].target, "/v1/upstreams/stripe/resume");
  EXPECT_EQ(admin.requests[4].target, "/v1/calls/a1");
  EXPECT_EQ(admin.requests[5].target, "/v1/upstreams");
}

TEST_F(CallsCommand, RefusalsAreSaidAndCounted) {
  admin.reply = {409,
                 "application/problem+json",
                 R"({"title":"This cannot be done as things stand","detail":"it has ended"})",
                 {}};
  EXPECT_EQ(run({"calls", "cancel", "a1"}), 1);
  EXPECT_EQ(out, "");
  EXPECT_EQ(err, "holdfast: This cannot be done as things stand: it has ended\n");
  admin.reply = {200, "text/html", "<html>", {}};
  EXPECT_EQ(run({"calls", "list"}), 1);
}

TEST_F(CallsCommand, TheCommandLineIsJudgedFirst) {
  EXPECT_EQ(run({"calls", "list", "--state", "lost"}), 2);
  EXPECT_EQ(run({"calls", "resolve", "a1", "perhaps", "--reason", "x"}), 2);
  EXPECT_EQ(run({"calls", "resolve", "a1", "applied"}), 2);
  EXPECT_EQ(run({"calls", "resolve", "a1", "applied", "--reason", "x", "--answer", dir_ + "/no"}),
            2);
  EXPECT_EQ(run({"pause", "stripe"}), 2);
  EXPECT_TRUE(admin.requests.empty());
}

TEST_F(CallsCommand, NobodyThereIsSaidClearly) {
  CallsOptions options;
  options.where.token_file = dir_ + "/token";
  {
    const FakeAdmin gone;
    options.where.admin = gone.address();
  }
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_calls(options), 1);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("is holdfast running"),
            std::string::npos);
  options.where.token_file = dir_ + "/none";
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_calls(options), 1);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("the token file"), std::string::npos);
}

TEST_F(CallsCommand, TheConfigurationTellsAddressAndToken) {
  AdminHints hints;
  hints.config = write("holdfast.yaml", "admin: 0.0.0.0:7001\njournal: { path: " + dir_ +
                                            " }\nupstreams: { a: { url: http://a.test } }\n"
                                            "routes: [ { path: /, upstream: a } ]\n");
  write("admin.token", "hf_other\n");
  const auto place = find_admin(hints);
  ASSERT_TRUE(place.ok()) << place.error().context;
  EXPECT_EQ(place.value().address, "127.0.0.1:7001");
  EXPECT_EQ(place.value().token, "hf_other");
  hints.config = write("bare.yaml",
                       "upstreams: { a: { url: http://a.test } }\n"
                       "routes: [ { path: /, upstream: a } ]\n");
  EXPECT_NE(find_admin(hints).error().context.find("has no admin listener"), std::string::npos);
}

}  // namespace
}  // namespace hf::app
