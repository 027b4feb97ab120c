// Requests and buffered answers: framing, keep-alive, refusals.
#include "adapters/http/server.h"

#include <gtest/gtest.h>

#include "adapters/http/server_address.h"
#include "adapters/http/server_test_rig.h"

namespace hf::adapters::testing {
namespace {

TEST(Server, keeps_a_connection_for_further_requests) {
  Rig rig;
  Client client(rig.port());
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.ask(post("/buf/a?b=c", "body" + std::to_string(i)));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "POST /buf/a?b=c [body" + std::to_string(i) + "]");
    EXPECT_FALSE(answer.fields.contains("connection"));
    EXPECT_TRUE(answer.fields.contains("date"));
  }
  EXPECT_EQ(rig.counters().accepted, 1U);
  EXPECT_TRUE(rig.until([](Server& server) { return server.counters().answers == 3; }));
}

TEST(Server, answers_pipelined_requests_in_their_order) {
  Rig rig;
  Client client(rig.port());
  client.send(get("/flow/1") + post("/buf/2", "two") + get("/flow/3"));
  EXPECT_EQ(client.answer().body, "GET /flow/1 []");
  EXPECT_EQ(client.answer().body, "POST /buf/2 [two]");
  EXPECT_EQ(client.answer().body, "GET /flow/3 []");
}

TEST(Server, hands_pipelined_requests_over_one_at_a_time) {
  Rig rig;
  std::vector<ExchangeId> ids;
  rig.events.on_call_do = [&](Seen seen) { ids.push_back(seen.id); };
  Client client(rig.port());
  client.send(get("/flow/1") + get("/flow/2"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  EXPECT_EQ(rig.events.calls(), 1);
  rig.run([&](Server& server) { server.reply(ids.at(0), make_reply(200, "first")); });
  EXPECT_EQ(client.answer().body, "first");
  ASSERT_TRUE(rig.events.wait_calls(2));
  rig.run([&](Server& server) {
    server.reply(ids.at(0), make_reply(200, "too late"));  // harmless
    server.reply(ids.at(1), make_reply(200, "second"));
  });
  EXPECT_EQ(client.answer().body, "second");
}

TEST(Server, reads_a_head_that_comes_byte_by_byte) {
  Rig rig;
  Client client(rig.port());
  for (const char c : post("/buf/x", "ab", "X-Long: " + std::string(6000, 'y') + "\r\n")) {
    ASSERT_TRUE(client.send(std::string(1, c)));
  }
  EXPECT_EQ(client.answer().body, "POST /buf/x [ab]");
}

TEST(Server, reads_a_chunked_body) {
  Rig rig;
  Client client(rig.port());
  client.send("POST /buf/c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("2;x=y\r\nde\r\n0\r\n\r\n" + get("/flow/next"));
  EXPECT_EQ(client.answer().body, "POST /buf/c [abcde]");
  EXPECT_EQ(client.answer().body, "GET /flow/next []");
}

TEST(Server, reads_a_large_body_whole) {
  Rig rig;
  Client client(rig.port());
  const std::string body(64 * 1024, 'z');
  const auto answer = client.ask(post("/buf/l", body));
  EXPECT_EQ(answer.body, "POST /buf/l [" + body + "]");
  EXPECT_TRUE(rig.until([](Server& server) { return server.counters().buffered_bytes == 0; }));
}

TEST(Server, tells_a_body_of_no_bytes_from_none) {
  Rig rig;
  std::vector<bool> bodies;
  rig.events.on_call_do = [&](Seen seen) {
    bodies.push_back(seen.call.request->body != nullptr);
    rig.server().reply(seen.id, make_reply(200, ""));
  };
  Client client(rig.port());
  EXPECT_EQ(client.ask(post("/buf/a", "")).status, 200);
  EXPECT_EQ(client.ask("POST /buf/a HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  EXPECT_EQ(bodies, (std::vector<bool>{true, false}));
}

TEST(Server, asks_for_a_body_only_when_it_will_read_it) {
  Rig rig;
  Client client(rig.port());
  client.send(
      "POST /buf/e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(client.ask("ok").body, "POST /buf/e [ok]");

  // Refused by its length: no 100, and the connection ends, for the body may come or not.
  const auto refused = client.ask(
      "POST /buf/e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n");
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.field("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(Server, refuses_another_expectation) {
  Rig rig;
  Client client(rig.port());
  EXPECT_EQ(client.ask(post("/buf/e", "a", "Expect: coffee\r\n")).status, 417);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(rig.events.calls(), 0);
}

TEST(Server, answers_head_without_a_body) {
  Rig rig;
  rig.events.on_call_do = [&](Seen seen) {
    const bool told = seen.call.request->target == "/flow/told";
    rig.server().reply(
        seen.id, told ? make_reply(200, "", {{"Content-Length", "77"}}) : make_reply(200, "abcde"));
  };
  Client client(rig.port());
  const auto made = client.ask("HEAD /flow/x HTTP/1.1\r\nHost: h\r\n\r\n", true);
  EXPECT_EQ(made.field("content-length"), "5");
  const auto told = client.ask("HEAD /flow/told HTTP/1.1\r\nHost: h\r\n\r\n", true);
  EXPECT_EQ(told.field("content-length"), "77");
  EXPECT_EQ(client.ask(get("/flow/y")).body, "abcde");  // in step
}

TEST(Server, gives_no_length_to_a_204) {
  Rig rig;
  rig.events.on_call_do = [&](Seen seen) {
    call::Reply reply;
    reply.status = 204;
    rig.server().reply(seen.id, std::move(reply));
  };
  Client client(rig.port());
  const auto answer = client.ask(get("/flow/x"));
  EXPECT_EQ(answer.status, 204);
  EXPECT_FALSE(answer.fields.contains("content-length"));
  EXPECT_EQ(client.ask(get("/flow/x")).status, 204);
}

TEST(Server, drops_hop_by_hop_fields_of_an_answer) {
  Rig rig;
  rig.events.on_call_do = [&](Seen seen) {
    rig.server().reply(seen.id, make_reply(200, "x",
                                           {{"Connection", "close, X-Hop"},
                                            {"X-Hop", "1"},
                                            {"Keep-Alive", "timeout=1"},
                                            {"Transfer-Encoding", "chunked"},
                                            {"Date", "Sat, 21 Nov 2026 03:39:20 GMT"},
                                            {"X-Kept", "2"}}));
  };
  Client client(rig.port());
  const auto answer = client.ask(get("/flow/x"));
  EXPECT_FALSE(answer.fields.contains("connection"));
  EXPECT_FALSE(answer.fields.contains("x-hop"));
  EXPECT_FALSE(answer.fields.contains("keep-alive"));
  EXPECT_FALSE(answer.fields.contains("transfer-encoding"));
  EXPECT_EQ(answer.field("date"), "Sat, 21 Nov 2026 03:39:20 GMT");
  EXPECT_EQ(answer.field("x-kept"), "2");
  EXPECT_EQ(answer.body, "x");
}

TEST(Server, does_as_the_client_says_about_the_connection) {
  Rig rig;
  Client leaving(rig.port());
  const auto last = leaving.ask(get("/flow/x", "Connection: close\r\n"));
  EXPECT_EQ(last.field("connection"), "close");
  EXPECT_TRUE(leaving.closed());

  Client old(rig.port());
  EXPECT_EQ(old.ask("GET /flow/x HTTP/1.0\r\nHost: h\r\n\r\n").field("connection"), "close");
  EXPECT_TRUE(old.closed());

  Client staying(rig.port());
  const std::string request = "GET /flow/x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(staying.ask(request).field("connection"), "keep-alive");
  EXPECT_EQ(staying.ask(request).status, 200);
}

TEST(Server, closes_when_the_reply_says_so) {
  Rig rig;
  rig.events.on_call_do = [&](Seen seen) {
    auto reply = make_reply(200, std::string(100'000, 'b'));
    reply.close = true;
    rig.server().reply(seen.id, std::move(reply));
  };
  Client client(rig.port());
  const auto answer = client.ask(get("/flow/x"));
  EXPECT_EQ(answer.body.size(), 100'000U);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(Server, asks_about_calls_go_to_the_events) {
  Rig rig;
  rig.events.on_ask_do = [&](ExchangeId id, call::CallAsk ask) {
    EXPECT_EQ(ask.what, call::CallAsk::What::cancel);
    rig.server().reply(id, make_reply(200, "asked"));
  };
  const auto id = CallId::make(WallTime{1'700'000'000'000}, 1, 2).text();
  Client client(rig.port());
  EXPECT_EQ(client.ask("DELETE /.holdfast/calls/" + id + " HTTP/1.1\r\nHost: h\r\n\r\n").body,
            "asked");
  EXPECT_EQ(client.ask(get("/nowhere")).status, 404);
  EXPECT_EQ(client.ask(get("/flow/x")).status, 200);  // a refusal by the intake costs nothing
}

TEST(Server, reads_past_a_small_unwanted_body_and_goes_on) {
  Rig rig;
  Client client(rig.port());
  const auto refused = client.ask(post("/nowhere", std::string(30'000, 'x')));
  EXPECT_EQ(refused.status, 404);
  EXPECT_FALSE(refused.fields.contains("connection"));
  EXPECT_EQ(client.ask(get("/flow/x")).status, 200);
  const auto chunked = client.ask(
      "POST /nowhere HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.status, 404);
  EXPECT_EQ(client.ask(get("/flow/x")).status, 200);
  EXPECT_EQ(rig.counters().accepted, 1U);
}

TEST(Server, closes_after_a_large_unwanted_body_without_losing_the_answer) {
  Rig rig;
  Client client(rig.port());
  // More than is read past, and all of it sent before the answer is looked at.
  client.send(post("/nowhere", std::string(200'000, 'x')));
  const auto refused = client.answer();
  EXPECT_EQ(refused.status, 404);
  EXPECT_TRUE(refused.complete);
  EXPECT_EQ(refused.field("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(Server, half_close_is_not_gone) {
  Rig rig;
  std::vector<ExchangeId> ids;
  rig.events.on_call_do = [&](Seen seen) { ids.push_back(seen.id); };
  Client half(rig.port());
  half.send(post("/buf/h", "x"));
  half.half_close();
  ASSERT_TRUE(rig.events.wait_calls(1));
  // The reset of a later client is noticed: the watch had its turn on both.
  Client other(rig.port());
  other.send(post("/buf/o", "x"));
  ASSERT_TRUE(rig.events.wait_calls(2));
  other.reset();
  ASSERT_TRUE(rig.events.wait_gone(1));
  rig.run([&](Server& server) { server.reply(ids.at(0), make_reply(200, "still here")); });
  EXPECT_EQ(half.answer().body, "still here");
  EXPECT_EQ(rig.events.gone(), 1);
}

TEST(Server, half_closed_clients_get_their_answer) {
  Rig rig;
  Client client(rig.port());
  client.send(post("/buf/1", "x") + post("/buf/2", "y"));
  client.half_close();
  EXPECT_EQ(client.answer().body, "POST /buf/1 [x]");
  EXPECT_EQ(client.answer().body, "POST /buf/2 [y]");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(rig.events.gone(), 0);
}

TEST(Server, a_reset_while_waiting_is_gone_once_and_late_answers_are_harmless) {
  Rig rig;
  std::optional<ExchangeId> id;
  rig.events.on_call_do = [&](Seen seen) { id = seen.id; };
  Client client(rig.port());
  client.send(post("/buf/h", "x"));
  ASSERT_TRUE(rig.events.wait_calls(1));
  client.reset();
  ASSERT_TRUE(rig.events.wait_gone(1));
  rig.run([&](Server& server) {
    server.reply(*id, make_reply(200, "late"));
    EXPECT_EQ(server.begin(*id, {}), nullptr);
    server.finish(*id, true);
    EXPECT_EQ(server.counters().connections, 0U);
  });
  EXPECT_EQ(rig.events.gone(), 1);
}

TEST(Server, a_body_that_breaks_off_reaches_nobody) {
  Rig rig;
  {
    Client client(rig.port());
    client.send("POST /buf/h HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    client.half_close();
    EXPECT_EQ(client.until_end(), "");
  }
  EXPECT_EQ(rig.events.calls(), 0);
  EXPECT_EQ(rig.events.gone(), 0);
}

TEST(Server, a_new_intake_serves_the_next_request) {
  Rig rig;
  Client client(rig.port());
  EXPECT_EQ(client.ask(get("/flow/x")).status, 200);
  rig.run([](Server& server) {
    server.set_intake(std::make_shared<const call::Intake>(
        std::make_shared<call::Settings>(), call::Hasher(std::array<unsigned char, 32>{})));
  });
  EXPECT_EQ(client.ask(get("/flow/x")).status, 404);
}

// Every one is refused with a problem, the connection closed, and nothing handed on, although a
// well-formed request follows at once.
struct Bad {
  const char* name;
  const char* bytes;
  int status;
};
class Malformed : public ::testing::TestWithParam<Bad> {};

TEST_P(Malformed, is_refused_closed_and_reaches_nobody) {
  Rig rig;
  Client client(rig.port());
  client.send(GetParam().bytes + get("/flow/smuggled"));
  const auto answer = client.answer();
  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_EQ(answer.field("content-type"), "application/problem+json");
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(rig.events.calls(), 0);
}

#define START "POST /buf/a HTTP/1.1\r\nHost: h\r\n"
INSTANTIATE_TEST_SUITE_P(
    Server, Malformed,
    ::testing::Values(
        Bad{"length_and_coding", START "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400},
        Bad{"two_lengths", START "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        Bad{"signed_length", START "Content-Length: +3\r\n\r\nabc", 400},
        Bad{"empty_length", START "Content-Length: \r\n\r\n", 400},
        Bad{"hex_length", START "Content-Length: 0x3\r\n\r\nabc", 400},
        Bad{"huge_length", START "Content-Length: 99999999999999999999\r\n\r\nabc", 400},
        Bad{"coding_list", START "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
        Bad{"coding_twice",
            START "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        Bad{"coding_in_1_0",
            "POST /buf/a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        Bad{"bare_lf", "GET /buf/a HTTP/1.1\nHost: h\n\n", 400},
        Bad{"bare_cr", START "X: a\rb\r\n\r\n", 400},
        Bad{"folded", START "X: a\r\n b\r\n\r\n", 400},
        Bad{"blank_before_colon", START "X : a\r\n\r\n", 400},
        Bad{"no_name", START ": a\r\n\r\n", 400},
        Bad{"no_host", "GET /flow/a HTTP/1.1\r\n\r\n", 400},
        Bad{"two_hosts", START "Host: i\r\n\r\n", 400},
        Bad{"fragment", "GET /flow/a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Bad{"other_authority", "GET http://other/flow/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        Bad{"connect", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 400},
        Bad{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        Bad{"websocket",
            "GET /flow/a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            400},
        Bad{"chunk_size", START "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
        Bad{"chunk_line_end", START "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 400},
        Bad{"chunk_overrun", START "Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n", 400},
        Bad{"tls_hello", "\x16\x03\x01\x02", 400}),
    [](const auto& one) { return std::string(one.param.name); });
#undef START

TEST(ServerAddress, takes_addresses_and_says_what_is_wrong) {
  auto v4 = parse_listen_address("127.0.0.1:80");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(format_address(*v4), "127.0.0.1:80");
  auto v6 = parse_listen_address("[::1]:0");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(format_address(*v6), "[::1]:0");
  const std::vector<std::pair<std::string, std::string>> bad{
      {"", "':port' is missing"},     {"127.0.0.1", "':port' is missing"},
      {"::1:80", "brackets"},         {"[::1:80", "no ']'"},
      {"[::1]80", "must follow"},     {":80", "no address"},
      {"localhost:80", "IP address"}, {"[127.0.0.1]:80", "IPv6 addresses alone"},
      {"127.0.0.1:", "0 to 65535"},   {"127.0.0.1:65536", "0 to 65535"},
      {"127.0.0.1:8o", "0 to 65535"}, {"127.0.0.1:-1", "0 to 65535"},
  };
  for (const auto& [text, why] : bad) {
    auto result = parse_listen_address(text);
    ASSERT_FALSE(result.ok()) << text;
    EXPECT_NE(result.error().context.find(why), std::string::npos) << result.error().context;
  }
}

TEST(ServerAddress, a_port_in_use_is_an_error_that_names_it) {
  Rig rig;
  rig.run([&](Server& server) {
    auto again = server.listen("127.0.0.1:" + std::to_string(rig.port()));
    ASSERT_FALSE(again.ok());
    EXPECT_NE(again.error().context.find(std::to_string(rig.port())), std::string::npos);
  });
}

}  // namespace
}  // namespace hf::adapters::testing
