#include "adapters/telemetry/log.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <vector>

#include "adapters/telemetry/process.h"

namespace hf::adapters {
namespace {

constexpr WallTime kAt{1'790'000'000'123};  // 2026-09-21T14:13:20.123Z

LogLine full_line() {
  LogLine line;
  line.level = LogLevel::error;
  line.what = "call_unknown";
  line.call = "0abc";
  line.route = "/v1/";
  line.upstream = "stripe";
  line.rule = "no-status";
  line.evidence = "sent";
  line.cause = "reset";
  line.status = 502;
  line.attempts = 3;
  line.detail = "the answer was lost";
  return line;
}

struct Capture {
  explicit Capture(LogFormat format, int burst = 2) {
    options.format = format;
    options.burst = burst;
    options.kinds_max = 4;
    options.sink = [this](const std::string& line) { lines.push_back(line); };
    options.now = [this] { return Now{mono, kAt, {}}; };
  }
  LogOptions options;
  Instant mono{1};
  std::vector<std::string> lines;
};

TEST(LogLine, Json) {
  EXPECT_EQ(json_line(full_line(), kAt, 4),
            R"({"ts":"2026-09-21T14:13:20.123Z","level":"error","what":"call_unknown",)"
            R"("call":"0abc","route":"/v1/","upstream":"stripe","rule":"no-status",)"
            R"("evidence":"sent","cause":"reset","status":502,"attempts":3,)"
            R"("detail":"the answer was lost","left_out":4})");
  LogLine bare;
  bare.what = "draining";
  EXPECT_EQ(json_line(bare, kAt, 0),
            R"({"ts":"2026-09-21T14:13:20.123Z","level":"info","what":"draining"})");
}

TEST(LogLine, Plain) {
  EXPECT_EQ(plain_line(full_line(), kAt, 0, false),
            "14:13:20.123 ERROR call_unknown: the answer was lost call=0abc route=/v1/ "
            "upstream=stripe rule=no-status evidence=sent cause=reset status=502 attempts=3");
  const auto painted = plain_line(full_line(), kAt, 0, true);
  EXPECT_NE(painted.find("\033[1;31mERROR\033[0m"), std::string::npos);
}

TEST(LogLine, ControlCharactersAreEscaped) {
  LogLine line;
  line.what = "x";
  line.detail = "a\n\x1b[2J\x7f\xC2\x9B\xFF \"q\" b\\c \xC3\xA9";
  const auto plain = plain_line(line, kAt, 0, false);
  EXPECT_EQ(plain,
            "14:13:20.123 info  x: a\\n\\u001b[2J\\u007f\\u009b\xEF\xBF\xBD \"q\" b\\c \xC3\xA9");
  for (const char c : json_line(line, kAt, 0))
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

TEST(Log, RepeatsAreBoundedAndCounted) {
  Capture capture(LogFormat::json);
  Log log(capture.options);
  LogLine line;
  line.what = "dns_failed";
  for (int i = 0; i < 5; ++i) {
    line.detail = "try " + std::to_string(i);
    log.write(line);
  }
  EXPECT_EQ(capture.lines.size(), 2U);
  line.upstream = "another";
  log.write(line);
  EXPECT_EQ(capture.lines.size(), 3U);
  line.upstream.clear();
  capture.mono = capture.mono + Duration::seconds(10);
  log.write(line);
  ASSERT_EQ(capture.lines.size(), 4U);
  EXPECT_NE(capture.lines.back().find("\"left_out\":3"), std::string::npos);
  log.write(line);
  EXPECT_EQ(capture.lines.back().find("left_out"), std::string::npos);
  EXPECT_EQ(log.left_out(), 3U);
}

TEST(Log, RefusedBeforeAnythingWasSentIsBoundedAsWell) {
  Capture capture(LogFormat::json);
  Log log(capture.options);
  LogLine line;
  line.what = "call_failed";
  line.call = "06h03cpdhvt8h5pp2n5d8gx3thw53egp07x0";
  line.evidence = "nothing_sent";
  for (int i = 0; i < 5; ++i)
    log.write(line);
  EXPECT_EQ(capture.lines.size(), 2U);
  line.evidence = "sent";
  for (int i = 0; i < 5; ++i)
    log.write(line);
  EXPECT_EQ(capture.lines.size(), 7U);
}

TEST(Log, LinesOfACallAreAlwaysWritten) {
  Capture capture(LogFormat::json);
  Log log(capture.options);
  for (int i = 0; i < 50; ++i)
    log.write(full_line());
  EXPECT_EQ(capture.lines.size(), 50U);
}

TEST(Log, AFloodOfKindsForgetsOldOnes) {
  Capture capture(LogFormat::json, 1);
  Log log(capture.options);
  LogLine line;
  for (int i = 0; i < 100; ++i) {
    line.what = "kind_" + std::to_string(i);
    log.write(line);
  }
  EXPECT_EQ(capture.lines.size(), 100U);
}

TEST(Log, LevelsBelowTheLeastAreLeftOut) {
  Capture capture(LogFormat::plain);
  capture.options.least = LogLevel::warning;
  Log log(capture.options);
  LogLine line;
  line.what = "x";
  log.write(line);
  EXPECT_TRUE(capture.lines.empty());
  line.level = LogLevel::warning;
  log.write(line);
  EXPECT_EQ(capture.lines, std::vector<std::string>{"14:13:20.123 WARN  x"});
}

TEST(Log, TakesWhatIsSaidThroughSpdlog) {
  Capture capture(LogFormat::json);
  const auto before = spdlog::default_logger();
  {
    Log log(capture.options);
    log.take_over_spdlog();
    spdlog::warn("ca file {} is old", "x.pem");
    spdlog::set_default_logger(before);
  }
  ASSERT_EQ(capture.lines.size(), 1U);
  EXPECT_EQ(capture.lines[0],
            R"({"ts":"2026-09-21T14:13:20.123Z","level":"warning","what":"message",)"
            R"("detail":"ca file x.pem is old"})");
}

TEST(Process, ReadsItself) {
  const auto process = read_process();
  EXPECT_GT(process.resident_bytes, 100'000U);
  EXPECT_GE(process.open_fds, 3U);
  EXPECT_GT(process.max_fds, process.open_fds);
  EXPECT_GT(process.started.ms, 1'600'000'000'000);
  EXPECT_EQ(read_process().started, process.started);
}

}  // namespace
}  // namespace hf::adapters
