// Ours against itself (any pieces, there and back) and against Boost.Beast: what ours accepts,
// Beast must accept and read the same. Where ours is narrower is listed at the end, so that a
// change shows.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/prng.h"
#include "http1/beast_oracle.h"
#include "http1/print.h"
#include "http1/write.h"

namespace hf::http1 {
namespace {

using Kind = BodyFraming::Kind;

constexpr std::string_view kTokens = "abcXYZ019-_!#$%&'*+.^`|~";
constexpr std::string_view kTargets = "abcXYZ019/?&=%.~-_:;,@!$'()*+[]{}|\\\"<>^`";

rc::Gen<char> one_of(std::string_view chars) {
  return rc::gen::elementOf(std::string(chars));
}
rc::Gen<std::string> token() {
  return rc::gen::nonEmpty(rc::gen::container<std::string>(one_of(kTokens)));
}
rc::Gen<char> value_char() {
  return rc::gen::suchThat(rc::gen::arbitrary<char>(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}
rc::Gen<std::string> value() {
  return rc::gen::map(rc::gen::container<std::string>(value_char()),
                      [](const std::string& text) { return std::string(trim_blanks(text)); });
}
rc::Gen<Fields> fields() {
  // A prefix keeps generated names clear of those that mean something.
  return rc::gen::container<Fields>(rc::gen::apply(
      [](const std::string& name, std::string text) {
        return Field{"X-" + name, std::move(text)};
      },
      token(), value()));
}
rc::Gen<BodyFraming> framing(bool response) {
  const auto max = std::uint64_t{1} << 62;
  return rc::gen::map(
      rc::gen::pair(rc::gen::inRange(0, response ? 4 : 3), rc::gen::inRange<std::uint64_t>(0, max)),
      [](std::pair<int, std::uint64_t> drawn) {
        BodyFraming out;
        out.kind = static_cast<Kind>(drawn.first);
        if (out.kind == Kind::length) out.length = drawn.second;
        return out;
      });
}

// The framing field that write_* adds, for comparing what comes back.
Fields without_framing(Fields fields) {
  remove_fields(fields, "content-length");
  remove_fields(fields, "transfer-encoding");
  return fields;
}

RequestHead draw_request() {
  RequestHead head;
  head.method = (*token()).substr(0, 32);
  head.target = "/" + *rc::gen::container<std::string>(one_of(kTargets));
  head.fields = *fields();
  const auto at = *rc::gen::inRange<std::size_t>(0, head.fields.size() + 1);
  head.fields.insert(head.fields.begin() + static_cast<std::ptrdiff_t>(at),
                     {"Host", "a.example:80"});
  return head;
}

ResponseHead draw_response() {
  ResponseHead head;
  head.status = *rc::gen::suchThat(rc::gen::inRange(200, 600),
                                   [](int status) { return status != 204 && status != 304; });
  head.reason = *rc::gen::container<std::string>(value_char());
  head.fields = *fields();
  return head;
}

RC_GTEST_PROP(RoundTrip, request, ()) {
  const auto head = draw_request();
  const auto body = *framing(false);
  std::string bytes;
  write_request_head(bytes, head, body);
  auto parsed = parse_request(bytes);
  RC_ASSERT(parsed.refusal == Refusal::none);
  RC_ASSERT(parsed.framing == body);
  RC_ASSERT(oracle::difference(bytes, parsed) == "");
  std::string again;
  write_request_head(again, parsed.head, parsed.framing);
  RC_ASSERT(again == bytes);
  parsed.head.fields = without_framing(parsed.head.fields);
  RC_ASSERT(parsed.head == head);
}

RC_GTEST_PROP(RoundTrip, response, ()) {
  const auto head = draw_response();
  auto body = *framing(true);
  const std::string method = body.kind == Kind::none ? "HEAD" : "GET";
  std::string bytes;
  write_response_head(bytes, head, body);
  auto parsed = parse_response(bytes, method);
  RC_ASSERT(parsed.refusal == Refusal::none);
  RC_ASSERT(parsed.framing == body);
  RC_ASSERT(oracle::difference(bytes, parsed, method) == "");
  std::string again;
  write_response_head(again, parsed.head, parsed.framing);
  RC_ASSERT(again == bytes);
  parsed.head.fields = without_framing(parsed.head.fields);
  RC_ASSERT(parsed.head == head);
}

RC_GTEST_PROP(RoundTrip, chunks_in_any_pieces, ()) {
  const auto pieces = *rc::gen::arbitrary<std::vector<std::string>>();
  const auto step = *rc::gen::inRange<std::size_t>(1, 50);
  std::string bytes;
  std::string data;
  for (const auto& piece : pieces) {
    write_chunk(bytes, piece);
    data += piece;
  }
  write_last_chunk(bytes);
  const auto size = bytes.size();
  const auto decoded = oracle::decode(bytes + "GET", {Kind::chunked, 0}, step);
  RC_ASSERT(decoded.done);
  RC_ASSERT(decoded.consumed == size);
  RC_ASSERT(decoded.data == data);
  RC_ASSERT(oracle::difference(bytes, decoded) == "");
}

RC_GTEST_PROP(HeadScanner, gives_the_same_answer_for_any_pieces, ()) {
  std::string bytes;
  write_request_head(bytes, draw_request(), *framing(false));
  const auto limit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 2);
  const auto flip = *rc::gen::inRange<std::size_t>(0, bytes.size() * 4);
  if (flip < bytes.size()) bytes[flip] = *rc::gen::arbitrary<char>();
  bytes += "GET / HTTP/1.1\r\n\r\n";
  const auto whole = HeadScanner(limit, 20).scan(bytes);
  HeadScanner scanner(limit, 20);
  HeadScan scan;
  for (std::size_t size = 0; size < bytes.size() && scan.size == 0;) {
    size = std::min(bytes.size(), size + *rc::gen::inRange<std::size_t>(1, 30));
    scan = scanner.scan(std::string_view(bytes).substr(0, size));
    if (scan.refusal != Refusal::none) break;
  }
  RC_ASSERT(scan.size == whole.size);
  RC_ASSERT(scan.refusal == whole.refusal);
}

// Pieces that alone or together are on the edge of what may be accepted.
const std::vector<std::string>& fragments() {
  static const std::vector<std::string> list = {"GET / HTTP/1.1\r\n",
                                                "POST /a?b HTTP/1.1\r\n",
                                                "HEAD * HTTP/1.1\r\n",
                                                "OPTIONS * HTTP/1.0\r\n",
                                                "GET http://a/ HTTP/1.1\r\n",
                                                "HTTP/1.1 200 OK\r\n",
                                                "HTTP/1.0 200 \r\n",
                                                "HTTP/1.1 204 x\r\n",
                                                "HTTP/1.1 100 Continue\r\n",
                                                "HTTP/1.1 304 \r\n",
                                                "HTTP/1.1 200\r\n",
                                                "Host: a\r\n",
                                                "Host: b\r\n",
                                                "Content-Length: 5\r\n",
                                                "Content-Length: 05\r\n",
                                                "content-length: 5, 5\r\n",
                                                "Content-Length:\r\n",
                                                "Content-Length: +5\r\n",
                                                "Transfer-Encoding: chunked\r\n",
                                                "Transfer-Encoding: gzip\r\n",
                                                "Transfer-Encoding: gzip, chunked\r\n",
                                                "Transfer-Encoding:\tchunked \r\n",
                                                "Transfer-Encoding: chunked;a=b\r\n",
                                                "Connection: close\r\n",
                                                "Connection: keep-alive\r\n",
                                                "Connection: a b\r\n",
                                                "Connection: ,close,\r\n",
                                                "Connection: close;q=1\r\n",
                                                "Connection:\r\n",
                                                "Proxy-Connection: a b\r\n",
                                                "Upgrade: h2c\r\n",
                                                "Expect: 100-continue\r\n",
                                                " fold\r\n",
                                                "\tfold\r\n",
                                                ": x\r\n",
                                                "X : y\r\n",
                                                "X: \xff\r\n",
                                                "X:\r\n",
                                                "X\r\n",
                                                "X: y\n",
                                                "X: y\r",
                                                "\r\n",
                                                "\n",
                                                "5\r\nhello\r\n",
                                                "0\r\n\r\n"};
  return list;
}

// Up to `most` fragments in a row, and in every third one byte replaced.
std::string draw_odd(Prng& prng, std::string bytes, const std::vector<std::string>& list,
                     std::uint64_t most, std::string_view end) {
  for (auto left = prng.below(most + 1); left > 0; --left)
    bytes += list[prng.below(list.size())];
  bytes += end;
  if (prng.chance(1, 3)) {
    bytes[prng.below(bytes.size())] = static_cast<char>(prng.below(256));
  }
  return bytes;
}

TEST(Beast, accepts_and_reads_alike_what_ours_accepts) {
  Prng prng(20261121);
  int requests = 0;
  int responses = 0;
  for (int round = 0; round < 50'000; ++round) {
    const std::string_view starts[] = {"", "POST / HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 200 OK\r\n"};
    const auto bytes = draw_odd(prng, std::string(starts[prng.below(3)]), fragments(), 4, "\r\n");
    const auto request = parse_request(bytes);
    if (request.refusal == Refusal::none) {
      ++requests;
      ASSERT_EQ(oracle::difference(bytes, request), "") << bytes;
    }
    for (const std::string_view method : {"GET", "HEAD"}) {
      const auto response = parse_response(bytes, method);
      if (response.refusal != Refusal::none) continue;
      ++responses;
      ASSERT_EQ(oracle::difference(bytes, response, method), "") << bytes;
    }
  }
  EXPECT_GT(requests, 2000);
  EXPECT_GT(responses, 2000);
}

TEST(Beast, decodes_alike_the_chunks_that_ours_accepts) {
  const std::vector<std::string> pieces = {"1\r\na\r\n",
                                           "A;x\r\n0123456789\r\n",
                                           "2;x=y;z\r\nbb\r\n",
                                           "02\r\ncc\r\n",
                                           "0\r\n",
                                           "X: y\r\n",
                                           "3;\r\nddd\r\n",
                                           "0\r\n\r\n",
                                           "\r\n",
                                           "00\r\n",
                                           "Y:\r\n",
                                           " ",
                                           "\t",
                                           ";a"};
  Prng prng(1121);
  int accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    const auto bytes = draw_odd(prng, "5\r\nhello\r\n", pieces, 5, "0\r\n\r\n");
    const auto decoded = oracle::decode(bytes, {Kind::chunked, 0}, bytes.size());
    if (!decoded.done) continue;
    ++accepted;
    ASSERT_EQ(oracle::difference(bytes, decoded), "") << bytes;
  }
  EXPECT_GT(accepted, 5000);
}

// The differences in the safe direction: Beast takes these, ours refuses them.
TEST(Beast, accepts_what_ours_refuses) {
  const std::string line = "POST / HTTP/1.1\r\n";
  const std::string host = line + "Host: a\r\n";
  const std::vector<std::string> requests = {
      host + "X: 1\r\n folded\r\n\r\n",
      host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
      host + "Content-Length: 5, 5\r\n\r\n",
      host + "Content-Length: 18446744073709551615\r\n\r\n",
      host + "Transfer-Encoding: gzip, chunked\r\n\r\n",
      host + "Transfer-Encoding: identity\r\n\r\n",
      host + "Expect: 200-ok\r\n\r\n",
      host + "Host: b\r\n\r\n",
      line + "\r\n",
      line + "Host: a, b\r\n\r\n",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST a HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
      "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
      host + "Content_Length: 5\r\n\r\n",
  };
  for (const auto& bytes : requests) {
    EXPECT_NE(parse_request(bytes).refusal, Refusal::none) << bytes;
    const auto theirs = oracle::read_request(bytes);
    EXPECT_TRUE(theirs.header_done && theirs.error.empty()) << bytes << theirs.error;
  }
  const std::vector<std::string> responses = {
      "HTTP/1.1 099 X\r\n\r\n",
      "HTTP/1.1 999 X\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
  };
  for (const auto& bytes : responses) {
    EXPECT_NE(parse_response(bytes, "GET").refusal, Refusal::none) << bytes;
    const auto theirs = oracle::read_response(bytes, false);
    EXPECT_TRUE(theirs.header_done && theirs.error.empty()) << bytes << theirs.error;
  }
  const std::string head = host + "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string chunks :
       {"5;a=\"q\"\r\nhello\r\n0\r\n\r\n", "5 ; a\r\nhello\r\n0\r\n\r\n",
        "0\r\nX: y\r\n fold\r\n\r\n", "00000000000000005\r\nhello\r\n0\r\n\r\n"}) {
    EXPECT_NE(oracle::decode(chunks, {Kind::chunked, 0}, 1000).refusal, Refusal::none) << chunks;
    EXPECT_TRUE(oracle::read_request(head + chunks).done) << chunks;
  }
}

}  // namespace
}  // namespace hf::http1
