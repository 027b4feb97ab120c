// The lines of an export against golden/export/*. HOLDFAST_UPDATE_GOLDEN=1 writes them anew: a
// change of what is there already is a new version of the schema.
#include "control/export_line.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "call/sealed_text.h"
#include "control/json.h"
#include "control/test_scene.h"

namespace hf::control {
namespace {

using namespace testing;  // NOLINT: the scene of this very test

constexpr WallTime kAt{1'800'000'000'000};  // 2027-01-15T08:00:00Z

std::string golden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(HF_SOURCE_DIR) + "/golden/export/" + name;
  if (std::getenv("HOLDFAST_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
  }
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

call::TimelineEvent event(call::Happening what, call::Actor who, std::int64_t after_ms) {
  call::TimelineEvent out;
  out.at = kAt + Duration::millis(after_ms);
  out.what = what;
  out.who = who;
  return out;
}

// With something in every member.
ports::CallDetail held() {
  call::Call call = unknown_call({Instant{}, kAt, BootId{7}});
  call.state = call::State::waiting;
  call.reason = call::WaitReason::backoff;
  call.held = true;
  call.ended.reset();
  call.held_attempts = 1;
  call.next_attempt_at = kAt + Duration::minutes(2);
  call.idempotency.own().mode = call::Mode::key;
  call.idempotency.own().lifetime = Duration::hours(24);
  call.last_status = 503;
  call.asked.not_before = kAt + Duration::seconds(5);
  call.asked.order = call::Order{digest(0x11), 3, "canary-order"};
  call.asked.callback = "https://app.example/canary-callback";
  call.index = {{"customer", "canary-customer", false}, {"card", std::string(64, '9'), true}};
  call.resembles = CallId::make(kAt, 8, 9);
  auto request = std::make_shared<call::Request>(*call.request);
  request->fields.push_back({"Content-Type", "text/plain"});
  request->fields.push_back({"X-Latin", "caf\xe9"});
  call.request = request;
  call::Answer answer;
  answer.status = 503;
  answer.fields = {{"Set-Cookie", "canary-cookie"}, {"Request-Id", "canary-request-id"}};
  answer.body = make_body("canary-answer");
  answer.body_kept = true;
  answer.body_bytes = 13;
  answer.at = kAt + Duration::seconds(1);
  call.answer = answer;
  ports::CallDetail out;
  auto accepted = event(call::Happening::accepted, call::Actor::client, 0);
  accepted.where = "203.0.113.9:5555";
  auto ended = event(call::Happening::attempt_ended, call::Actor::upstream, 1000);
  ended.attempt = 1;
  ended.status = 503;
  ended.evidence = call::Evidence::answer_complete;
  ended.where = "192.0.2.1:443";
  ended.rule = "retry-same-key";
  auto retried = event(call::Happening::operator_retry, call::Actor::operator_person, 2000);
  retried.where = "bulk 06gz";
  retried.detail = "the bank is back";
  out.call = std::make_shared<call::Call>(std::move(call));
  out.timeline = {accepted, ended, retried};
  return out;
}

TEST(ExportLine, OneCallAsEverybodyMaySeeIt) {
  const std::string line = export_line(held(), call::Hasher({}));
  EXPECT_EQ(golden("call.json", line + "\n"), line + "\n");
  EXPECT_TRUE(JsonMembers::read(line).ok());
  EXPECT_FALSE(has(line, "canary")) << line;
  EXPECT_FALSE(has(line, "203.0.113.9")) << line;
}

TEST(ExportLine, WhatIsLeftOutWithoutCredentials) {
  const std::string line = export_clear(held(), {true, false});
  EXPECT_EQ(golden("clear.json", line + "\n"), line + "\n");
  EXPECT_TRUE(JsonMembers::read(line).ok());
  EXPECT_FALSE(has(line, "canary-credential")) << line;
  EXPECT_FALSE(has(line, "canary-cookie")) << line;
}

TEST(ExportLine, WhatIsLeftOutWithThem) {
  const std::string line = export_clear(held(), {true, true});
  EXPECT_EQ(golden("clear_with_credentials.json", line + "\n"), line + "\n");
}

TEST(ExportLine, BodiesOnlyIfTheyAreWantedAndThere) {
  EXPECT_FALSE(has(export_clear(held(), {}), "body"));
  auto detail = held();
  call::Call call = *detail.call;
  auto request = std::make_shared<call::Request>(*call.request);
  request->body = nullptr;
  call.request = request;
  detail.call = std::make_shared<call::Call>(call);
  EXPECT_TRUE(has(export_clear(detail, {true, false}), "\"body_lost\":true"));
}

TEST(ExportLine, TheFirstAndTheLast) {
  ExportBegin begin;
  begin.made_at = kAt;
  begin.by = "holdfast 9.9.9";
  begin.selection = "state=dead match=customer=#123456789abc";
  begin.after = CallId::make(kAt, 1, 2);
  begin.clear = true;
  begin.parts = {true, false};
  begin.upstreams = R"({"stripe":["https://api.stripe.com"]})";
  ExportEnd end;
  EXPECT_TRUE(has(end.line(), "\"calls\":0,\"unreadable\":0,\"states\":{},\"last\":null"))
      << end.line();
  end.add("dead", CallId::make(kAt, 1, 2));
  end.add("dead", CallId::make(kAt, 1, 3));
  const std::string both = export_begin(begin) + "\n" + end.line() + "\n";
  EXPECT_EQ(golden("begin_and_end.ndjson", both), both);
}

struct ExportScene : Scene {
  ExportScene() { journal.honest = true; }
};

TEST(AdminExport, LinesAndWhatIsSealedBesideThem) {
  ExportScene scene;
  const CallId id = scene.put(unknown_call(scene.clock.now));
  const auto plain = scene.ask("GET", "/v1/export");
  ASSERT_EQ(plain->status, 200) << plain->body;
  EXPECT_EQ(plain->content_type, "application/x-ndjson");
  EXPECT_TRUE(has(plain->body, R"({"kind":"call","call":")" + id.text()));
  EXPECT_TRUE(has(plain->body, R"("upstreams":{"stripe":["https://api.stripe.com"]})"));
  EXPECT_TRUE(has(plain->body, R"("examined":1,"more":false,"next":null})"));
  EXPECT_FALSE(has(plain->body, "sealed"));
  EXPECT_FALSE(has(plain->body, "canary"));

  const auto reply = scene.ask("GET", "/v1/export?sealed=1&bodies=1&credentials=1&state=unknown");
  ASSERT_EQ(reply->status, 200) << reply->body;
  EXPECT_FALSE(has(reply->body, "canary")) << reply->body;
  const auto from = reply->body.find(R"({"kind":"sealed")");
  const std::string line = reply->body.substr(from, reply->body.find('\n', from) - from);
  const auto members = JsonMembers::read(line);
  const auto sealed = from_base64(members->text("sealed").value());
  const auto open = [&](const call::Sealer::Key& key, const CallId& of) {
    return call::open_text(call::Sealer(key), call::RecordKind::export_part, export_part_name(of),
                           *sealed);
  };
  const auto clear = open({}, id);
  ASSERT_TRUE(clear.ok()) << clear.error().context;
  for (const auto part : {"canary-key", "canary-query", "canary-credential"})
    EXPECT_TRUE(has(*clear, part)) << part;
  EXPECT_TRUE(has(*clear, to_base64("canary-body")));
  EXPECT_FALSE(open({1}, id).ok()) << "with another key";
  EXPECT_FALSE(open({}, CallId{}).ok()) << "as another call's";
}

TEST(AdminExport, RefusesWhatItCannotMean) {
  ExportScene scene;
  for (const std::string query :
       {"sealed=yes", "bodies=1", "credentials=1", "after=x", "limit=9", "state=lost", "clear=1"}) {
    EXPECT_EQ(scene.status("GET", "/v1/export?" + query), 400) << query;
  }
  EXPECT_EQ(scene.status("POST", "/v1/export"), 405);
  scene.journal.fail_reads = true;
  EXPECT_EQ(scene.status("GET", "/v1/export"), 503);
}

}  // namespace
}  // namespace hf::control
