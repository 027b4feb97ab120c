#include "app/explain_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace hf::app {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

// What hostile clients could have written, wherever their words are shown.
constexpr std::string_view kAnswer = R"json({
  "verdict": "doubled", "headline": "Doubled: A shows it.", "at": "2026-11-21T03:39:20.123Z",
  "looked": ["calls with x=...: 1\u001b[2J"],
  "sentences": [
    {"rule": "same-content-other-key", "weight": "doubled", "text": "One <b>two</b> three.",
     "unproved": "Nothing else.", "calls": ["A"], "evidence": [{"call": "A", "event": 1}]},
    {"rule": "sent-once", "weight": "nothing_doubled", "text": "Once.",
     "unproved": "Nothing else.", "calls": [], "evidence": []}],
  "calls": [{"label": "A", "call": "06gz", "state": "answered", "method": "POST", "path": "/</td>",
     "has_query": false, "upstream": "bank", "owner": "abc", "answer": {"status": 200},
     "key": {"hash": "k1"}, "index": [{"name": "customer", "value": "</script><script>x"},
                                      {"name": "card", "hash": "9f86"}]}],
  "timeline": [
    {"call": "A", "event": 1, "at": "2026-11-21T03:39:20.123Z", "what": "accepted",
     "who": "client", "where": "10.0.0.7:1\u001b]0;x", "hash": "ab12"},
    {"call": "A", "event": 2, "at": "2026-11-22T03:39:20.123Z", "what": "attempt_started",
     "who": "holdfast", "attempt": 1},
    {"call": "A", "event": 3, "at": "2026-11-22T03:39:21.123Z", "what": "attempt_ended",
     "who": "upstream", "attempt": 1, "status": 200, "evidence": "answer_complete",
     "took_ms": 84, "phases_us": {"resolve": 20, "connect": 1200, "head": 80000},
     "bytes_sent": 3, "bytes_received": 4, "reused": true}]
})json";

json::object answer() {
  return json::parse(json::string_view(kAnswer.data(), kAnswer.size())).as_object();
}

TEST(ExplainView, ReadsAsTextAndMovesNoCursor) {
  const std::string text = show_explanation(answer(), false);
  EXPECT_EQ(text.substr(0, text.find('\n')), "Doubled: A shows it.");
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text, HasSubstr("  A  06gz  POST /</td>  answered 200"));
  EXPECT_THAT(text, HasSubstr("customer=</script><script>x card=#9f86"));
  EXPECT_THAT(text, HasSubstr("  1. One <b>two</b> three.\n     [A1; same-content-other-key]"));
  EXPECT_THAT(text, HasSubstr("  of 1, 2: Nothing else."));
  EXPECT_THAT(text, HasSubstr("Timeline, 2026-11-21 UTC"));
  EXPECT_THAT(text, HasSubstr("2026-11-22\n"));
  EXPECT_THAT(text, HasSubstr("84 ms (connect 1.2 ms, head 80 ms), 3 bytes out, 4 in, a reused"));
  EXPECT_THAT(show_explanation(answer(), true), HasSubstr("\033[1;31mDoubled"));
}

TEST(ExplainView, AnEmptyAnswerIsNoCrash) {
  EXPECT_FALSE(show_explanation({}, false).empty());
  EXPECT_FALSE(show_duplicates({}).empty());
  EXPECT_FALSE(evidence_page({}, "{}").empty());
}

TEST(EvidencePage, EscapesEveryWordAndKeepsTheDataWhole) {
  const std::string page = evidence_page(answer(), kAnswer);
  EXPECT_THAT(page, Not(HasSubstr("<script>x")));
  EXPECT_THAT(page, Not(HasSubstr("</td>\"")));
  EXPECT_THAT(page, HasSubstr("customer=&lt;/script&gt;&lt;script&gt;x"));
  EXPECT_THAT(page, HasSubstr("One &lt;b&gt;two&lt;/b&gt; three."));
  EXPECT_THAT(page, HasSubstr("class=\"verdict doubled\""));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("<svg viewBox"));
  const std::string_view open = "id=\"data\">";
  const auto begin = page.find(open) + open.size();
  const auto data = page.substr(begin, page.find("</script>", begin) - begin);
  EXPECT_EQ(json::parse(data), json::parse(json::string_view(kAnswer.data(), kAnswer.size())));
}

TEST(DuplicatesView, SaysWhoAndByHowMuch) {
  const auto none = json::parse(R"({"since": "s", "window": "1m", "calls": 7, "repeats": 0,
                                    "complete": true, "callers": [], "pairs": []})");
  EXPECT_THAT(show_duplicates(none.as_object()), HasSubstr("of 7 calls that could be compared"));
  const auto some = json::parse(R"({"since": "s", "window": "1m", "calls": 7, "repeats": 4,
    "complete": false, "pairs": [], "callers": [{"route": "/", "owner": "ab", "agent": "eager",
    "calls": 6, "repeats": 4, "load_percent": 300,
    "latest": {"later": "06gz", "apart_ms": 1050}}]})");
  const std::string text = show_duplicates(some.as_object());
  EXPECT_THAT(text, HasSubstr("4 of 7 calls since s repeat"));
  EXPECT_THAT(text, HasSubstr("#ab    eager  6      4        x3.00  06gz         1.050 s"));
  EXPECT_THAT(text, HasSubstr("There are more"));
}

}  // namespace
}  // namespace hf::app
