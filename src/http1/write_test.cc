#include "http1/write.h"

#include <gtest/gtest.h>

#include "http1/print.h"

namespace hf::http1 {
namespace {

using Kind = BodyFraming::Kind;
using namespace std::string_literals;

std::string request_bytes(const Fields& fields, BodyFraming framing) {
  std::string out;
  write_request_head(out, {"POST", "/a?b", 1, fields}, framing);
  return out;
}

std::string response_bytes(int status, const Fields& fields, BodyFraming framing) {
  std::string out;
  write_response_head(out, {1, status, "R", fields}, framing);
  return out;
}

TEST(Write, writes_one_framing_in_the_place_of_the_first) {
  const Fields fields = {
      {"A", "1"}, {"content-length", "5"}, {"B", ""}, {"TRANSFER-ENCODING", "x"}};
  const std::string line = "POST /a?b HTTP/1.1\r\n";
  EXPECT_EQ(request_bytes(fields, {Kind::length, 9}),
            line + "A: 1\r\nContent-Length: 9\r\nB: \r\n\r\n");
  EXPECT_EQ(request_bytes(fields, {Kind::chunked, 0}),
            line + "A: 1\r\nTransfer-Encoding: chunked\r\nB: \r\n\r\n");
  EXPECT_EQ(request_bytes(fields, {Kind::none, 0}), line + "A: 1\r\nB: \r\n\r\n");
  EXPECT_EQ(request_bytes({{"A", "1"}}, {Kind::length, 0}),
            line + "A: 1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(request_bytes({}, {Kind::length, 18446744073709551615U}),
            line + "Content-Length: 18446744073709551615\r\n\r\n");
}

TEST(Write, keeps_the_length_of_a_body_that_is_not_sent) {
  const Fields fields = {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}};
  const std::string two = "Content-Length: 5\r\n\r\n";
  EXPECT_EQ(response_bytes(200, fields, {Kind::none, 0}), "HTTP/1.1 200 R\r\n" + two);
  EXPECT_EQ(response_bytes(304, fields, {Kind::none, 0}), "HTTP/1.1 304 R\r\n" + two);
  EXPECT_EQ(response_bytes(204, fields, {Kind::none, 0}), "HTTP/1.1 204 R\r\n\r\n");
  EXPECT_EQ(response_bytes(100, fields, {Kind::none, 0}), "HTTP/1.1 100 R\r\n\r\n");
  EXPECT_EQ(response_bytes(200, {{"Content-Length", "x"}}, {Kind::none, 0}),
            "HTTP/1.1 200 R\r\n\r\n");
  EXPECT_EQ(response_bytes(200, {{"Content-Length", "5"}, {"Content-Length", "6"}}, {}),
            "HTTP/1.1 200 R\r\n" + two);
  EXPECT_EQ(response_bytes(200, fields, {Kind::until_close, 0}), "HTTP/1.1 200 R\r\n\r\n");
}

TEST(Write, says_what_version_we_speak) {
  std::string out;
  write_response_head(out, {0, 200, "", {}}, {Kind::length, 0});
  EXPECT_EQ(out, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n");
}

TEST(Write, writes_chunks) {
  std::string out = "before";
  write_chunk(out, std::string(26, 'x'));
  write_chunk(out, "");
  write_chunk(out, "y");
  write_last_chunk(out);
  EXPECT_EQ(out, "before1a\r\n" + std::string(26, 'x') + "\r\n1\r\ny\r\n0\r\n\r\n");
}

// Response splitting and request injection stop here whatever the layers above let through.
TEST(WriteDeathTest, stops_before_it_splits_a_message) {
  const BodyFraming none;
  for (const auto& bad : {"a\r\nX: y"s, "a\rb"s, "a\nb"s, "a\0b"s, "a\x7f"s}) {
    EXPECT_DEATH(request_bytes({{"X", bad}}, none), "field value") << bad;
    EXPECT_DEATH(request_bytes({{bad, "x"}}, none), "field name") << bad;
    std::string out;
    EXPECT_DEATH(write_request_head(out, {bad, "/", 1, {}}, none), "method") << bad;
    EXPECT_DEATH(write_request_head(out, {"GET", "/" + bad, 1, {}}, none), "target") << bad;
    EXPECT_DEATH(write_response_head(out, {1, 200, bad, {}}, none), "reason") << bad;
  }
  std::string out;
  EXPECT_DEATH(request_bytes({{"", "x"}}, none), "field name");
  EXPECT_DEATH(request_bytes({{"X ", "x"}}, none), "field name");
  EXPECT_DEATH(write_request_head(out, {"GET", "/a b", 1, {}}, none), "target");
  EXPECT_DEATH(write_request_head(out, {"GET", "", 1, {}}, none), "target");
  EXPECT_DEATH(request_bytes({}, {Kind::until_close, 0}), "until_close");
  EXPECT_DEATH(response_bytes(204, {}, {Kind::length, 0}), "check failed");
  EXPECT_DEATH(response_bytes(600, {}, none), "check failed");
}

}  // namespace
}  // namespace hf::http1
