#include "http1/body.h"

#include <gtest/gtest.h>

#include "http1/beast_oracle.h"
#include "http1/print.h"

namespace hf::http1 {
namespace {

using oracle::decode;
using oracle::Decoded;
using namespace std::string_literals;

constexpr BodyFraming kChunked{BodyFraming::Kind::chunked, 0};

// Decodes in pieces of every size and asserts that the pieces make no difference.
Decoded decode_chunked(const std::string& bytes, BodyLimits limits = {}) {
  const auto whole = decode(bytes, kChunked, bytes.size(), limits);
  for (std::size_t step = 1; step < bytes.size() && step < 40; ++step) {
    EXPECT_EQ(decode(bytes, kChunked, step, limits), whole)
        << step << " of " << bytes.substr(0, 60);
  }
  return whole;
}

TEST(BodyDecoder, none_and_empty_are_done_at_once) {
  for (const auto framing : {BodyFraming{}, BodyFraming{BodyFraming::Kind::length, 0}}) {
    BodyDecoder decoder(framing);
    EXPECT_TRUE(decoder.done());
    const auto step = decoder.next("GET / HTTP/1.1");
    EXPECT_TRUE(step.done);
    EXPECT_EQ(step.consumed, 0U);
    EXPECT_TRUE(decoder.on_eof());
  }
}

TEST(BodyDecoder, takes_exactly_its_length) {
  BodyDecoder decoder({BodyFraming::Kind::length, 5});
  auto step = decoder.next("ab");
  EXPECT_EQ(step.data, "ab");
  EXPECT_FALSE(step.done);
  EXPECT_FALSE(decoder.on_eof());
  step = decoder.next("cdeHTTP/1.1");
  EXPECT_EQ(step.data, "cde");
  EXPECT_EQ(step.consumed, 3U);
  EXPECT_TRUE(step.done);
  EXPECT_EQ(decoder.received(), 5U);
  EXPECT_TRUE(decoder.on_eof());
}

TEST(BodyDecoder, until_close_ends_with_the_connection_only) {
  BodyDecoder decoder({BodyFraming::Kind::until_close, 0});
  EXPECT_EQ(decoder.next("0\r\n\r\n").data, "0\r\n\r\n");
  EXPECT_FALSE(decoder.done());
  EXPECT_TRUE(decoder.on_eof());
  EXPECT_TRUE(decoder.done());
}

TEST(BodyDecoder, points_into_the_input) {
  const std::string input = "3\r\nabc\r\n0\r\n\r\n";
  BodyDecoder decoder(kChunked);
  const auto step = decoder.next(input);
  EXPECT_EQ(step.data.data(), input.data() + 3);
  EXPECT_EQ(step.consumed, 6U);
}

TEST(BodyDecoder, decodes_chunks) {
  struct Row {
    const char* what;
    std::string bytes;
    std::string data;
    std::size_t rest;
  };
  const std::vector<Row> rows = {
      {"one", "5\r\nhello\r\n0\r\n\r\n", "hello", 0},
      {"two", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", 0},
      {"none", "0\r\n\r\n", "", 0},
      {"capitals", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0},
      {"zeros in front", "0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello", 0},
      {"extensions", "5;a;b=c;d\r\nhello\r\n0;last\r\n\r\n", "hello", 0},
      {"trailers", "0\r\nX: y\r\nZ:\r\n\r\n", "", 0},
      {"long trailer name", "0\r\n" + std::string(40, 'n') + ": y\r\n\r\n", "", 0},
      {"longer than a framing name", "0\r\nTransfer-Encodings: y\r\n\r\n", "", 0},
      {"the next message", "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1", "a", 14},
      {"line ends as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", 0},
      {"any bytes as data", "2\r\n\0\xff\r\n0\r\n\r\n"s, "\0\xff"s, 0},
  };
  for (const auto& row : rows) {
    const auto decoded = decode_chunked(row.bytes);
    EXPECT_EQ(decoded.refusal, Refusal::none) << row.what;
    EXPECT_TRUE(decoded.done) << row.what;
    EXPECT_EQ(decoded.data, row.data) << row.what;
    EXPECT_EQ(decoded.consumed, row.bytes.size() - row.rest) << row.what;
  }
}

TEST(BodyDecoder, refuses_odd_chunks) {
  const std::string end = "\r\n0\r\n\r\n";
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"no size", "\r\nhello" + end},
      {"bare LF after size", "5\nhello" + end},
      {"bare CR after size", "5\rhello" + end},
      {"CR CR LF", "5\r\r\nhello" + end},
      {"bare LF after data", "5\r\nhello\n0\r\n\r\n"},
      {"bare CR after data", "5\r\nhello\r0\r\n\r\n"},
      {"data too long", "4\r\nhello" + end},
      {"data too short", "6\r\nhello" + end},
      {"0x", "0x5\r\nhello" + end},
      {"plus", "+5\r\nhello" + end},
      {"minus", "-5\r\nhello" + end},
      {"underscore", "1_0\r\nhello" + end},
      {"blank first", " 5\r\nhello" + end},
      {"blank after size", "5 \r\nhello" + end},
      {"tab after size", "5\t\r\nhello" + end},
      {"letter", "g\r\nhello" + end},
      {"comma", "5,5\r\nhello" + end},
      {"NUL", "5\0\r\nhello"s + end},
      {"17 digits", "00000000000000005\r\nhello" + end},
      {"2^64", "10000000000000000\r\nhello" + end},
      {"2^64 + 5", "10000000000000005\r\nhello" + end},
      {"empty extension", "5;\r\nhello" + end},
      {"blank before extension", "5 ;a\r\nhello" + end},
      {"blank in extension", "5; a\r\nhello" + end},
      {"extension without name", "5;=b\r\nhello" + end},
      {"extension without value", "5;a=\r\nhello" + end},
      {"two values", "5;a=b=c\r\nhello" + end},
      {"quoted extension", "5;a=\"b\"\r\nhello" + end},
      {"bare LF in extension", "5;a\nhello" + end},
      {"bare CR in extension", "5;a\rb\r\nhello" + end},
      {"LF inside quotes", "5;a=\"\n\"\r\nhello" + end},
      {"NUL in extension", "5;a\0\r\nhello"s + end},
      {"long extension", "5;" + std::string(256, 'a') + "\r\nhello" + end},
  };
  for (const auto& [what, bytes] : cases) {
    const auto decoded = decode_chunked(bytes);
    EXPECT_EQ(decoded.refusal, Refusal::bad_chunk) << what;
    EXPECT_FALSE(decoded.done) << what;
  }
}

TEST(BodyDecoder, refuses_odd_trailers) {
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"bare LF as end", "0\r\n\n"},
      {"CR and a byte", "0\r\n\rX"},
      {"no colon", "0\r\nX\r\n\r\n"},
      {"no name", "0\r\n: y\r\n\r\n"},
      {"blank before colon", "0\r\nX : y\r\n\r\n"},
      {"fold", "0\r\nX: y\r\n z\r\n\r\n"},
      {"bare LF", "0\r\nX: y\n\r\n"},
      {"bare CR", "0\r\nX: y\rZ\r\n\r\n"},
      {"NUL", "0\r\nX: \0\r\n\r\n"s},
      {"Content-Length", "0\r\ncontent-LENGTH: 5\r\n\r\n"},
      {"Content-Length second", "0\r\nX: y\r\nContent-Length: 5\r\n\r\n"},
      {"Transfer-Encoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"Host", "0\r\nHost: b\r\n\r\n"},
      {"Connection", "0\r\nConnection: close\r\n\r\n"},
      {"a request", "0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"without end", "0\r\nX: " + std::string(9000, 'y')},
  };
  for (const auto& [what, bytes] : cases) {
    EXPECT_EQ(decode_chunked(bytes).refusal, Refusal::bad_trailer) << what;
  }
}

TEST(BodyDecoder, keeps_its_limits_exactly) {
  const std::string five = "5\r\nhello\r\n0\r\n\r\n";
  const std::string two_three = "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
  EXPECT_TRUE(decode_chunked(five, {.max_body = 5}).done);
  EXPECT_EQ(decode_chunked(five, {.max_body = 4}).refusal, Refusal::body_too_large);
  EXPECT_TRUE(decode_chunked(two_three, {.max_body = 5}).done);
  EXPECT_EQ(decode_chunked(two_three, {.max_body = 4}).refusal, Refusal::body_too_large);
  // 2^64 - 1 does not wrap past what was received.
  EXPECT_EQ(decode_chunked("1\r\na\r\nffffffffffffffff\r\nb").refusal, Refusal::body_too_large);
  EXPECT_EQ(decode_chunked("8000000000000000\r\nb").refusal, Refusal::body_too_large);

  BodyDecoder fixed({BodyFraming::Kind::length, 6}, {.max_body = 5});
  EXPECT_EQ(fixed.next("").refusal, Refusal::body_too_large);
  EXPECT_TRUE(decode("hello", {BodyFraming::Kind::length, 5}, 5, {.max_body = 5}).done);

  BodyDecoder open({BodyFraming::Kind::until_close, 0}, {.max_body = 5});
  EXPECT_EQ(open.next("hello").refusal, Refusal::none);
  EXPECT_EQ(open.next("!").refusal, Refusal::body_too_large);
  EXPECT_FALSE(open.on_eof());

  const std::string trailer = "0\r\nX: y\r\n\r\n";  // 6 bytes of line, 1 to see the end
  EXPECT_TRUE(decode_chunked(trailer, {.max_trailer = 7}).done);
  EXPECT_EQ(decode_chunked(trailer, {.max_trailer = 6}).refusal, Refusal::bad_trailer);
}

// Many tiny chunks, each with an extension: work without an end for hardly any body.
TEST(BodyDecoder, bounds_extensions_over_all_chunks) {
  std::string bytes;
  for (int i = 0; i < 100; ++i)
    bytes += "1;" + std::string(200, 'x') + "\r\na\r\n";
  EXPECT_EQ(decode(bytes, kChunked, 1000).refusal, Refusal::bad_chunk);
  EXPECT_EQ(decode(bytes, kChunked, 1000, {.max_extensions = 100 * 201}).refusal, Refusal::none);
}

TEST(BodyDecoder, a_refusal_sticks) {
  BodyDecoder decoder(kChunked);
  EXPECT_EQ(decoder.next("x").refusal, Refusal::bad_chunk);
  const auto again = decoder.next("5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(again.refusal, Refusal::bad_chunk);
  EXPECT_EQ(again.consumed, 0U);
  EXPECT_FALSE(decoder.on_eof());
}

TEST(BodyDecoder, cut_chunks_are_not_complete) {
  const std::string whole = "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BodyDecoder decoder(kChunked);
    std::string_view rest = std::string_view(whole).substr(0, size);
    while (!rest.empty())
      rest.remove_prefix(decoder.next(rest).consumed);
    EXPECT_FALSE(decoder.on_eof()) << size;
  }
}

}  // namespace
}  // namespace hf::http1
