#include "call/callback.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/fields.h"

namespace hf::call {
namespace {

CallbackSettings settings() {
  CallbackSettings out;
  out.allow = {"https://app.example/hooks/", "https://app.example:8443",
               "http://127.0.0.1:9000/in"};
  out.secrets = {"${file:/run/a}", "${file:/run/b}"};
  return out;
}

std::string place(std::string_view url) {
  const auto found = callback_place(settings(), url);
  return found.ok() ? found->upstream + " " + found->target : "refused";
}

TEST(CallbackPlace, LiesBelowAnAllowedUrl) {
  EXPECT_EQ(place("https://app.example/hooks/order?id=1&x=%20"),
            "callback:app.example /hooks/order?id=1&x=%20");
  EXPECT_EQ(place("https://APP.example:443/hooks"), "callback:app.example /hooks");
  EXPECT_EQ(place("https://app.example:8443"), "callback:app.example:8443 /");
  EXPECT_EQ(place("https://app.example:8443/any/where"), "callback:app.example:8443 /any/where");
  EXPECT_EQ(place("http://127.0.0.1:9000/in/x"), "callback-plain:127.0.0.1:9000 /in/x");
}

TEST(CallbackPlace, RefusesWhatDoesNot) {
  for (const char* url : {"https://app.example/",
                          "https://app.example/hooksx",
                          "https://app.example",
                          "http://app.example/hooks/",
                          "https://app.example:444/hooks/",
                          "https://app.example.evil.test/hooks/",
                          "https://evil.test/hooks/",
                          "https://app.example@evil.test/hooks/",
                          "https://user:pw@app.example/hooks/",
                          "https://app.example/hooks/#f",
                          "https://app.example/hooks/../admin",
                          "https://app.example/hooks/%2e%2E/admin",
                          "https://app.example/hooks/.%2e",
                          "https://app.example/hooks/./x",
                          "https://app.example/hooks/..%2fadmin",
                          "https://app.example/hooks/..\\admin",
                          "https://app.example/hooks/%5cadmin",
                          "https://app.example/hooks/a b",
                          "https://app.example/hooks/\x01",
                          "//app.example/hooks/",
                          "/hooks/",
                          "",
                          "ftp://app.example/hooks/",
                          "https://app.example?/hooks/",
                          "https://app.example\\@evil.test/hooks/"}) {
    EXPECT_EQ(place(url), "refused") << url;
  }
  EXPECT_EQ(place("https://app.example/hooks/" + std::string(kCallbackUrlMax, 'x')), "refused");
  EXPECT_FALSE(callback_place({}, "https://app.example/hooks/").ok());
}

TEST(CallbackPlace, ARefusalDoesNotRepeatTheUrl) {
  const auto found = callback_place(settings(), "https://user:canary@app.example/hooks/");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().context.find("canary"), std::string::npos);
}

TEST(CallbackUpstreams, OneForEachReceiver) {
  auto some = settings();
  some.allow.push_back("https://app.example/other");
  const auto made = callback_upstreams(some);
  ASSERT_EQ(made.size(), 3U);
  const auto& one = *made.at("callback:app.example");
  EXPECT_EQ(one.urls.size(), 1U);
  EXPECT_EQ(one.urls[0].base_path, "");
  EXPECT_TRUE(one.public_only);
  EXPECT_EQ(one.signing, some.secrets);
  EXPECT_EQ(one.idempotency.mode, Mode::repeatable);
  const auto& refused = one.idempotency.refused;
  for (const int status : {301, 307, 400, 401, 404, 429, 499})
    EXPECT_EQ(std::count(refused.begin(), refused.end(), status), 1) << status;
  for (const int status : {200, 204, 408, 410, 500})
    EXPECT_EQ(std::count(refused.begin(), refused.end(), status), 0) << status;
  some.private_addresses = true;
  EXPECT_FALSE(callback_upstreams(some).at("callback:app.example")->public_only);
  for (const auto& [name, upstream] : made) {
    EXPECT_TRUE(is_callback_upstream(name));
    EXPECT_EQ(name, upstream->name);
  }
  EXPECT_FALSE(is_callback_upstream("callbacks"));
}

TEST(CallbackBody, TellsTheEndAndNothingSensitive) {
  Call call;
  call.id = CallId::make(WallTime{1'700'000'000'000}, 1, 2);
  call.state = State::answered;
  call.attempts = 2;
  call.accepted.wall = WallTime{1'700'000'000'000};
  call.key = KeyUse{};
  call.key->value = "order-\"1\"";
  call.index = {{"customer", "cus_1", false}, {"card", "ab12", true}};
  Answer answer;
  answer.status = 201;
  answer.fields = {{"Content-Type", "application/json"}, {"Set-Cookie", "canary"}};
  answer.body = make_body("{\"paid\":true}");
  answer.body_kept = true;
  call.answer = answer;
  const WallTime now{1'700'000'001'500};
  EXPECT_EQ(callback_body(call, now, false, 100),
            R"({"type":"call.answered","timestamp":"2023-11-14T22:13:21.500Z","data":{"call":")" +
                call.id.text() +
                R"(","key":"order-\"1\"","state":"answered","effect":"applied","attempts":2,)"
                R"("created_at":"2023-11-14T22:13:20.000Z","index":{"customer":"cus_1"},)"
                R"("answer":{"status":201,"content_type":"application/json",)"
                R"("body":"{\"paid\":true}"}}})");
  EXPECT_EQ(callback_body(call, now, false, 5).find("paid"), std::string::npos);
  call.key->business = true;
  call.state = State::unknown;
  const std::string unknown = callback_body(call, now, true, 100);
  EXPECT_NE(unknown.find(R"("type":"call.unknown")"), std::string::npos);
  EXPECT_NE(unknown.find(R"("effect":"unknown")"), std::string::npos);
  EXPECT_NE(unknown.find(R"("settled_by":"operator")"), std::string::npos);
  EXPECT_EQ(unknown.find("order-"), std::string::npos);
  EXPECT_EQ(unknown.find("paid"), std::string::npos);
}

}  // namespace
}  // namespace hf::call
