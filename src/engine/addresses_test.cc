// Several URLs of one upstream: where calls go, who is left out, and what is bound to its place all
// the same. The bench fails by itself when a second copy of a call in doubt is sent without a key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/test_scenes.h"

namespace hf::engine {
namespace {

using policy::Standing;
using testing::HasSubstr;

// Two URLs, and live retries at once.
void two(call::UpstreamSettings& upstream, call::RouteSettings& route) {
  upstream.urls = {call::Url{false, "one.test", 80, ""}, call::Url{false, "two.test", 80, ""}};
  upstream.breaker.consecutive = 5;
  route.retry.live_backoff = {Duration::millis(1), Duration::millis(1)};
  route.retry.budget_permille = 1000;
  route.wait = Duration::seconds(20);
}
void two_keyed(call::UpstreamSettings& upstream, call::RouteSettings& route) {
  keyed(upstream);
  two(upstream, route);
  route.hold = call::Hold::on_failure;
}

class AddressesTest : public testing::Test {
 protected:
  static std::size_t url(const Bench& bench) { return bench.started.back().url; }
  static const call::AddressFacts& facts(Bench& bench, std::size_t which) {
    return bench.engine().stats(bench.now).upstreams.at("up").addresses.at(which);
  }
  // Calls until the first URL is out; the second one answers.
  void eject_first(Bench& bench) {
    for (int i = 0; i < 200 && facts(bench, 0).standing == Standing::in; ++i) {
      bench.arrive({.method = "GET"});
      while (!bench.running.empty()) {
        bench.end(url(bench) == 0 ? not_connected() : answer(200));
        bench.pass_to_attempt(Duration::millis(5));
      }
      bench.pass(Duration::millis(200));
    }
    ASSERT_EQ(facts(bench, 0).standing, Standing::out);
  }
  // A keyed call whose first copy was lost at the first URL.
  void doubt_at_first(Bench& bench) {
    for (int i = 0; i < 50; ++i) {
      bench.arrive({.key = "k" + std::to_string(i)});
      if (url(bench) == 0) return bench.end(lost());
      bench.end(answer(200));
    }
    FAIL() << "no call goes there";
  }
};

TEST_F(AddressesTest, EachTakesItsShare) {
  Bench bench(two);
  std::array<int, 2> shares{};
  for (int i = 0; i < 100; ++i) {
    bench.arrive({});
    ++shares.at(url(bench));
    bench.end(answer(200));
  }
  EXPECT_GT(shares[0], 30);
  EXPECT_GT(shares[1], 30);
}

TEST_F(AddressesTest, AnotherTryGoesElsewhere) {
  Bench bench(two);
  for (int i = 0; i < 20; ++i) {
    bench.arrive({});
    const auto first = url(bench);
    bench.end(not_connected());
    ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(10)));
    EXPECT_EQ(url(bench), 1 - first);
    bench.end(answer(200));
    bench.pass(Duration::seconds(1));
  }
}

// Of what one name stands for the adapter chooses: it is told where the last try went.
TEST_F(AddressesTest, WhereItWasTriedIsToldToTheNextTry) {
  Bench bench(two);
  bench.arrive({});
  EXPECT_EQ(bench.started.back().tried, "");
  auto failed = not_connected();
  failed.address = "192.0.2.1:80";
  bench.end(failed);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(10)));
  EXPECT_EQ(bench.started.back().tried, "192.0.2.1:80");
}

// A proxy that refuses has sent nothing: it is tried again where nothing may be repeated, and told
// as what it is.
TEST_F(AddressesTest, AProxysRefusalIsNoDoubt) {
  for (const auto cause : {call::Cause::proxy_unreachable, call::Cause::proxy_refused,
                           call::Cause::proxy_credentials, call::Cause::proxy_failed}) {
    Bench bench([](call::UpstreamSettings&, call::RouteSettings& route) {
      route.retry.live_attempts = 2;
      route.retry.live_backoff = {Duration::millis(1), Duration::millis(1)};
    });
    const auto asked = bench.arrive({});
    auto refused = not_connected();
    refused.cause = cause;
    bench.end(refused);
    ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(10)));
    bench.end(refused);
    const auto& reply = bench.reply(asked);
    EXPECT_EQ(reply.status, 502);
    EXPECT_THAT(std::string(view(reply.body)),
                HasSubstr(R"("effect":"none","safe_to_retry":true)"));
    EXPECT_THAT(std::string(view(reply.body)), HasSubstr(std::string(call::detail_of(cause))));
  }
}

TEST_F(AddressesTest, OneThatFailsIsLeftOutAndSaidSo) {
  Bench bench(two);
  eject_first(bench);
  EXPECT_TRUE(bench.noted("address_ejected"));
  const auto& note = *std::find_if(bench.notes.begin(), bench.notes.end(),
                                   [](const Note& n) { return n.what == "address_ejected"; });
  EXPECT_EQ(note.upstream, "up");
  EXPECT_THAT(note.detail, HasSubstr("one.test: 5 failures in a row, the last: connect_refused"));
  for (int i = 0; i < 50; ++i) {
    bench.arrive({});
    EXPECT_EQ(url(bench), 1U);
    bench.end(answer(200));
  }
  EXPECT_EQ(facts(bench, 0).ejections, 1U);
  EXPECT_EQ(facts(bench, 1).standing, Standing::in);
}

// One dead address of two is no dead upstream.
TEST_F(AddressesTest, ItDoesNotOpenTheBreakerOfTheUpstream) {
  Bench bench(two);
  bench.arrive({.method = "GET"});
  bench.end(answer(200));
  bench.arrive({.method = "GET"});
  bench.end(answer(200));
  eject_first(bench);
  EXPECT_EQ(bench.engine().stats(bench.now).upstreams.at("up").breaker_open, 0U);
}

TEST_F(AddressesTest, WithoutAWellOneTheBreakerOpens) {
  Bench bench(two);
  for (int i = 0; i < 5; ++i) {
    bench.arrive({});
    bench.end(not_connected());
    bench.pass(Duration::millis(1));
    while (!bench.running.empty())
      bench.end(not_connected());
  }
  EXPECT_EQ(bench.engine().stats(bench.now).upstreams.at("up").breaker_open, 2U);
}

TEST_F(AddressesTest, AHarmlessCallIsItsProbe) {
  Bench bench(two);
  eject_first(bench);
  bench.pass(Duration::seconds(12));
  bench.arrive({});
  EXPECT_EQ(url(bench), 1U) << "a POST without a key might be lost there";
  bench.end(answer(200));
  bench.arrive({.method = "GET"});
  EXPECT_EQ(url(bench), 0U);
  const auto probe = bench.attempt();
  bench.arrive({.method = "GET"});
  EXPECT_EQ(url(bench), 1U) << "one at a time";
  bench.end(answer(200));
  bench.end(probe, answer(200));
  EXPECT_TRUE(bench.noted("address_returned"));
  EXPECT_EQ(facts(bench, 0).standing, Standing::in);
}

TEST_F(AddressesTest, AnyCallIsItsProbeWhenNoOtherComes) {
  Bench bench(two);
  eject_first(bench);
  bench.pass(Duration::seconds(23));
  bench.arrive({});
  EXPECT_EQ(url(bench), 0U);
  bench.end(answer(200));
  EXPECT_EQ(facts(bench, 0).standing, Standing::in);
}

TEST_F(AddressesTest, UnresolvedStaysWithTheUrlOfItsDoubt) {
  Bench bench(two_keyed);
  bench.arrive({.key = "k"});
  const auto first = url(bench);
  bench.end(answer(421));  // refused: that one knows nothing of the key
  ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(1)));
  EXPECT_EQ(url(bench), 1 - first);
  bench.end(lost());
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(1)));
    EXPECT_EQ(url(bench), 1 - first) << "the doubt is there";
    bench.end(i % 2 == 0 ? not_connected() : lost());
  }
}

// Whatever health says.
TEST_F(AddressesTest, UnresolvedGoesToAnEjectedUrl) {
  Bench bench([](auto& upstream, auto& route) {
    two_keyed(upstream, route);
    route.retry.live_attempts = 1;
    route.retry.held = {Duration::seconds(30)};
    upstream.ejection.out = {Duration::minutes(5), Duration::minutes(5)};
  });
  doubt_at_first(bench);
  eject_first(bench);
  const auto others = bench.started.size();
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(2)));
  EXPECT_EQ(bench.started.size(), others + 1);
  EXPECT_EQ(url(bench), 0U);
  EXPECT_NE(bench.started.back().request->body, nullptr);
  bench.end(answer(200));
  EXPECT_EQ(facts(bench, 0).standing, Standing::in) << "what it found out is as good as a probe";
  EXPECT_EQ(bench.only()->state, call::State::answered);
}

TEST_F(AddressesTest, OneKeyStoreBindsNobody) {
  Bench bench([](auto& upstream, auto& route) {
    two_keyed(upstream, route);
    upstream.one_key_store = true;
    route.retry.live_attempts = 1;
    route.retry.held = {Duration::seconds(30)};
    upstream.ejection.out = {Duration::minutes(5), Duration::minutes(5)};
  });
  doubt_at_first(bench);
  eject_first(bench);
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(2)));
  EXPECT_EQ(url(bench), 1U);
}

TEST_F(AddressesTest, WhatMayBeRepeatedIsBoundToNobody) {
  Bench bench([](auto& upstream, auto& route) {
    two(upstream, route);
    upstream.idempotency.mode = call::Mode::repeatable;
  });
  for (int i = 0; i < 10; ++i) {
    bench.arrive({.key = "k" + std::to_string(i)});
    const auto first = url(bench);
    bench.end(lost());
    ASSERT_TRUE(bench.pass_to_attempt(Duration::seconds(10)));
    EXPECT_EQ(url(bench), 1 - first);
    bench.end(answer(200));
    bench.pass(Duration::seconds(1));
  }
}

// Only the URL that the copy went to can tell what became of it.
TEST_F(AddressesTest, AQuestionGoesWhereTheDoubtIs) {
  Bench bench([](auto& upstream, auto& route) {
    two(upstream, route);
    upstream.idempotency.mode = call::Mode::verify;
    upstream.idempotency.settle = Duration::seconds(5);
    call::Lookup lookup;
    lookup.get = "/charges?ref={key}";
    lookup.found = "/data/0";
    lookup.where = {{"/status", {"succeeded"}}};
    upstream.lookup = lookup;
    route.hold = call::Hold::on_failure;
    route.retry.live_attempts = 1;
  });
  doubt_at_first(bench);
  int asked = 0;
  for (int i = 0; i < 4 && bench.pass_to_attempt(Duration::minutes(5)); ++i) {
    ASSERT_TRUE(bench.running.begin()->second.lookup);
    EXPECT_EQ(url(bench), 0U);
    bench.end(not_connected());
    ++asked;
  }
  EXPECT_EQ(asked, 4);
}

// A restart forgets who was out; the calls in doubt know where they belong.
TEST_F(AddressesTest, ARestartKeepsTheBond) {
  Bench bench(two_keyed);
  bench.arrive({.key = "k"});
  const auto first = url(bench);
  bench.crash();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(1)));
    EXPECT_EQ(url(bench), first);
    bench.end(lost());
    bench.crash();
  }
}

TEST_F(AddressesTest, WhatOneUpstreamRefusesSaysNothingOfItsUrls) {
  Bench bench(two);
  for (int i = 0; i < 60; ++i) {
    bench.arrive({});
    bench.end(answer(429, "", {{"Retry-After", "1"}}));
    bench.pass(Duration::seconds(30));
    while (!bench.running.empty()) {
      bench.end(answer(429, "", {{"Retry-After", "1"}}));
      bench.pass(Duration::seconds(30));
    }
  }
  EXPECT_EQ(facts(bench, 0).failures + facts(bench, 1).failures, 0U);
}

TEST_F(AddressesTest, OfOneUrlNothingIsKept) {
  Bench bench;
  bench.arrive({});
  bench.end(not_connected());
  EXPECT_TRUE(bench.engine().stats(bench.now).upstreams.at("up").addresses.empty());
}

}  // namespace
}  // namespace hf::engine
