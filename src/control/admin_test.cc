#include "control/admin.h"

#include <gtest/gtest.h>

#include "control/admin_explain.h"
#include "control/call_view.h"
#include "control/test_scene.h"

namespace hf::control {
namespace {

using namespace testing;  // NOLINT: the scene of this very test

TEST(Admin, NeedsTheTokenAndItsOwnHost) {
  Scene scene;
  auto reply = scene.ask("GET", "/v1/upstreams", {}, {{"Host", "localhost"}});
  EXPECT_EQ(reply->status, 401);
  EXPECT_NE(find_field(reply->fields, "WWW-Authenticate"), nullptr);
  reply = scene.ask("GET", "/v1/upstreams", {},
                    {{"Host", "localhost"}, {"Authorization", "Bearer wrong"}});
  EXPECT_EQ(reply->status, 401);
  reply = scene.ask("GET", "/v1/upstreams", {},
                    {{"Host", "evil.test"}, {"Authorization", "Bearer hf_secret"}});
  EXPECT_EQ(reply->status, 421);
  EXPECT_EQ(scene.status("GET", "/v1/upstreams"), 200);
  EXPECT_EQ(scene.ask("GET", "/metrics", {}, {{"Host", "localhost"}})->status, 401);
  EXPECT_EQ(scene.status("GET", "/metrics"), 200);
}

TEST(Admin, PathsAndMethods) {
  Scene scene;
  const std::string id = scene.put(unknown_call(scene.clock.now)).text();
  for (const std::string path : {"/", "/v1", "/v1/", "/v2/calls", "/v1/things", "/v1/calls/",
                                 "/v1/upstreams/stripe", "/v1/upstreams/stripe/explode"}) {
    EXPECT_EQ(scene.status("GET", path), 404) << path;
  }
  EXPECT_EQ(scene.status("GET", "/v1/calls/" + id + "/explode"), 404);
  EXPECT_EQ(scene.status("GET", "/v1/calls/" + id + "/retry/x"), 404);
  EXPECT_EQ(scene.status("POST", "/v1/calls"), 405);
  EXPECT_EQ(scene.status("DELETE", "/v1/calls/" + id), 405);
  EXPECT_EQ(scene.status("GET", "/v1/calls/" + id + "/retry"), 405);
  EXPECT_EQ(scene.status("GET", "/v1/upstreams/stripe/pause"), 405);
  EXPECT_EQ(scene.status("POST", "/v1/upstreams"), 405);
  EXPECT_EQ(scene.status("GET", "/v1/calls/nonsense"), 404);
  EXPECT_EQ(scene.status("GET", "/v1/calls/" + CallId{}.text()), 404);
  EXPECT_EQ(scene.status("POST", "/v1/calls/" + CallId{}.text() + "/cancel"), 404);
}

TEST(Admin, TellsWhatWasObserved) {
  Scene scene;
  EXPECT_EQ(scene.ask("GET", "/v1/observed")->body, R"({"ago":86400,"route":""})");
  EXPECT_EQ(scene.ask("GET", "/v1/observed?since=2h&route=%2Fv1%2F")->body,
            R"({"ago":7200,"route":"/v1/"})");
  for (const auto* query : {"since=0s", "since=32d", "since=soon", "since=", "sinse=1h"})
    EXPECT_EQ(scene.status("GET", std::string("/v1/observed?") + query), 400) << query;
  EXPECT_EQ(scene.status("GET", "/v1/observed?route=/broken"), 503);
  EXPECT_EQ(scene.status("POST", "/v1/observed"), 405);
}

TEST(Admin, ListFiltersAndPages) {
  Scene scene;
  const std::string id = scene.put(unknown_call(scene.clock.now)).text();
  const auto reply =
      scene.ask("GET", "/v1/calls?state=unknown&upstream=stri%70e&limit=7&after=" + id);
  ASSERT_EQ(reply->status, 200);
  EXPECT_TRUE(has(reply->body, "\"next\":\"" + id + "\""));
  EXPECT_TRUE(has(reply->body, "\"state\":\"unknown\""));
  ASSERT_EQ(scene.journal.filters.size(), 1U);
  EXPECT_EQ(scene.journal.filters[0].select.states, std::set{call::State::unknown});
  EXPECT_EQ(scene.journal.filters[0].select.upstreams, std::set<std::string>{"stripe"});
  EXPECT_EQ(scene.journal.filters[0].limit, 7U);
  EXPECT_EQ(scene.journal.filters[0].after->text(), id);
  for (const std::string query : {"state=lost", "limit=0", "limit=1001", "limit=x", "after=x",
                                  "sate=unknown", "limit=1&limit=2", "state=%zz"}) {
    EXPECT_EQ(scene.status("GET", "/v1/calls?" + query), 400) << query;
  }
  scene.journal.fail_reads = true;
  EXPECT_EQ(scene.status("GET", "/v1/calls"), 503);
}

TEST(Admin, ShowsACallButNoSecretOfIt) {
  Scene scene;
  const std::string id = scene.put(unknown_call(scene.clock.now)).text();
  const auto reply = scene.ask("GET", "/v1/calls/" + id);
  ASSERT_EQ(reply->status, 200);
  EXPECT_FALSE(has(reply->body, "canary"));
  for (const std::string& part :
       {"\"call\":\"" + id + "\"", std::string("\"effect\":\"unknown\""),
        std::string("\"path\":\"/v1/charges\""), std::string("\"owner\":\"abababababab\""),
        std::string("\"account\":\"aaaaaaaaaaaa\""), std::string("\"hash\":\"cdcdcdcdcdcd\""),
        std::string("\"evidence\":\"sent\""), std::string("\"rule\":\"no-status\""),
        std::string("\"first_sent_to\":\"api.stripe.com\"")}) {
    EXPECT_TRUE(has(reply->body, part)) << part << "\n" << reply->body;
  }
}

TEST(Admin, ResolveNeedsAnOutcomeAndAReason) {
  Scene scene;
  const std::string path =
      "/v1/calls/" + scene.put(unknown_call(scene.clock.now)).text() + "/resolve";
  for (const std::string body :
       {"", "{}", "[]", "nonsense", R"({"outcome":"applied"})",
        R"({"outcome":"maybe","reason":"x"})", R"({"outcome":"applied","reason":"two\nlines"})",
        R"({"outcome":"applied","reason":"x","anwser":{}})",
        R"({"outcome":"applied","reason":"x","answer":{"status":99}})",
        R"({"outcome":"applied","reason":"x","answer":{"status":200,"body_base64":"x"}})",
        R"({"outcome":"applied","reason":"x","answer":{"status":200,"content_type":"a\nb"}})",
        R"({"outcome":"not_applied","reason":"x","answer":{"status":200}})"}) {
    const auto reply = scene.ask("POST", path, body);
    EXPECT_EQ(reply->status, 400) << body;
    EXPECT_EQ(reply->content_type, "application/problem+json");
  }
}

TEST(Admin, ResolvesAnUnknownCallWithItsAnswer) {
  Scene scene;
  const auto id = scene.put(unknown_call(scene.clock.now));
  const auto reply = scene.ask(
      "POST", "/v1/calls/" + id.text() + "/resolve",
      R"({"outcome":"applied","reason":"seen in the dashboard",)"
      R"("answer":{"status":200,"content_type":"application/json","body_base64":"e30="}})");
  ASSERT_TRUE(reply.has_value());
  ASSERT_EQ(reply->status, 200) << reply->body;
  const auto& call = *scene.journal.calls[id];
  EXPECT_EQ(call.state, call::State::answered);
  ASSERT_TRUE(call.answer.has_value());
  EXPECT_EQ(call.answer->status, 200);
  EXPECT_EQ(view(call.answer->body), "{}");
  EXPECT_EQ(find_field(call.answer->fields, "Content-Type")->value, "application/json");
  EXPECT_EQ(scene.status("POST", "/v1/calls/" + id.text() + "/resolve",
                         R"({"outcome":"not_applied","reason":"x"})"),
            409);
}

TEST(Admin, NotAppliedMakesItDeadAndThenItMayBeRetried) {
  Scene scene;
  const auto id = scene.put(unknown_call(scene.clock.now));
  const std::string path = "/v1/calls/" + id.text();
  EXPECT_EQ(scene.status("POST", path + "/retry"), 409);
  EXPECT_EQ(scene.status("POST", path + "/cancel"), 409);
  EXPECT_EQ(scene.status("POST", path + "/resolve", R"({"outcome":"not_applied","reason":"x"})"),
            200);
  EXPECT_EQ(scene.journal.calls[id]->state, call::State::dead);
  EXPECT_EQ(scene.journal.calls[id]->proof, call::Proof::operator_word);
  EXPECT_EQ(scene.status("POST", path + "/retry", R"({"reason":"customer asked"})"), 200);
  EXPECT_EQ(scene.journal.timelines[id].back().detail, "customer asked");
}

TEST(Admin, PausesAndResumesAnUpstream) {
  Scene scene;
  const std::string path = "/v1/upstreams/stripe/";
  EXPECT_EQ(scene.status("POST", path + "pause", R"({"for":"10m","reason":"their incident"})"),
            200);
  EXPECT_EQ(scene.journal.pauses, 1U);
  EXPECT_TRUE(has(scene.ask("GET", "/v1/upstreams")->body,
                  R"("paused_keys":1,"paused_until":"2027-01-15T08:10:00.000Z")"));
  EXPECT_EQ(scene.status("POST", path + "resume"), 200);
  EXPECT_EQ(scene.journal.pauses, 2U);
  for (const std::string body : {"", R"({"for":"10"})", R"({"for":"0s"})", R"({"for":"31d"})",
                                 R"({"fro":"10m"})", R"({"for":10})"}) {
    EXPECT_EQ(scene.status("POST", path + "pause", body), 400) << body;
  }
  EXPECT_EQ(scene.status("POST", "/v1/upstreams/other/pause", R"({"for":"10m"})"), 404);
}

TEST(Admin, ListsUpstreams) {
  Scene scene;
  const auto reply = scene.ask("GET", "/v1/upstreams");
  EXPECT_TRUE(has(reply->body, R"({"name":"stripe","breaker":"closed","in_flight":0,"queue":0,)"))
      << reply->body;
  EXPECT_TRUE(has(reply->body, R"("proxy":null,"addresses":[]})")) << reply->body;
}

TEST(Admin, ShowsAlerts) {
  Scene scene;
  EXPECT_EQ(scene.ask("GET", "/v1/alerts")->body, R"({"alerts":["one"]})");
  EXPECT_EQ(scene.status("POST", "/v1/alerts"), 405);
  EXPECT_EQ(scene.status("GET", "/v1/alerts/x"), 404);
}

TEST(Admin, ShowsWhatBlocksALine) {
  Scene scene;
  call::Call head = unknown_call(scene.clock.now);
  head.asked.order.emplace().name = "customer-1";
  head.ended = call::Stamp{scene.clock.now.wall, {}, {}};
  scene.put(head);
  scene.journal.honest = true;
  const auto reply = scene.ask("GET", "/v1/blocked");
  ASSERT_EQ(reply->status, 200) << reply->body;
  EXPECT_TRUE(scene.journal.filters.back().blocking);
  EXPECT_TRUE(has(reply->body, R"("order":"customer-1","behind":3,)")) << reply->body;
  EXPECT_TRUE(has(reply->body, R"("do":"holdfast calls resolve )" + head.id.text()));
  EXPECT_EQ(scene.status("POST", "/v1/blocked"), 405);
}

TEST(CallView, BlocksForLong) {
  const WallTime now{1'800'000'000'000};
  call::Call head;
  head.accepted.wall = now - Duration::seconds(59);
  EXPECT_FALSE(blocks_for_long(head, now));
  EXPECT_TRUE(blocks_for_long(head, now + Duration::seconds(1)));
  head.reason = call::WaitReason::credentials;
  EXPECT_TRUE(blocks_for_long(head, now));
  EXPECT_TRUE(has(blocked_json(head, 1), "calls retry"));
  head.state = call::State::sending;
  EXPECT_FALSE(blocks_for_long(head, now + Duration::hours(1)));
  head.state = call::State::unknown;
  EXPECT_TRUE(blocks_for_long(head, now));
}

TEST(Admin, DraftsAnIncidentFromHeadsAndTimelines) {
  Scene scene;
  scene.journal.honest = true;
  const Now an_hour_ago{{}, scene.clock.now.wall - Duration::hours(1), {}};
  call::Call inside = unknown_call(an_hour_ago);
  inside.accepted.wall = an_hour_ago.wall;
  inside.ended = call::Stamp{an_hour_ago.wall, {}, {}};
  scene.put(inside);
  const Now long_ago{{}, scene.clock.now.wall - Duration::hours(9), {}};
  call::Call before = unknown_call(long_ago);
  before.accepted.wall = long_ago.wall;
  before.ended = call::Stamp{long_ago.wall, {}, {}};
  scene.put(before);
  const auto reply = scene.ask("GET", "/v1/incident?since=2h");
  ASSERT_EQ(reply->status, 200) << reply->body;
  EXPECT_TRUE(has(reply->body, R"("calls":1,"affected":1,)")) << reply->body;
  EXPECT_TRUE(has(reply->body, R"("text":"reset, sent at 192.0.2.1:443, rule no-status")"));
  EXPECT_TRUE(has(reply->body, R"("markdown":"# Incident of)"));
  EXPECT_TRUE(has(reply->body, "calls resolve " + inside.id.text()));
  const auto later = scene.ask("GET", "/v1/incident?since=30m");
  EXPECT_TRUE(has(later->body, R"("affected":0,)"));
}

TEST(Admin, AnIncidentNeedsAWindowThatMakesSense) {
  Scene scene;
  for (const auto query : {"", "?since=x", "?since=1h&until=2h", "?since=91d", "?after=1h",
                           "?since=0", "?since=1h&since=1h"}) {
    EXPECT_EQ(scene.status("GET", std::string("/v1/incident") + query), 400) << query;
  }
  EXPECT_EQ(scene.status("POST", "/v1/incident?since=1h"), 405);
  scene.journal.fail_reads = true;
  EXPECT_EQ(scene.status("GET", "/v1/incident?since=1h"), 503);
}

TEST(Admin, SaysSoWhenTheJournalBroke) {
  Scene scene;
  scene.driver->on_commit(CommitId{1}, ports::CommitResult::failed);
  EXPECT_EQ(scene.status("GET", "/v1/calls"), 503);
  EXPECT_EQ(scene.probe("/readyz").status, 503);
}

TEST(Health, TellsWhetherNewCallsAreWelcome) {
  Scene scene;
  EXPECT_EQ(scene.probe("/healthz").status, 200);
  EXPECT_EQ(scene.probe("/readyz").status, 200);
  scene.facts.journal.emplace();
  EXPECT_EQ(scene.probe("/readyz").status, 200);
  scene.facts.journal->accepting = false;
  EXPECT_EQ(scene.probe("/readyz").status, 503);
  scene.facts.journal->accepting = true;
  scene.facts.journal->broken = true;
  EXPECT_EQ(scene.probe("/readyz").status, 503);
  scene.facts.journal.reset();
  scene.facts.draining = true;
  EXPECT_EQ(scene.probe("/readyz").body, "draining\n");
  EXPECT_EQ(scene.probe("/healthz").status, 200);
}

TEST(Health, ShowsMetricsAndNothingElse) {
  Scene scene;
  const auto metrics = scene.probe("/metrics");
  EXPECT_EQ(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_TRUE(has(metrics.body, "holdfast_upstream_in_flight{upstream=\"stripe\"} 0\n"));
  EXPECT_EQ(scene.probe("/v1/calls").status, 404);
  EXPECT_EQ(scene.probe("/metrics", "POST").status, 405);
}

TEST(Admin, ExplainsByCallByKeyAndByField) {
  Scene scene;
  const CallId id = scene.put(unknown_call(scene.clock.now));
  auto reply = scene.ask("GET", "/v1/explain?call=" + id.text());
  ASSERT_EQ(reply->status, 200);
  EXPECT_TRUE(has(reply->body, "\"verdict\":\"not_known\"")) << reply->body;
  EXPECT_TRUE(has(reply->body, "\"call\":\"A\",\"event\":1")) << reply->body;
  EXPECT_FALSE(has(reply->body, "canary")) << reply->body;
  EXPECT_TRUE(scene.journal.searches.empty());

  reply = scene.ask("GET", "/v1/explain?match=customer=cus%201&match=card=4242&since=1h");
  ASSERT_EQ(reply->status, 200) << reply->body;
  ASSERT_EQ(scene.journal.searches.size(), 1U);
  const auto& spec = scene.journal.searches.front();
  ASSERT_EQ(spec.matches.size(), 2U);
  EXPECT_EQ(spec.matches[0].value, "cus 1");
  EXPECT_EQ(spec.matches[1].hashed.size(), 64U);
  EXPECT_EQ(spec.since.ms, scene.clock.now.wall.ms - 3'600'000);
  EXPECT_EQ(spec.limit, kExplainCallsMax);

  reply = scene.ask("GET", "/v1/explain?key=order-1");
  ASSERT_EQ(reply->status, 200);
  EXPECT_TRUE(has(reply->body, "space stripe: not there")) << reply->body;
  EXPECT_FALSE(has(reply->body, "order-1")) << reply->body;
}

TEST(Admin, ExplainRefusesWhatItCannotMean) {
  Scene scene;
  for (const std::string& query : std::vector<std::string>{
           "", "?call=x", "?match=customer", "?match==1", "?match=colour=red", "?what=1",
           "?key=a&call=" + CallId{}.text(), "?match=customer=1&since=0s", "?key=a&key=b"}) {
    EXPECT_EQ(scene.status("GET", "/v1/explain" + query), 400) << query;
  }
  EXPECT_EQ(scene.status("POST", "/v1/explain?key=a"), 405);
  EXPECT_EQ(scene.status("GET", "/v1/duplicates?since=x"), 400);
  EXPECT_EQ(scene.status("GET", "/v1/duplicates?window=2d"), 400);
  EXPECT_EQ(scene.status("GET", "/v1/explain/x?key=a"), 404);
}

TEST(Admin, DuplicatesAreCountedByCaller) {
  Scene scene;
  auto earlier = std::make_shared<call::Call>(unknown_call(scene.clock.now));
  auto later = std::make_shared<call::Call>(*earlier);
  later->id = CallId::make(scene.clock.now.wall, 3, 4);
  later->accepted.wall.ms += 1500;
  scene.journal.likeness.pairs = {{earlier, later, "caller-1"}};
  scene.journal.likeness.calls = {{"caller-1", 3}, {"caller-2", 10}};
  scene.journal.likeness.next = "on";
  const auto reply = scene.ask("GET", "/v1/duplicates?since=1d&window=2m");
  ASSERT_EQ(reply->status, 200);
  EXPECT_TRUE(has(reply->body, "\"calls\":13,\"repeats\":1,\"complete\":true")) << reply->body;
  EXPECT_TRUE(has(reply->body, "\"calls\":3,\"repeats\":1,\"load_percent\":150")) << reply->body;
  EXPECT_TRUE(has(reply->body, "\"apart_ms\":1500")) << reply->body;
  ASSERT_EQ(scene.journal.walks.size(), 2U);
  EXPECT_EQ(scene.journal.walks[1].after, "on");
  EXPECT_EQ(scene.journal.walks[1].window, Duration::minutes(2));
}

}  // namespace
}  // namespace hf::control
