// Captured answers and the evidence of attempts that end otherwise.
#include "adapters/http/upstream.h"

#include <fmt/format.h>

#include "adapters/http/upstream_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;

TEST_F(UpstreamTest, CapturesAWholeAnswer) {
  std::string seen;
  ScriptedUpstream server({[&](Peer& peer) {
    seen = peer.read_head();
    seen += peer.read_bytes(7);
    peer.send(
        "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        "Holdfast-Call: forged\r\nX-Kept: yes\r\n\r\nhello");
  }});
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  EXPECT_EQ(outcome.cause, Cause::none);
  EXPECT_EQ(outcome.head.status, 201);
  EXPECT_EQ(view(outcome.body), "hello");
  EXPECT_EQ(outcome.head.fields, (Fields{{"Content-Length", "5"}, {"X-Kept", "yes"}}));
  EXPECT_EQ(outcome.authority, fmt::format("127.0.0.1:{}", server.port()));
  EXPECT_EQ(outcome.address, outcome.authority);
  EXPECT_FALSE(outcome.reused);
  EXPECT_FALSE(outcome.forwarded);
  EXPECT_TRUE(outcome.first_byte_at.has_value());
  EXPECT_EQ(outcome.bytes_sent, seen.size());
  EXPECT_GT(outcome.bytes_received, 100U);
  EXPECT_EQ(seen, fmt::format("POST /v1/things?x=1 HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n"
                              "X-Kind: test\r\nContent-Length: 7\r\n\r\npayload",
                              server.port()));
  EXPECT_TRUE(heads_.empty());
}

TEST_F(UpstreamTest, WritesPerAttemptAndInjectedFieldsOverThoseOfTheRequest) {
  std::string seen;
  ScriptedUpstream server({[&](Peer& peer) {
    seen = peer.read_head();
    peer.answer();
  }});
  request_->method = "GET";
  request_->body = nullptr;
  request_->fields = {{"Host", "shop.example"},  {"traceparent", "old"}, {"Authorization", "mine"},
                      {"Content-Length", "999"}, {"X-A", "1"},           {"X-A", "2"},
                      {"Expect", "100-continue"}};
  settings_->inject = {{"Authorization", "Bearer ${test}"}};
  options_.secrets = [](const std::string& value) -> Result<std::string> {
    EXPECT_EQ(value, "Bearer ${test}");
    return std::string("Bearer s3cret");
  };
  auto what = spec(server.port());
  what.host_keep = true;
  what.per_attempt = {{"traceparent", "new"}, {"Via", "1.1 holdfast"}};
  EXPECT_EQ(run(what).evidence, Evidence::answer_complete);
  EXPECT_EQ(seen,
            "GET /v1/things?x=1 HTTP/1.1\r\nHost: shop.example\r\nX-A: 1\r\nX-A: 2\r\n"
            "traceparent: new\r\nVia: 1.1 holdfast\r\nAuthorization: Bearer s3cret\r\n\r\n");
}

TEST_F(UpstreamTest, PostWithoutBodySaysSo) {
  std::string seen;
  ScriptedUpstream server({[&](Peer& peer) {
    seen = peer.read_head();
    peer.answer();
  }});
  request_->body = nullptr;
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  EXPECT_NE(seen.find("Content-Length: 0\r\n"), std::string::npos);
}

TEST_F(UpstreamTest, ASecretThatCannotBeResolvedSendsNothing) {
  ScriptedUpstream server({[](Peer&) {}});
  settings_->inject = {{"Authorization", "Bearer ${file:/nonexistent/secret}"}};
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_NE(outcome.cause, Cause::none);
  EXPECT_EQ(server.accepted(), 0);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("/nonexistent/secret"), std::string::npos);
  EXPECT_EQ(upstream().counters().secret_failures, 1U);
}

TEST_F(UpstreamTest, ASecretWithALineBreakIsRefused) {
  ScriptedUpstream server({[](Peer&) {}});
  settings_->inject = {{"Authorization", "${x}"}};
  options_.secrets = [](const std::string&) -> Result<std::string> {
    return std::string("a\r\nX-Smuggled: canary");
  };
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::nothing_sent);
  EXPECT_EQ(server.accepted(), 0);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_EQ(warnings_[0].find("canary"), std::string::npos);
}

TEST_F(UpstreamTest, ConnectRefusedIsNothingSent) {
  const auto port = [] { return Listener().port(); }();
  const auto outcome = run(spec(port));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::connect_refused);
  EXPECT_EQ(outcome.address, fmt::format("127.0.0.1:{}", port));
  EXPECT_FALSE(outcome.first_byte_at.has_value());
}

TEST_F(UpstreamTest, TellsWhereTheTimeWent) {
  Signal got_request;
  Signal head_may_come;
  Signal body_may_come;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    got_request.set();
    head_may_come.wait();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    body_may_come.wait();
    peer.send("ok");
  }});
  Signal asked;
  Signal found;
  options_.lookup = [&](const std::string&) -> Result<Addresses> {
    asked.set();
    found.wait();
    return Addresses{boost::asio::ip::make_address("127.0.0.1")};
  };
  settings_->urls[0].host = "shop.test";
  const auto id = begin(spec(server.port(), 0));
  run_until([&] { return asked.is_set(); });
  clock_.shift = clock_.shift + Duration::seconds(1);
  found.set();
  run_until([&] { return got_request.is_set(); });
  clock_.shift = clock_.shift + Duration::seconds(3);
  head_may_come.set();
  run_until([&] { return heads_.contains(raw(id)); });
  clock_.shift = clock_.shift + Duration::seconds(2);
  upstream().forward(id, std::make_shared<FakeSink>());
  body_may_come.set();
  const auto outcome = outcome_of(id);
  const auto about = [](Duration phase, int seconds) {
    return phase >= Duration::seconds(seconds) &&
           phase < Duration::seconds(seconds) + Duration::millis(900);
  };
  EXPECT_TRUE(about(outcome.phases.resolve, 1)) << outcome.phases.resolve.ms();
  EXPECT_TRUE(about(outcome.phases.connect, 0)) << outcome.phases.connect.ms();
  EXPECT_EQ(outcome.phases.tls, Duration{});
  EXPECT_TRUE(about(outcome.phases.head, 3)) << outcome.phases.head.ms();
  EXPECT_TRUE(about(outcome.phases.body, 2)) << outcome.phases.body.ms();
  EXPECT_EQ(outcome.phases.queued, Duration{});
  EXPECT_GE(outcome.took, Duration::seconds(6));
}

TEST_F(UpstreamTest, APhaseThatIsCutEndsWithTheAttempt) {
  Signal got_request;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    got_request.set();
    peer.wait_end();
  }});
  const auto id = begin(spec(server.port()));
  run_until([&] { return got_request.is_set(); });
  clock_.shift = clock_.shift + Duration::seconds(5);
  upstream().cancel(id);
  const auto outcome = outcome_of(id);
  EXPECT_GE(outcome.phases.head, Duration::seconds(5));
  EXPECT_EQ(outcome.phases.body, Duration{});
}

TEST_F(UpstreamTest, OnlyPublicAddressesAreDialledWhereSaidSo) {
  ScriptedUpstream server({[](Peer&) {}});
  settings_->public_only = true;
  auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::address_refused);
  EXPECT_EQ(outcome.address, "");
  EXPECT_EQ(server.accepted(), 0);
  // A name is judged by what it stands for now.
  options_.lookup = [](const std::string&) -> Result<Addresses> {
    return Addresses{boost::asio::ip::make_address("10.0.0.1"),
                     boost::asio::ip::make_address("::ffff:127.0.0.1")};
  };
  upstream_.reset();
  settings_->urls[0].host = "hooks.test";
  outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.cause, Cause::address_refused);
  EXPECT_EQ(server.accepted(), 0);
}

TEST_F(UpstreamTest, AConnectionOfAnotherUpstreamIsNoWayRoundTheAddressRule) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.answer();
    peer.wait_end();
  }});
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  EXPECT_EQ(upstream().counters().idle, 1U);
  settings_->public_only = true;
  EXPECT_EQ(run(spec(server.port())).cause, Cause::address_refused);
}

TEST_F(UpstreamTest, ConnectTimeoutIsNothingSent) {
  const Blackhole nowhere;
  settings_->timeouts.connect = Duration::millis(50);
  const auto outcome = run(spec(nowhere.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::connect_timeout);
  EXPECT_GE(outcome.took, Duration::millis(50));
}

TEST_F(UpstreamTest, ASlowAddressIsJoinedByTheNext) {
  const Blackhole nowhere("127.0.0.1");
  ScriptedUpstream server({[](Peer& peer) {
                            peer.read_head();
                            peer.answer();
                          }},
                          nullptr, "127.0.0.2", nowhere.port());
  options_.next_address = Duration::millis(10);
  options_.lookup = [](const std::string&) -> Result<Addresses> {
    return Addresses{boost::asio::ip::make_address("127.0.0.1"),
                     boost::asio::ip::make_address("127.0.0.2")};
  };
  settings_->urls[0].host = "shop.test";
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  EXPECT_EQ(outcome.address, fmt::format("127.0.0.2:{}", server.port()));
  EXPECT_EQ(outcome.authority, fmt::format("shop.test:{}", server.port()));
}

TEST_F(UpstreamTest, ARefusingAddressGivesWayAndTheStartRotates) {
  const auto serve_two = [](Peer& peer) {
    peer.read_head();
    peer.answer("ok", "Connection: close\r\n");
  };
  ScriptedUpstream server({serve_two, serve_two, serve_two}, nullptr, "127.0.0.2");
  std::atomic<int> asked = 0;
  options_.lookup = [&](const std::string& host) -> Result<Addresses> {
    EXPECT_EQ(host, "shop.test");
    ++asked;
    return Addresses{boost::asio::ip::make_address("127.0.0.3"),
                     boost::asio::ip::make_address("127.0.0.2")};
  };
  settings_->urls[0].host = "shop.test";
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(run(spec(server.port())).address, fmt::format("127.0.0.2:{}", server.port()));
  }
  EXPECT_EQ(asked, 1);  // remembered
  clock_.shift = clock_.shift + Duration::seconds(6);
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  EXPECT_EQ(asked, 2);  // and looked up again
}

TEST_F(UpstreamTest, AFailedLookUpIsNothingSent) {
  options_.lookup = [](const std::string&) -> Result<Addresses> {
    return fail(ErrorKind::not_found, "no such name");
  };
  settings_->urls[0].host = "nowhere.test";
  const auto outcome = run(spec(80));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::dns);
}

TEST_F(UpstreamTest, ALookUpThatHangsEndsByTheConnectTimeout) {
  auto answer = std::make_shared<Signal>();
  options_.lookup = [answer](const std::string&) -> Result<Addresses> {
    answer->wait();
    return fail(ErrorKind::not_found, "late");
  };
  settings_->urls[0].host = "slow.test";
  settings_->timeouts.connect = Duration::millis(20);
  const auto outcome = run(spec(80));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::dns);
  answer->set();
}

TEST_F(UpstreamTest, HeadTimeoutIsSent) {
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }});
  settings_->timeouts.head = Duration::millis(30);
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::head_timeout);
  EXPECT_TRUE(outcome.first_byte_at.has_value());
}

TEST_F(UpstreamTest, AnInterimAnswerDoesNotStopTheHeadTimeout) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 102 Processing\r\n\r\n");
    peer.wait_end();
  }});
  settings_->timeouts.head = Duration::millis(30);
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::head_timeout);
}

TEST_F(UpstreamTest, IdleTimeoutInsideTheBody) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.wait_end();
  }});
  settings_->timeouts.idle = Duration::millis(30);
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::answer_begun);
  EXPECT_EQ(outcome.cause, Cause::idle_timeout);
  EXPECT_EQ(outcome.head.status, 200);
  EXPECT_EQ(outcome.body, nullptr);
}

TEST_F(UpstreamTest, IdleTimeoutWhileTheUpstreamTakesNothing) {
  Signal done;
  ScriptedUpstream server({[&](Peer&) { done.wait(); }});
  settings_->timeouts.idle = Duration::millis(50);
  request_->body = make_body(std::string(32 << 20, 'x'));
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::idle_timeout);
  EXPECT_LT(outcome.bytes_sent, 32U << 20);
  done.set();
}

struct Wire {
  const char* name;
  std::string bytes;  // then the upstream closes
  Evidence evidence;
  Cause cause;
  int status;
  std::string body = {};
};

class UpstreamWireTest : public UpstreamTest, public ::testing::WithParamInterface<Wire> {};

TEST_P(UpstreamWireTest, IsJudged) {
  const auto& wire = GetParam();
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.send(wire.bytes);
  }});
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, wire.evidence) << to_string(outcome.evidence);
  EXPECT_EQ(outcome.cause, wire.cause) << to_string(outcome.cause);
  EXPECT_EQ(outcome.head.status, wire.status);
  EXPECT_EQ(view(outcome.body), wire.body);
  EXPECT_EQ(outcome.body != nullptr, wire.evidence == Evidence::answer_complete);
  EXPECT_EQ(upstream().counters().idle, 0U) << "nothing of this may be reused";
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i)
    out += text;
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Answers, UpstreamWireTest,
    ::testing::Values(
        Wire{"Nothing", "", Evidence::sent, Cause::closed, 0},
        Wire{"HalfAStatusLine", "HTTP/1.1 20", Evidence::sent, Cause::closed, 0},
        Wire{"HalfAHead", "HTTP/1.1 200 OK\r\nX-A: ", Evidence::answer_begun, Cause::closed, 200},
        Wire{"OnlyInterim", "HTTP/1.1 100 Continue\r\n\r\n", Evidence::sent, Cause::closed, 0},
        Wire{"InterimThenFinal",
             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
             "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
             Evidence::answer_complete, Cause::none, 200, "ok"},
        Wire{"ManyInterim", repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 21), Evidence::sent,
             Cause::invalid_answer, 0},
        Wire{"Switching", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Evidence::sent,
             Cause::invalid_answer, 0},
        Wire{"OtherProtocol", "SSH-2.0-OpenSSH", Evidence::sent, Cause::invalid_answer, 0},
        Wire{"Http2", std::string("\0\0\6\4\0\0\0\0\0", 9), Evidence::sent, Cause::invalid_answer,
             0},
        Wire{"BadStatus", "HTTP/1.1 2x0 OK\r\n\r\n", Evidence::sent, Cause::invalid_answer, 0},
        Wire{"CutBody", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Evidence::answer_begun,
             Cause::closed, 200},
        Wire{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
             Evidence::answer_begun, Cause::invalid_answer, 200},
        Wire{"LengthAndChunked",
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             Evidence::answer_begun, Cause::invalid_answer, 200},
        Wire{"OddCoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
             Evidence::answer_begun, Cause::invalid_answer, 200},
        Wire{"Folded", "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
             Evidence::answer_begun, Cause::invalid_answer, 200},
        Wire{"BareLineFeed", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", Evidence::sent,
             Cause::invalid_answer, 0},
        Wire{"HugeHead", "HTTP/1.1 200 OK\r\nX-A: " + std::string(70'000, 'a'),
             Evidence::answer_begun, Cause::invalid_answer, 200},
        Wire{"Chunked",
             "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
             Evidence::answer_complete, Cause::none, 200, "abcde"},
        Wire{"BadChunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
             Evidence::answer_begun, Cause::invalid_answer, 200},
        Wire{"CutChunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
             Evidence::answer_begun, Cause::closed, 200},
        Wire{"UntilClose", "HTTP/1.1 200 OK\r\n\r\nto the end", Evidence::answer_complete,
             Cause::none, 200, "to the end"},
        Wire{"OldVersion", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
             Evidence::answer_complete, Cause::none, 200, "ok"},
        Wire{"NoContent", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
             Evidence::answer_complete, Cause::none, 204},
        Wire{"MoreThanItSaid", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK",
             Evidence::answer_complete, Cause::none, 200, "ok"}),
    [](const auto& wire) { return std::string(wire.param.name); });

TEST_F(UpstreamTest, AHeadInManyPieces) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    for (const char c : std::string(
             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")) {
      peer.send({&c, 1});
    }
    peer.wait_end();
  }});
  EXPECT_EQ(view(run(spec(server.port())).body), "abc");
  EXPECT_EQ(upstream().counters().idle, 1U);
  upstream().shutdown();
}

TEST_F(UpstreamTest, HeadAnswersHaveNoBody) {
  request_->method = "HEAD";
  request_->body = nullptr;
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    peer.wait_end();
  }});
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  ASSERT_NE(find_field(outcome.head.fields, "content-length"), nullptr);
  EXPECT_EQ(find_field(outcome.head.fields, "content-length")->value, "1000");
  upstream().shutdown();
}

TEST_F(UpstreamTest, ResetAfterTheRequestIsSent) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.reset();
  }});
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::reset);
}

TEST_F(UpstreamTest, CancelEndsOnceAndClosesTheConnection) {
  Signal got;
  Signal gone;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    got.set();
    peer.wait_end();
    gone.set();
  }});
  const auto id = begin(spec(server.port()));
  run_until([&] { return got.is_set(); });
  upstream().cancel(id);
  upstream().cancel(id);
  EXPECT_FALSE(ends_.contains(raw(id))) << "raised from within cancel()";
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::cancelled);
  EXPECT_TRUE(gone.wait());
  upstream().cancel(id);
  upstream().cancel(AttemptId{4711});
  settle();
  EXPECT_EQ(ends_.size(), 1U);
}

TEST_F(UpstreamTest, CancelWhileConnectingIsNothingSent) {
  const Blackhole nowhere;
  const auto id = begin(spec(nowhere.port()));
  settle();
  upstream().cancel(id);
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::cancelled);
}

TEST_F(UpstreamTest, ShutdownEndsAllAndStartsNoMore) {
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }});
  const auto first = begin(spec(server.port()));
  run_until([&] { return upstream().counters().connected == 1; });
  upstream().shutdown();
  EXPECT_EQ(outcome_of(first).cause, Cause::cancelled);
  const auto late = run(spec(server.port()));
  EXPECT_EQ(late.cause, Cause::cancelled);
  EXPECT_EQ(late.evidence, Evidence::nothing_sent);
}

}  // namespace
}  // namespace hf::adapters::testing
