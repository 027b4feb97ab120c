// A proxy on the way: whatever it does before the tunnel stands, nothing of a request has left.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "adapters/http/upstream.h"
#include "adapters/http/upstream_testing.h"
#include "adapters/tls/authority_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kOpen = "HTTP/1.1 200 Connection established\r\n\r\n";

class UpstreamProxyTest : public UpstreamTest {
 protected:
  UpstreamProxyTest() {
    settings_->urls[0].host = "shop.test";
    settings_->proxy.emplace();
    settings_->proxy->host = "proxy.test";
    options_.lookup = [this](const std::string& host) -> Result<Addresses> {
      looked_up_.push_back(host);
      if (host != "proxy.test") return fail(ErrorKind::not_found, "only the proxy knows it");
      Addresses out;
      for (const auto& ip : stands_for_)
        out.push_back(boost::asio::ip::make_address(ip));
      return out;
    };
  }
  ~UpstreamProxyTest() override {
    if (upstream_) upstream_->shutdown();
  }

  // To shop.test:7 through the proxy at `port`.
  ports::AttemptSpec through(std::uint16_t port) {
    settings_->proxy->port = port;
    return spec(7);
  }
  void expect_nothing_sent(const call::AttemptOutcome& outcome, Cause cause) {
    EXPECT_EQ(outcome.cause, cause) << to_string(outcome.cause);
    EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
    EXPECT_EQ(outcome.bytes_sent, 0U);
    EXPECT_FALSE(outcome.first_byte_at.has_value());
    EXPECT_EQ(outcome.head.status, 0) << "the proxy's status is not the upstream's";
    EXPECT_EQ(outcome.authority, "shop.test:7");
  }
  std::map<std::string, std::uint64_t> results() {
    const auto all = upstream().proxies();
    return all.size() == 1 ? all[0].results : std::map<std::string, std::uint64_t>{};
  }

  std::vector<std::string> stands_for_{"127.0.0.1"};
  std::vector<std::string> looked_up_;  // by the resolver's thread, read when it is done
};

TEST_F(UpstreamProxyTest, OpensATunnelAndKeepsIt) {
  std::string connect;
  std::string first;
  std::string second;
  ScriptedUpstream proxy({[&](Peer& peer) {
    connect = peer.read_head();
    peer.send(kOpen);
    first = peer.read_head();
    first += peer.read_bytes(7);
    peer.answer();
    second = peer.read_head();
    second += peer.read_bytes(7);
    peer.answer();
    peer.wait_end();
  }});
  const auto one = run(through(proxy.port()));
  EXPECT_EQ(one.evidence, Evidence::answer_complete);
  EXPECT_EQ(one.address, fmt::format("127.0.0.1:{}", proxy.port()));
  EXPECT_EQ(one.authority, "shop.test:7");
  const auto two = run(through(proxy.port()));
  EXPECT_TRUE(two.reused);
  EXPECT_EQ(connect, "CONNECT shop.test:7 HTTP/1.1\r\nHost: shop.test:7\r\n\r\n");
  EXPECT_THAT(first, HasSubstr("POST /v1/things?x=1 HTTP/1.1\r\nHost: shop.test:7\r\n"));
  EXPECT_EQ(second, first);
  EXPECT_EQ(one.bytes_sent, first.size()) << "CONNECT is not a byte of the request";
  EXPECT_THAT(looked_up_, ElementsAre("proxy.test"));
  EXPECT_EQ(results(), (std::map<std::string, std::uint64_t>{{"opened", 1}}));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(UpstreamProxyTest, TlsIsSpokenWithTheUpstreamThroughIt) {
  const Authority authority;
  settings_->urls[0].tls = true;
  settings_->tls.ca = authority.file();
  const auto tunnel = [&](Peer& peer) {
    EXPECT_THAT(peer.read_head(), HasSubstr("CONNECT shop.test:7 "));
    peer.send(kOpen);
    peer.secure(authority.server());
    if (!peer.handshaken()) return;
    peer.read_head();
    peer.read_bytes(7);
    peer.answer();
    peer.wait_end();
  };
  ScriptedUpstream proxy({tunnel, tunnel});
  EXPECT_EQ(run(through(proxy.port())).evidence, Evidence::answer_complete);
  upstream().close_idle();
  // The proxy may lead anywhere, and the certificate tells: here it is somebody else's.
  const Authority stranger;
  settings_->tls.ca = stranger.file();
  expect_nothing_sent(run(through(proxy.port())), Cause::tls);
  EXPECT_THAT(warnings_, Contains(HasSubstr("certificate refused")));
  EXPECT_EQ(results(), (std::map<std::string, std::uint64_t>{{"opened", 2}}));
}

TEST_F(UpstreamProxyTest, CredentialsAreForTheProxyAlone) {
  settings_->proxy->user = "hold${who}";
  settings_->proxy->password = "${word}";
  options_.secrets = [](const std::string& value) -> Result<std::string> {
    return value == "hold${who}" ? std::string("holdfast") : std::string("open: sesame");
  };
  std::string connect;
  std::string request;
  ScriptedUpstream proxy({[&](Peer& peer) {
    connect = peer.read_head();
    peer.send(kOpen);
    request = peer.read_head();
    peer.read_bytes(7);
    peer.answer();
  }});
  EXPECT_EQ(run(through(proxy.port())).evidence, Evidence::answer_complete);
  EXPECT_THAT(connect,
              HasSubstr("\r\nProxy-Authorization: Basic aG9sZGZhc3Q6b3Blbjogc2VzYW1l\r\n\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("roxy-")));
}

TEST_F(UpstreamProxyTest, WithoutItsSecretNobodyIsAsked) {
  settings_->proxy->user = "holdfast";
  settings_->proxy->password = "${word}";
  options_.secrets = [](const std::string&) -> Result<std::string> {
    return fail(ErrorKind::unavailable, "secret ${word}: not set");
  };
  ScriptedUpstream proxy({[](Peer&) {}});
  expect_nothing_sent(run(through(proxy.port())), Cause::proxy_credentials);
  EXPECT_EQ(proxy.accepted(), 0);
  EXPECT_THAT(warnings_, Contains(HasSubstr("secret ${word}: not set")));
  options_.secrets = [](const std::string&) -> Result<std::string> { return std::string("a:b"); };
  settings_->proxy->user = "${word}";
  upstream_.reset();
  expect_nothing_sent(run(through(proxy.port())), Cause::proxy_credentials);
  EXPECT_EQ(proxy.accepted(), 0);
  EXPECT_THAT(warnings_.back(), HasSubstr("the user name holds a colon"));
}

struct Refusal {
  std::string_view name;
  std::string answer;
  Cause cause;
  std::string said;
};

class UpstreamProxyRefusalTest : public UpstreamProxyTest,
                                 public ::testing::WithParamInterface<Refusal> {};

TEST_P(UpstreamProxyRefusalTest, IsNothingSent) {
  const auto& refusal = GetParam();
  ScriptedUpstream proxy({[&](Peer& peer) {
    EXPECT_THAT(peer.read_head(), HasSubstr("CONNECT "));
    peer.send(refusal.answer);
    peer.close();
  }});
  expect_nothing_sent(run(through(proxy.port())), refusal.cause);
  ASSERT_FALSE(warnings_.empty());
  EXPECT_THAT(warnings_.back(),
              HasSubstr(fmt::format("upstream fake: proxy proxy.test:{0} (127.0.0.1:{0}) {1}",
                                    proxy.port(), refusal.said)));
  EXPECT_EQ(upstream().counters().idle, 0U);
  EXPECT_EQ(results(),
            (std::map<std::string, std::uint64_t>{{std::string(to_string(refusal.cause)), 1}}));
}

std::string many(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i)
    out += text;
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Answers, UpstreamProxyRefusalTest,
    ::testing::Values(
        Refusal{"Forbidden",
                "HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n"
                "Content-Length: 4\r\n\r\nno!\n",
                Cause::proxy_refused,
                "answered 403 to CONNECT shop.test:7 (ERR_ACCESS_DENIED 0); many proxies open "
                "tunnels to port 443 alone, and this is 7"},
        Refusal{"BadGateway", "HTTP/1.1 502 Bad Gateway\r\nX-Squid-Error: <b>ERR</b>\r\n\r\n",
                Cause::proxy_refused, "answered 502 to CONNECT shop.test:7"},
        Refusal{"Redirect", "HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n",
                Cause::proxy_refused, "answered 302 to CONNECT shop.test:7"},
        Refusal{"Credentials", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
                Cause::proxy_credentials,
                "answered 407 to CONNECT shop.test:7: it wants a user name and password: "
                "http://USER:PASSWORD@HOST:PORT; it takes basic"},
        Refusal{"OtherCredentials",
                "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\n"
                "Proxy-Authenticate: NTLM\r\nProxy-Authenticate: aG9sZGZhc3Q6eA==\r\n\r\n",
                Cause::proxy_credentials,
                "answered 407 to CONNECT shop.test:7: it wants a user name and password: "
                "http://USER:PASSWORD@HOST:PORT; it takes ntlm, negotiate, and Holdfast knows "
                "Basic alone"},
        Refusal{"Interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n",
                Cause::proxy_refused, "answered 503 to CONNECT shop.test:7"},
        Refusal{"Silent", "", Cause::proxy_failed, "closed the connection without an answer"},
        Refusal{"Cut", "HTTP/1.1 200 Connection est", Cause::proxy_failed,
                "broke off in its answer"},
        Refusal{"OtherProtocol", "SSH-2.0-OpenSSH_9.2\r\n", Cause::proxy_failed,
                "gave no valid answer: "},
        Refusal{"TooLong", "HTTP/1.1 200 OK\r\nX-Fill: " + many("x", 20'000), Cause::proxy_failed,
                "gave no valid answer: "},
        Refusal{"TooMany", "HTTP/1.1 200 OK\r\n" + many("A: b\r\n", 200) + "\r\n",
                Cause::proxy_failed, "gave no valid answer: "},
        Refusal{"InterimForEver", many("HTTP/1.1 102 Wait\r\n\r\n", 100), Cause::proxy_failed,
                "gave no final answer"},
        Refusal{"Switching", "HTTP/1.1 101 Switching\r\n\r\n", Cause::proxy_failed,
                "gave no final answer"},
        Refusal{"BytesBehind", std::string(kOpen) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                Cause::proxy_failed, "sent more than its answer before anything was asked"},
        Refusal{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                Cause::proxy_failed, "gave no valid answer: "}),
    [](const auto& param) { return std::string(param.param.name); });

TEST_F(UpstreamProxyTest, ARefusalOfOurCredentialsNeverRepeatsThem) {
  settings_->proxy->user = "holdfast";
  settings_->proxy->password = "sesame";
  ScriptedUpstream proxy({[&](Peer& peer) {
    const auto head = peer.read_head();
    const auto from = head.find("Basic ");
    const auto ours = head.substr(from, head.find("\r\n", from) - from);
    peer.send("HTTP/1.1 407 " + ours + "\r\nProxy-Authenticate: " + ours +
              "\r\nX-Squid-Error: ERR_" + ours + "\r\n\r\n");
  }});
  expect_nothing_sent(run(through(proxy.port())), Cause::proxy_credentials);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_THAT(warnings_[0],
              HasSubstr("it does not take the user name and password of `proxy`; it takes basic"));
  EXPECT_THAT(warnings_[0], Not(HasSubstr("sesame")));
  EXPECT_THAT(warnings_[0], Not(HasSubstr("aG9s")));
}

TEST_F(UpstreamProxyTest, ALengthBehindAn200MeansNothing) {
  ScriptedUpstream proxy({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n");
    peer.read_head();
    peer.read_bytes(7);
    peer.answer();
  }});
  EXPECT_EQ(run(through(proxy.port())).evidence, Evidence::answer_complete);
}

TEST_F(UpstreamProxyTest, WhoSaysNothingIsCutByTheConnectTimeout) {
  settings_->timeouts.connect = Duration::millis(50);
  ScriptedUpstream proxy({[](Peer& peer) { peer.wait_end(); },
                          [](Peer& peer) {
                            peer.send("HTTP/1.1 200 OK\r\nX: ");
                            while (peer.send("x"))
                              std::this_thread::yield();
                          }});
  const auto silent = run(through(proxy.port()));
  expect_nothing_sent(silent, Cause::proxy_failed);
  EXPECT_GE(silent.took, Duration::millis(50));
  EXPECT_GE(silent.phases.connect, Duration::millis(40)) << "the tunnel is part of connecting";
  EXPECT_THAT(warnings_, Contains(HasSubstr("no answer to CONNECT in time")));
  expect_nothing_sent(run(through(proxy.port())), Cause::proxy_failed);
}

TEST_F(UpstreamProxyTest, WhoCannotBeReachedIsToldAsTheProxy) {
  const auto closed = [] { return Listener().port(); }();
  expect_nothing_sent(run(through(closed)), Cause::proxy_unreachable);
  EXPECT_THAT(warnings_,
              Contains(HasSubstr("(127.0.0.1:" + std::to_string(closed) + "): connect_refused")));
  const Blackhole nowhere;
  settings_->timeouts.connect = Duration::millis(50);
  expect_nothing_sent(run(through(nowhere.port())), Cause::proxy_unreachable);
  EXPECT_THAT(warnings_, Contains(HasSubstr("no connection in time")));
  settings_->proxy->host = "other.test";
  expect_nothing_sent(run(through(closed)), Cause::proxy_unreachable);
  EXPECT_THAT(warnings_.back(), HasSubstr("look-up of proxy other.test: only the proxy knows it"));
  EXPECT_EQ(results(), (std::map<std::string, std::uint64_t>{{"proxy_unreachable", 3}}));
}

TEST_F(UpstreamProxyTest, WhatBreaksBehindTheTunnelIsTheUpstreams) {
  ScriptedUpstream proxy({[](Peer& peer) {
    peer.read_head();
    peer.send(kOpen);
    peer.read_head();
    peer.read_bytes(7);
    peer.reset();
  }});
  const auto outcome = run(through(proxy.port()));
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::reset);
  EXPECT_GT(outcome.bytes_sent, 0U);
}

// One name, and only one of the two upstreams goes through the proxy.
TEST_F(UpstreamProxyTest, ATunnelIsForItsUpstreamAlone) {
  const auto serve = [](Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.answer();
    peer.wait_end();
  };
  ScriptedUpstream direct({serve}, nullptr, "127.0.0.2");
  ScriptedUpstream proxy({[&](Peer& peer) {
                            peer.read_head();
                            peer.send(kOpen);
                            serve(peer);
                          },
                          [](Peer& peer) { peer.send("HTTP/1.1 403 No\r\n\r\n"); }});
  settings_->urls[0].host = "127.0.0.2";
  settings_->proxy->port = proxy.port();
  EXPECT_EQ(run(spec(direct.port())).address, fmt::format("127.0.0.1:{}", proxy.port()));
  const auto kept = settings_->proxy;
  settings_->proxy.reset();
  const auto straight = run(spec(direct.port()));
  EXPECT_FALSE(straight.reused);
  EXPECT_EQ(straight.address, fmt::format("127.0.0.2:{}", direct.port()));
  settings_->proxy = kept;
  settings_->name = "another";
  const auto id = begin(spec(direct.port()));
  upstream().close_idle();  // the script serves one connection after another
  EXPECT_EQ(outcome_of(id).cause, Cause::proxy_refused);
}

TEST_F(UpstreamProxyTest, OfSeveralTheOneThatIsDownIsLeftOut) {
  stands_for_ = {"127.0.0.2", "127.0.0.3"};
  settings_->ejection.consecutive = 3;
  const std::vector<ScriptedUpstream::Script> good(200, [](Peer& peer) {
    peer.read_head();
    peer.send(kOpen);
    peer.read_head();
    peer.read_bytes(7);
    peer.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  ScriptedUpstream proxy(good, nullptr, "127.0.0.2");
  const auto down = [&] {
    const auto all = upstream().addresses();
    return all.size() == 2 && all[1].facts.standing == policy::Standing::out;
  };
  for (int i = 0; i < 200 && !down(); ++i)
    ASSERT_EQ(run(through(proxy.port())).head.status, 500);
  const auto all = upstream().addresses();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].url, fmt::format("proxy proxy.test:{}", proxy.port()));
  EXPECT_EQ(all[0].facts.standing, policy::Standing::in);
  EXPECT_EQ(all[0].facts.failures, 0U) << "the upstream's 500 is not the proxy's";
  EXPECT_EQ(all[1].facts.standing, policy::Standing::out);
}

}  // namespace
}  // namespace hf::adapters::testing
