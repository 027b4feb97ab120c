#include "call/fingerprint.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace hf::call {
namespace {

Hasher hasher() {
  std::array<unsigned char, 32> secret{};
  for (std::size_t i = 0; i < secret.size(); ++i)
    secret[i] = static_cast<unsigned char>(i);
  return Hasher(secret);
}

struct Sample {
  std::string method = "POST";
  std::string target = "/v1/charges?x=1";
  std::string type = "application/json";
  std::string body = R"({"a":1})";
  std::vector<std::string> scope{"acct_1"};
};

Digest print(const Sample& sample, std::vector<Part> ignore = {}) {
  RouteSettings route;
  route.fingerprint_ignore = std::move(ignore);
  IncomingHead head;
  head.method = sample.method;
  head.target = sample.target;
  if (!sample.type.empty()) head.fields.push_back({"Content-Type", sample.type});
  head.fields.push_back({"X-Other", std::to_string(sample.body.size())});
  return fingerprint_of(route, head, sample.body, sample.scope, hasher());
}

const Part kType{Part::Kind::header, "content-type"};

// Computed with another implementation.
TEST(Fingerprint, FixedValue) {
  EXPECT_EQ(to_hex(print({}).raw()),
            "cefbb95d2d6f6a05429e867a34cf500d439613bd8416af5fc99e46060d83e806");
}

TEST(Fingerprint, EachOfItsPartsCounts) {
  const Digest base = print({});
  EXPECT_NE(base, print({.method = "PUT"}));
  EXPECT_NE(base, print({.target = "/v1/charge?x=1"}));
  EXPECT_NE(base, print({.target = "/v1/charges?x=2"}));
  EXPECT_NE(base, print({.target = "/v1/charges"}));
  EXPECT_NE(print({.target = "/v1/charges?"}), print({.target = "/v1/charges"}));
  EXPECT_NE(base, print({.type = "application/json; charset=utf-8"}));
  EXPECT_NE(base, print({.type = ""}));
  EXPECT_NE(base, print({.body = R"({"a":2})"}));
  EXPECT_NE(base, print({.body = R"({"a": 1})"}));
  EXPECT_NE(base, print({.scope = {"acct_2"}}));
  EXPECT_NE(base, print({.scope = {}}));
}

TEST(Fingerprint, IgnoredJsonValue) {
  const std::vector<Part> ignore{{Part::Kind::body, "/at"}, {Part::Kind::body, "/m/n"}};
  const auto body = [&](std::string text) { return print({.body = std::move(text)}, ignore); };
  EXPECT_EQ(body(R"({"at":1,"a":2})"), body(R"({"at":"now","a":2})"));
  EXPECT_NE(body(R"({"at":1,"a":2})"), body(R"({"at":1,"a":3})"));
  EXPECT_EQ(body(R"({"m":{"n":1},"at":2})"), body(R"({"m":{"n":[3]},"at":{}})"));
  EXPECT_NE(body(R"({"a":2})"), body(R"({"a":2,"at":1})"));  // there or not is a difference
  EXPECT_NE(body(R"({"at":1,"at":2})"), body(R"({"at":1,"at":3})"));  // twice: nothing is left out
  EXPECT_NE(body("at=1"), body("at=2"));
  const std::vector<Part> nested{{Part::Kind::body, "/m"}, {Part::Kind::body, "/m/n"}};
  EXPECT_EQ(print({.body = R"({"m":{"n":1},"a":1})"}, nested),
            print({.body = R"({"m":{"n":2,"o":3},"a":1})"}, nested));
}

TEST(Fingerprint, IgnoredFormField) {
  const std::vector<Part> ignore{{Part::Kind::form, "t[s]"}};
  const auto body = [&](std::string text) {
    return print({.type = "application/x-www-form-urlencoded", .body = std::move(text)}, ignore);
  };
  EXPECT_EQ(body("a=1&t[s]=5&b=2"), body("a=1&t%5Bs%5D=66&b=2"));
  EXPECT_NE(body("a=1&t[s]=5&b=2"), body("a=1&t[s]=5&b=3"));
  EXPECT_NE(body("a=1&t=5"), body("a=1&t=6"));
}

TEST(Fingerprint, IgnoredMultipartBoundary) {
  const auto sample = [](const std::string& boundary, const std::string& text) {
    return Sample{.type = "multipart/form-data; boundary=" + boundary + "; charset=x",
                  .body = "--" + boundary + "\r\n\r\n" + text + "\r\n--" + boundary + "--\r\n"};
  };
  EXPECT_EQ(print(sample("abc", "hi"), {kType}), print(sample("wxyz", "hi"), {kType}));
  EXPECT_EQ(print(sample("abc", "hi"), {kType}),
            print({.type = "multipart/form-data; Boundary=\"q r\"; charset=x",
                   .body = "--q r\r\n\r\nhi\r\n--q r--\r\n"},
                  {kType}));
  EXPECT_NE(print(sample("abc", "hi"), {kType}), print(sample("abc", "ho"), {kType}));
  EXPECT_NE(print(sample("abc", "hi")), print(sample("wxyz", "hi")));
  // The boundary's letters inside a line are content.
  EXPECT_NE(print(sample("abc", "x--abc"), {kType}), print(sample("wxyz", "x--wxyz"), {kType}));
  EXPECT_NE(print(sample("abc", "--abcd"), {kType}), print(sample("wxyz", "--wxyzd"), {kType}));
}

TEST(Fingerprint, IgnoredContentType) {
  EXPECT_EQ(print({.type = "a/b"}, {kType}), print({.type = "c/d"}, {kType}));
  EXPECT_EQ(print({.type = ""}, {kType}), print({.type = "c/d"}, {kType}));
  EXPECT_NE(print({.type = "c/d", .body = "1"}, {kType}), print({.type = "c/d"}, {kType}));
  // A multipart type without a boundary has none to leave out.
  EXPECT_NE(print({.type = "multipart/a; boundary=", .body = "--1"}, {kType}),
            print({.type = "multipart/a; boundary=", .body = "--2"}, {kType}));
}

struct Alike {
  std::string path = "/";
  std::string target = "/charges";
  std::string body = R"({"a":1,"nonce":"x"})";
  unsigned char owner = 1;
  std::string key = "k-1";
  std::vector<Part> ignore{};
};

Digest likeness(const Alike& alike) {
  RouteSettings route;
  route.path = alike.path;
  route.suspect.ignore = alike.ignore;
  IncomingHead head;
  head.method = "POST";
  head.target = alike.target;
  head.fields = {{"Content-Type", "application/json"}, {"Idempotency-Key", alike.key}};
  Digest owner;
  owner.bytes.fill(alike.owner);
  return likeness_of(route, head, alike.body, {}, owner,
                     content_of(make_body(alike.body), hasher()).digest(), hasher());
}

TEST(Likeness, IsOfOwnerRouteAndContentWhateverTheKey) {
  EXPECT_EQ(likeness({}), likeness({.key = "k-2"}));
  EXPECT_NE(likeness({}), likeness({.owner = 2}));
  EXPECT_NE(likeness({}), likeness({.path = "/v1/"}));
  EXPECT_NE(likeness({}), likeness({.target = "/refunds"}));
  EXPECT_NE(likeness({}), likeness({.target = "/charges?x"}));
  EXPECT_NE(likeness({}), likeness({.body = R"({"a":2,"nonce":"x"})"}));
}

TEST(Likeness, LeavesOutWhatTheRuleSays) {
  const std::vector<Part> ignore{{Part::Kind::body, "/nonce"}};
  const std::string other = R"({"a":1,"nonce":"yyy"})";
  EXPECT_NE(likeness({}), likeness({.body = other}));
  EXPECT_EQ(likeness({.ignore = ignore}), likeness({.body = other, .ignore = ignore}));
  EXPECT_NE(likeness({.ignore = ignore}),
            likeness({.body = R"({"a":2,"nonce":"x"})", .ignore = ignore}));
}

}  // namespace
}  // namespace hf::call
