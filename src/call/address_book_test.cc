#include "call/address_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace hf::call {
namespace {

using policy::Standing;
using policy::Verdict;
using testing::HasSubstr;

AttemptOutcome outcome_of(Evidence evidence, Cause cause, int status = 0) {
  AttemptOutcome out;
  out.evidence = evidence;
  out.cause = cause;
  out.head.status = status;
  out.address = "192.0.2.1:443";
  return out;
}

TEST(Sign, WhatAnAttemptSaysOfItsAddress) {
  Idempotency rules;
  const auto sign = [&](Evidence evidence, Cause cause, int status = 0) {
    return sign_of(outcome_of(evidence, cause, status), rules);
  };
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::connect_refused), Sign::failed);
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::dns), Sign::failed);
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::tls), Sign::failed);
  EXPECT_EQ(sign(Evidence::sent, Cause::reset), Sign::failed);
  EXPECT_EQ(sign(Evidence::sent, Cause::head_timeout), Sign::failed);
  EXPECT_EQ(sign(Evidence::answer_begun, Cause::closed, 200), Sign::failed);
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 500), Sign::failed);
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 503), Sign::failed);
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 200), Sign::ok);
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 404), Sign::ok);
  // It is there; that it wants to be left alone is the limit key's matter.
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 429), Sign::none);
  rules.refused = {503};
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 503), Sign::none);
  EXPECT_EQ(sign(Evidence::answer_complete, Cause::none, 429), Sign::none);
  // Ours, or our client's.
  EXPECT_EQ(sign(Evidence::sent, Cause::cancelled), Sign::none);
  EXPECT_EQ(sign(Evidence::sent, Cause::client_body), Sign::none);
  auto no_secret = outcome_of(Evidence::nothing_sent, Cause::connect_failed);
  EXPECT_EQ(sign_of(no_secret, rules), Sign::failed);
  no_secret.address.clear();
  EXPECT_EQ(sign_of(no_secret, rules), Sign::none);
  // A proxy that asked nobody tells nothing; one that did, and was answered nothing, does.
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::proxy_unreachable), Sign::none);
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::proxy_credentials), Sign::none);
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::proxy_refused), Sign::failed);
  EXPECT_EQ(sign(Evidence::nothing_sent, Cause::proxy_failed), Sign::failed);
  EXPECT_EQ(failure_of(outcome_of(Evidence::sent, Cause::reset)), "reset");
  EXPECT_EQ(failure_of(outcome_of(Evidence::answer_complete, Cause::none, 502)), "status 502");
}

class AddressBookTest : public testing::Test {
 protected:
  AddressBookTest() { book.set({"a", "b", "c"}); }

  // Takes the address and gives it back with this result.
  Verdict result(const std::string& address, Sign sign) {
    const auto ticket = book.take_this(address, now);
    return book.give_back(ticket, sign, sign == Sign::failed ? "reset" : "", now);
  }
  void eject(const std::string& address) {
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(result(address, Sign::failed), Verdict::none);
    EXPECT_EQ(result(address, Sign::failed), Verdict::ejected);
  }
  // How many of `calls` go where.
  std::map<std::string, int> shares(int calls) {
    std::map<std::string, int> out;
    for (int i = 0; i < calls; ++i) {
      const auto ticket = book.take(now, false);
      ++out[ticket.address];
      book.give_back(ticket, Sign::ok, "", now);
    }
    return out;
  }

  [[nodiscard]] Now clocks() const { return {now, WallTime{1'700'000'000'000}, BootId{}}; }

  AddressBook book{EjectionSettings{}, Prng(5)};
  Instant now{1'000'000'000};
};

TEST_F(AddressBookTest, EqualAddressesGetEqualShares) {
  for (const auto& [address, calls] : shares(3000))
    EXPECT_NEAR(calls, 1000, 150) << address;
}

TEST_F(AddressBookTest, WhoHasMuchUnderWayGetsLess) {
  std::vector<AddressTicket> slow;
  for (int i = 0; i < 10; ++i)
    slow.push_back(book.take_this("a", now));
  const auto got = shares(300);
  EXPECT_EQ(got.count("a"), 0U) << "of two drawn, the other one";
  for (const auto& ticket : slow)
    book.give_back(ticket, Sign::ok, "", now);
  EXPECT_GT(shares(300)["a"], 50);
}

TEST_F(AddressBookTest, WhoIsOutGetsNothingButItsProbe) {
  eject("b");
  EXPECT_EQ(shares(300).count("b"), 0U);
  now = now + Duration::seconds(12);
  const auto probe = book.take(now, true);
  EXPECT_EQ(probe.address, "b");
  EXPECT_TRUE(probe.probe);
  EXPECT_EQ(shares(300).count("b"), 0U) << "while the probe is under way";
  EXPECT_EQ(book.give_back(probe, Sign::ok, "", now), Verdict::returned);
  EXPECT_GT(shares(300)["b"], 50);
}

TEST_F(AddressBookTest, AProbeThatSaysNothingLetsAnotherGo) {
  eject("b");
  now = now + Duration::seconds(12);
  const auto probe = book.take(now, true);
  EXPECT_EQ(book.give_back(probe, Sign::none, "", now), Verdict::none);
  EXPECT_EQ(book.take(now, true).address, "b");
}

// Where its earlier copies went, whatever health says.
TEST_F(AddressBookTest, WhoIsBoundGoesThere) {
  eject("b");
  const auto ticket = book.take_this("b", now);
  EXPECT_EQ(ticket.address, "b");
  EXPECT_FALSE(ticket.probe);
  EXPECT_EQ(book.give_back(ticket, Sign::ok, "", now), Verdict::returned);
  eject("b");
  now = now + Duration::seconds(40);
  const auto probe = book.take_this("b", now);
  EXPECT_TRUE(probe.probe) << "nobody else need find out";
  EXPECT_FALSE(book.take(now, true).probe);
  EXPECT_EQ(book.give_back(probe, Sign::failed, "reset", now), Verdict::kept_out);
}

TEST_F(AddressBookTest, AnotherTryGoesElsewhereIfItCan) {
  for (int i = 0; i < 50; ++i)
    EXPECT_NE(book.take(now, false, {"a", "c"}).address, "b");
  eject("a");
  eject("c");
  EXPECT_EQ(book.take(now, false, {"a", "c"}).address, "b") << "the one that is well";
}

TEST_F(AddressBookTest, WhetherItIsTheAddressOrTheUpstream) {
  EXPECT_FALSE(book.another_is_well("a")) << "nobody knows yet";
  result("b", Sign::ok);
  EXPECT_TRUE(book.another_is_well("a"));
  EXPECT_FALSE(book.another_is_well("b"));
  result("b", Sign::failed);
  EXPECT_FALSE(book.another_is_well("a"));
}

TEST_F(AddressBookTest, TellsWhy) {
  eject("b");
  const auto facts = *book.facts("b", clocks());
  EXPECT_EQ(facts.standing, Standing::out);
  EXPECT_EQ(facts.failures, 5U);
  EXPECT_EQ(facts.ejections, 1U);
  EXPECT_EQ(facts.under_way, 0);
  EXPECT_THAT(describe_ejection(facts, clocks().wall),
              testing::MatchesRegex("5 failures in a row, the last: reset; no calls for 1[0-2]s"));
  EXPECT_EQ(book.all(clocks()).size(), 3U);
  EXPECT_EQ(book.facts("d", clocks()), std::nullopt);
}

TEST_F(AddressBookTest, AddressesThatGoTakeTheirTicketsWithThem) {
  const auto ticket = book.take_this("b", now);
  book.set({"a", "d"});
  EXPECT_EQ(book.give_back(ticket, Sign::failed, "reset", now), Verdict::none);
  EXPECT_EQ(book.facts("b", clocks()), std::nullopt);
  book.set({"b"});
  EXPECT_EQ(book.facts("b", clocks())->under_way, 0);
}

// Whatever is taken and given back: a call always has somewhere to go, and the books balance.
RC_GTEST_PROP(AddressBookModel, AnyHistory, ()) {
  EjectionSettings settings;
  settings.consecutive = *rc::gen::inRange(1, 4);
  settings.most_permille = *rc::gen::element(0, 500, 1000);
  AddressBook book(settings, Prng(*rc::gen::arbitrary<std::uint64_t>()));
  book.set({"a", "b", "c", "d"});
  Instant now{1};
  std::vector<AddressTicket> open;
  for (const int drawn : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1000))) {
    now = now + Duration::seconds(drawn % 7);
    if (drawn % 3 == 0 || open.empty()) {
      open.push_back(book.take(now, drawn % 2 == 0));
    } else {
      const auto at = static_cast<std::size_t>(drawn) % open.size();
      const Sign sign = drawn % 5 == 0 ? Sign::none : drawn % 5 == 1 ? Sign::ok : Sign::failed;
      book.give_back(open[at], sign, "x", now);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
    }
    std::map<std::string, int> under_way;
    for (const auto& ticket : open)
      ++under_way[ticket.address];
    int probes = 0;
    for (const auto& facts : book.all(Now{now, WallTime{}, BootId{}})) {
      RC_ASSERT(facts.under_way == under_way[facts.address]);
      RC_ASSERT(facts.failures <= facts.attempts);
      if (facts.standing == Standing::probing) ++probes;
    }
    RC_ASSERT(probes <= 4);
  }
}

}  // namespace
}  // namespace hf::call
