#include "control/admin.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "control/admin_explain.h"
#include "control/call_view.h"
#include "control/health.h"

namespace hf::control {
namespace {

using ports::ControlReply;

class NoUpstream final : public ports::Upstream {
 public:
  void start(ports::AttemptSpec) override { ++started; }
  void cancel(AttemptId) override {}
  void forward(AttemptId, std::shared_ptr<ports::AnswerSink>) override {}
  void capture(AttemptId, std::uint64_t) override {}
  int started = 0;
};

class NoClients final : public ports::Clients {
 public:
  void reply(ExchangeId, call::Reply) override {}
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId, call::AnswerHead) override { return {}; }
  void finish(ExchangeId, bool) override {}
};

class StillClock final : public ports::Clock {
 public:
  Now read() noexcept override { return now; }
  Now now{Instant{5'000'000'000}, WallTime{1'800'000'000'000}, BootId{7}};
};

class NoTimer final : public ports::WakeTimer {
 public:
  void wake_at(std::optional<Instant>) override {}
};

// Calls in a map; answers wait until pump().
class MapJournal final : public ports::Journal {
 public:
  Result<call::Recovered> open() override { return call::Recovered{}; }
  void attach(ports::JournalEvents& events) override { events_ = &events; }
  void commit(CommitId id, call::Batch batch) override {
    for (const auto& write : batch.calls) {
      calls[write.after->id] = write.after;
      auto& events = timelines[write.after->id];
      events.insert(events.end(), write.events.begin(), write.events.end());
    }
    pauses += batch.pauses.size();
    queue_.push_back([this, id] { events_->on_commit(id, ports::CommitResult::ok); });
  }
  void find_key(ports::ReadId id, const call::Digest&) override {
    queue_.push_back([this, id] { events_->on_key(id, ports::KeyFound{}); });
  }
  void read_call(ports::ReadId id, const CallId& call, ports::Want) override {
    queue_.push_back([this, id, call] { events_->on_call(id, find(call)); });
  }
  void read_line(ports::ReadId id, const call::Digest&, std::size_t) override {
    queue_.push_back([this, id] { events_->on_line(id, ports::LinePage{}); });
  }
  void page_line_heads(ports::ReadId id, std::optional<call::Digest>, std::size_t) override {
    queue_.push_back([this, id] { events_->on_line_heads(id, ports::LineHeads{}); });
  }
  void page_due(ports::ReadId id, const std::string&, call::DueClass, WallTime,
                std::size_t) override {
    queue_.push_back([this, id] { events_->on_due(id, ports::DuePage{}); });
  }
  void list(ports::ReadId id, ports::CallFilter filter) override {
    filters.push_back(filter);
    queue_.push_back([this, id, filter] {
      if (fail_reads) {
        events_->on_list(id, fail(ErrorKind::unavailable, "the disk is gone"));
        return;
      }
      ports::CallPage page;
      if (honest) {
        for (auto at = calls.rbegin(); at != calls.rend(); ++at) {
          const bool wanted = (!filter.after || at->first < *filter.after) &&
                              (!filter.state || at->second->state == *filter.state);
          if (!wanted) continue;
          page.calls.push_back(at->second);
          if (filter.blocking) page.behind.push_back(3);
        }
        events_->on_list(id, std::move(page));
        return;
      }
      for (const auto& [name, call] : calls)
        page.calls.push_back(call);
      page.more = true;
      page.next = calls.begin()->first;
      events_->on_list(id, std::move(page));
    });
  }
  void detail(ports::ReadId id, const CallId& call) override {
    queue_.push_back([this, id, call] {
      events_->on_detail(id, ports::CallDetail{find(call), timelines[call]});
    });
  }
  void search(ports::ReadId id, ports::SearchSpec spec) override {
    searches.push_back(spec);
    queue_.push_back([this, id] {
      ports::CallPage page;
      for (const auto& [name, call] : calls)
        page.calls.insert(page.calls.begin(), call);
      events_->on_list(id, std::move(page));
    });
  }
  void page_likeness(ports::ReadId id, ports::LikenessSpec spec) override {
    walks.push_back(spec);
    queue_.push_back([this, id, spec] {
      events_->on_likeness(id, spec.after.empty() ? likeness : ports::LikenessPage{});
    });
  }
  void close() override {}

  void pump() {
    while (!queue_.empty()) {
      const auto next = std::move(queue_.front());
      queue_.pop_front();
      next();
    }
  }

  std::map<CallId, std::shared_ptr<const call::Call>> calls;
  std::map<CallId, std::vector<call::TimelineEvent>> timelines;
  std::vector<ports::CallFilter> filters;
  std::vector<ports::SearchSpec> searches;
  std::vector<ports::LikenessSpec> walks;
  ports::LikenessPage likeness;
  std::size_t pauses = 0;
  bool fail_reads = false;
  bool honest = false;  // a list is what was asked for, and not the same page again and again

 private:
  std::shared_ptr<const call::Call> find(const CallId& id) {
    const auto found = calls.find(id);
    return found == calls.end() ? nullptr : found->second;
  }
  ports::JournalEvents* events_ = nullptr;
  std::deque<std::function<void()>> queue_;
};

call::Digest digest(unsigned char fill) {
  call::Digest out;
  out.bytes.fill(fill);
  return out;
}

call::Call unknown_call(const Now& now) {
  call::Call out;
  out.id = CallId::make(now.wall, 1, 2);
  out.epoch = 4;
  out.state = call::State::unknown;
  out.route = "/v1/";
  out.upstream = "stripe";
  out.owner = digest(0xAB);
  call::KeyUse key;
  key.identity = digest(0xCD);
  key.field = "Idempotency-Key";
  key.value = "canary-key";
  out.key = key;
  auto request = std::make_shared<call::Request>();
  request->method = "POST";
  request->target = "/v1/charges?token=canary-query";
  request->fields = {{"Authorization", "Bearer canary-credential"}};
  request->body = make_body("canary-body");
  out.request = request;
  out.has_body = true;
  out.body_bytes = 11;
  out.accepted = call::Stamp::of(now);
  out.deadline = Duration::hours(23);
  out.account = std::string(64, 'a');
  out.attempts = 2;
  out.unresolved = true;
  out.first_sent = out.accepted;
  out.first_sent_authority = "api.stripe.com";
  out.last_cause = call::Cause::reset;
  out.ended = out.accepted;
  return out;
}

struct Scene {
  Scene() {
    auto made = std::make_shared<call::Settings>();
    auto upstream = std::make_shared<call::UpstreamSettings>();
    upstream->name = "stripe";
    upstream->urls = {{true, "api.stripe.com", 443, ""}};
    made->upstreams["stripe"] = upstream;
    auto route = std::make_shared<call::RouteSettings>();
    route->path = "/v1/";
    route->upstream = "stripe";
    route->key.from = {{call::Part::Kind::header, "Idempotency-Key"}};
    route->index = {{"customer", {call::Part::Kind::form, "customer"}, false},
                    {"card", {call::Part::Kind::form, "card"}, true}};
    made->routes.push_back(route);
    settings = made;
    engine::EngineOptions options;
    options.settings = settings;
    driver = std::make_unique<runtime::Driver>(options, &journal, upstreams, clients, clock, timer,
                                               runtime::Hooks{});
    journal.attach(*driver);
    driver->start({});
    journal.pump();
    admin = std::make_unique<Admin>(
        *driver, AdminOptions{"hf_secret",
                              "127.0.0.1:8081",
                              {},
                              settings,
                              [this] { return facts; },
                              call::Hasher({}),
                              [this] { return clock.now.wall; },
                              [] { return std::string(R"({"alerts":["one"]})"); }});
    health = std::make_unique<Health>(*driver, [this] { return facts; });
  }

  std::optional<ControlReply> ask(const std::string& method, const std::string& target,
                                  const std::string& body = {}, Fields fields = good()) {
    std::optional<ControlReply> out;
    admin->handle({method, target, std::move(fields), body, "127.0.0.1:5"},
                  [&](ControlReply reply) { out = std::move(reply); });
    journal.pump();
    return out;
  }
  int status(const std::string& method, const std::string& target, const std::string& body = {}) {
    const auto reply = ask(method, target, body);
    return reply ? reply->status : 0;
  }
  ControlReply probe(const std::string& target, const std::string& method = "GET") {
    ControlReply out;
    health->handle({method, target, {}, {}, {}}, [&](ControlReply reply) { out = reply; });
    return out;
  }
  static Fields good() {
    return {{"Host", "localhost:8081"}, {"Authorization", "Bearer hf_secret"}};
  }
  CallId put(const call::Call& call) {
    journal.calls[call.id] = std::make_shared<call::Call>(call);
    call::TimelineEvent event;
    event.at = clock.now.wall;
    event.what = call::Happening::attempt_ended;
    event.attempt = 1;
    event.evidence = call::Evidence::sent;
    event.cause = call::Cause::reset;
    event.where = "192.0.2.1:443";
    event.rule = "no-status";
    journal.timelines[call.id] = {event};
    return call.id;
  }

  MapJournal journal;
  NoUpstream upstreams;
  NoClients clients;
  StillClock clock;
  NoTimer timer;
  Facts facts;
  std::shared_ptr<const call::Settings> settings;
  std::unique_ptr<runtime::Driver> driver;
  std::unique_ptr<Admin> admin;
  std::unique_ptr<Health> health;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

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

TEST(Admin, ListFiltersAndPages) {
  Scene scene;
  const std::string id = scene.put(unknown_call(scene.clock.now)).text();
  const auto reply =
      scene.ask("GET", "/v1/calls?state=unknown&upstream=stri%70e&limit=7&after=" + id);
  ASSERT_EQ(reply->status, 200);
  EXPECT_TRUE(has(reply->body, "\"next\":\"" + id + "\""));
  EXPECT_TRUE(has(reply->body, "\"state\":\"unknown\""));
  ASSERT_EQ(scene.journal.filters.size(), 1U);
  EXPECT_EQ(scene.journal.filters[0].state, call::State::unknown);
  EXPECT_EQ(scene.journal.filters[0].upstream, "stripe");
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
