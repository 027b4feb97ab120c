#include "call/resend.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

constexpr WallTime kThen{1'800'000'000'000};

Call held(Mode mode, bool unresolved) {
  Call out;
  out.state = State::waiting;
  out.held = true;
  out.accepted.wall = kThen;
  out.deadline = Duration::hours(23);
  out.idempotency.own().mode = mode;
  out.idempotency.own().lifetime = Duration::hours(10);
  out.key = KeyUse{};
  out.key->field = "Idempotency-Key";
  out.unresolved = unresolved;
  if (unresolved) out.first_sent = Stamp{kThen, {}, {}};
  return out;
}

TEST(Resend, WithoutDoubtAnythingMayBeSent) {
  for (const Mode mode : {Mode::none, Mode::key, Mode::verify, Mode::repeatable}) {
    const auto word = may_resend(held(mode, false));
    EXPECT_EQ(word.may, Resend::yes);
    EXPECT_EQ(word.until, kThen + Duration::hours(23));
  }
}

TEST(Resend, InDoubtByTheUpstreamsWord) {
  EXPECT_EQ(may_resend(held(Mode::none, true)).may, Resend::no);
  EXPECT_EQ(may_resend(held(Mode::verify, true)).may, Resend::no);
  EXPECT_EQ(may_resend(held(Mode::repeatable, true)).may, Resend::yes);
  const auto keyed = may_resend(held(Mode::key, true));
  EXPECT_EQ(keyed.may, Resend::same_key);
  EXPECT_EQ(keyed.until, kThen + Duration::hours(10) - Duration::minutes(6)) << "less its margin";
  Call safe = held(Mode::none, true);
  safe.safe = true;
  EXPECT_EQ(may_resend(safe).may, Resend::yes);
}

TEST(Resend, WhatWasBeingSentMayHaveTakenEffect) {
  Call sending = held(Mode::none, false);
  sending.state = State::sending;
  EXPECT_EQ(may_resend(sending).may, Resend::no);
  sending.idempotency.own().mode = Mode::key;
  EXPECT_EQ(may_resend(sending).may, Resend::same_key);
  sending.key->field.clear();  // nothing of the key goes upstream
  EXPECT_EQ(may_resend(sending).may, Resend::no);
}

TEST(Resend, EndsAreEnds) {
  for (const State state : {State::answered, State::cancelled, State::unknown}) {
    Call ended = held(Mode::key, false);
    ended.state = state;
    EXPECT_EQ(may_resend(ended).may, Resend::no);
  }
  Call dead = held(Mode::none, false);
  dead.state = State::dead;
  EXPECT_EQ(may_resend(dead).may, Resend::yes);
}

TEST(Resend, NamesOfCredentials) {
  for (const auto name :
       {"Authorization", "proxy-authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Api-Key",
        "X-Auth-Token", "X-Amz-Security-Token", "Stripe-Signature", "X-Session-Id", "My-Secret"}) {
    EXPECT_TRUE(names_credential(name)) << name;
  }
  for (const auto name : {"Content-Type", "Idempotency-Key", "User-Agent", "Accept", "Author",
                          "X-Request-Id", "Stripe-Version"}) {
    EXPECT_FALSE(names_credential(name)) << name;
  }
}

}  // namespace
}  // namespace hf::call
