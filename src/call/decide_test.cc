// DESIGN section 4, cell by cell.
#include "call/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace hf::call {
namespace {

Idempotency rules_of(Mode mode) {
  Idempotency rules;
  rules.mode = mode;
  rules.in_progress = mode == Mode::key ? std::vector<int>{409} : std::vector<int>{};
  rules.settles = {400, 402, 404};
  rules.settles_field = "request-id";
  rules.settles_unless_type = "idempotency_error";
  rules.replay_marker = "Idempotent-Replayed";
  rules.no_retry_advice = {{"Stripe-Should-Retry", "false"}};
  return rules;
}

AttemptOutcome seen(Evidence evidence, int status = 0, Cause cause = Cause::none) {
  AttemptOutcome out;
  out.evidence = evidence;
  out.cause = cause;
  out.head.status = status;
  if (evidence == Evidence::answer_complete) out.body = make_body("{}");
  return out;
}
AttemptOutcome whole(int status, Fields fields = {}, std::string body = "{}") {
  AttemptOutcome out = seen(Evidence::answer_complete, status);
  out.head.fields = std::move(fields);
  out.body = make_body(std::move(body));
  return out;
}

struct Cell {
  const char* name;
  AttemptOutcome outcome;
  Row row;
  bool held;
  // safe, key, verify, none
  std::array<Ruling, 4> ruling;
  std::array<bool, 4> unresolved;
  Proof proof;
};

std::vector<Cell> table() {
  using enum Ruling;
  constexpr std::array<Ruling, 4> kAgain{again, again, again, again};
  constexpr std::array<Ruling, 4> kNotBefore{again_not_before, again_not_before, again_not_before,
                                             again_not_before};
  constexpr std::array<Ruling, 4> kCredentials{Ruling::credentials, Ruling::credentials,
                                               Ruling::credentials, Ruling::credentials};
  constexpr std::array<Ruling, 4> kDoubt{again, again, verify, unresolved_end};
  constexpr std::array<Ruling, 4> kFinal{final_answer, final_answer, final_answer, final_answer};
  constexpr std::array<bool, 4> kNo{};
  // A repeatable call may be sent again, and may nevertheless have taken effect.
  constexpr std::array<bool, 4> kYes{true, true, true, true};
  std::vector<Cell> cells;
  const auto add = [&](const char* name, const AttemptOutcome& outcome, Row row, bool held,
                       const std::array<Ruling, 4>& ruling, const std::array<bool, 4>& unresolved,
                       Proof proof) {
    cells.push_back({name, outcome, row, held, ruling, unresolved, proof});
  };
  for (const Cause cause : {Cause::dns, Cause::connect_refused, Cause::connect_timeout, Cause::tls,
                            Cause::no_address, Cause::reset, Cause::cancelled}) {
    add("nothing_sent", seen(Evidence::nothing_sent, 0, cause), Row::nothing_sent, false, kAgain,
        kNo, Proof::no_byte);
  }
  for (const int status : {421, 425, 429}) {
    add("refused", whole(status), Row::refused, false, kNotBefore, kNo, Proof::refused_status);
    add("refused_cut", seen(Evidence::answer_begun, status, Cause::closed), Row::refused, false,
        kNotBefore, kNo, Proof::refused_status);
  }
  for (const int status : {401, 403, 407}) {
    add("credentials_held", whole(status), Row::credentials, true, kCredentials, kNo, Proof::none);
    add("credentials_live", whole(status), Row::complete, false, kFinal, kNo, Proof::none);
  }
  for (const int status : {408, 500, 502, 503, 504, 529, 599}) {
    add("retry_status", whole(status), Row::retry_status, false, kDoubt, kYes, Proof::none);
  }
  add("unparsable", seen(Evidence::sent, 0, Cause::invalid_answer), Row::retry_status, false,
      kDoubt, kYes, Proof::none);
  for (const Cause cause : {Cause::head_timeout, Cause::reset, Cause::closed, Cause::crash,
                            Cause::cancelled, Cause::idle_timeout}) {
    add("no_status", seen(Evidence::sent, 0, cause), Row::no_status, false, kDoubt, kYes,
        Proof::none);
  }
  add("cut", seen(Evidence::answer_begun, 200, Cause::closed), Row::answer_cut, false, kDoubt, kYes,
      Proof::none);
  add("framing", seen(Evidence::answer_begun, 404, Cause::invalid_answer), Row::answer_cut, false,
      kDoubt, kYes, Proof::none);
  for (const int status : {200, 201, 204, 302, 400, 402, 404, 410, 422}) {
    add("complete", whole(status), Row::complete, false, kFinal, kNo, Proof::none);
  }
  return cells;
}

constexpr std::array<Mode, 4> kModes{Mode::repeatable, Mode::key, Mode::verify, Mode::none};

TEST(Decide, every_cell_of_the_table) {
  for (const Cell& cell : table()) {
    for (std::size_t column = 0; column < kModes.size(); ++column) {
      const Idempotency rules = rules_of(kModes[column]);
      const Decision got = decide(cell.outcome, {&rules, false, cell.held, false, false});
      SCOPED_TRACE(testing::Message() << cell.name << " " << cell.outcome.head.status << " "
                                      << to_string(kModes[column]));
      EXPECT_EQ(to_string(got.row), to_string(cell.row));
      EXPECT_EQ(to_string(got.ruling), to_string(cell.ruling[column]));
      EXPECT_EQ(got.unresolved, cell.unresolved[column]);
      EXPECT_EQ(got.proof, cell.proof);
      EXPECT_FALSE(got.rule.empty());
    }
  }
}

TEST(Decide, what_proves_nothing_leaves_earlier_doubt) {
  // Nothing sent, a refusal and a held 401 speak for their own attempt only.
  for (const Mode mode : {Mode::key, Mode::verify, Mode::none, Mode::repeatable}) {
    const Idempotency rules = rules_of(mode);
    for (const auto& outcome : {seen(Evidence::nothing_sent), whole(429), whole(421)}) {
      EXPECT_TRUE(decide(outcome, {&rules, false, false, true, false}).unresolved);
    }
    EXPECT_TRUE(decide(whole(401), {&rules, false, true, true, false}).unresolved);
  }
}

TEST(Decide, safe_methods_are_never_unresolved) {
  for (const Mode mode : kModes) {
    const Idempotency rules = rules_of(mode);
    for (const auto& outcome : {whole(500), seen(Evidence::sent, 0, Cause::reset),
                                seen(Evidence::answer_begun, 200, Cause::closed)}) {
      const Decision got = decide(outcome, {&rules, true, false, false, false});
      EXPECT_EQ(got.ruling, Ruling::again);
      EXPECT_FALSE(got.unresolved);
    }
  }
}

TEST(Decide, s503_is_a_refusal_only_where_declared) {
  for (const Mode mode : kModes) {
    Idempotency rules = rules_of(mode);
    EXPECT_EQ(decide(whole(503), {&rules}).row, Row::retry_status);
    rules.refused.push_back(503);
    const Decision got = decide(whole(503), {&rules});
    EXPECT_EQ(got.ruling, Ruling::again_not_before);
    EXPECT_EQ(got.proof, Proof::refused_status);
    EXPECT_FALSE(got.unresolved);
  }
}

TEST(Decide, in_progress_is_waited_for_only_while_unresolved) {
  const Idempotency rules = rules_of(Mode::key);
  const Decision ours = decide(whole(409), {&rules, false, false, true, false});
  EXPECT_EQ(ours.ruling, Ruling::again_later);
  EXPECT_TRUE(ours.unresolved);
  const Decision others = decide(whole(409), {&rules});
  EXPECT_EQ(others.ruling, Ruling::pass_on);
  EXPECT_FALSE(others.unresolved);
  const Idempotency none = rules_of(Mode::none);
  EXPECT_EQ(decide(whole(409), {&none}).ruling, Ruling::final_answer) << "no in-progress there";
}

TEST(Decide, in_progress_status_outside_the_key_column_may_still_be_cut) {
  Idempotency rules = rules_of(Mode::none);
  rules.in_progress = {409};
  const AttemptOutcome cut = seen(Evidence::answer_begun, 409, Cause::closed);
  EXPECT_EQ(decide(cut, {&rules}).ruling, Ruling::unresolved_end);
  EXPECT_EQ(decide(cut, {&rules, true}).ruling, Ruling::again);
}

struct Settle {
  const char* name;
  AttemptOutcome outcome;
  Ruling ruling;
  bool unresolved;
};

class SettlesEarlier : public testing::TestWithParam<Settle> {};

TEST_P(SettlesEarlier, on_an_unresolved_call_in_the_key_column) {
  const Idempotency rules = rules_of(Mode::key);
  for (const bool held : {false, true}) {
    const Decision got = decide(GetParam().outcome, {&rules, false, held, true, false});
    EXPECT_EQ(to_string(got.ruling), to_string(GetParam().ruling));
    EXPECT_EQ(got.unresolved, GetParam().unresolved);
  }
}

const Fields kRequestId{{"Request-Id", "req_1"}};
const Fields kReplayed{{"Idempotent-Replayed", "true"}};
const Fields kAdvice{{"stripe-should-retry", "FALSE"}};
INSTANTIATE_TEST_SUITE_P(
    Rules, SettlesEarlier,
    testing::Values(Settle{"s200", whole(200), Ruling::final_answer, false},
                    Settle{"s204", whole(204), Ruling::final_answer, false},
                    Settle{"s302_settles_nothing", whole(302), Ruling::again, true},
                    Settle{"declared_402", whole(402, kRequestId), Ruling::final_answer, false},
                    Settle{"declared_404", whole(404, kRequestId), Ruling::final_answer, false},
                    Settle{"load_balancers_404", whole(404), Ruling::again, true},
                    Settle{"idempotency_error",
                           whole(400, kRequestId, R"({"error": {"type": "idempotency_error"}})"),
                           Ruling::again, true},
                    Settle{"other_error",
                           whole(400, kRequestId, R"({"error": {"type": "card_error"}})"),
                           Ruling::final_answer, false},
                    Settle{"undeclared_422", whole(422, kRequestId), Ruling::again, true},
                    Settle{"replayed_422", whole(422, kReplayed), Ruling::final_answer, false},
                    Settle{"replay_marker_must_be_true",
                           whole(422, {{"Idempotent-Replayed", "false"}}), Ruling::again, true},
                    Settle{"stored_500", whole(500, kReplayed), Ruling::unresolved_end, true},
                    Settle{"advised_500", whole(500, kAdvice), Ruling::unresolved_end, true},
                    Settle{"advised_404", whole(404, kAdvice), Ruling::unresolved_end, true},
                    Settle{"plain_500", whole(500), Ruling::again, true}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(Decide, live_credentials_errors_settle_nothing_on_an_unresolved_call) {
  const Idempotency rules = rules_of(Mode::key);
  for (const int status : {401, 403, 407}) {
    const Decision live = decide(whole(status), {&rules, false, false, true, false});
    EXPECT_EQ(live.ruling, Ruling::again);
    EXPECT_TRUE(live.unresolved);
    const Decision held = decide(whole(status), {&rules, false, true, true, false});
    EXPECT_EQ(held.ruling, Ruling::credentials);
  }
}

TEST(Decide, settles_are_empty_unless_declared) {
  Idempotency rules;
  rules.mode = Mode::key;
  EXPECT_EQ(decide(whole(402), {&rules, false, false, true, false}).ruling, Ruling::again);
  EXPECT_EQ(decide(whole(402), {&rules}).ruling, Ruling::final_answer);
}

TEST(Decide, stored_500_and_advice_end_a_first_attempt_too) {
  const Idempotency rules = rules_of(Mode::key);
  for (const auto& fields : {kReplayed, kAdvice}) {
    const Decision got = decide(whole(500, fields), {&rules});
    EXPECT_EQ(got.ruling, Ruling::unresolved_end);
    EXPECT_TRUE(got.unresolved);
  }
}

TEST(Decide, head_is_proof) {
  const Idempotency rules = rules_of(Mode::none);
  const AttemptOutcome cut = seen(Evidence::answer_begun, 200, Cause::closed);
  const Decision got = decide(cut, {&rules, false, false, false, true});
  EXPECT_EQ(got.ruling, Ruling::answered_by_head);
  EXPECT_FALSE(got.unresolved);
  EXPECT_EQ(decide(cut, {&rules}).ruling, Ruling::unresolved_end);
  // A 5xx head proves nothing, and neither does a missing one.
  const AttemptOutcome five = seen(Evidence::answer_begun, 500, Cause::closed);
  EXPECT_EQ(decide(five, {&rules, false, false, false, true}).ruling, Ruling::unresolved_end);
  const AttemptOutcome none = seen(Evidence::sent, 0, Cause::closed);
  EXPECT_EQ(decide(none, {&rules, false, false, false, true}).ruling, Ruling::unresolved_end);
}

TEST(Decide, cut_after_a_forwarded_byte) {
  AttemptOutcome cut = seen(Evidence::answer_begun, 200, Cause::closed);
  cut.forwarded = true;
  const Idempotency safe = rules_of(Mode::repeatable);
  EXPECT_EQ(decide(cut, {&safe}).ruling, Ruling::cut_off);
  const Idempotency key = rules_of(Mode::key);
  EXPECT_EQ(decide(cut, {&key}).ruling, Ruling::again) << "in the background";
  const Idempotency none = rules_of(Mode::none);
  EXPECT_EQ(decide(cut, {&none}).ruling, Ruling::unresolved_end);
}

TEST(Decide, columns) {
  EXPECT_EQ(column_of(Mode::none, true), Column::safe);
  EXPECT_EQ(column_of(Mode::key, true), Column::safe);
  EXPECT_EQ(column_of(Mode::repeatable, false), Column::safe);
  EXPECT_EQ(column_of(Mode::key, false), Column::key);
  EXPECT_EQ(column_of(Mode::verify, false), Column::verify);
  EXPECT_EQ(column_of(Mode::none, false), Column::none);
}

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(HF_SOURCE_DIR) + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  // The simulator's points are no rules (base/planted.h).
  static const std::regex point("HF_(?:BUG|PROBE)\\(\"[^\"]*\"\\)");
  return std::regex_replace(text.str(), point, "");
}

constexpr std::array kRooms{"arrive",  "resume", "attempt", "follow", "held",    "ask",
                            "recover", "core",   "verify",  "order",  "suspects"};

// Every rule that a timeline can name is explained in docs/decisions.md, and every rule explained
// there exists.
TEST(Decide, rules_are_documented) {
  std::set<std::string> used;
  const auto collect = [&](const std::string& text, const std::string& pattern) {
    const std::regex rule(pattern);
    for (std::sregex_iterator it(text.begin(), text.end(), rule), end; it != end; ++it) {
      used.insert((*it)[1]);
    }
  };
  const std::string table_text = text_of("src/call/decide.cc");
  ASSERT_FALSE(table_text.empty());
  collect(table_text.substr(0, table_text.find("std::string_view to_string(Row")),
          "\"([a-z]+(?:-[a-z]+)+|final|credentials|verify)\"");
  for (const char* file : kRooms) {
    const std::string text = text_of(std::string("src/engine/") + file + ".cc");
    ASSERT_FALSE(text.empty());
    collect(text, "\"([a-z]+(?:-[a-z]+)+)\"");
    collect(text, "(?:rule = |end_live\\(active, |rule, )\"([a-z_-]+)\"");
  }
  ASSERT_GT(used.size(), 15U);
  std::set<std::string> documented;
  const std::string page = text_of("docs/decisions.md");
  const std::regex row("\n\\| `([a-z_-]+)` \\|");
  for (std::sregex_iterator it(page.begin(), page.end(), row), end; it != end; ++it) {
    documented.insert((*it)[1]);
  }
  for (const std::string& rule : used) {
    EXPECT_TRUE(documented.contains(rule)) << rule << " is not in docs/decisions.md";
  }
  std::string everything = table_text;
  for (const char* file : kRooms) {
    everything += text_of(std::string("src/engine/") + file + ".cc");
  }
  for (const std::string& rule : documented) {
    EXPECT_NE(everything.find("\"" + rule + "\""), std::string::npos) << rule << " is not used";
  }
}

}  // namespace
}  // namespace hf::call
