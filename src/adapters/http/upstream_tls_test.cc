// TLS to upstreams: whom it trusts, what it keeps, and what a missing close_notify means.
#include "adapters/http/upstream.h"
#include "adapters/http/upstream_testing.h"
#include "adapters/tls/authority_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;

class UpstreamTlsTest : public UpstreamTest {
 protected:
  UpstreamTlsTest() {
    settings_->urls[0].tls = true;
    settings_->urls[0].host = "shop.test";
    settings_->tls.ca = authority_.file();
    options_.lookup = [](const std::string&) -> Result<Addresses> {
      return Addresses{boost::asio::ip::make_address("127.0.0.1")};
    };
  }
  ~UpstreamTlsTest() override {
    if (upstream_) upstream_->shutdown();
  }
  static void serve_one(Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.answer();
  }
  Authority authority_;
};

TEST_F(UpstreamTlsTest, TrustsAGivenAuthorityAndKeepsConnections) {
  bool handshaken = false;
  ScriptedUpstream server({[&](Peer& peer) {
                            handshaken = peer.handshaken();
                            serve_one(peer);
                            serve_one(peer);
                            peer.wait_end();
                          }},
                          authority_.server());
  const auto first = run(spec(server.port()));
  EXPECT_EQ(first.evidence, Evidence::answer_complete);
  EXPECT_EQ(view(first.body), "ok");
  EXPECT_TRUE(handshaken);
  const auto second = run(spec(server.port()));
  EXPECT_TRUE(second.reused) << "session tickets are not unsolicited bytes";
  EXPECT_EQ(second.evidence, Evidence::answer_complete);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(UpstreamTlsTest, SendsTheNameAndChecksAddressesWithoutOne) {
  std::string name;
  SSL_CTX_ctrl(authority_.server(), SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, &name);
  int (*note)(SSL*, int*, void*) = [](SSL* ssl, int*, void* into) {
    const char* given = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    *static_cast<std::string*>(into) = given != nullptr ? given : "none";
    return SSL_TLSEXT_ERR_OK;
  };
  SSL_CTX_callback_ctrl(authority_.server(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(note));
  {
    ScriptedUpstream server({serve_one}, authority_.server());
    EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  }
  EXPECT_EQ(name, "shop.test");
  settings_->urls[0].host = "127.0.0.1";
  name.clear();
  {
    ScriptedUpstream server({serve_one}, authority_.server());
    EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  }
  EXPECT_EQ(name, "none");
}

TEST_F(UpstreamTlsTest, ResumesSessions) {
  std::vector<bool> resumed;
  const auto serve = [&](Peer& peer) {
    resumed.push_back(peer.resumed());
    peer.read_head();
    peer.read_bytes(7);
    peer.answer("ok", "Connection: close\r\n");
    peer.wait_end();
  };
  {
    ScriptedUpstream server({serve, serve}, authority_.server());
    run(spec(server.port()));
    EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  }
  EXPECT_EQ(resumed, (std::vector<bool>{false, true}));
}

TEST_F(UpstreamTlsTest, RefusesAnotherName) {
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }}, authority_.server());
  settings_->urls[0].host = "other.test";
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::tls);
  EXPECT_EQ(outcome.bytes_sent, 0U);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("ostname mismatch"), std::string::npos) << warnings_[0];
}

TEST_F(UpstreamTlsTest, RefusesAnAuthorityItDoesNotKnow) {
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }}, authority_.server());
  settings_->tls.ca.clear();  // the system's
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::tls);
}

TEST_F(UpstreamTlsTest, ACaFileThatCannotBeReadSendsNothing) {
  ScriptedUpstream server({[](Peer&) {}}, nullptr);
  settings_->tls.ca = "/nonexistent/ca.pem";
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::tls);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("/nonexistent/ca.pem"), std::string::npos);
}

TEST_F(UpstreamTlsTest, AnUpstreamThatSpeaksNoTlsIsNothingSent) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_some();
    peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  }});
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::tls);
}

TEST_F(UpstreamTlsTest, AHandshakeThatHangsEndsByTheConnectTimeout) {
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }});
  settings_->timeouts.connect = Duration::millis(30);
  const auto outcome = run(spec(server.port()));
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  EXPECT_EQ(outcome.cause, Cause::connect_timeout);
}

TEST_F(UpstreamTlsTest, OnlyCloseNotifyEndsAnAnswerWithoutLength) {
  for (const bool notify : {true, false}) {
    ScriptedUpstream server({[&](Peer& peer) {
                              peer.read_head();
                              peer.read_bytes(7);
                              peer.send("HTTP/1.1 200 OK\r\n\r\nto the end");
                              if (notify) peer.close_notify();
                            }},
                            authority_.server());
    const auto outcome = run(spec(server.port()));
    EXPECT_EQ(outcome.evidence, notify ? Evidence::answer_complete : Evidence::answer_begun);
    EXPECT_EQ(outcome.cause, notify ? Cause::none : Cause::closed);
    EXPECT_EQ(view(outcome.body), notify ? "to the end" : "");
    EXPECT_EQ(outcome.head.status, 200);
  }
}

TEST_F(UpstreamTlsTest, AnEndWhileIdleIsNoticed) {
  for (const bool notify : {true, false}) {
    ScriptedUpstream server({[&](Peer& peer) {
                               serve_one(peer);
                               if (notify) peer.close_notify();
                             },
                             serve_one},
                            authority_.server());
    run(spec(server.port()));
    run_until([&] { return upstream().counters().pool.dropped_idle == 1; });
    const auto second = run(spec(server.port()));
    EXPECT_EQ(second.evidence, Evidence::answer_complete);
    EXPECT_FALSE(second.reused);
    upstream_.reset();  // with its counters
  }
}

TEST_F(UpstreamTlsTest, AnEndAsTheSecondRequestComesIsSent) {
  ScriptedUpstream server({[](Peer& peer) {
                            serve_one(peer);
                            peer.read_some();
                            peer.reset();
                          }},
                          authority_.server());
  run(spec(server.port()));
  const auto second = run(spec(server.port()));
  EXPECT_TRUE(second.reused);
  EXPECT_EQ(second.evidence, Evidence::sent);
  EXPECT_TRUE(second.cause == Cause::reset || second.cause == Cause::closed);
}

TEST_F(UpstreamTlsTest, LargeBodiesBothWays) {
  static constexpr std::size_t kSize = 8 << 20;
  bool arrived = false;
  const std::string up(kSize, 'u');
  const std::string down(kSize, 'd');
  request_->body = make_body(up);
  ScriptedUpstream server({[&](Peer& peer) {
                            peer.read_head();
                            arrived = peer.read_bytes(kSize) == up;
                            peer.answer(down);
                            peer.wait_end();
                          }},
                          authority_.server());
  const auto id = begin(spec(server.port(), 0));
  run_until([&] { return heads_.contains(raw(id)); });
  const auto sink = std::make_shared<FakeSink>(false);
  upstream().forward(id, sink);
  while (!ends_.contains(raw(id)) && !HasFailure()) {
    run_until([&] { return sink->pending != nullptr || ends_.contains(raw(id)); });
    if (sink->pending) sink->go();
  }
  EXPECT_EQ(ends_[raw(id)].evidence, Evidence::answer_complete);
  EXPECT_TRUE(arrived);
  EXPECT_EQ(sink->text, down);
  EXPECT_EQ(upstream().counters().idle, 1U);
}

TEST_F(UpstreamTlsTest, StreamsABodyInChunks) {
  std::string seen;
  ScriptedUpstream server({[&](Peer& peer) {
                            seen = peer.read_until("0\r\n\r\n");
                            peer.answer();
                            peer.wait_end();
                          }},
                          authority_.server());
  const auto source = std::make_shared<FakeSource>(-1);
  auto what = spec(server.port());
  what.body = source;
  const auto id = begin(std::move(what));
  run_until([&] { return source->asks == 1; });
  source->push(ports::BodySource::What::data, "abc");
  source->push(ports::BodySource::What::end);
  EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
  EXPECT_TRUE(seen.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
}

}  // namespace
}  // namespace hf::adapters::testing
