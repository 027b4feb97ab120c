// Several addresses behind one name, on real sockets: who gets the calls, who is left out for a
// while, and how they come back.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "adapters/http/upstream.h"
#include "adapters/http/upstream_testing.h"

namespace hf::adapters::testing {
namespace {

using call::Cause;
using call::Evidence;
using policy::Standing;
using ::testing::Contains;
using ::testing::HasSubstr;

class UpstreamAddressesTest : public UpstreamTest {
 protected:
  UpstreamAddressesTest() {
    settings_->urls[0].host = "shop.test";
    settings_->ejection.consecutive = 3;
    settings_->ejection.out = {Duration::seconds(10), Duration::minutes(1)};
    options_.lookup = [this](const std::string&) -> Result<Addresses> {
      Addresses out;
      for (const auto& ip : stands_for_)
        out.push_back(boost::asio::ip::make_address(ip));
      return out;
    };
    options_.log = [this](const LogLine& line) { log_.push_back(line.what + ": " + line.detail); };
  }
  ~UpstreamAddressesTest() override {
    if (upstream_) upstream_->shutdown();
  }

  // Serves that many connections, each for one request.
  static std::vector<ScriptedUpstream::Script> times(int count, ScriptedUpstream::Script script) {
    return std::vector<ScriptedUpstream::Script>(static_cast<std::size_t>(count), script);
  }
  static void serve(Peer& peer) {
    peer.read_head();
    peer.read_bytes(7);
    peer.answer("ok", "Connection: close\r\n");
  }
  static void serve_for_long(Peer& peer) {
    while (!peer.read_head().empty()) {
      peer.read_bytes(7);
      peer.answer();
    }
  }
  call::AddressFacts facts(const std::string& ip) {
    for (const auto& one : upstream().addresses()) {
      if (one.facts.address.starts_with(ip + ":")) return one.facts;
    }
    ADD_FAILURE() << "nothing is known of " << ip;
    return {};
  }
  // Attempts until it is out; each of them ends as `others_answer` says.
  void run_until_out(const std::string& ip, std::uint16_t port, bool others_answer = true) {
    for (int i = 0; i < 200; ++i) {
      const auto outcome = run(spec(port));
      if (others_answer) {
        ASSERT_EQ(outcome.evidence, Evidence::answer_complete) << to_string(outcome.cause);
      }
      if (facts(ip).standing == Standing::out) return;
    }
    FAIL() << ip << " is still in";
  }
  void pass(Duration time) { clock_.shift = clock_.shift + time; }

  std::vector<std::string> stands_for_{"127.0.0.2", "127.0.0.3"};
  std::vector<std::string> log_;
};

TEST_F(UpstreamAddressesTest, OneThatRefusesIsLeftOutAndComesBack) {
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  run_until_out("127.0.0.3", good.port());
  const auto out = facts("127.0.0.3");
  EXPECT_EQ(out.last_failure, "connect_refused");
  EXPECT_EQ(out.streak, 3);
  EXPECT_EQ(out.ejections, 1U);
  EXPECT_THAT(log_, Contains(HasSubstr(fmt::format(
                        "address_ejected: 127.0.0.3:{0} (shop.test:{0}): 3 failures in a row, the "
                        "last: connect_refused; no calls for 1",
                        good.port()))));
  const auto before = facts("127.0.0.3").attempts;
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(run(spec(good.port())).address, fmt::format("127.0.0.2:{}", good.port()));
  EXPECT_EQ(facts("127.0.0.3").attempts, before);

  // Back, and found out by one call when its time is over.
  ScriptedUpstream again(times(400, serve), nullptr, "127.0.0.3", good.port());
  pass(Duration::seconds(13));
  EXPECT_EQ(facts("127.0.0.3").standing, Standing::due);
  EXPECT_EQ(run(spec(good.port())).address, fmt::format("127.0.0.3:{}", good.port()));
  EXPECT_EQ(facts("127.0.0.3").standing, Standing::in);
  EXPECT_EQ(facts("127.0.0.3").last_failure, "");
  EXPECT_EQ(log_.size(), 2U);
  EXPECT_THAT(log_.back(), HasSubstr("address_returned: 127.0.0.3"));
}

TEST_F(UpstreamAddressesTest, AProbeThatFailsCostsItsCallNothingAndLeavesItOutForLonger) {
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  run_until_out("127.0.0.3", good.port());
  pass(Duration::seconds(13));
  // The probe meets a refusal, and its call goes on to the other one.
  const auto probe = run(spec(good.port()));
  EXPECT_EQ(probe.evidence, Evidence::answer_complete);
  EXPECT_EQ(probe.address, fmt::format("127.0.0.2:{}", good.port()));
  EXPECT_EQ(facts("127.0.0.3").standing, Standing::out);
  EXPECT_EQ(facts("127.0.0.3").streak, 4);
  pass(Duration::seconds(13));
  EXPECT_EQ(facts("127.0.0.3").standing, Standing::out) << "twice as long as the first time";
}

TEST_F(UpstreamAddressesTest, OneThatAnswers500IsLeftOut) {
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  ScriptedUpstream bad(times(400,
                             [](Peer& peer) {
                               peer.read_head();
                               peer.read_bytes(7);
                               peer.send(
                                   "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n"
                                   "Connection: close\r\n\r\n");
                             }),
                       nullptr, "127.0.0.3", good.port());
  run_until_out("127.0.0.3", good.port());
  EXPECT_EQ(facts("127.0.0.3").last_failure, "status 500");
  EXPECT_EQ(facts("127.0.0.2").failures, 0U);
  const int asked = bad.accepted();
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(run(spec(good.port())).head.status, 200);
  EXPECT_EQ(bad.accepted(), asked);
}

TEST_F(UpstreamAddressesTest, OneThatNeverAnswersIsLeftOut) {
  settings_->timeouts.head = Duration::millis(20);
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  ScriptedUpstream mute(times(400, [](Peer& peer) { peer.wait_end(); }), nullptr, "127.0.0.3",
                        good.port());
  run_until_out("127.0.0.3", good.port(), false);
  EXPECT_EQ(facts("127.0.0.3").last_failure, "head_timeout");
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(run(spec(good.port())).evidence, Evidence::answer_complete);
}

TEST_F(UpstreamAddressesTest, OneThatLetsNobodyInIsLeftOut) {
  const Blackhole nowhere("127.0.0.3");
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2", nowhere.port());
  options_.next_address = Duration::millis(10);
  run_until_out("127.0.0.3", good.port());
  EXPECT_EQ(facts("127.0.0.3").last_failure, "slow to connect");
}

TEST_F(UpstreamAddressesTest, WhoHasSaidNothingWhenTheTimeIsUpHasFailed) {
  const Blackhole one("127.0.0.2");
  const Blackhole two("127.0.0.3", one.port());
  options_.next_address = Duration::millis(5);
  settings_->timeouts.connect = Duration::millis(100);
  const auto outcome = run(spec(one.port()));
  EXPECT_EQ(outcome.cause, Cause::connect_timeout);
  EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
  for (const auto* ip : {"127.0.0.2", "127.0.0.3"}) {
    EXPECT_EQ(facts(ip).failures, 1U) << ip;
    EXPECT_EQ(facts(ip).last_failure, "connect_timeout") << ip;
    EXPECT_EQ(facts(ip).under_way, 0) << ip;
  }
}

TEST_F(UpstreamAddressesTest, EachHasConnectionsOfItsOwn) {
  ScriptedUpstream one({serve_for_long}, nullptr, "127.0.0.2");
  ScriptedUpstream two({serve_for_long}, nullptr, "127.0.0.3", one.port());
  std::map<std::string, int> where;
  for (int i = 0; i < 40; ++i) {
    const auto outcome = run(spec(one.port()));
    ASSERT_EQ(outcome.evidence, Evidence::answer_complete);
    ++where[outcome.address];
  }
  ASSERT_EQ(where.size(), 2U);
  for (const auto& [address, count] : where)
    EXPECT_GT(count, 5) << address;
  EXPECT_EQ(one.accepted() + two.accepted(), 2);
}

TEST_F(UpstreamAddressesTest, AnotherTryGoesToAnotherOne) {
  ScriptedUpstream one({serve_for_long}, nullptr, "127.0.0.2");
  ScriptedUpstream two({serve_for_long}, nullptr, "127.0.0.3", one.port());
  std::string last;
  for (int i = 0; i < 30; ++i) {
    auto next = spec(one.port());
    next.tried = last;
    const auto outcome = run(std::move(next));
    ASSERT_EQ(outcome.evidence, Evidence::answer_complete);
    EXPECT_NE(outcome.address, last);
    last = outcome.address;
  }
}

TEST_F(UpstreamAddressesTest, AnotherTryGoesToTheSameWhereTheOtherIsLeftOut) {
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  run_until_out("127.0.0.3", good.port());
  const auto before = facts("127.0.0.3").attempts;
  for (int i = 0; i < 20; ++i) {
    auto next = spec(good.port());
    next.tried = fmt::format("127.0.0.2:{}", good.port());
    EXPECT_EQ(run(std::move(next)).evidence, Evidence::answer_complete);
  }
  EXPECT_EQ(facts("127.0.0.3").attempts, before);
}

// A call that must not be repeated is no scout: it goes there only when nobody else has for as long
// again.
TEST_F(UpstreamAddressesTest, WhatMayNotBeRepeatedIsNoProbeAtOnce) {
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  run_until_out("127.0.0.3", good.port());
  pass(Duration::seconds(13));
  const auto careful = [&] {
    auto one = spec(good.port());
    one.careful_reuse = true;
    return run(std::move(one));
  };
  const auto before = facts("127.0.0.3").attempts;
  EXPECT_EQ(careful().evidence, Evidence::answer_complete);
  EXPECT_EQ(facts("127.0.0.3").attempts, before);
  EXPECT_EQ(facts("127.0.0.3").standing, Standing::due);
  pass(Duration::seconds(13));
  EXPECT_EQ(careful().evidence, Evidence::answer_complete);
  EXPECT_EQ(facts("127.0.0.3").attempts, before + 1);
}

TEST_F(UpstreamAddressesTest, WhenAllFailAllAreTried) {
  const auto port = [] { return Listener("127.0.0.2").port(); }();
  for (int i = 0; i < 20; ++i) {
    const auto outcome = run(spec(port));
    EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
    EXPECT_EQ(outcome.cause, Cause::connect_refused);
  }
  EXPECT_EQ(log_.size(), 1U) << "half of them may be out";
  ScriptedUpstream one(times(10, serve), nullptr, "127.0.0.2", port);
  ScriptedUpstream two(times(10, serve), nullptr, "127.0.0.3", port);
  EXPECT_EQ(run(spec(port)).evidence, Evidence::answer_complete);
}

TEST_F(UpstreamAddressesTest, WhoIsAloneIsNeverLeftOut) {
  stands_for_ = {"127.0.0.2"};
  const auto port = [] { return Listener("127.0.0.2").port(); }();
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(run(spec(port)).cause, Cause::connect_refused);
  EXPECT_TRUE(log_.empty());
  EXPECT_TRUE(upstream().addresses().empty());
  ScriptedUpstream server({serve}, nullptr, "127.0.0.2", port);
  EXPECT_EQ(run(spec(port)).evidence, Evidence::answer_complete);
}

TEST_F(UpstreamAddressesTest, WhatTheNameNoLongerStandsForIsForgotten) {
  ScriptedUpstream good(times(400, serve), nullptr, "127.0.0.2");
  run_until_out("127.0.0.3", good.port());
  stands_for_ = {"127.0.0.2", "127.0.0.4"};
  pass(Duration::seconds(6));  // as long as a look-up is remembered
  EXPECT_EQ(run(spec(good.port())).evidence, Evidence::answer_complete);
  ASSERT_EQ(upstream().addresses().size(), 2U);
  EXPECT_EQ(facts("127.0.0.4").ejections, 0U);
  EXPECT_EQ(facts("127.0.0.2").ejections, 0U);
}

TEST_F(UpstreamAddressesTest, WhatIsGivenUpIsNoFailureAndLeavesNothingBehind) {
  ScriptedUpstream mute(times(4, [](Peer& peer) { peer.wait_end(); }), nullptr, "127.0.0.2");
  ScriptedUpstream too(times(4, [](Peer& peer) { peer.wait_end(); }), nullptr, "127.0.0.3",
                       mute.port());
  std::vector<AttemptId> begun;
  for (int i = 0; i < 6; ++i)
    begun.push_back(begin(spec(mute.port())));
  run_until([&] { return upstream().addresses().size() == 2; });
  EXPECT_EQ(facts("127.0.0.2").under_way + facts("127.0.0.3").under_way, 6);
  // Of two the one with less under way.
  EXPECT_LE(std::abs(facts("127.0.0.2").under_way - facts("127.0.0.3").under_way), 4);
  for (const auto id : begun)
    upstream().cancel(id);
  for (const auto id : begun)
    EXPECT_EQ(outcome_of(id).cause, Cause::cancelled);
  EXPECT_EQ(facts("127.0.0.2").under_way + facts("127.0.0.3").under_way, 0);
  EXPECT_EQ(facts("127.0.0.2").failures + facts("127.0.0.3").failures, 0U);
}

}  // namespace
}  // namespace hf::adapters::testing
