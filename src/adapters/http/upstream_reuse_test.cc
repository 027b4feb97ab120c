// Which connections are used again, and what is known when one dies under a request.
#include "adapters/http/upstream.h"
#include "adapters/http/upstream_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;

// Reads one request with the seven bytes of body and answers it.
void serve_one(Peer& peer, std::string_view fields = "") {
  peer.read_head();
  peer.read_bytes(7);
  peer.answer("ok", fields);
}

class UpstreamReuseTest : public UpstreamTest {
 protected:
  ~UpstreamReuseTest() override {
    if (upstream_) upstream_->shutdown();
  }
  // An exchange, then `pause` of idleness, then another one: whether the second used the same
  // connection. The upstream keeps the first connection open all the time.
  bool reuses(std::string_view fields, Duration pause, bool careful) {
    const auto serve_until_end = [fields](Peer& peer) {
      serve_one(peer, fields);
      if (peer.read_head().empty()) return;
      peer.read_bytes(7);
      peer.answer();
      peer.wait_end();
    };
    // One thread serves both in turn: the second is served once the first has been closed.
    ScriptedUpstream server({serve_until_end, serve_until_end});
    EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
    EXPECT_EQ(upstream().counters().idle, 1U);
    clock_.shift = clock_.shift + pause;
    auto what = spec(server.port());
    what.careful_reuse = careful;
    const auto id = begin(std::move(what));
    run_until([&] { return ends_.contains(raw(id)) || upstream().counters().connected == 2; });
    const bool reused = ends_.contains(raw(id)) && ends_[raw(id)].reused;
    // Frees the first connection, and with it the upstream's thread for the second.
    upstream().close_idle();
    EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
    EXPECT_EQ(upstream().counters().connected, reused ? 1U : 2U);
    upstream_->shutdown();
    settle();
    upstream_.reset();
    return reused;
  }
};

TEST_F(UpstreamReuseTest, KeepsConnections) {
  ScriptedUpstream server({[](Peer& peer) {
    for (int i = 0; i < 5; ++i)
      serve_one(peer);
    peer.wait_end();
  }});
  for (int i = 0; i < 5; ++i) {
    const auto outcome = run(spec(server.port()));
    EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
    EXPECT_EQ(outcome.reused, i > 0);
    EXPECT_EQ(outcome.address, outcome.authority);
    EXPECT_EQ(view(outcome.body), "ok");
  }
  EXPECT_EQ(server.accepted(), 1);
  EXPECT_EQ(upstream().counters().connected, 1U);
  EXPECT_EQ(upstream().counters().pool.reused, 4U);
}

TEST_F(UpstreamReuseTest, TheRuleWithoutAHint) {
  EXPECT_TRUE(reuses("", Duration::millis(500), true));
  EXPECT_FALSE(reuses("", Duration::millis(1001), true));
  EXPECT_TRUE(reuses("", Duration::millis(1001), false));
  EXPECT_TRUE(reuses("", Duration::seconds(50), false));
  EXPECT_FALSE(reuses("", Duration::seconds(56), false));
}

TEST_F(UpstreamReuseTest, TheRuleWithAHint) {
  EXPECT_TRUE(reuses("Keep-Alive: timeout=5\r\n", Duration::millis(500), true));
  EXPECT_FALSE(reuses("Keep-Alive: timeout=5\r\n", Duration::millis(1500), true));
  EXPECT_TRUE(reuses("Keep-Alive: timeout=5\r\n", Duration::millis(3500), false));
  EXPECT_FALSE(reuses("Keep-Alive: timeout=5\r\n", Duration::millis(4100), false));
  EXPECT_TRUE(reuses("Keep-Alive: timeout=1\r\n", Duration::millis(300), true));
  EXPECT_FALSE(reuses("Keep-Alive: timeout=1\r\n", Duration::millis(600), true));
  EXPECT_FALSE(reuses("Keep-Alive: timeout=0\r\n", Duration::nanos(0), false));
}

TEST_F(UpstreamReuseTest, AnEndWhileIdleIsNoticedAndANewConnectionUsed) {
  ScriptedUpstream server(
      {[](Peer& peer) { serve_one(peer); }, [](Peer& peer) { serve_one(peer); }});
  run(spec(server.port()));
  run_until([&] { return upstream().counters().pool.dropped_idle == 1; });
  EXPECT_EQ(upstream().counters().idle, 0U);
  const auto second = run(spec(server.port()));
  EXPECT_EQ(second.evidence, Evidence::answer_complete);
  EXPECT_FALSE(second.reused);
}

TEST_F(UpstreamReuseTest, AnEndThatTheLoopHasNotSeenIsFoundByThePoll) {
  Signal closed;
  Signal may_close;
  ScriptedUpstream server({[&](Peer& peer) {
                             serve_one(peer);
                             may_close.wait();
                             peer.close();
                             closed.set();
                           },
                           [](Peer& peer) { serve_one(peer); }});
  run(spec(server.port()));
  may_close.set();
  ASSERT_TRUE(closed.wait());
  // The loop has not run since: only the poll can know.
  const auto second = run(spec(server.port()));
  EXPECT_EQ(second.evidence, Evidence::answer_complete);
  EXPECT_FALSE(second.reused);
  EXPECT_EQ(upstream().counters().pool.dropped_poll, 1U);
}

TEST_F(UpstreamReuseTest, AResetThatTheLoopHasNotSeenIsFoundByThePoll) {
  Signal closed;
  Signal may_close;
  ScriptedUpstream server({[&](Peer& peer) {
                             serve_one(peer);
                             may_close.wait();
                             peer.reset();
                             closed.set();
                           },
                           [](Peer& peer) { serve_one(peer); }});
  run(spec(server.port()));
  may_close.set();
  ASSERT_TRUE(closed.wait());
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  EXPECT_EQ(upstream().counters().pool.dropped_poll, 1U);
}

TEST_F(UpstreamReuseTest, BytesNobodyAskedForSpoilAConnection) {
  Signal go;
  ScriptedUpstream server({[&](Peer& peer) {
                             serve_one(peer);
                             go.wait();
                             peer.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
                             peer.wait_end();
                           },
                           [](Peer& peer) { serve_one(peer); }});
  run(spec(server.port()));
  EXPECT_EQ(upstream().counters().idle, 1U);
  go.set();
  run_until([&] { return upstream().counters().idle == 0; });
  const auto second = run(spec(server.port()));
  EXPECT_EQ(second.head.status, 200);
  EXPECT_FALSE(second.reused);
}

TEST_F(UpstreamReuseTest, AnEndAsTheSecondRequestComesIsSent) {
  for (const bool reset : {false, true}) {
    ScriptedUpstream server({[&](Peer& peer) {
      serve_one(peer);
      peer.read_some();
      if (reset) {
        peer.reset();
      } else {
        peer.read_bytes(0);
      }
    }});
    run(spec(server.port()));
    const auto second = run(spec(server.port()));
    EXPECT_TRUE(second.reused);
    EXPECT_EQ(second.evidence, Evidence::sent);
    EXPECT_EQ(second.cause, reset ? Cause::reset : Cause::closed);
    EXPECT_GT(second.bytes_sent, 0U);
    EXPECT_TRUE(second.first_byte_at.has_value());
    EXPECT_EQ(server.accepted(), 1) << "nothing may be sent again silently";
  }
}

TEST_F(UpstreamReuseTest, ConnectionCloseIsObeyed) {
  ScriptedUpstream server({[](Peer& peer) {
    serve_one(peer, "Connection: close\r\n");
    peer.wait_end();
  }});
  EXPECT_EQ(run(spec(server.port())).evidence, Evidence::answer_complete);
  EXPECT_EQ(upstream().counters().idle, 0U);
}

TEST_F(UpstreamReuseTest, AnAbandonedExchangeSpoilsItsConnection) {
  Signal got;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    got.set();
    peer.wait_end();
  }});
  const auto id = begin(spec(server.port()));
  run_until([&] { return got.is_set(); });
  upstream().cancel(id);
  outcome_of(id);
  EXPECT_EQ(upstream().counters().idle, 0U);
}

TEST_F(UpstreamReuseTest, ThePoolIsBounded) {
  options_.pool.idle_total = 1;
  const auto serve = [](Peer& peer) {
    serve_one(peer);
    peer.wait_end();
  };
  ScriptedUpstream one({serve});
  ScriptedUpstream two({serve});
  run(spec(one.port()));
  run(spec(two.port()));
  EXPECT_EQ(upstream().counters().idle, 1U);
  EXPECT_EQ(upstream().counters().pool.dropped_stale, 1U);
}

TEST_F(UpstreamReuseTest, TheSweepDropsWhatIsIdleTooLong) {
  ScriptedUpstream server({[](Peer& peer) {
    serve_one(peer);
    peer.wait_end();
  }});
  run(spec(server.port()));
  EXPECT_EQ(upstream().counters().idle, 1U);
  clock_.shift = clock_.shift + Duration::seconds(60);
  run_until([&] { return upstream().counters().idle == 0; });
  EXPECT_EQ(upstream().counters().pool.dropped_stale, 1U);
}

}  // namespace
}  // namespace hf::adapters::testing
