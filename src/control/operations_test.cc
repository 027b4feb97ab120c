// Bulk operations over the admin API, with crashes in between.
#include "control/operations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/json.h"
#include "control/test_scene.h"

namespace hf::control {
namespace {

using namespace testing;  // NOLINT: the scene of this very test

struct Many : Scene {
  Many() {
    journal.honest = true;
    clock.now.wall = clock.now.wall + Duration::hours(1);
  }
  // Call n, born n seconds after the start and ended soon after.
  CallId dead(std::uint64_t n, const std::string& upstream = "stripe") {
    call::Call call = unknown_call(clock.now);
    const WallTime born = clock.now.wall - Duration::minutes(50) + Duration::seconds(n);
    call.id = CallId::make(born, n, n);
    call.key->identity = digest(static_cast<unsigned char>(n));
    call.accepted.wall = born;
    call.ended = call::Stamp{born + Duration::seconds(1), {}, {}};
    call.state = call::State::dead;
    call.upstream = upstream;
    call.unresolved = false;
    return put(call);
  }
  void change(const CallId& id, const std::function<void(call::Call&)>& how) {
    auto changed = std::make_shared<call::Call>(*journal.calls[id]);
    changed->epoch += 1;
    how(*changed);
    journal.calls[id] = changed;
  }
  std::string post(const std::string& path, const std::string& body, int status = 200) {
    const auto reply = ask("POST", "/v1/operations" + path, body);
    EXPECT_TRUE(reply.has_value()) << path;
    if (!reply) return {};
    EXPECT_EQ(reply->status, status) << reply->body;
    return reply->body;
  }
  std::string begin(const std::string& more = {}) {
    const auto body = post("", R"({"word":"retry","query":"state=dead","reason":"it is up","by":)"
                               R"("me@here")" +
                                   more + "}");
    return JsonMembers::read(body)->text("operation").value();
  }
  // Steps until it is finished; the last answer.
  std::string drive(const std::string& id, int limit, int turn = 1) {
    for (int i = 0; i < 100; ++i) {
      const std::string body = step(id, limit, turn);
      if (has(body, "\"finished\":true")) return body;
    }
    ADD_FAILURE() << "no end";
    return {};
  }
  std::string step(const std::string& id, int limit, int turn = 1) {
    return post("/" + id + "/step", "{\"driver\":" + std::to_string(turn) +
                                        ",\"limit\":" + std::to_string(limit) + "}");
  }
  int words(const CallId& id) {
    return static_cast<int>(
        std::count_if(journal.timelines[id].begin(), journal.timelines[id].end(),
                      [](const auto& event) { return event.who == call::Actor::operator_person; }));
  }
};

TEST(Operations, RetriesWhatFitsOldestFirstAndNothingElse) {
  Many scene;
  std::vector<CallId> ids;
  for (std::uint64_t n = 0; n < 7; ++n)
    ids.push_back(scene.dead(n));
  const CallId unknown = scene.put(unknown_call(scene.clock.now));
  const std::string id = scene.begin(R"(,"selected":7)");
  std::string body = scene.step(id, 3);
  EXPECT_TRUE(has(body, R"("acted":3)")) << body;
  EXPECT_TRUE(has(body, R"("done":3)")) << body;
  EXPECT_EQ(scene.journal.calls[ids[2]]->state, call::State::waiting);
  EXPECT_EQ(scene.journal.calls[ids[3]]->state, call::State::dead);
  body = scene.drive(id, 3);
  EXPECT_TRUE(has(body, R"("done":7)")) << body;
  EXPECT_TRUE(has(body, R"("refused":[])")) << body;
  EXPECT_TRUE(has(body, R"("stage":"finished")")) << body;
  for (const CallId& call : ids) {
    EXPECT_EQ(scene.words(call), 1);
    const auto& event = scene.journal.timelines[call].back();
    EXPECT_EQ(event.where, "bulk " + id);
    EXPECT_EQ(event.detail, "it is up");
  }
  EXPECT_EQ(scene.words(unknown), 0);
  EXPECT_TRUE(has(scene.step(id, 3), R"("finished":true,"acted":0)")) << "once more does nothing";
}

TEST(Operations, WhatIsRefusedIsCountedByReason) {
  Many scene;
  scene.dead(1);
  const CallId elsewhere = scene.dead(2, "gone");
  const CallId ordered = scene.dead(3);
  scene.change(ordered, [](auto& call) { call.asked.order.emplace(); });
  const std::string body = scene.drive(scene.begin(), 50);
  EXPECT_TRUE(has(body, R"("done":1)")) << body;
  EXPECT_TRUE(has(body, R"({"why":"its upstream is not configured","calls":1,"sample":[")" +
                            elsewhere.text() + "\"]}"))
      << body;
  EXPECT_TRUE(has(body, "it has left its line")) << body;
}

TEST(Operations, WhatComesToFitLaterIsLeftAlone) {
  Many scene;
  scene.dead(1);
  const std::string id = scene.begin();
  scene.clock.now.wall = scene.clock.now.wall + Duration::seconds(1);
  call::Call late = unknown_call(scene.clock.now);
  late.state = call::State::dead;
  late.unresolved = false;
  late.ended = call::Stamp::of(scene.clock.now);
  const CallId newer = scene.put(late);
  const CallId older = scene.dead(2);
  scene.change(older, [&](auto& call) { call.ended = call::Stamp::of(scene.clock.now); });
  EXPECT_TRUE(has(scene.drive(id, 10), R"("done":1)"));
  EXPECT_EQ(scene.words(newer) + scene.words(older), 0);
}

TEST(Operations, ACrashAfterTheActIsCountedAndNotRepeated) {
  Many scene;
  std::vector<CallId> ids;
  for (std::uint64_t n = 0; n < 6; ++n)
    ids.push_back(scene.dead(n));
  const std::string id = scene.begin();
  scene.step(id, 2);
  const auto kept = scene.files;  // with the two of this step in flight
  scene.step(id, 2);
  scene.files = kept;
  scene.start_admin();  // what the second step kept is lost as well
  const std::string body = scene.drive(id, 2);
  for (const CallId& call : ids)
    EXPECT_EQ(scene.words(call), 1) << "each exactly once";
  EXPECT_TRUE(has(body, R"("stage":"finished")")) << body;
}

TEST(Operations, WhatFitsStillAfterTheActIsKnownByItsTimeline) {
  Many scene;
  std::vector<CallId> ids;
  for (std::uint64_t n = 0; n < 4; ++n) {
    ids.push_back(scene.dead(n));
    scene.change(ids.back(), [](auto& call) {
      call.state = call::State::waiting;
      call.held = true;
      call.ended.reset();
    });
  }
  const auto body = scene.post("", R"({"word":"retry","query":"state=waiting"})");
  const std::string id = JsonMembers::read(body)->text("operation").value();
  const auto at_first = scene.files;
  scene.step(id, 2);
  scene.files = at_first;  // a power loss takes all that was kept of the step
  scene.start_admin();
  EXPECT_TRUE(has(scene.drive(id, 2), R"("done":4,"left":0,"refused":[])"));
  for (const CallId& call : ids)
    EXPECT_EQ(scene.words(call), 1);
}

TEST(Operations, ACrashBeforeTheActLosesNothing) {
  Many scene;
  const CallId first = scene.dead(1);
  const CallId second = scene.dead(2);
  const CallId third = scene.dead(3);
  const std::string id = scene.begin();
  // It dies when the three are noted and nothing is done: the answer of the step never comes.
  std::optional<ControlReply> never;
  scene.admin->handle({"POST", "/v1/operations/" + id + "/step", Scene::good(),
                       R"({"driver":1,"limit":10})", "127.0.0.1:5"},
                      [&](ControlReply reply) { never = std::move(reply); });
  scene.journal.pump_one();
  EXPECT_TRUE(has(scene.files.begin()->second, first.text() + "," + second.text()));
  EXPECT_FALSE(never);
  EXPECT_EQ(scene.words(first), 0);
  scene.start_driver();
  scene.start_admin();
  scene.change(second, [](auto& call) { call.state = call::State::cancelled; });
  const std::string body = scene.drive(id, 10);
  EXPECT_TRUE(has(body, R"("done":2,"left":1,"refused":[])")) << body;
  EXPECT_EQ(scene.words(first), 1);
  EXPECT_EQ(scene.words(second), 0);
  EXPECT_EQ(scene.words(third), 1);
}

TEST(Operations, ACallThatChangesMeanwhileIsLookedAtAgain) {
  Many scene;
  const CallId stays = scene.dead(1);
  const CallId leaves = scene.dead(2);
  const std::string id = scene.begin();
  std::optional<ControlReply> reply;
  scene.admin->handle({"POST", "/v1/operations/" + id + "/step", Scene::good(),
                       R"({"driver":1,"limit":10})", "127.0.0.1:5"},
                      [&](ControlReply got) { reply = std::move(got); });
  scene.journal.pump_one();  // the page is read; the commands wait for their calls
  scene.change(stays, [](auto& call) { call.asked_again += 1; });
  scene.change(leaves, [](auto& call) {
    call.state = call::State::answered;
    call.answer = call::Answer{};
  });
  scene.journal.pump();
  ASSERT_TRUE(reply);
  EXPECT_TRUE(has(reply->body, R"("done":1,"left":1,"refused":[])")) << reply->body;
  EXPECT_EQ(scene.words(stays), 1);
  EXPECT_EQ(scene.words(leaves), 0);
}

TEST(Operations, TwoOperatorsAtOnce) {
  Many scene;
  const CallId call = scene.dead(1);
  const std::string mine = scene.begin();
  const std::string yours = scene.begin();
  EXPECT_TRUE(has(scene.drive(mine, 10), R"("done":1)"));
  EXPECT_TRUE(has(scene.drive(yours, 10), R"("done":0)"));
  EXPECT_EQ(scene.words(call), 1);
  // The same one, driven by two: the later takes over.
  scene.dead(2);
  const std::string id = scene.begin();
  EXPECT_TRUE(has(scene.post("/" + id + "/resume", ""), R"("driver":2)"));
  EXPECT_TRUE(has(scene.post("/" + id + "/step", R"({"driver":1,"limit":1})", 409), "taken-over"));
  EXPECT_TRUE(has(scene.drive(id, 10, 2), R"("done":1)"));
}

TEST(Operations, OneStepAtATime) {
  Many scene;
  scene.dead(1);
  const std::string id = scene.begin();
  std::optional<ControlReply> first;
  scene.admin->handle({"POST", "/v1/operations/" + id + "/step", Scene::good(),
                       R"({"driver":1,"limit":10})", "127.0.0.1:5"},
                      [&](ControlReply got) { first = std::move(got); });
  std::optional<ControlReply> second;
  scene.admin->handle({"POST", "/v1/operations/" + id + "/step", Scene::good(),
                       R"({"driver":1,"limit":10})", "127.0.0.1:5"},
                      [&](ControlReply got) { second = std::move(got); });
  ASSERT_TRUE(second);
  EXPECT_TRUE(has(second->body, "admin:busy")) << second->body;
  scene.journal.pump();
  EXPECT_EQ(first->status, 200);
}

TEST(Operations, WithoutRoomToKeepItNothingIsDone) {
  Many scene;
  const CallId call = scene.dead(1);
  scene.disk_full = true;
  scene.post("", R"({"word":"retry","query":"state=dead"})", 503);
  scene.disk_full = false;
  const std::string id = scene.begin();
  scene.disk_full = true;
  scene.post("/" + id + "/step", R"({"driver":1,"limit":10})", 503);
  EXPECT_EQ(scene.words(call), 0);
  scene.disk_full = false;
  EXPECT_TRUE(has(scene.drive(id, 10), R"("done":1)"));
}

TEST(Operations, CancelsAndSettles) {
  Many scene;
  const CallId unknown = scene.put(unknown_call(scene.clock.now));
  scene.clock.now.wall = scene.clock.now.wall + Duration::seconds(1);
  const auto begin = [&](const std::string& body) {
    return JsonMembers::read(scene.post("", body))->text("operation").value();
  };
  std::string id = begin(R"({"word":"cancel","query":"upstream=stripe"})");
  std::string body = scene.drive(id, 10);
  EXPECT_TRUE(has(body, "it may have taken effect")) << body;
  id = begin(R"({"word":"resolve_not_applied","query":"upstream=stripe","reason":"not there"})");
  EXPECT_TRUE(has(scene.drive(id, 10), R"("done":1)"));
  EXPECT_EQ(scene.journal.calls[unknown]->state, call::State::dead);
}

TEST(Operations, RefusesWhatItCannotMean) {
  Many scene;
  for (const std::string body :
       {"", "{}", R"({"word":"explode","query":"state=dead"})", R"({"word":"retry"})",
        R"({"word":"retry","query":""})", R"({"word":"retry","query":"sate=dead"})",
        R"({"word":"retry","query":"state=dead","all":"no","what":1})",
        R"({"word":"resolve_applied","query":"state=unknown"})",
        R"({"word":"retry","query":"state=dead","reason":"a\nb"})",
        R"({"word":"retry","query":"state=dead","as_of":"2099-01-01T00:00:00Z"})",
        R"({"word":"retry","query":"state=dead","as_of":"soon"})",
        R"({"word":"retry","query":"state=dead","selected":-1})"}) {
    scene.post("", body, 400);
  }
  EXPECT_EQ(scene.files.size(), 0U);
  scene.post("", R"({"word":"retry","all":true})");
  const std::string id = scene.begin();
  for (const std::string body : {"", "{}", "x", R"({"driver":1})", R"({"driver":1,"limit":0})",
                                 R"({"driver":1,"limit":201})"}) {
    scene.post("/" + id + "/step", body, 400);
  }
  scene.post("/" + CallId{}.text() + "/step", R"({"driver":1,"limit":1})", 404);
  EXPECT_EQ(scene.status("POST", "/v1/operations/" + id + "/explode"), 404);
  EXPECT_EQ(scene.status("GET", "/v1/operations/" + id + "/step"), 405);
  EXPECT_EQ(scene.status("DELETE", "/v1/operations/" + id), 405);
  EXPECT_EQ(scene.status("POST", "/v1/operations/" + id), 405);
  EXPECT_EQ(scene.status("GET", "/v1/operations/nonsense"), 404);
  scene.files.begin()->second = "{\"version\":2}";
  scene.start_admin();
  EXPECT_EQ(scene.status("GET", "/v1/operations/" + scene.files.begin()->first.text()), 409);
}

TEST(Operations, ABrokenRecordIsNamedAndEndsNothing) {
  Many scene;
  const CallId first = scene.dead(1);
  const CallId broken = scene.dead(2);
  const CallId last = scene.dead(3);
  scene.journal.broken = {broken};
  const auto count = scene.ask("GET", "/v1/count?word=retry&state=dead");
  const std::string named =
      R"({"why":"its record cannot be read","calls":1,"sample":[")" + broken.text() + "\"]}";
  EXPECT_TRUE(has(count->body, R"("matched":2)")) << count->body;
  EXPECT_TRUE(has(count->body, named)) << count->body;
  const std::string body = scene.drive(scene.begin(), 1);
  EXPECT_TRUE(has(body, R"("done":2)")) << body;
  EXPECT_TRUE(has(body, named)) << body;
  EXPECT_EQ(scene.words(first) + scene.words(last), 2);
  EXPECT_EQ(scene.words(broken), 0);
  const auto list = scene.ask("GET", "/v1/calls");
  EXPECT_TRUE(has(list->body, R"("unreadable":[")" + broken.text() + "\"]")) << list->body;
  const auto exported = scene.ask("GET", "/v1/export");
  EXPECT_TRUE(has(exported->body, R"({"kind":"unreadable","call":")" + broken.text() +
                                      R"(","why":"record does not match its seal"})"))
      << exported->body;
  EXPECT_TRUE(has(exported->body, last.text()));
}

TEST(Operations, OneThatCannotBeReadIsNotHidden) {
  Many scene;
  const std::string id = scene.begin();
  const std::string whole = scene.begin();
  scene.files.begin()->second = "{\"version\":1,";
  scene.start_admin();
  const auto all = scene.ask("GET", "/v1/operations");
  EXPECT_TRUE(has(all->body, R"({"operation":")" + id + R"(","stage":"unreadable","why":")"))
      << all->body;
  EXPECT_TRUE(has(all->body, whole));
  const auto one = scene.ask("POST", "/v1/operations/" + id + "/resume");
  EXPECT_EQ(one->status, 409) << "asking again would not help: " << one->body;
}

TEST(Operations, AreTheAudit) {
  Many scene;
  scene.dead(1);
  const std::string body = scene.post(
      "", R"({"word":"retry","query":"state=dead&match=customer%3Dcus_1","reason":"sorry",)"
          R"("by":"me@here","selected":1})");
  EXPECT_FALSE(has(body, "cus_1")) << body;
  EXPECT_TRUE(has(body, "state=dead match=customer=#")) << body;
  const std::string id = JsonMembers::read(body)->text("operation").value();
  scene.post("/" + id + "/stop", R"({"driver":1})");
  scene.start_admin();
  const auto all = scene.ask("GET", "/v1/operations");
  for (const auto part : {R"("by":"me@here")", R"("reason":"sorry")", R"("stage":"stopped")",
                          R"("from":"127.0.0.1:5")", R"("selected":1)", R"("more":false)"}) {
    EXPECT_TRUE(has(all->body, part)) << part << all->body;
  }
  EXPECT_EQ(scene.ask("GET", "/v1/operations/" + id)->status, 200);
  ASSERT_EQ(scene.lines.size(), 2U);
  EXPECT_TRUE(has(scene.lines[0], "operation_begun: retry " + id + " by me@here"));
  for (const std::string& line : scene.lines) {
    EXPECT_FALSE(has(line, "cus_1"));
    EXPECT_FALSE(has(line, "sorry"));
  }
}

TEST(Operations, TheOldestAreForgotten) {
  Many scene;
  for (std::size_t i = 0; i <= kOperationsKept; ++i)
    scene.begin();
  EXPECT_EQ(scene.files.size(), kOperationsKept);
  EXPECT_TRUE(has(scene.ask("GET", "/v1/operations")->body, "\"more\":true"));
}

TEST(Operations, ReadBackAsTheyWere) {
  Operation operation;
  operation.id = CallId::make(WallTime{1}, 2, 3);
  operation.word = call::Word::resolve_applied;
  operation.query = {{"upstream", "a&b=c"}, {"match", "x=\"y\""}};
  operation.implied = true;
  operation.reason = "as \"they\" say\\";
  operation.begun = operation.as_of = operation.changed = WallTime{1'800'000'000'000};
  operation.ended = WallTime{1'800'000'000'001};
  operation.after = CallId::make(WallTime{4}, 5, 6);
  operation.done = 1'000'000'000'000;
  operation.driver = 7;
  add_to(operation.refused, "a reason", *operation.after);
  operation.in_flight = {operation.id, *operation.after};
  operation.stage = Operation::Stage::stopped;
  const auto back = Operation::parse(operation.text());
  ASSERT_TRUE(back.ok()) << back.error().context;
  EXPECT_EQ((*back).text(), operation.text());
  EXPECT_EQ((*back).in_flight, operation.in_flight);
  for (const std::string text : {"", "{}", "[1]", R"({"version":1})"}) {
    EXPECT_FALSE(Operation::parse(text).ok()) << text;
  }
}

TEST(Operations, ReasonsAreBounded) {
  Tallies tallies;
  for (int i = 0; i < 100; ++i)
    add_to(tallies, "reason " + std::to_string(i), CallId{});
  EXPECT_EQ(tallies.size(), kTalliesMax);
  EXPECT_EQ(tallies["other reasons"].calls, 100 - (kTalliesMax - 1));
  EXPECT_EQ(tallies["other reasons"].sample.size(), kTallySample);
}

TEST(Count, SaysWhatWouldComeOfAWord) {
  Many scene;
  scene.dead(1);
  scene.dead(2, "gone");
  scene.put(unknown_call(scene.clock.now));
  const auto reply = scene.ask("GET", "/v1/count?word=retry&newer_than=2h");
  ASSERT_EQ(reply->status, 200) << reply->body;
  for (const auto part :
       {R"("examined":3,"matched":3)", R"("states":{"dead":2,"unknown":1})",
        R"("upstreams":{"gone":1,"stripe":2})", R"("would":1)", R"("states_implied":true)",
        R"("why":"its upstream is not configured","calls":1)", "settle it with",
        R"("more":false)"}) {
    EXPECT_TRUE(has(reply->body, part)) << part << reply->body;
  }
  EXPECT_TRUE(scene.journal.filters.back().find_bodiless);
  EXPECT_TRUE(has(reply->body, R"("not_configured":[])"));
  const auto misspelt = scene.ask("GET", "/v1/count?upstream=strpe&upstream=stripe&route=/nowhere");
  EXPECT_TRUE(has(misspelt->body, R"("not_configured":["upstream strpe","route /nowhere"])"))
      << misspelt->body;
  EXPECT_TRUE(has(scene.ask("GET", "/v1/count?state=dead")->body, R"("matched":2)"));
  for (const std::string query :
       {"word=explode", "what=1", "state=lost", "status=9xx", "older_than=x", "match=colour=red",
        "as_of=x", "min_attempts=x", "older_than=2h&newer_than=1h", "after=x"}) {
    EXPECT_EQ(scene.status("GET", "/v1/count?" + query), 400) << query;
  }
  EXPECT_EQ(scene.status("POST", "/v1/count"), 405);
  scene.journal.fail_reads = true;
  EXPECT_EQ(scene.status("GET", "/v1/count"), 503);
}

}  // namespace
}  // namespace hf::control
