// Bodies that flow: answers handed on with back-pressure, and streamed requests.
#include <fmt/format.h>

#include "adapters/http/upstream.h"
#include "adapters/http/upstream_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;
using What = ports::BodySource::What;

class UpstreamStreamTest : public UpstreamTest {
 protected:
  UpstreamStreamTest() {
    request_->method = "GET";
    request_->body = nullptr;
  }
  ~UpstreamStreamTest() override {
    if (upstream_) upstream_->shutdown();
  }
  AttemptId begin_and_wait_for_head(ports::AttemptSpec what) {
    const auto id = begin(std::move(what));
    run_until([&] { return heads_.contains(raw(id)) || ends_.contains(raw(id)); });
    EXPECT_TRUE(heads_.contains(raw(id)));
    return id;
  }
  ports::AttemptSpec streamed(std::uint16_t port, std::shared_ptr<FakeSource> source) {
    request_->method = "POST";
    auto what = spec(port);
    what.body = std::move(source);
    return what;
  }
};

TEST_F(UpstreamStreamTest, ReportsTheHeadAndWaits) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.answer("streamed");
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  EXPECT_EQ(heads_[raw(id)].status, 200);
  EXPECT_FALSE(overflows_[raw(id)]);
  settle();
  EXPECT_TRUE(ends_.empty());
  const auto sink = std::make_shared<FakeSink>();
  upstream().forward(id, sink);
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  EXPECT_EQ(outcome.cause, Cause::none);
  EXPECT_TRUE(outcome.forwarded);
  EXPECT_EQ(outcome.body, nullptr);
  EXPECT_EQ(outcome.head.status, 200);
  EXPECT_EQ(sink->text, "streamed");
  EXPECT_EQ(upstream().counters().idle, 1U);
}

TEST_F(UpstreamStreamTest, AnAnswerWithoutBodyIsReportedToo) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  const auto sink = std::make_shared<FakeSink>();
  upstream().forward(id, sink);
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  EXPECT_FALSE(outcome.forwarded);
  EXPECT_EQ(sink->writes, 0);
}

TEST_F(UpstreamStreamTest, TheBodyMayBeCapturedAfterTheHead) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.answer("looked at");
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  upstream().capture(id, 1000);
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  EXPECT_FALSE(outcome.forwarded);
  EXPECT_EQ(view(outcome.body), "looked at");
}

TEST_F(UpstreamStreamTest, ACaptureThatIsOutgrownWaitsAgain) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.answer("0123456789");
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  heads_.clear();
  upstream().capture(id, 5);
  run_until([&] { return heads_.contains(raw(id)); });
  EXPECT_TRUE(overflows_[raw(id)]);
  const auto sink = std::make_shared<FakeSink>();
  upstream().forward(id, sink);
  EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
  EXPECT_EQ(sink->text, "0123456789");
}

TEST_F(UpstreamStreamTest, AnAnswerThatOutgrowsItsCaptureIsForwardedFromItsStart) {
  const std::string body = [] {
    std::string out;
    for (int i = 0; i < 50'000; ++i)
      out += static_cast<char>('a' + i % 26);
    return out;
  }();
  for (const bool declared : {true, false}) {
    ScriptedUpstream server({[&](Peer& peer) {
      peer.read_head();
      if (declared) {
        peer.answer(body);
      } else {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (std::size_t at = 0; at < body.size(); at += 1000)
          peer.send(fmt::format("{:x}\r\n{}\r\n", 1000, body.substr(at, 1000)));
        peer.send("0\r\n\r\n");
      }
      peer.wait_end();
    }});
    const auto id = begin_and_wait_for_head(spec(server.port(), 1000));
    EXPECT_TRUE(overflows_[raw(id)]);
    const auto sink = std::make_shared<FakeSink>();
    upstream().forward(id, sink);
    EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
    EXPECT_EQ(sink->text, body);
    EXPECT_EQ(find_field(heads_[raw(id)].fields, "transfer-encoding"), nullptr);
    upstream().close_idle();  // closes the idle connection, so that the upstream ends
  }
}

TEST_F(UpstreamStreamTest, AnEventStreamFlowsAsItComes) {
  Signal second;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n");
    second.wait();
    peer.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port()));
  EXPECT_TRUE(overflows_[raw(id)]);
  const auto sink = std::make_shared<FakeSink>(false);
  upstream().forward(id, sink);
  run_until([&] { return sink->text == "data: 1\n\n"; });
  // The client has not taken the first piece: the second stays where it is.
  second.set();
  settle();
  EXPECT_EQ(sink->writes, 1);
  sink->go();
  run_until([&] { return sink->text == "data: 1\n\ndata: 2\n\n"; });
  settle();
  EXPECT_TRUE(ends_.empty()) << "the last piece has not been taken";
  sink->go();
  EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
}

TEST_F(UpstreamStreamTest, ASlowClientIsNotTheUpstreamsFault) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  clock_.shift = clock_.shift + Duration::minutes(10);  // the owner takes its time
  settle();
  const auto sink = std::make_shared<FakeSink>(false);
  upstream().forward(id, sink);
  run_until([&] { return sink->writes == 1; });
  clock_.shift = clock_.shift + Duration::minutes(10);               // and so does the client
  const auto other = run(spec([] { return Listener().port(); }()));  // lets sweeps go by
  EXPECT_EQ(other.cause, Cause::connect_refused);
  EXPECT_FALSE(ends_.contains(raw(id)));
  sink->go();
  clock_.shift = clock_.shift + Duration::minutes(10);  // but now the upstream is waited for
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.cause, Cause::idle_timeout);
  EXPECT_EQ(outcome.evidence, Evidence::answer_begun);
  EXPECT_TRUE(outcome.forwarded);
}

TEST_F(UpstreamStreamTest, AClientThatIsGoneEndsTheExchange) {
  Signal gone;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    peer.wait_end();
    gone.set();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  const auto sink = std::make_shared<FakeSink>(false);
  upstream().forward(id, sink);
  run_until([&] { return sink->writes == 1; });
  sink->go(false);
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.cause, Cause::cancelled);
  EXPECT_EQ(outcome.evidence, Evidence::answer_begun);
  EXPECT_TRUE(gone.wait());
}

TEST_F(UpstreamStreamTest, ACutForwardedBodySaysSo) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  upstream().forward(id, std::make_shared<FakeSink>());
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.cause, Cause::closed);
  EXPECT_EQ(outcome.evidence, Evidence::answer_begun);
  EXPECT_TRUE(outcome.forwarded);
}

TEST_F(UpstreamStreamTest, LargeAnswersFlowInSmallPieces) {
  static constexpr std::size_t kSize = 64 << 20;
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_head();
    peer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", kSize));
    const std::string piece(1 << 20, 'x');
    for (std::size_t sent = 0; sent < kSize; sent += piece.size())
      peer.send(piece);
    peer.wait_end();
  }});
  const auto id = begin_and_wait_for_head(spec(server.port(), 0));
  const auto sink = std::make_shared<FakeSink>(false);
  sink->keep = false;
  upstream().forward(id, sink);
  while (!ends_.contains(raw(id)) && !HasFailure()) {
    run_until([&] { return sink->pending != nullptr || ends_.contains(raw(id)); });
    if (sink->pending) sink->go();
  }
  EXPECT_EQ(ends_[raw(id)].evidence, Evidence::answer_complete);
  EXPECT_EQ(sink->total, kSize);
  EXPECT_LE(sink->largest, 64U * 1024);
}

TEST_F(UpstreamStreamTest, SendsAStreamedBodyOfKnownLength) {
  std::string seen;
  ScriptedUpstream server({[&](Peer& peer) {
    seen = peer.read_head();
    seen += peer.read_bytes(6);
    peer.answer();
    peer.wait_end();
  }});
  const auto source = std::make_shared<FakeSource>(6);
  source->push(What::data, "abc");
  const auto id = begin(streamed(server.port(), source));
  run_until([&] { return source->asks == 2; });
  source->push(What::data, "def");
  source->push(What::end);
  EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
  EXPECT_NE(seen.find("Content-Length: 6\r\n"), std::string::npos);
  EXPECT_TRUE(seen.ends_with("\r\n\r\nabcdef"));
  EXPECT_EQ(upstream().counters().idle, 1U);
}

TEST_F(UpstreamStreamTest, SendsAStreamedBodyOfUnknownLengthInChunks) {
  std::string seen;
  ScriptedUpstream server({[&](Peer& peer) {
    seen = peer.read_until("0\r\n\r\n");
    peer.answer();
    peer.wait_end();
  }});
  const auto source = std::make_shared<FakeSource>(-1);
  for (const auto* piece : {"abc", "0123456789abcdefg"})
    source->push(What::data, piece);
  source->push(What::end);
  EXPECT_EQ(run(streamed(server.port(), source)).evidence, Evidence::answer_complete);
  EXPECT_NE(seen.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(seen.ends_with("\r\n\r\n3\r\nabc\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n"));
}

TEST_F(UpstreamStreamTest, AsksForNoMoreThanTheUpstreamTakes) {
  Signal go;
  std::size_t got = 0;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    go.wait();
    got = peer.read_bytes(64 << 20).size();
    peer.answer();
    peer.wait_end();
  }});
  const auto source = std::make_shared<FakeSource>(64 << 20);
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 64; ++i)
    source->push(What::data, piece);
  source->push(What::end);
  const auto id = begin(streamed(server.port(), source));
  run_until([&] { return source->asks > 0; });
  settle();
  EXPECT_LT(source->asks, 32) << "the upstream reads nothing yet";
  go.set();
  EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
  EXPECT_EQ(got, 64U << 20);
}

TEST_F(UpstreamStreamTest, ABodyThatBreaksOffIsTheClients) {
  ScriptedUpstream server(
      {[](Peer& peer) { peer.wait_end(); }, [](Peer& peer) { peer.wait_end(); }});
  for (const bool aborted : {true, false}) {
    const auto source = std::make_shared<FakeSource>(6);
    source->push(What::data, "abc");
    source->push(aborted ? What::aborted : What::end);
    const auto outcome = run(streamed(server.port(), source));
    EXPECT_EQ(outcome.evidence, Evidence::sent);
    EXPECT_EQ(outcome.cause, Cause::client_body);
    EXPECT_FALSE(source->stopped);
  }
}

TEST_F(UpstreamStreamTest, AnAnswerBeforeTheBodyEndsTheExchange) {
  Signal gone;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    peer.wait_end();
    gone.set();
  }});
  const auto source = std::make_shared<FakeSource>(1'000'000);
  source->push(What::data, "abc");
  const auto outcome = run(streamed(server.port(), source));
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete);
  EXPECT_EQ(outcome.head.status, 413);
  EXPECT_EQ(view(outcome.body), "big");
  EXPECT_TRUE(source->stopped);
  EXPECT_EQ(upstream().counters().idle, 0U);
  EXPECT_TRUE(gone.wait());
}

TEST_F(UpstreamStreamTest, AnAnswerIsReadAlthoughTheBodyCouldNotBeWritten) {
  Signal answered;
  ScriptedUpstream server({[&](Peer& peer) {
    peer.read_head();
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    // With unread bytes in its buffer this sends a reset behind the answer.
    peer.close();
    answered.set();
  }});
  const auto source = std::make_shared<FakeSource>(64 << 20);
  source->push(What::data, std::string(1 << 20, 'x'));
  const auto id = begin(streamed(server.port(), source));
  run_until([&] { return answered.is_set(); });
  const auto outcome = outcome_of(id);
  EXPECT_EQ(outcome.evidence, Evidence::answer_complete) << to_string(outcome.cause);
  EXPECT_EQ(outcome.head.status, 413);
  EXPECT_EQ(upstream().counters().idle, 0U);
}

TEST_F(UpstreamStreamTest, CancelStopsTheSource) {
  ScriptedUpstream server({[](Peer& peer) { peer.wait_end(); }});
  const auto source = std::make_shared<FakeSource>(-1);
  const auto id = begin(streamed(server.port(), source));
  run_until([&] { return source->asks == 1; });
  upstream().cancel(id);
  EXPECT_EQ(outcome_of(id).cause, Cause::cancelled);
  EXPECT_TRUE(source->stopped);
}

TEST_F(UpstreamStreamTest, WaitingForTheClientsBodyIsNotTheUpstreamsFault) {
  ScriptedUpstream server({[](Peer& peer) {
    peer.read_until("0\r\n\r\n");
    peer.answer();
    peer.wait_end();
  }});
  const auto source = std::make_shared<FakeSource>(-1);
  const auto id = begin(streamed(server.port(), source));
  run_until([&] { return source->asks == 1; });
  clock_.shift = clock_.shift + Duration::minutes(10);
  EXPECT_EQ(run(spec([] { return Listener().port(); }())).cause, Cause::connect_refused);
  EXPECT_FALSE(ends_.contains(raw(id)));
  source->push(What::data, "abc");
  source->push(What::end);
  EXPECT_EQ(outcome_of(id).evidence, Evidence::answer_complete);
}

}  // namespace
}  // namespace hf::adapters::testing
