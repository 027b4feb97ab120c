// What a rule of `classify` fits, and that it only ever chooses a row of the table.
#include "call/classify.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "call/decide.h"

namespace hf::call {
namespace {

using Kind = AnswerTest::Kind;

AttemptOutcome answer(int status, std::string body, Fields fields = {},
                      const std::string& type = "application/json") {
  AttemptOutcome out;
  out.evidence = Evidence::answer_complete;
  out.head.status = status;
  out.head.fields = std::move(fields);
  if (!type.empty()) out.head.fields.push_back({"Content-Type", type});
  out.body = make_body(std::move(body));
  return out;
}

AnswerRule rule(Meaning means, std::vector<int> status = {}) {
  AnswerRule out;
  out.means = means;
  out.status = std::move(status);
  return out;
}

AnswerRule on_json(std::string pointer, std::vector<std::string> values,
                   Meaning means = Meaning::refused) {
  AnswerRule out = rule(means);
  out.json = {{Kind::equals, std::move(pointer), std::move(values)}};
  return out;
}

bool fits(const AnswerRule& one, const AttemptOutcome& outcome) {
  return classify({one}, outcome) != nullptr;
}

TEST(Classify, slacks_200_that_says_no) {
  AnswerRule limited = rule(Meaning::refused, {200});
  limited.json = {{Kind::equals, "/ok", {"false"}},
                  {Kind::equals, "/error", {"ratelimited", "rate_limited"}}};
  EXPECT_TRUE(fits(limited, answer(200, R"({"ok":false,"error":"ratelimited"})")));
  EXPECT_TRUE(fits(limited, answer(200, R"({ "error" : "rate_limited", "ok" : false })")));
  EXPECT_FALSE(fits(limited, answer(200, R"({"ok":true,"error":"ratelimited"})")));
  EXPECT_FALSE(fits(limited, answer(200, R"({"ok":false,"error":"channel_not_found"})")));
  EXPECT_FALSE(fits(limited, answer(500, R"({"ok":false,"error":"ratelimited"})")));
}

TEST(Classify, the_first_rule_that_fits_speaks) {
  const std::vector<AnswerRule> rules{on_json("/error", {"a"}, Meaning::refused),
                                      on_json("/error", {"a", "b"}, Meaning::unresolved),
                                      rule(Meaning::error, {422})};
  EXPECT_EQ(classify(rules, answer(200, R"({"error":"a"})")), rules.data());
  EXPECT_EQ(classify(rules, answer(422, R"({"error":"b"})")), &rules[1]);
  EXPECT_EQ(classify(rules, answer(422, R"({"error":"c"})")), &rules[2]);
  EXPECT_EQ(classify(rules, answer(200, R"({"error":"c"})")), nullptr);
  EXPECT_EQ(classify({}, answer(200, "{}")), nullptr);
}

TEST(Classify, values_are_compared_whole_or_by_their_end) {
  AnswerRule named = rule(Meaning::refused);
  named.json = {{Kind::ends, "/__type", {"#ThrottlingException"}}};
  EXPECT_TRUE(fits(named, answer(400, R"({"__type":"com.amazon.x#ThrottlingException"})")));
  EXPECT_FALSE(fits(named, answer(400, R"({"__type":"NotThrottlingException"})")));
  EXPECT_FALSE(fits(named, answer(400, R"({"__type":"x#ThrottlingException#"})")));
  EXPECT_FALSE(fits(on_json("/n", {"1"}), answer(200, R"({"n":11})")));
  EXPECT_TRUE(fits(on_json("/n", {"1"}), answer(200, R"({"n":1})")));
  EXPECT_TRUE(fits(on_json("/e", {"\xC3\xA9"}), answer(200, R"({"e":"\u00e9"})")));
}

TEST(Classify, there_or_not_there) {
  AnswerRule failed = rule(Meaning::error);
  failed.json = {{Kind::present, "/errors", {}}, {Kind::absent, "/data", {}}};
  EXPECT_TRUE(fits(failed, answer(200, R"({"errors":[{"message":"no"}]})")));
  EXPECT_TRUE(fits(failed, answer(200, R"({"errors":[{}],"data":null})"))) << "null is not there";
  EXPECT_FALSE(fits(failed, answer(200, R"({"errors":[{}],"data":{}})")));
  EXPECT_FALSE(fits(failed, answer(200, R"({"errors":null})")));
  EXPECT_FALSE(fits(failed, answer(200, "no JSON"))) << "nothing is known to be absent";
}

TEST(Classify, what_is_there_twice_fits_nothing) {
  EXPECT_FALSE(fits(on_json("/error", {"a"}), answer(200, R"({"error":"b","error":"a"})")));
  AnswerRule gone = rule(Meaning::refused);
  gone.json = {{Kind::absent, "/error", {}}};
  EXPECT_FALSE(fits(gone, answer(200, R"({"error":"b","error":"a"})")));
  AnswerRule form = rule(Meaning::refused);
  form.form = {{Kind::equals, "ACK", {"Failure"}}};
  const std::string type = "application/x-www-form-urlencoded; charset=utf-8";
  EXPECT_TRUE(fits(form, answer(200, "X=1&ACK=Failure", {}, type)));
  EXPECT_FALSE(fits(form, answer(200, "ACK=Failure&ACK=Success", {}, type)));
  EXPECT_FALSE(fits(form, answer(200, "ACK=Failure", {}, "text/plain")));
}

TEST(Classify, fields) {
  AnswerRule spent = rule(Meaning::refused, {403, 429});
  spent.headers = {{Kind::equals, "X-RateLimit-Remaining", {"0"}}};
  EXPECT_TRUE(fits(spent, answer(403, "", {{"x-ratelimit-remaining", " 0 "}})));
  EXPECT_FALSE(fits(spent, answer(403, "", {{"x-ratelimit-remaining", "10"}})));
  EXPECT_FALSE(fits(spent, answer(403, "")));
  // What the head says holds of an answer whose body was cut, as a refusal's status does.
  AttemptOutcome cut = answer(403, "", {{"X-RateLimit-Remaining", "0"}});
  cut.evidence = Evidence::answer_begun;
  cut.body = nullptr;
  EXPECT_TRUE(fits(spent, cut));
  cut.evidence = Evidence::sent;
  EXPECT_FALSE(fits(spent, cut)) << "there was no answer";
}

TEST(Classify, bodies_that_cannot_be_read_fit_nothing) {
  AnswerRule busy = rule(Meaning::refused);
  busy.contains = {"<Code>Throttling</Code>"};
  const std::string body = "<Error><Code>Throttling</Code></Error>";
  EXPECT_TRUE(fits(busy, answer(400, body, {}, "text/xml")));
  EXPECT_TRUE(fits(busy, answer(400, body, {}, ""))) << "no type at all";
  EXPECT_FALSE(fits(busy, answer(400, body, {}, "text/event-stream")));
  EXPECT_FALSE(fits(busy, answer(400, body, {{"Content-Encoding", "gzip"}}, "text/xml")));
  EXPECT_TRUE(fits(busy, answer(400, body, {{"Content-Encoding", "identity"}}, "text/xml")));
  AttemptOutcome cut = answer(400, body, {}, "text/xml");
  cut.evidence = Evidence::answer_begun;
  EXPECT_FALSE(fits(busy, cut));
  AttemptOutcome gone = answer(400, body, {}, "text/xml");
  gone.body = nullptr;
  EXPECT_FALSE(fits(busy, gone));
  gone = answer(400, body, {}, "text/xml");
  gone.forwarded = true;
  EXPECT_FALSE(fits(busy, gone)) << "what has been handed on is not taken back";
  EXPECT_TRUE(fits(busy, answer(400, body + std::string(kClassifiedBodyMax - body.size(), ' '), {},
                                "text/xml")));
  EXPECT_FALSE(
      fits(busy, answer(400, body + std::string(kClassifiedBodyMax, ' '), {}, "text/xml")));
}

TEST(Classify, json_is_what_says_that_it_is) {
  const AnswerRule one = on_json("/e", {"x"});
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8",
                           "application/problem+json", "application/x-amz-json-1.0"}) {
    EXPECT_TRUE(fits(one, answer(200, R"({"e":"x"})", {}, type))) << type;
  }
  for (const char* type : {"text/html", "application/x-ndjson", "application/json-seq", "", "json"})
    EXPECT_FALSE(fits(one, answer(200, R"({"e":"x"})", {}, type))) << type;
}

TEST(Classify, a_body_is_wanted_only_where_a_rule_may_speak_of_it) {
  AnswerRule limited = on_json("/error", {"ratelimited"});
  limited.status = {200};
  const auto head = [](int status, const std::string& type, Fields more = {}) {
    return answer(status, "", std::move(more), type).head;
  };
  EXPECT_TRUE(wants_body({limited}, head(200, "application/json")));
  EXPECT_FALSE(wants_body({limited}, head(500, "application/json")));
  EXPECT_FALSE(wants_body({limited}, head(200, "application/pdf")));
  EXPECT_FALSE(wants_body({limited}, head(200, "application/json", {{"Content-Encoding", "br"}})));
  EXPECT_FALSE(wants_body({rule(Meaning::error, {200}), limited}, head(200, "application/json")))
      << "the rule before it has spoken";
  EXPECT_TRUE(reads_bodies({rule(Meaning::error, {422}), limited}));
  EXPECT_FALSE(reads_bodies({rule(Meaning::error, {422})}));
}

// ---- the table

constexpr std::array<Mode, 4> kModes{Mode::repeatable, Mode::key, Mode::verify, Mode::none};

Idempotency rules_of(Mode mode) {
  Idempotency out;
  out.mode = mode;
  out.replay_marker = "Replayed";
  if (mode == Mode::key) out.in_progress = {409};
  return out;
}

Decision ruled(const AttemptOutcome& outcome, Mode mode, Meaning means, bool before = false,
               bool held = false) {
  const Idempotency rules = rules_of(mode);
  const AnswerRule one = rule(means);
  return decide(outcome, {&rules, false, held, before, false, &one});
}

// A rule puts an answer into a row; what a row means in a column is the same as if a status had put
// it there.
TEST(Classify, each_meaning_is_the_row_of_a_status) {
  struct Same {
    Meaning means;
    int status;
    bool held;
  };
  for (const Same& same :
       {Same{Meaning::refused, 429, false}, Same{Meaning::refused, 429, true},
        Same{Meaning::in_progress, 409, false}, Same{Meaning::credentials, 401, false},
        Same{Meaning::credentials, 401, true}, Same{Meaning::unresolved, 500, false},
        Same{Meaning::unresolved, 500, true}, Same{Meaning::error, 422, false},
        Same{Meaning::error, 422, true}}) {
    for (const Mode mode : kModes) {
      for (const bool before : {false, true}) {
        if (before && mode == Mode::none) continue;  // there nothing is sent while in doubt
        const Idempotency rules = rules_of(mode);
        const Decision by_status =
            decide(answer(same.status, "{}"), {&rules, false, same.held, before, false});
        for (const int status : {200, 403, 503}) {
          const Decision got = ruled(answer(status, "{}"), mode, same.means, before, same.held);
          SCOPED_TRACE(testing::Message() << to_string(same.means) << " " << to_string(mode) << " "
                                          << status << (before ? " in doubt" : ""));
          if (same.means == Meaning::in_progress && mode != Mode::key) continue;
          EXPECT_EQ(to_string(got.row), to_string(by_status.row));
          EXPECT_EQ(to_string(got.ruling), to_string(by_status.ruling));
          EXPECT_EQ(got.unresolved, by_status.unresolved);
          EXPECT_EQ(got.proof, by_status.proof);
        }
      }
    }
  }
}

TEST(Classify, a_200_that_is_an_error_settles_no_earlier_attempt) {
  const Idempotency rules = rules_of(Mode::key);
  const AnswerRule failed = rule(Meaning::error);
  const AttemptOutcome plain = answer(200, R"({"ok":false})");
  EXPECT_EQ(decide(plain, {&rules, false, false, true, false}).rule, "settles-earlier");
  const Decision got = decide(plain, {&rules, false, false, true, false, &failed});
  EXPECT_EQ(got.ruling, Ruling::again);
  EXPECT_TRUE(got.unresolved);
  // ... unless the upstream says that it is the stored answer of an earlier one.
  const Decision stored = decide(answer(200, "{}", {{"Replayed", "true"}}),
                                 {&rules, false, false, true, false, &failed});
  EXPECT_EQ(stored.ruling, Ruling::final_answer);
  EXPECT_EQ(decide(plain, {&rules, false, false, false, false, &failed}).rule, "classified-error");
}

TEST(Classify, a_refusal_leaves_earlier_doubt) {
  for (const Mode mode : kModes) {
    const Decision got = ruled(answer(200, "{}"), mode, Meaning::refused, true);
    EXPECT_TRUE(got.unresolved) << to_string(mode);
    EXPECT_EQ(got.proof, Proof::refused_status);
    EXPECT_EQ(got.rule, "classified-refusal");
  }
}

// ---- anything

rc::Gen<std::string> pieces() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
          "{", "}", "[", "]", "\"", "ok", "error", ":", ",", "false", "null", "ratelimited", "\\",
          "u00e9", "<Code>", "&", "=", "%zz", "\n", std::string(1, '\0'), "\xff", "1")),
      [](const std::vector<std::string>& all) {
        std::string out;
        for (const auto& one : all)
          out += one;
        return out;
      });
}

RC_GTEST_PROP(ClassifyProperty, any_bytes_fit_what_they_say_and_nothing_else, ()) {
  const std::string body = *pieces();
  const auto type = *rc::gen::element<std::string>("application/json", "text/xml", "",
                                                   "application/x-www-form-urlencoded");
  AnswerRule json = on_json("/error", {"ratelimited"});
  AnswerRule form = rule(Meaning::refused);
  form.form = {{Kind::equals, "error", {"ratelimited"}}};
  AnswerRule text = rule(Meaning::refused);
  text.contains = {"<Code>"};
  const AttemptOutcome outcome = answer(*rc::gen::inRange(200, 600), body, {}, type);
  if (fits(json, outcome)) RC_ASSERT(body.find("ratelimited") != std::string::npos);
  if (fits(form, outcome)) RC_ASSERT(body.find("error=ratelimited") != std::string::npos);
  RC_ASSERT(fits(text, outcome) == (body.find("<Code>") != std::string::npos));
  // What a rule wants to read it may fit; what it does not want it cannot.
  for (const auto& one : {json, form, text})
    RC_ASSERT(!fits(one, outcome) || wants_body({one}, outcome.head));
}

// Without a rule that fits, everything is as it was.
RC_GTEST_PROP(ClassifyProperty, only_what_fits_changes_a_decision, ()) {
  const Mode mode = *rc::gen::element(Mode::none, Mode::key, Mode::verify, Mode::repeatable);
  const Idempotency rules = rules_of(mode);
  const bool held = *rc::gen::arbitrary<bool>();
  const bool before = *rc::gen::arbitrary<bool>();
  const AttemptOutcome outcome = answer(*rc::gen::inRange(200, 600), "{}");
  const AnswerRule* none = classify({on_json("/error", {"x"})}, outcome);
  const Decision a = decide(outcome, {&rules, false, held, before, false, none});
  const Decision b = decide(outcome, {&rules, false, held, before, false});
  RC_ASSERT(a.rule == b.rule);
  RC_ASSERT(a.ruling == b.ruling);
  RC_ASSERT(a.unresolved == b.unresolved);
}

}  // namespace
}  // namespace hf::call
