#include "app/report_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace hf::app {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string shown(std::string_view text) {
  return show_report(json::parse(json::string_view(text.data(), text.size())).as_object());
}

constexpr std::string_view kReport = R"json({
  "since": "2026-11-20T21:00:00Z", "until": "2026-11-21T21:00:00Z",
  "first_hour": "2026-11-21T20:00:00Z", "forgotten_keys": 12, "unreadable_lines": 1,
  "routes": [
    {"route": "/risky", "observes": true, "calls": 1000, "clean": 990, "findings": [
      {"would": "refuse", "rule": "key-missing", "count": 10, "samples": []}]},
    {"route": "/v1/\u001b[2J", "observes": true, "calls": 1204, "clean": 1200, "findings": [
      {"would": "retry", "rule": "retry-same-key", "row": "no_status", "count": 2, "samples": [
        {"at": "2026-11-21T20:10:00Z", "method": "POST", "path": "/v1/\u001b]0;x", "status": 503,
         "key": "0123456789ab"}]},
      {"would": "doubled", "rule": "answered-twice", "count": 2, "samples": []},
      {"would": "doubled", "rule": "perhaps", "count": 1, "samples": []}]},
    {"route": "/quiet", "observes": true, "calls": 0, "clean": 0, "findings": []},
    {"route": "/done", "observes": false, "calls": 5, "clean": 5, "findings": []}]
})json";

TEST(ReportView, TellsTheHeadlineFirstAndMovesNoCursor) {
  const std::string text = shown(kReport);
  EXPECT_THAT(text, Not(HasSubstr("\033")));
  EXPECT_THAT(text,
              HasSubstr("Nothing of it was done.\n2 requests were repeats of a call already "
                        "applied: these took effect twice.\n1 was a repeat of a call that may"));
  EXPECT_THAT(text, HasSubstr("1,204 calls, 1,200 of them with nothing to change"));
  EXPECT_LT(text.find("answered-twice"), text.find("no_status, retry-same-key"));
  EXPECT_THAT(text, HasSubstr("  503  key #0123456789ab"));
  EXPECT_THAT(text, HasSubstr("/done   5 calls, 5 of them with nothing to change   (observes no "
                              "more)"));
  EXPECT_THAT(text, HasSubstr("12 keys were let go"));
  EXPECT_THAT(text, HasSubstr("Lines of the files that could not be read: 1"));
}

TEST(ReportView, TheSafestRouteIsTheFirstToBeginWith) {
  const std::string text = shown(kReport);
  const auto at = text.find("To begin");
  ASSERT_NE(at, std::string::npos);
  const std::string advice = text.substr(at);
  EXPECT_THAT(advice, HasSubstr("1. path: /v1/"));
  EXPECT_THAT(advice, HasSubstr("no call would have been refused, cut off or delayed"));
  EXPECT_THAT(advice, HasSubstr("2. path: /risky   10 would have been refused"));
  EXPECT_THAT(advice, HasSubstr("3. path: /quiet   no call was seen"));
  EXPECT_THAT(advice, Not(HasSubstr("/done")));
}

TEST(ReportView, NothingSeenIsSaidPlainly) {
  EXPECT_THAT(shown(R"({"since": "2026-11-20T21:00:00Z", "routes": []})"),
              HasSubstr("Nothing was observed"));
}

}  // namespace
}  // namespace hf::app
