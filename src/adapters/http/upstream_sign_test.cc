// Requests signed at send time, as Standard Webhooks say.
#include "adapters/http/upstream_sign.h"

#include <fmt/format.h>

#include <chrono>

#include "adapters/http/upstream_testing.h"
#include "call/webhook.h"

namespace hf::adapters::testing {
namespace {

std::string value_of(const std::string& head, const std::string& name) {
  const auto at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "(none)";
  const auto from = at + name.size() + 4;
  return head.substr(from, head.find("\r\n", from) - from);
}

// As the signature's: time() is of a coarser clock, which may be some milliseconds behind.
std::int64_t seconds_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

TEST_F(UpstreamTest, SignsWithEveryActiveSecretAtSendTime) {
  std::vector<std::string> heads;
  const auto answer = [&](Peer& peer) {
    heads.push_back(peer.read_head());
    peer.read_bytes(7);
    peer.answer();
  };
  ScriptedUpstream server({answer, answer});
  settings_->signing = {"${new}", "whsec_b2xk"};
  options_.secrets = [](const std::string& value) -> Result<std::string> {
    EXPECT_EQ(value, "${new}");
    return std::string("whsec_bmV3");
  };
  options_.clock = nullptr;  // the signature's time is the wall clock's
  request_->fields = {
      {"webhook-id", "msg_1"}, {"webhook-timestamp", "1"}, {"webhook-signature", "v1,forged"}};
  const std::int64_t before = seconds_now();
  EXPECT_EQ(run(spec(server.port())).evidence, call::Evidence::answer_complete);
  ASSERT_EQ(heads.size(), 1U);
  const std::string id = value_of(heads[0], "webhook-id");
  const std::int64_t at = std::stoll(value_of(heads[0], "webhook-timestamp"));
  EXPECT_EQ(id, "msg_1");
  EXPECT_GE(at, before);
  EXPECT_LE(at, seconds_now());
  EXPECT_EQ(value_of(heads[0], "webhook-signature"),
            call::standard_signature("new", id, at, "payload") + " " +
                call::standard_signature("old", id, at, "payload"));
  EXPECT_EQ(heads[0].find("forged"), std::string::npos);
}

TEST_F(UpstreamTest, WithoutItsSecretNothingIsSent) {
  ScriptedUpstream server({[](Peer&) {}});
  request_->fields = {{"webhook-id", "msg_1"}};
  for (const char* secret : {"${file:/nonexistent/secret}", "whsec_??canary??"}) {
    settings_->signing = {"fine", secret};
    const auto outcome = run(spec(server.port()));
    EXPECT_EQ(outcome.evidence, call::Evidence::nothing_sent);
    EXPECT_NE(outcome.cause, call::Cause::none);
  }
  EXPECT_EQ(server.accepted(), 0);
  ASSERT_EQ(warnings_.size(), 2U);
  EXPECT_NE(warnings_[0].find("/nonexistent/secret"), std::string::npos);
  EXPECT_EQ(warnings_[1].find("canary"), std::string::npos);
}

TEST(SignWebhook, TheTimestampIsThatOfTheAttempt) {
  call::UpstreamSettings settings;
  settings.signing = {"k"};
  const auto plain = [](const std::string& value) { return Result<std::string>(value); };
  const auto one = sign_webhook(settings, "id", "b", WallTime{1'700'000'000'999}, plain);
  const auto two = sign_webhook(settings, "id", "b", WallTime{1'700'000'001'000}, plain);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ((*one)[0].value, "1700000000");
  EXPECT_EQ((*two)[0].value, "1700000001");
  EXPECT_NE((*one)[1].value, (*two)[1].value);
}

}  // namespace
}  // namespace hf::adapters::testing
