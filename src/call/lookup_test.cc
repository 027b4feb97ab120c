#include "call/lookup.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hf::call {
namespace {

Request request_of(std::string body, std::string type = "application/json") {
  return {"POST",
          "/v1/charges?expand=a",
          {{"Authorization", "Bearer sk"},
           {"Content-Type", std::move(type)},
           {"Content-Length", "3"},
           {"Idempotency-Key", "k 1"},
           {"Accept-Encoding", "gzip"},
           {"If-None-Match", "x"},
           {"Stripe-Account", "acct"}},
          make_body(std::move(body))};
}

UpstreamSettings upstream_at(std::string base) {
  UpstreamSettings out;
  out.urls = {Url{false, "up.test", 80, std::move(base)}};
  return out;
}

std::optional<std::string> target(std::string get, const Request& request,
                                  std::optional<std::string> key = std::nullopt) {
  Lookup lookup;
  lookup.get = std::move(get);
  std::optional<KeyUse> use;
  if (key) use = KeyUse{{}, "Idempotency-Key", *key};
  return lookup_target(lookup, upstream_at("/v1"), request, use);
}

TEST(LookupTarget, EachPlaceholderHasItsValueEncoded) {
  const Request json = request_of(R"({"ref":"a/b c","n":12345678901234567890})");
  EXPECT_EQ(target("/charges?ref={body:/ref}&n={body:/n}", json),
            "/charges?ref=a%2Fb%20c&n=12345678901234567890");
  EXPECT_EQ(target("{path}/x", json), "/charges/x");
  EXPECT_EQ(target("/c?k={key}", json, "o-1"), "/c?k=o-1");
  EXPECT_EQ(target("/c?k={key}", json, "\"o/1\""), "/c?k=o%2F1");
  const Request form = request_of("ref=a+b&x=1", "application/x-www-form-urlencoded");
  EXPECT_EQ(target("/c/{form:ref}", form), "/c/a%20b");
}

TEST(LookupTarget, WithoutAValueThereIsNone) {
  const Request json = request_of(R"({"ref":null,"twice":1,"twice":2})");
  EXPECT_EQ(target("/c?k={key}", json), std::nullopt);
  EXPECT_EQ(target("/c?k={body:/ref}", json), std::nullopt);
  EXPECT_EQ(target("/c?k={body:/twice}", json), std::nullopt);
  EXPECT_EQ(target("/c?k={body:/none}", json), std::nullopt);
  EXPECT_EQ(target("/c?k={form:ref}", json), std::nullopt);
}

TEST(LookupTarget, ATemplateIsCheckedBeforehand) {
  EXPECT_EQ(lookup_fault("/charges?ref={key}&p={path}&b={body:/a~1b}&f={form:x}"), std::nullopt);
  for (const char* wrong : {"charges", "/c?{ref}", "/c?{key", "/c?key}", "/c?{body:ref}",
                            "/c?{form:}", "/c d", "/c#x", "/{}", "/{{key}}"}) {
    EXPECT_TRUE(lookup_fault(wrong).has_value()) << wrong;
  }
}

RC_GTEST_PROP(LookupTarget, NoValueCanChangeTheShapeOfTheTarget, (const std::string& value)) {
  const Request request = request_of("{}");
  const auto out = target("/c?k={key}", request, "x" + value);
  RC_ASSERT(out.has_value());
  for (const char c : out->substr(5))
    RC_ASSERT(std::string_view("&=?#/ {}\"\\").find(c) == std::string_view::npos);
}

TEST(LookupRequest, CarriesTheCredentialAndNothingOfTheBody) {
  const Request get = lookup_request(upstream_at("/v1"), request_of("{}"), "/charges?ref=1");
  EXPECT_EQ(get.method, "GET");
  EXPECT_EQ(get.target, "/v1/charges?ref=1");
  EXPECT_EQ(get.body, nullptr);
  const Fields expected{
      {"Authorization", "Bearer sk"}, {"Stripe-Account", "acct"}, {"Accept", "application/json"}};
  EXPECT_EQ(get.fields, expected);
}

Lookup listed() {
  Lookup out;
  out.get = "/c";
  out.found = "/data/0";
  out.where = {{"/status", {"succeeded", "paid"}}, {"/live", {"true"}}};
  out.absent_status = {404};
  out.answer = "/data/0/charge";
  return out;
}

LookupVerdict judged(const Lookup& lookup, int status, std::string body, Fields fields = {}) {
  AttemptOutcome outcome;
  outcome.evidence = Evidence::answer_complete;
  outcome.head = {status, std::move(fields)};
  outcome.body = make_body(std::move(body));
  return judge_lookup(lookup, outcome);
}

TEST(JudgeLookup, FoundWhenEveryConditionHolds) {
  const auto verdict =
      judged(listed(), 200, R"({"data":[{"status":"paid","live":true,"charge":{"id":1}}]})");
  EXPECT_EQ(verdict.looked, Looked::found);
  EXPECT_EQ(view(verdict.answer), R"({"id":1})");
  EXPECT_EQ(verdict.detail, "found, 1 in the collection");
  const auto two =
      judged(listed(), 200, R"({"data":[{"status":"paid","live":true},{"status":"paid"}]})");
  EXPECT_EQ(two.detail, "found, 2 in the collection");
  EXPECT_TRUE(two.answer_missing);
}

TEST(JudgeLookup, PresentWhenOneDoesNot) {
  for (const char* body :
       {R"({"data":[{"status":"pending","live":true}]})", R"({"data":[{"status":"paid"}]})",
        R"({"data":[7]})", R"({"data":[{"status":"paid","status":"failed","live":true}]})"}) {
    EXPECT_EQ(judged(listed(), 200, body).looked, Looked::present) << body;
  }
}

TEST(JudgeLookup, AbsentOnlyByAnEmptyListOrADeclaredStatus) {
  EXPECT_EQ(judged(listed(), 200, R"({"data":[]})").looked, Looked::absent);
  EXPECT_EQ(judged(listed(), 404, "gone fishing").looked, Looked::absent);
  for (const char* body : {"{}", R"({"data":null})", R"({"data":{}})", R"({"data":"[]"})", "",
                           R"({"data":[)", "<html>", R"({"error":{"data":[]}})", "[]"}) {
    EXPECT_EQ(judged(listed(), 200, body).looked, Looked::unclear) << body;
  }
  for (const int status : {202 + 100, 400, 401, 403, 410, 429, 500, 503}) {
    EXPECT_EQ(judged(listed(), status, R"({"data":[]})").looked, Looked::unclear) << status;
  }
}

TEST(JudgeLookup, AnEncodedOrCutAnswerSettlesNothing) {
  EXPECT_EQ(judged(listed(), 200, R"({"data":[]})", {{"Content-Encoding", "gzip"}}).looked,
            Looked::unclear);
  AttemptOutcome cut;
  cut.evidence = Evidence::answer_begun;
  cut.head.status = 404;
  EXPECT_EQ(judge_lookup(listed(), cut).looked, Looked::unclear);
  cut.evidence = Evidence::sent;
  EXPECT_EQ(judge_lookup(listed(), cut).looked, Looked::unclear);
}

TEST(JudgeLookup, AnObjectByItselfIsAbsentByStatusOnly) {
  Lookup lookup = listed();
  lookup.found = "";
  lookup.where = {{"/status", {"paid"}}};
  lookup.answer = "";
  EXPECT_EQ(judged(lookup, 200, R"({"status":"paid"})").looked, Looked::found);
  EXPECT_EQ(view(judged(lookup, 200, R"({"status":"paid"})").answer), R"({"status":"paid"})");
  EXPECT_EQ(judged(lookup, 200, "[]").looked, Looked::present);
  EXPECT_EQ(judged(lookup, 404, "").looked, Looked::absent);
}

}  // namespace
}  // namespace hf::call
