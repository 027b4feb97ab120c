#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "app/top_command.h"

namespace hf::app {
namespace {

boost::json::object answer(const std::string& at, int requests, int attempts, int shed,
                           int refused) {
  const std::string text = R"({"at":"2026-11-22T05:20:)" + at +
                           R"(Z","version":"0.1.0","started":"2026-11-22T05:20:00.000Z",)"
                           R"("cpu_us":)" +
                           std::to_string(requests * 100) +
                           R"(,"resident_bytes":20971520,"requests":{"/buy/":)" +
                           std::to_string(requests) + R"(},"problems":{"overloaded":)" +
                           std::to_string(shed) + R"(},"server":{"connections":60,"requests":)" +
                           std::to_string(requests) + R"(,"answers":)" + std::to_string(requests) +
                           R"(,"gone":0},"active_calls":21,"clients":{"over_ms":8000,"busiest":[)"
                           R"({"client":"10.0.0.58","asked":4000,"refused":20}]},)"
                           R"("upstreams":[{"name":"app",)"
                           R"("breaker":"closed","attempts":)" +
                           std::to_string(attempts) +
                           R"(,"load":{"in_flight":11,"limit":12,"waiting":10,)"
                           R"("queue_delay_ms":108,"threshold_ms":30,"shed_below":"low",)"
                           R"("shed":{"optional":{"by_class":)" +
                           std::to_string(shed) +
                           R"(}},"learnt":{"lesson":"hold"}}}],"limits":{"limits":[{"name":"api",)"
                           R"("mode":"enforce","rate":"40/s","admitted":)" +
                           std::to_string(requests) + R"(,"quota":)" + std::to_string(refused) +
                           R"(,"banned":0,"blocked":0,"offenders":[{"client":"10.0.0.58"}]}]},)"
                           R"("features":{"features":[{"name":"search","on":false,"dimmed":true,)"
                           R"("word":null}]},"autoscale":{"upstreams":{"app":{"demand":8.7}}}})";
  return boost::json::parse(text).as_object();
}

TEST(TopView, tells_rates_between_two_answers) {
  ViewOptions options;
  options.now = WallTime{1795324871000};
  const auto before = answer("30.000", 1000, 100, 5, 0);
  const auto text = show_top(before, answer("32.000", 3500, 480, 2005, 7), options);
  EXPECT_EQ(text,
            "holdfast 0.1.0   up 1m11s   cpu 12 %   20 MiB   05:20:32\n"
            "requests 1,250/s   answers 1,250/s   connections 60   calls in memory 21   clients "
            "gone 0/s\n"
            "\n"
            "ROUTE  A SECOND  TOTAL\n"
            "/buy/  1,250     3,500\n"
            "\n"
            "CLIENT     A SECOND  REFUSED/S\n"
            "10.0.0.58  500.0     2.5\n"
            "\n"
            "UPSTREAM  BREAKER  IN FLIGHT  LIMIT  LEARNT BY  WAITING  QUEUE MS  TARGET MS  DEMAND  "
            "TRIES/S  SENT AWAY/S  REFUSED NOW\n"
            "app       closed   11         12     hold       10       108       30         8.70    "
            "190      1,000        below low\n"
            "\n"
            "LIMIT  RATE  ADMITTED/S  REFUSED/S  TOTAL REFUSED  MOSTLY\n"
            "api    40/s  1,250       3.5        7              10.0.0.58\n"
            "\n"
            "FEATURES  search OFF (by load)\n"
            "\n"
            "REFUSED, FAILED  A SECOND  TOTAL\n"
            "overloaded       1,000     2,005\n");
}

TEST(TopView, a_restart_is_no_negative_rate) {
  const auto text = show_top(answer("30.000", 1000, 100, 5, 9), answer("32.000", 10, 0, 0, 0),
                             {WallTime{1795324871000}, false});
  EXPECT_NE(text.find("requests -/s"), std::string::npos) << text;
  EXPECT_EQ(text.find("--"), std::string::npos) << text;
}

TEST(TopView, an_answer_without_anything_is_shown_as_nothing) {
  const boost::json::object empty;
  EXPECT_FALSE(show_top(empty, empty, {}).empty());
}

}  // namespace
}  // namespace hf::app
