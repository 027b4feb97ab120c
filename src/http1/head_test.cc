#include "http1/head.h"

#include <gtest/gtest.h>

#include "http1/print.h"

namespace hf::http1 {
namespace {

using Kind = BodyFraming::Kind;
using namespace std::string_literals;

struct Case {
  const char* what;
  std::string bytes;
  Refusal refusal;
};

// What the whole path says: the scanner first, then the parser.
Refusal refuse_request(std::string_view bytes) {
  const auto scan = HeadScanner(65536).scan(bytes);
  if (scan.refusal != Refusal::none) return scan.refusal;
  EXPECT_EQ(scan.size, bytes.size()) << "the test's head is not one head";
  return parse_request(bytes).refusal;
}

Refusal refuse_response(std::string_view bytes, std::string_view method = "GET") {
  const auto scan = HeadScanner(65536).scan(bytes);
  if (scan.refusal != Refusal::none) return scan.refusal;
  EXPECT_EQ(scan.size, bytes.size()) << "the test's head is not one head";
  return parse_response(bytes, method).refusal;
}

std::string post_with(const std::string& fields) {
  return "POST /v1/charges HTTP/1.1\r\nHost: api.example\r\n" + fields + "\r\n";
}
std::string get(const std::string& target, const std::string& host = "api.example") {
  return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}
std::string ok_with(const std::string& fields) {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
}

void expect_refused(const std::vector<Case>& cases) {
  for (const auto& c : cases)
    EXPECT_EQ(refuse_request(c.bytes), c.refusal) << c.what;
}

TEST(RequestHead, keeps_bytes_order_and_case) {
  const auto parsed = parse_request(
      "POST /a%2Fb/../c;x?q=%20{\"|}\\ HTTP/1.1\r\nhOST: API.example:8443\r\nX-B: 1\r\nx-a:\t two "
      "words \t\r\nX-B: \xe2\x82\xac\r\nEmpty:\r\nContent-Length: 12\r\n\r\n");
  ASSERT_EQ(parsed.refusal, Refusal::none);
  EXPECT_EQ(parsed.head.method, "POST");
  EXPECT_EQ(parsed.head.target, "/a%2Fb/../c;x?q=%20{\"|}\\");
  EXPECT_EQ(parsed.head.minor, 1);
  const Fields fields = {{"hOST", "API.example:8443"}, {"X-B", "1"},  {"x-a", "two words"},
                         {"X-B", "\xe2\x82\xac"},      {"Empty", ""}, {"Content-Length", "12"}};
  EXPECT_EQ(parsed.head.fields, fields);
  EXPECT_EQ(parsed.framing, (BodyFraming{Kind::length, 12}));
  EXPECT_TRUE(parsed.keep_alive);
  EXPECT_FALSE(parsed.expect_continue);
  EXPECT_FALSE(parsed.upgrade);
}

TEST(RequestHead, frames_bodies) {
  const auto framing = [](const std::string& fields) {
    const auto parsed = parse_request(post_with(fields));
    EXPECT_EQ(parsed.refusal, Refusal::none) << fields;
    return parsed.framing;
  };
  EXPECT_EQ(framing(""), (BodyFraming{Kind::none, 0}));
  EXPECT_EQ(framing("Content-Length: 0\r\n"), (BodyFraming{Kind::length, 0}));
  EXPECT_EQ(framing("Content-Length: 007\r\n"), (BodyFraming{Kind::length, 7}));
  EXPECT_EQ(framing("Content-Length: 9223372036854775807\r\n"),
            (BodyFraming{Kind::length, 9223372036854775807U}));
  EXPECT_EQ(framing("Transfer-Encoding: Chunked\r\n"), (BodyFraming{Kind::chunked, 0}));
}

// CVE-2021-40346, CVE-2023-40225: a length that two readers read differently.
TEST(RequestHead, refuses_doubtful_lengths) {
  const auto length = [](const std::string& value) {
    return post_with("Content-Length:" + value + "\r\n");
  };
  const auto refused = Refusal::bad_length;
  expect_refused({
      {"empty", length(""), refused},
      {"blank", length("   "), refused},
      {"plus", length(" +1"), refused},
      {"minus", length(" -1"), refused},
      {"hex", length(" 0x10"), refused},
      {"underscore", length(" 1_0"), refused},
      {"point", length(" 1.0"), refused},
      {"exponent", length(" 1e1"), refused},
      {"inner blank", length(" 1 0"), refused},
      {"inner tab", length(" 1\t0"), refused},
      {"list of equals", length(" 5, 5"), refused},
      {"list", length(" 5,6"), refused},
      {"trailing comma", length(" 5,"), refused},
      {"quoted", length(" \"5\""), refused},
      {"letters", length(" five"), refused},
      {"wide digits", length(" \xef\xbc\x95"), refused},
      {"2^63", length(" 9223372036854775808"), refused},
      {"2^64", length(" 18446744073709551616"), refused},
      {"2^64 + 5", length(" 18446744073709551621"), refused},
      {"20 digits", length(" 00000000000000000005"), refused},
      {"two equal", post_with("Content-Length: 5\r\nContent-Length: 5\r\n"), refused},
      {"two different", post_with("Content-Length: 5\r\ncontent-length: 6\r\n"), refused},
      {"with TE", post_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), refused},
      {"with TE first", post_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), refused},
      {"with empty TE", post_with("Transfer-Encoding:\r\nContent-Length: 5\r\n"), refused},
      {"look-alike", post_with("Content_Length: 5\r\n"), Refusal::bad_field},
      {"folded", post_with("Content-Length:\r\n 5\r\n"), Refusal::bad_field},
      {"blank before colon", post_with("Content-Length : 5\r\n"), Refusal::bad_field},
  });
}

// CVE-2026-2835 and the obfuscations of request smuggling.
TEST(RequestHead, refuses_doubtful_transfer_codings) {
  const auto coding = [](const std::string& value) {
    return post_with("Transfer-Encoding:" + value + "\r\n");
  };
  const auto refused = Refusal::bad_transfer_coding;
  expect_refused({
      {"empty", coding(""), refused},
      {"identity", coding(" identity"), refused},
      {"gzip", coding(" gzip"), refused},
      {"gzip, chunked", coding(" gzip, chunked"), refused},
      {"chunked, identity", coding(" chunked, identity"), refused},
      {"chunked, chunked", coding(" chunked, chunked"), refused},
      {"comma", coding(" ,chunked"), refused},
      {"trailing comma", coding(" chunked,"), refused},
      {"parameter", coding(" chunked;a=b"), refused},
      {"xchunked", coding(" xchunked"), refused},
      {"chunke", coding(" chunke"), refused},
      {"quoted", coding(" \"chunked\""), refused},
      {"vertical tab",
       coding(" \x0b"
              "chunked"),
       Refusal::bad_byte},
      {"form feed", coding(" chunked\x0c"), Refusal::bad_byte},
      {"latin-1 blank",
       coding(" \xa0"
              "chunked"),
       refused},
      {"twice", post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), refused},
      {"twice, mixed", post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
       refused},
      {"HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", refused},
      {"look-alike", post_with("Transfer_Encoding: chunked\r\n"), Refusal::bad_field},
      {"folded", post_with("Transfer-Encoding:\r\n chunked\r\n"), Refusal::bad_field},
      {"blank before colon", post_with("Transfer-Encoding : chunked\r\n"), Refusal::bad_field},
      {"behind a fold", post_with("X: a\r\n Transfer-Encoding: chunked\r\n"), Refusal::bad_field},
  });
}

// Line ends, control characters and nameless fields (CVE-2023-25725).
TEST(RequestHead, refuses_odd_bytes_and_fields) {
  expect_refused({
      {"bare LF in request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::bad_line_end},
      {"bare LF after field", post_with("X: 1\nY: 2\r\n"), Refusal::bad_line_end},
      {"bare LF as end", "GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::bad_line_end},
      {"bare CR in value", post_with("X: 1\rY: 2\r\n"), Refusal::bad_line_end},
      {"bare CR in name", post_with("X\rY: 2\r\n"), Refusal::bad_line_end},
      {"CR CR LF", post_with("X: 1\r\r\n"), Refusal::bad_line_end},
      {"LF CR", post_with("X: 1\n\r"), Refusal::bad_line_end},
      {"NUL in value", post_with("X: a\0b\r\n"s), Refusal::bad_byte},
      {"NUL in target", get("/a\0b"s), Refusal::bad_byte},
      {"DEL in value", post_with("X: a\x7f\r\n"), Refusal::bad_byte},
      {"escape in value", post_with("X: \x1b[31m\r\n"), Refusal::bad_byte},
      {"TLS hello", "\x16\x03\x01\x02"s, Refusal::bad_byte},
      {"obs-fold", post_with("X: 1\r\n more\r\n"), Refusal::bad_field},
      {"obs-fold with tab", post_with("X: 1\r\n\tmore\r\n"), Refusal::bad_field},
      {"fold before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::bad_field},
      {"no name", post_with(": 1\r\n"), Refusal::bad_field},
      {"no colon", post_with("Nothing\r\n"), Refusal::bad_field},
      {"blank before colon", post_with("X : 1\r\n"), Refusal::bad_field},
      {"tab before colon", post_with("X\t: 1\r\n"), Refusal::bad_field},
      {"blank in name", post_with("X Y: 1\r\n"), Refusal::bad_field},
      {"parenthesis in name", post_with("X(Y): 1\r\n"), Refusal::bad_field},
      {"obs-text in name", post_with("X\xc3\xa9: 1\r\n"), Refusal::bad_field},
      {"bad Connection", post_with("Connection: a b\r\n"), Refusal::bad_field},
      {"quoted Connection", post_with("Connection: \"close\"\r\n"), Refusal::bad_field},
      {"Connection of many names",
       post_with("Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n"
                 "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n"),
       Refusal::bad_field},
  });
}

TEST(RequestHead, refuses_odd_request_lines) {
  const auto line = [](const std::string& text) { return text + "\r\nHost: a\r\n\r\n"; };
  const auto refused = Refusal::bad_request_line;
  const auto version = Refusal::unsupported_version;
  expect_refused({
      {"HTTP/0.9", line("GET /"), refused},
      {"no target", line("GET HTTP/1.1"), refused},
      {"empty target", line("GET  HTTP/1.1"), refused},
      {"two blanks", line("GET  / HTTP/1.1"), Refusal::bad_target},
      {"blank in target", line("GET /a b HTTP/1.1"), Refusal::bad_target},
      {"tabs", line("GET\t/\tHTTP/1.1"), refused},
      {"leading blank", line(" GET / HTTP/1.1"), refused},
      {"trailing blank", line("GET / HTTP/1.1 "), refused},
      {"method not a token", line("GE(T / HTTP/1.1"), refused},
      {"no method", line("/ HTTP/1.1"), refused},
      {"long method", line(std::string(33, 'A') + " / HTTP/1.1"), refused},
      {"lower-case version", line("GET / http/1.1"), refused},
      {"another protocol", line("GET / HTTX/1.1"), refused},
      {"version without minor", line("GET / HTTP/1"), refused},
      {"long version", line("GET / HTTP/1.10"), refused},
      {"HTTP/1.2", line("GET / HTTP/1.2"), version},
      {"HTTP/0.9 spelled out", line("GET / HTTP/0.9"), version},
      {"HTTP/2 in words", line("GET / HTTP/2.0"), version},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", version},
      {"CONNECT", line("CONNECT a:443 HTTP/1.1"), Refusal::unsupported_method},
      {"CONNECT of a path", line("CONNECT / HTTP/1.1"), Refusal::unsupported_method},
      {"two empty lines first", "\r\n\r\n", refused},
      {"no line at all", "\r\n\r\n", refused},
  });
  EXPECT_EQ(refuse_request(line(std::string(32, 'A') + " / HTTP/1.1")), Refusal::none);
}

// CVE-2023-45539 and routing confusion.
TEST(RequestHead, refuses_odd_targets_and_hosts) {
  const auto target = Refusal::bad_target;
  const auto host = Refusal::bad_host;
  const auto only = [](const std::string& fields) {
    return "GET / HTTP/1.1\r\n" + fields + "\r\n";
  };
  expect_refused({
      {"fragment", get("/a#b"), target},
      {"fragment in query", get("/a?b#c"), target},
      {"latin-1", get("/caf\xe9"), target},
      {"UTF-8", get("/caf\xc3\xa9"), target},
      {"tab", get("/a\tb"), target},
      {"no slash", get("a/b"), target},
      {"asterisk for GET", get("*"), target},
      {"authority form", get("api.example:443"), target},
      {"another scheme", get("ftp://api.example/"), target},
      {"user in authority", get("http://me@api.example/", "me@api.example"), target},
      {"no authority", get("http:///a"), target},
      {"authority is not Host", get("http://evil.example/"), host},
      {"port is not Host's", get("http://api.example:81/"), host},
      {"absolute without Host", "GET http://a/ HTTP/1.0\r\n\r\n", host},
      {"no Host", only(""), host},
      {"empty Host", only("Host:\r\n"), host},
      {"two Hosts", only("Host: a\r\nHost: b\r\n"), host},
      {"two equal Hosts", only("Host: a\r\nhost: a\r\n"), host},
      {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", host},
      {"merged Hosts", only("Host: a, b\r\n"), host},
      {"user in Host", only("Host: me@a\r\n"), host},
      {"path in Host", only("Host: a/b\r\n"), host},
      {"scheme in Host", only("Host: http://a\r\n"), host},
      {"blank in Host", only("Host: a b\r\n"), host},
      {"letters as port", only("Host: a:http\r\n"), host},
      {"empty port", only("Host: a:\r\n"), host},
      {"large port", only("Host: a:65536\r\n"), host},
      {"long port", only("Host: a:000080\r\n"), host},
      {"two ports", only("Host: a:1:2\r\n"), host},
      {"open bracket", only("Host: [::1\r\n"), host},
      {"no address in brackets", only("Host: []\r\n"), host},
      {"name in brackets", only("Host: [localhost]\r\n"), host},
      {"text behind brackets", only("Host: [::1]x\r\n"), host},
      {"percent", only("Host: a%2eb\r\n"), host},
      {"obs-text", only("Host: caf\xe9\r\n"), host},
      {"long name", only("Host: " + std::string(256, 'a') + "\r\n"), host},
  });
  for (const auto* good : {"a", "a.b-c_d~e", "127.0.0.1:65535", "[::1]", "[::ffff:1.2.3.4]:80"}) {
    EXPECT_EQ(refuse_request(get("/", good)), Refusal::none) << good;
  }
  EXPECT_EQ(refuse_request("GET / HTTP/1.0\r\n\r\n"), Refusal::none);
}

TEST(RequestHead, brings_absolute_form_to_origin_form) {
  const auto converted = [](const std::string& method, const std::string& target) {
    const auto parsed =
        parse_request(method + " " + target + " HTTP/1.1\r\nHost: A.example:8080\r\n\r\n");
    EXPECT_EQ(parsed.refusal, Refusal::none) << target;
    return parsed.head.target;
  };
  EXPECT_EQ(converted("GET", "http://a.EXAMPLE:8080/x?y"), "/x?y");
  EXPECT_EQ(converted("GET", "HTTPS://a.example:8080/"), "/");
  EXPECT_EQ(converted("GET", "http://a.example:8080"), "/");
  EXPECT_EQ(converted("GET", "http://a.example:8080?y"), "/?y");
  EXPECT_EQ(converted("OPTIONS", "http://a.example:8080"), "*");
  EXPECT_EQ(converted("OPTIONS", "*"), "*");
  EXPECT_EQ(converted("GET", "//a/b"), "//a/b");
}

TEST(RequestHead, says_whether_the_connection_goes_on) {
  const auto keep = [](const std::string& version, const std::string& fields) {
    const auto parsed =
        parse_request("GET / HTTP/" + version + "\r\nHost: a\r\n" + fields + "\r\n");
    EXPECT_EQ(parsed.refusal, Refusal::none) << fields;
    return parsed.keep_alive;
  };
  EXPECT_TRUE(keep("1.1", ""));
  EXPECT_TRUE(keep("1.1", "Connection: keep-alive, x\r\n"));
  EXPECT_FALSE(keep("1.1", "Connection: x,, CLOSE\r\n"));
  EXPECT_FALSE(keep("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  EXPECT_FALSE(keep("1.0", ""));
  EXPECT_TRUE(keep("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keep("1.0", "Connection: keep-alive, close\r\n"));
  EXPECT_TRUE(keep("1.1", "Proxy-Connection: close\r\n"));
}

// The 0.CL desync begins with an expectation that only one side understands.
TEST(RequestHead, understands_one_expectation) {
  const auto expects = [](const std::string& fields) {
    const auto parsed = parse_request(post_with(fields));
    EXPECT_EQ(parsed.refusal, Refusal::none) << fields;
    return parsed.expect_continue;
  };
  EXPECT_TRUE(expects("Expect: 100-Continue\r\nContent-Length: 1\r\n"));
  EXPECT_TRUE(expects("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\nContent-Length: 0\r\n"));
  EXPECT_FALSE(expects("Expect: 100-continue\r\n"));
  expect_refused({
      {"another", post_with("Expect: 200-ok\r\n"), Refusal::bad_expectation},
      {"empty", post_with("Expect:\r\n"), Refusal::bad_expectation},
      {"list", post_with("Expect: 100-continue, x\r\n"), Refusal::bad_expectation},
      {"twice", post_with("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
       Refusal::bad_expectation},
      {"prefix", post_with("Expect: y 100-continue\r\n"), Refusal::bad_expectation},
      {"HTTP/1.0", "POST / HTTP/1.0\r\nExpect: x\r\n\r\n", Refusal::bad_expectation},
  });
  const auto old =
      parse_request("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(old.refusal, Refusal::none);
  EXPECT_FALSE(old.expect_continue);
}

TEST(RequestHead, tells_of_an_offered_upgrade) {
  EXPECT_TRUE(parse_request(post_with("Connection: Upgrade\r\nUpgrade: h2c\r\n")).upgrade);
  EXPECT_FALSE(parse_request(post_with("Upgrade: h2c\r\n")).upgrade);
  EXPECT_FALSE(parse_request(post_with("Connection: upgrade\r\n")).upgrade);
}

TEST(RequestHead, leaves_nothing_to_act_on_when_refused) {
  const auto parsed = parse_request(post_with("Content-Length: 5\r\nExpect: x\r\n"));
  EXPECT_EQ(parsed.refusal, Refusal::bad_expectation);
  EXPECT_EQ(parsed.framing, BodyFraming{});
  EXPECT_FALSE(parsed.keep_alive);
}

TEST(RequestHead, is_safe_with_bytes_that_are_no_head) {
  for (const auto* bytes : {"", "\r", "\r\n", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost",
                            "GET / HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\nHost: a\r\n",
                            "GET / HTTP/1.1\r\nHost: a\r\n\r\nX"}) {
    EXPECT_NE(parse_request(bytes).refusal, Refusal::none) << bytes;
    EXPECT_NE(parse_response(bytes, "GET").refusal, Refusal::none) << bytes;
  }
}

TEST(HeadScanner, finds_the_end_in_any_pieces) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string buffer = head + "next\n\r\n\r\n";
  HeadScanner scanner(1000);
  for (std::size_t size = 0; size < head.size(); ++size) {
    const auto scan = scanner.scan(std::string_view(buffer).substr(0, size));
    EXPECT_EQ(scan.size, 0U);
    EXPECT_EQ(scan.refusal, Refusal::none);
  }
  EXPECT_EQ(scanner.scan(buffer).size, head.size());
  EXPECT_EQ(scanner.scan(buffer).size, head.size());
  scanner.reset();
  EXPECT_EQ(scanner.scan(buffer.substr(head.size())).refusal, Refusal::bad_line_end);
}

TEST(HeadScanner, takes_one_empty_line_first) {
  const std::string head = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(HeadScanner(1000).scan(head).size, head.size());
  EXPECT_EQ(parse_request(head).refusal, Refusal::none);
  EXPECT_EQ(refuse_request("\r\n\r\n"), Refusal::bad_request_line);
  EXPECT_EQ(refuse_response("\r\nHTTP/1.1 200 OK\r\n\r\n"), Refusal::bad_status_line);
}

TEST(HeadScanner, refuses_before_the_head_is_complete) {
  const auto early = [](std::string_view bytes) { return HeadScanner(1000).scan(bytes).refusal; };
  EXPECT_EQ(early("GET / HTTP/1.1\n"), Refusal::bad_line_end);
  EXPECT_EQ(early("GET / HTTP/1.1\rH"), Refusal::bad_line_end);
  EXPECT_EQ(early(std::string_view("G\0", 2)), Refusal::bad_byte);
  EXPECT_EQ(early("GET / HTTP/1.1\r"), Refusal::none);
}

TEST(HeadScanner, keeps_its_limits_exactly) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
  EXPECT_EQ(HeadScanner(head.size()).scan(head).size, head.size());
  EXPECT_EQ(HeadScanner(head.size()).scan(head + "more").size, head.size());
  EXPECT_EQ(HeadScanner(head.size() - 1).scan(head).refusal, Refusal::head_too_large);
  for (std::size_t limit = 0; limit < head.size(); ++limit) {
    HeadScanner scanner(limit);
    EXPECT_EQ(scanner.scan(head.substr(0, limit)).refusal, Refusal::head_too_large) << limit;
  }
  EXPECT_EQ(HeadScanner(1000, 2).scan(head).size, head.size());
  EXPECT_EQ(HeadScanner(1000, 1).scan(head).refusal, Refusal::head_too_large);
  EXPECT_EQ(parse_request(head, {.max_fields = 2}).refusal, Refusal::none);
  EXPECT_EQ(parse_request(head, {.max_fields = 1}).refusal, Refusal::head_too_large);
}

TEST(ResponseHead, keeps_bytes) {
  const auto parsed = parse_response(
      "HTTP/1.0 404 Not  F\xc3\xb6und\t\r\nServer: x\r\nCONTENT-LENGTH: 3\r\n\r\n", "GET");
  ASSERT_EQ(parsed.refusal, Refusal::none);
  EXPECT_EQ(parsed.head.minor, 0);
  EXPECT_EQ(parsed.head.status, 404);
  EXPECT_EQ(parsed.head.reason, "Not  F\xc3\xb6und\t");
  EXPECT_EQ(parsed.head.fields, (Fields{{"Server", "x"}, {"CONTENT-LENGTH", "3"}}));
  EXPECT_EQ(parsed.framing, (BodyFraming{Kind::length, 3}));
  EXPECT_FALSE(parsed.keep_alive);
}

TEST(ResponseHead, frames_by_status_and_method) {
  struct Row {
    std::string status, fields, method;
    Kind kind;
    std::uint64_t length;
    bool keep_alive;
  };
  const std::vector<Row> rows = {
      {"200 OK", "Content-Length: 7\r\n", "GET", Kind::length, 7, true},
      {"200 OK", "Content-Length: 0\r\n", "GET", Kind::length, 0, true},
      {"200 OK", "Content-Length: 7\r\nConnection: close\r\n", "GET", Kind::length, 7, false},
      {"200 OK", "Transfer-Encoding: CHUNKED\r\n", "POST", Kind::chunked, 0, true},
      {"200 OK", "", "GET", Kind::until_close, 0, false},
      {"200 ", "Connection: keep-alive\r\n", "GET", Kind::until_close, 0, false},
      {"200 OK", "Content-Length: 7\r\n", "HEAD", Kind::none, 0, true},
      {"200 OK", "Transfer-Encoding: chunked\r\n", "HEAD", Kind::none, 0, true},
      {"200 OK", "", "HEAD", Kind::none, 0, true},
      {"304 Not Modified", "Content-Length: 7\r\n", "GET", Kind::none, 0, true},
      {"204 No Content", "", "GET", Kind::none, 0, true},
      {"204 No Content", "Content-Length: 0\r\n", "GET", Kind::none, 0, true},
      {"204 No Content", "Content-Length: 7\r\n", "GET", Kind::none, 0, false},
      {"204 No Content", "Transfer-Encoding: chunked\r\n", "GET", Kind::none, 0, false},
      {"100 Continue", "", "POST", Kind::none, 0, true},
      {"103 Early Hints", "Link: </a>\r\n", "GET", Kind::none, 0, true},
      {"101 Switching Protocols", "Upgrade: h2c\r\n", "GET", Kind::none, 0, true},
      {"599 Odd", "Content-Length: 1\r\n", "GET", Kind::length, 1, true},
  };
  for (const auto& row : rows) {
    const auto what = row.status + " " + row.fields + row.method;
    const auto parsed =
        parse_response("HTTP/1.1 " + row.status + "\r\n" + row.fields + "\r\n", row.method);
    EXPECT_EQ(parsed.refusal, Refusal::none) << what;
    EXPECT_EQ(parsed.framing, (BodyFraming{row.kind, row.length})) << what;
    EXPECT_EQ(parsed.keep_alive, row.keep_alive) << what;
  }
}

TEST(ResponseHead, refuses_what_is_in_doubt) {
  const auto line = [](const std::string& text) { return text + "\r\nContent-Length: 0\r\n\r\n"; };
  const auto bad_line = Refusal::bad_status_line;
  const auto length = Refusal::bad_length;
  const auto coding = Refusal::bad_transfer_coding;
  const std::vector<Case> cases = {
      {"status 099", line("HTTP/1.1 099 X"), bad_line},
      {"status 600", line("HTTP/1.1 600 X"), bad_line},
      {"two digits", line("HTTP/1.1 20 OK"), bad_line},
      {"four digits", line("HTTP/1.1 2000 OK"), bad_line},
      {"letters", line("HTTP/1.1 2x0 OK"), bad_line},
      {"signed", line("HTTP/1.1 +20 OK"), bad_line},
      {"two blanks", line("HTTP/1.1  200 OK"), bad_line},
      {"no blank after the status", line("HTTP/1.1 200"), bad_line},
      {"tab", line("HTTP/1.1\t200 OK"), bad_line},
      {"ICY", line("ICY 200 OK"), bad_line},
      {"lower case", line("http/1.1 200 OK"), bad_line},
      {"HTTP/2", line("HTTP/2.0 200 OK"), Refusal::unsupported_version},
      {"HTTP/1.2", line("HTTP/1.2 200 OK"), Refusal::unsupported_version},
      {"a request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", bad_line},
      {"control in reason", line("HTTP/1.1 200 O\x01K"), Refusal::bad_byte},
      {"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", Refusal::bad_line_end},
      {"bare CR", ok_with("X: 1\rY: 2\r\n"), Refusal::bad_line_end},
      {"obs-fold", ok_with("X: 1\r\n 2\r\n"), Refusal::bad_field},
      {"no name", ok_with(": 1\r\n"), Refusal::bad_field},
      {"blank before colon", ok_with("Content-Length : 1\r\n"), Refusal::bad_field},
      {"two lengths", ok_with("Content-Length: 1\r\nContent-Length: 2\r\n"), length},
      {"two equal lengths", ok_with("Content-Length: 1\r\nContent-Length: 1\r\n"), length},
      {"list", ok_with("Content-Length: 1, 1\r\n"), length},
      {"empty", ok_with("Content-Length:\r\n"), length},
      {"sign", ok_with("Content-Length: +1\r\n"), length},
      {"overflow", ok_with("Content-Length: 18446744073709551617\r\n"), length},
      {"both", ok_with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), length},
      {"gzip", ok_with("Transfer-Encoding: gzip\r\n"), coding},
      {"gzip, chunked", ok_with("Transfer-Encoding: gzip, chunked\r\n"), coding},
      {"chunked, gzip", ok_with("Transfer-Encoding: chunked, gzip\r\n"), coding},
      {"identity", ok_with("Transfer-Encoding: identity\r\n"), coding},
      {"twice", ok_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), coding},
      {"1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", coding},
      {"1xx with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", length},
      {"1xx in chunks", "HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n", length},
  };
  for (const auto& c : cases)
    EXPECT_EQ(refuse_response(c.bytes), c.refusal) << c.what;
  EXPECT_EQ(refuse_response(ok_with("Content-Length: x\r\n"), "HEAD"), length);
}

TEST(ResponseHead, shows_the_status_of_a_head_that_broke_off) {
  EXPECT_EQ(peek_status("HTTP/1.1 200 OK\r\nContent-Le"), 200);
  EXPECT_EQ(peek_status("HTTP/1.1 200 OK\r"), 0);
  EXPECT_EQ(peek_status("HTTP/1.1 2"), 0);
  EXPECT_EQ(peek_status("SSH-2.0\r\n"), 0);
  EXPECT_EQ(peek_status(""), 0);
  EXPECT_EQ(parse_response(ok_with(": 1\r\n"), "GET").head.status, 200);
}

TEST(Refusal, has_a_word_and_a_sentence_for_each) {
  std::vector<std::string_view> seen;
  for (int i = 0; i <= static_cast<int>(Refusal::body_too_large); ++i) {
    const auto refusal = static_cast<Refusal>(i);
    for (const auto other : seen)
      EXPECT_NE(to_string(refusal), other);
    seen.push_back(to_string(refusal));
    EXPECT_EQ(explain(refusal).back(), '.');
  }
}

}  // namespace
}  // namespace hf::http1
