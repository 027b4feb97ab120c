#include "call/reply.h"

#include <gtest/gtest.h>

#include <set>

#include "call/reply_json.h"

namespace hf::call {
namespace {

const CallId kId = CallId::make(WallTime{1'795'232'360'123}, 1, 2);
constexpr WallTime kAt{1'795'232'360'123};  // 2026-11-21T03:39:20.123Z

std::string value_of(const Fields& fields, std::string_view name) {
  EXPECT_LE(count_fields(fields, name), 1U) << name;
  const Field* field = find_field(fields, name);
  return field == nullptr ? "(none)" : field->value;
}

Call waiting_call() {
  Call call;
  call.id = kId;
  call.state = State::waiting;
  call.reason = WaitReason::backoff;
  call.held = true;
  call.attempts = 2;
  call.accepted.wall = kAt;
  call.deadline = Duration::hours(23);
  call.next_attempt_at = kAt + Duration::seconds(30);
  return call;
}

// Each byte of ASCII in each place of a text longer than two words.
TEST(Json, WhatIsEscapedIsFoundByteByByte) {
  for (std::size_t place = 0; place < 19; ++place) {
    for (int c = 0; c < 0x80; ++c) {
      std::string text(19, '~');
      text[place] = static_cast<char>(c);
      const std::string alone = json_string(std::string(1, static_cast<char>(c)));
      const std::string want = "\"" + text.substr(0, place) + alone.substr(1, alone.size() - 2) +
                               text.substr(place + 1) + "\"";
      ASSERT_EQ(json_string(text), want) << c << " at " << place;
    }
  }
}

TEST(Json, EscapesAnyBytes) {
  EXPECT_EQ(json_string("a\"b\\c\n\r\t\x01\x7F"), R"("a\"b\\c\n\r\t\u0001\u007f")");
  EXPECT_EQ(json_string("k\xC3\xA4se \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "\"k\xC3\xA4se \xE2\x82\xAC \xF0\x9F\x98\x80\"");
  EXPECT_EQ(json_string(std::string_view("\0", 1)), "\"\\u0000\"");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(json_string("\xFF"), "\"" + bad + "\"");
  EXPECT_EQ(json_string("\xC3"), "\"" + bad + "\"");                      // cut
  EXPECT_EQ(json_string("\xC0\xAF"), "\"" + bad + bad + "\"");            // overlong
  EXPECT_EQ(json_string("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"");  // a surrogate
  EXPECT_EQ(json_string("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"");
}

TEST(Problem, ExactBodyAndFields) {
  ProblemSpec spec;
  spec.code = Code::outcome_unknown;
  spec.effect = Effect::unknown;
  spec.call = kId;
  spec.attempts = 2;
  spec.detail = "See \"calls show\".";
  const Reply reply = problem(spec);
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(view(reply.body),
            R"({"type":"urn:holdfast:problem:outcome-unknown",)"
            R"("title":"The call may or may not have taken effect, and nothing has settled it.",)"
            R"("status":409,"detail":"See \"calls show\".",)"
            R"("call":")" +
                kId.text() +
                R"(","effect":"unknown","safe_to_retry":false,"attempts":2,)"
                R"("error":{"type":"invalid_request_error","code":"outcome-unknown",)"
                R"("message":"The call may or may not have taken effect, and nothing has )"
                R"(settled it. See \"calls show\"."}})");
  EXPECT_EQ(value_of(reply.fields, "Content-Type"), "application/problem+json");
  EXPECT_EQ(value_of(reply.fields, "Cache-Control"), "no-store");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Effect"), "unknown");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Call"), kId.text());
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Attempts"), "2");
  EXPECT_EQ(value_of(reply.fields, "Proxy-Status"), "holdfast; error=proxy_internal_response");
  EXPECT_EQ(value_of(reply.fields, "x-should-retry"), "false");
  EXPECT_EQ(value_of(reply.fields, "stripe-should-retry"), "false");
  EXPECT_EQ(value_of(reply.fields, "Retry-After"), "(none)");
}

TEST(Problem, SafeToRetryCarriesNoAdviceAgainstIt) {
  ProblemSpec spec;
  spec.code = Code::held;
  spec.effect = Effect::pending;
  spec.safe_to_retry = true;
  spec.retry_after = Duration::millis(1);
  spec.proxy_status = "connection_refused";
  const Reply reply = problem(spec);
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(value_of(reply.fields, "x-should-retry"), "(none)");
  EXPECT_EQ(value_of(reply.fields, "stripe-should-retry"), "(none)");
  EXPECT_EQ(value_of(reply.fields, "Retry-After"), "1");
  EXPECT_EQ(value_of(reply.fields, "Proxy-Status"), "holdfast; error=connection_refused");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Call"), "(none)");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Attempts"), "(none)");
  EXPECT_NE(view(reply.body).find(R"("safe_to_retry":true)"), std::string_view::npos);
}

TEST(Problem, RetryAfterIsWholeSecondsAndAtLeastOne) {
  const auto after = [](Duration wait) {
    ProblemSpec spec;
    spec.code = Code::paused;
    spec.retry_after = wait;
    return value_of(problem(spec).fields, "Retry-After");
  };
  EXPECT_EQ(after(Duration::millis(1500)), "2");
  EXPECT_EQ(after(Duration::seconds(7)), "7");
  EXPECT_EQ(after(Duration{}), "1");
  EXPECT_EQ(after(Duration::seconds(-5)), "1");
}

struct CodeCase {
  Code code;
  int status;
  std::string_view name;
  std::string_view type;
};

class EveryCode : public testing::TestWithParam<CodeCase> {};

TEST_P(EveryCode, HasStatusNameErrorTypeAndCause) {
  const auto& expected = GetParam();
  ProblemSpec spec;
  spec.code = expected.code;
  const Reply reply = problem(spec);
  EXPECT_EQ(reply.status, expected.status);
  EXPECT_EQ(to_string(expected.code), expected.name);
  const std::string type = "\"type\":\"urn:holdfast:problem:" + std::string(expected.name) + "\"";
  EXPECT_NE(view(reply.body).find(type), std::string_view::npos);
  // stripe-node treats JSON without `error` as success, whatever the status.
  const std::string error = "\"error\":{\"type\":\"" + std::string(expected.type) +
                            "\",\"code\":\"" + std::string(expected.name) + "\",\"message\":\"";
  EXPECT_NE(view(reply.body).find(error), std::string_view::npos);
  EXPECT_FALSE(proxy_error_of(expected.code).empty());
  EXPECT_TRUE(title_of(expected.code).ends_with("."));
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Effect"), "none");
}

constexpr std::string_view kKey = "idempotency_error";
constexpr std::string_view kRate = "rate_limit_error";
constexpr std::string_view kRequest = "invalid_request_error";
constexpr std::string_view kApi = "api_error";

INSTANTIATE_TEST_SUITE_P(
    Section3, EveryCode,
    testing::Values(CodeCase{Code::key_missing, 400, "key-missing", kKey},
                    CodeCase{Code::key_invalid, 400, "key-invalid", kKey},
                    CodeCase{Code::bad_request, 400, "bad-request", kRequest},
                    CodeCase{Code::not_supported, 400, "not-supported", kRequest},
                    CodeCase{Code::signature_refused, 401, "signature-refused", kRequest},
                    CodeCase{Code::no_route, 404, "no-route", kRequest},
                    CodeCase{Code::no_such_call, 404, "no-such-call", kRequest},
                    CodeCase{Code::in_progress, 409, "in-progress", kRequest},
                    CodeCase{Code::outcome_unknown, 409, "outcome-unknown", kRequest},
                    CodeCase{Code::outcome_applied, 409, "outcome-applied", kRequest},
                    CodeCase{Code::answer_not_kept, 409, "answer-not-kept", kRequest},
                    CodeCase{Code::dead, 409, "dead", kRequest},
                    CodeCase{Code::cancelled, 409, "cancelled", kRequest},
                    CodeCase{Code::already_ended, 409, "already-ended", kRequest},
                    CodeCase{Code::key_expired, 409, "key-expired", kKey},
                    CodeCase{Code::key_owned_by_another, 409, "key-owned-by-another", kKey},
                    CodeCase{Code::body_too_large, 413, "body-too-large", kRequest},
                    CodeCase{Code::expectation_failed, 417, "expectation-failed", kRequest},
                    CodeCase{Code::key_reused, 422, "key-reused", kKey},
                    CodeCase{Code::limited, 429, "limited", kRate},
                    CodeCase{Code::paused, 429, "paused", kRate},
                    CodeCase{Code::head_too_large, 431, "head-too-large", kRequest},
                    CodeCase{Code::unreachable, 502, "unreachable", kApi},
                    CodeCase{Code::connection_lost, 502, "connection-lost", kApi},
                    CodeCase{Code::invalid_answer, 502, "invalid-answer", kApi},
                    CodeCase{Code::held, 503, "held", kApi},
                    CodeCase{Code::breaker_open, 503, "breaker-open", kApi},
                    CodeCase{Code::overloaded, 503, "overloaded", kApi},
                    CodeCase{Code::journal_unavailable, 503, "journal-unavailable", kApi},
                    CodeCase{Code::draining, 503, "draining", kApi},
                    CodeCase{Code::timeout, 504, "timeout", kApi},
                    CodeCase{Code::deadline, 504, "deadline", kApi},
                    CodeCase{Code::loop, 508, "loop", kApi}));

TEST(ProxyStatus, EveryCauseHasARegisteredType) {
  // RFC 9209 section 2.3, those used here.
  const std::set<std::string_view> registered{"dns_error",
                                              "connection_refused",
                                              "connection_timeout",
                                              "tls_protocol_error",
                                              "connection_terminated",
                                              "http_response_timeout",
                                              "http_protocol_error",
                                              "connection_read_timeout",
                                              "destination_unavailable",
                                              "destination_ip_prohibited",
                                              "proxy_configuration_error",
                                              "proxy_internal_error",
                                              "proxy_internal_response"};
  for (int i = 1; i <= static_cast<int>(kLastCause); ++i) {
    EXPECT_EQ(registered.count(proxy_error_of(static_cast<Cause>(i))), 1U) << i;
  }
  EXPECT_EQ(proxy_error_of(Cause::none), "");
  EXPECT_EQ(proxy_error_of(Cause::proxy_credentials), "proxy_configuration_error");
  EXPECT_EQ(proxy_error_of(Cause::connect_timeout), "connection_timeout");
}

TEST(ProblemDetail, WhatAProxyDidIsToldAsItsDoing) {
  for (int i = static_cast<int>(Cause::proxy_unreachable); i <= static_cast<int>(kLastCause); ++i) {
    const auto detail = detail_of(static_cast<Cause>(i));
    EXPECT_TRUE(detail.starts_with("The proxy on the way ")) << i;
    EXPECT_TRUE(detail.ends_with("nothing of this attempt was sent.")) << i;
  }
  EXPECT_EQ(detail_of(Cause::connect_refused), "");
  EXPECT_EQ(detail_of(Cause::none), "");
}

TEST(MarkAnswer, DropsForgedFieldsAndAddsOurs) {
  Fields fields{{"Content-Type", "text/plain"},
                {"holdfast-effect", "none"},
                {"Holdfast-Anything", "x"},
                {"Idempotent-Replayed", "false"},
                {"X-Should-Retry", "true"}};
  AnswerMarks marks;
  marks.call = kId;
  marks.attempts = 3;
  marks.effect = Effect::unknown;
  marks.advise_no_retry = true;
  marks.replayed_from = kAt;
  marks.wait_applied = true;
  mark_answer(fields, marks);
  const Fields expected{{"Content-Type", "text/plain"},
                        {"Idempotent-Replayed", "true"},
                        {"X-Should-Retry", "false"},
                        {"Holdfast-Call", kId.text()},
                        {"Holdfast-Attempts", "3"},
                        {"Holdfast-Effect", "unknown"},
                        {"Holdfast-Replayed", "Sat, 21 Nov 2026 03:39:20 GMT"},
                        {"Preference-Applied", "wait"},
                        {"stripe-should-retry", "false"}};
  EXPECT_EQ(fields, expected);
}

TEST(MarkAnswer, AFinalAnswerIsLeftAsItIs) {
  Fields fields{{"Idempotent-Replayed", "true"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}};
  mark_answer(fields, {});
  const Fields expected{{"Idempotent-Replayed", "true"},
                        {"Set-Cookie", "a"},
                        {"Set-Cookie", "b"},
                        {"Holdfast-Attempts", "1"}};
  EXPECT_EQ(fields, expected);
}

TEST(UpstreamAnswer, KeepsBodyAndLeavesFramingToTheServer) {
  Answer answer;
  answer.status = 201;
  answer.fields = {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}, {"ETag", "\"1\""}};
  answer.body = make_body("hello");
  const Reply reply = upstream_answer(answer, {});
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.body, answer.body);
  EXPECT_EQ(reply.fields, (Fields{{"ETag", "\"1\""}, {"Holdfast-Attempts", "1"}}));
}

TEST(Accepted, Is202WithLocationAndExactBody) {
  const Reply reply = accepted(waiting_call(), true);
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(view(reply.body), R"({"call":")" + kId.text() +
                                  R"(","state":"waiting","reason":"backoff",)"
                                  R"("next_attempt_at":"2026-11-21T03:39:50.123Z"})");
  EXPECT_EQ(value_of(reply.fields, "Location"), "/.holdfast/calls/" + kId.text());
  EXPECT_EQ(value_of(reply.fields, "Preference-Applied"), "respond-async");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Effect"), "pending");
  EXPECT_EQ(value_of(reply.fields, "Content-Type"), "application/json");
  EXPECT_EQ(value_of(accepted(waiting_call(), false).fields, "Preference-Applied"), "(none)");
}

TEST(Status, ExactBody) {
  const Reply reply = status(waiting_call());
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(view(reply.body),
            R"({"call":")" + kId.text() +
                R"(","state":"waiting","reason":"backoff","effect":"pending","attempts":2,)"
                R"("created_at":"2026-11-21T03:39:20.123Z",)"
                R"("next_attempt_at":"2026-11-21T03:39:50.123Z",)"
                R"("deadline":"2026-11-22T02:39:20.123Z"})");
}

TEST(Status, AnOpenCallHasNoNextAttempt) {
  Call call = waiting_call();
  call.state = State::open;
  call.reason = WaitReason::none;
  call.held = false;
  EXPECT_NE(status_json(call).find(R"("reason":null,"effect":"none","attempts":2)"),
            std::string::npos);
  EXPECT_NE(status_json(call).find(R"("next_attempt_at":null)"), std::string::npos);
}

TEST(Response, GivesTheStoredAnswerMarked) {
  Call call = waiting_call();
  call.state = State::answered;
  Answer answer;
  answer.status = 402;
  answer.fields = {{"Request-Id", "req_1"}};
  answer.body = make_body("{}");
  answer.body_kept = true;
  answer.body_bytes = 2;
  answer.at = kAt;
  call.answer = answer;
  const Reply reply = response(call);
  EXPECT_EQ(reply.status, 402);
  EXPECT_EQ(view(reply.body), "{}");
  EXPECT_EQ(value_of(reply.fields, "Idempotent-Replayed"), "true");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Replayed"), "Sat, 21 Nov 2026 03:39:20 GMT");
  EXPECT_EQ(value_of(reply.fields, "Holdfast-Effect"), "(none)");

  call.answer->body = nullptr;  // said to be kept, but not loaded: never an empty answer instead
  EXPECT_EQ(response(call).status, 409);
  call.answer->body_bytes = 0;  // an answer without a body is whole
  EXPECT_EQ(response(call).status, 402);
}

TEST(Response, TellsWhyThereIsNone) {
  const auto said = [](State state) {
    Call call = waiting_call();
    call.state = state;
    call.answer = Answer{};
    call.answer->status = 500;
    const Reply reply = response(call);
    const auto body = view(reply.body);
    const auto code = body.find("urn:holdfast:problem:");
    const auto name = code == std::string_view::npos
                          ? std::string("(none)")
                          : std::string(body.substr(code + 21, body.find('"', code) - code - 21));
    return std::to_string(reply.status) + " " + name + " " +
           value_of(reply.fields, "Holdfast-Effect");
  };
  EXPECT_EQ(said(State::waiting), "202 (none) pending");
  EXPECT_EQ(said(State::sending), "202 (none) pending");
  EXPECT_EQ(said(State::verifying), "202 (none) pending");
  EXPECT_EQ(said(State::open), "202 (none) none");
  EXPECT_EQ(said(State::unknown), "409 outcome-unknown unknown");
  EXPECT_EQ(said(State::dead), "409 dead none");
  EXPECT_EQ(said(State::cancelled), "409 cancelled none");
  EXPECT_EQ(said(State::answered), "409 answer-not-kept applied");
}

TEST(Response, FoundByALookupWithoutAnAnswerItIsKnownToBeApplied) {
  Call call = waiting_call();
  call.state = State::answered;
  call.answer = Answer{};
  call.answer->by_lookup = true;
  const Reply reply = response(call);
  EXPECT_EQ(reply.status, 409);
  EXPECT_NE(view(reply.body).find("urn:holdfast:problem:outcome-applied"), std::string_view::npos);
  EXPECT_EQ(view(reply.body).find("upstream_status"), std::string_view::npos);
}

TEST(Response, AnAnswerNotKeptTellsItsStatus) {
  Call call = waiting_call();
  call.state = State::answered;
  call.answer = Answer{};
  call.answer->status = 200;
  EXPECT_NE(view(response(call).body).find(R"("upstream_status":200,)"), std::string_view::npos);
}

TEST(CancelNoted, Is202WithStatus) {
  const Reply reply = cancel_noted(waiting_call());
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(view(reply.body), status_json(waiting_call()));
}

}  // namespace
}  // namespace hf::call
