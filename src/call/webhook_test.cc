#include "call/webhook.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "call/intake.h"
#include "call/webhook_door.h"

namespace hf::call {
namespace {

const WallTime kNow{1'614'265'330'000};

// RFC 4231 test cases 2 and 3, and a key longer than a block (case 6).
TEST(Webhook, HmacIsTheOneOfTheRfc) {
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd'))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),
                               "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

// The example of the Standard Webhooks specification.
TEST(Webhook, SignsAsTheStandardSays) {
  const auto key = webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->size(), 24U);
  EXPECT_EQ(standard_signature(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330,
                               R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(Webhook, ASecretIsBase64BehindItsMark) {
  EXPECT_EQ(*webhook_secret("plain words"), "plain words");
  EXPECT_EQ(*webhook_secret("whsec_YWJj"), "abc");
  EXPECT_EQ(*webhook_secret("whsec_YWI="), "ab");
  EXPECT_EQ(*webhook_secret("whsec_YWI"), "ab");
  for (const char* bad : {"whsec_", "whsec_?", "whsec_YWI=x", "whsec_Y"}) {
    const auto key = webhook_secret(bad);
    ASSERT_FALSE(key.ok()) << bad;
    EXPECT_EQ(key.error().context.find(std::string(bad).substr(6) + "x"), std::string::npos);
  }
}

WebhookRule rule_of(WebhookScheme scheme) {
  WebhookRule rule;
  rule.scheme = scheme;
  return rule;
}

Fields standard(std::string_view signature, std::string_view timestamp = "1614265330") {
  return {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
          {"webhook-timestamp", std::string(timestamp)},
          {"webhook-signature", std::string(signature)}};
}

TEST(Webhook, WhatIsSignedIsGood) {
  for (const auto scheme : {WebhookScheme::stripe, WebhookScheme::standard, WebhookScheme::hmac}) {
    for (const auto encoding : {WebhookEncoding::hex, WebhookEncoding::base64}) {
      WebhookRule rule = rule_of(scheme);
      rule.header = "X-Signature";
      rule.prefix = "sha256=";
      rule.encoding = encoding;
      const Fields fields = sign_webhook(rule, "a secret", "evt_1", "{}", kNow);
      EXPECT_EQ(check_webhook(rule, {"a secret"}, fields, "{}", kNow), WebhookVerdict::good);
      EXPECT_EQ(check_webhook(rule, {"another"}, fields, "{}", kNow), WebhookVerdict::wrong);
      EXPECT_EQ(check_webhook(rule, {"a secret"}, fields, "[]", kNow), WebhookVerdict::wrong);
    }
  }
}

TEST(Webhook, ChecksStandardWebhooks) {
  const WebhookRule rule = rule_of(WebhookScheme::standard);
  const std::string body = R"({"test": 2432232314})";
  const std::vector<std::string> secrets{"whsec_bmV3", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  const std::string good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const auto check = [&](const Fields& fields, std::string_view text, WallTime now) {
    return check_webhook(rule, secrets, fields, text, now);
  };
  EXPECT_EQ(check(standard(good), body, kNow), WebhookVerdict::good);
  EXPECT_EQ(check(standard("v1a,xx v1,AAAA " + good), body, kNow), WebhookVerdict::good);
  EXPECT_EQ(check(standard(good), body + " ", kNow), WebhookVerdict::wrong);
  EXPECT_EQ(check(standard(good, "1614265331"), body, kNow), WebhookVerdict::wrong);
  EXPECT_EQ(check(standard(good), body, kNow + Duration::seconds(300)), WebhookVerdict::good);
  EXPECT_EQ(check(standard(good), body, kNow + Duration::seconds(301)), WebhookVerdict::wrong);
  EXPECT_EQ(check(standard(good), body, WallTime{kNow.ms - 301'000}), WebhookVerdict::wrong);
  EXPECT_EQ(check(standard(good, "now"), body, kNow), WebhookVerdict::malformed);
  EXPECT_EQ(check(standard("v2," + good.substr(3)), body, kNow), WebhookVerdict::malformed);
  EXPECT_EQ(check({}, body, kNow), WebhookVerdict::malformed);
  Fields twice = standard(good);
  twice.push_back(twice.back());
  EXPECT_EQ(check(twice, body, kNow), WebhookVerdict::malformed);
  EXPECT_EQ(check_webhook(rule, {"whsec_b3RoZXI="}, standard(good), body, kNow),
            WebhookVerdict::wrong);
  EXPECT_EQ(check_webhook(rule, {""}, standard(good), body, kNow), WebhookVerdict::wrong);
}

TEST(Webhook, ChecksStripes) {
  const WebhookRule rule = rule_of(WebhookScheme::stripe);
  const std::string body = R"({"id":"evt_1"})";
  const std::string mac = to_hex(hmac_sha256("whsec_test", "1614265330." + body));
  const auto check = [&](const std::string& field) {
    return check_webhook(rule, {"whsec_test"}, {{"Stripe-Signature", field}}, body, kNow);
  };
  EXPECT_EQ(check("t=1614265330,v1=" + mac + ",v0=00"), WebhookVerdict::good);
  EXPECT_EQ(check("t=1614265330,v1=" + std::string(64, '0') + ",v1=" + mac), WebhookVerdict::good);
  EXPECT_EQ(check("t=1614265331,v1=" + mac), WebhookVerdict::wrong);
  EXPECT_EQ(check("t=1614265330,v0=" + mac), WebhookVerdict::malformed);
  EXPECT_EQ(check("v1=" + mac), WebhookVerdict::malformed);
  EXPECT_EQ(check("t=1614265330,t=1614265330,v1=" + mac), WebhookVerdict::malformed);
  EXPECT_EQ(check(""), WebhookVerdict::malformed);
  std::string many = "t=1614265330";
  for (int i = 0; i < 20; ++i)
    many += ",v1=" + mac;
  EXPECT_EQ(check(many), WebhookVerdict::malformed);
}

TEST(Webhook, ChecksAPlainHmac) {
  WebhookRule rule = rule_of(WebhookScheme::hmac);
  rule.header = "X-Hub-Signature-256";
  rule.prefix = "sha256=";
  const auto check = [&](const std::string& value) {
    return check_webhook(rule, {"Jefe"}, {{"x-hub-signature-256", value}},
                         "what do ya want for nothing?", kNow);
  };
  const std::string hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  EXPECT_EQ(check("sha256=" + hex), WebhookVerdict::good);
  EXPECT_EQ(check(hex), WebhookVerdict::malformed);
  EXPECT_EQ(check("sha256=" + hex.substr(2)), WebhookVerdict::wrong);
  EXPECT_EQ(check("sha256=zz"), WebhookVerdict::malformed);
  rule.encoding = WebhookEncoding::base64;
  EXPECT_EQ(check("sha256=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="), WebhookVerdict::good);
}

class WebhookRoute : public ::testing::Test {
 protected:
  WebhookRoute() {
    route_.path = "/hooks";
    route_.webhook = rule_of(WebhookScheme::stripe);
    route_.webhook->secrets = {"${file:/run/secrets/hooks}"};
    door_.now = [] { return kNow; };
    door_.secret = [](const std::string&) { return Result<std::string>(std::string("s3cret")); };
    door_.refused = [this](const RouteSettings&) { ++refused_; };
    door_.warn = [this](const std::string& line) { warnings_.push_back(line); };
  }
  int status(const std::string& signature) {
    IncomingHead head;
    head.fields = {{"Stripe-Signature", signature}};
    const auto fault = webhook_fault(door_, route_, head, "{}");
    if (fault) said_ = view(fault->body);
    return fault ? fault->status : 0;
  }
  std::string good() const {
    return "t=1614265330,v1=" + to_hex(hmac_sha256("s3cret", "1614265330.{}"));
  }

  RouteSettings route_;
  WebhookDoor door_;
  std::vector<std::string> warnings_;
  std::string said_;
  int refused_ = 0;
};

TEST_F(WebhookRoute, TellsNothingBeyondTheClassOfTheFault) {
  EXPECT_EQ(status(good()), 0);
  EXPECT_EQ(refused_, 0);
  EXPECT_EQ(status("nonsense"), 400);
  EXPECT_EQ(refused_, 1);
  EXPECT_EQ(status("t=1614265330,v1=" + std::string(64, '0')), 401);
  const std::string forged = said_;
  const std::string old = to_hex(hmac_sha256("s3cret", "1.{}"));
  EXPECT_EQ(status("t=1,v1=" + old), 401);
  EXPECT_EQ(said_, forged) << "too old and forged are told apart by nobody";
  EXPECT_EQ(said_.find("s3cret"), std::string::npos);
}

TEST_F(WebhookRoute, WithoutItsSecretNothingPassesAndTheProviderComesAgain) {
  door_.secret = [](const std::string&) {
    return Result<std::string>(fail(ErrorKind::unavailable, "no such file"));
  };
  EXPECT_EQ(status(good()), 503);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(warnings_[0], "route /hooks: no such file");
  door_ = {};
  EXPECT_EQ(status(good()), 503);
}

}  // namespace
}  // namespace hf::call
