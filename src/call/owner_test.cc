#include "call/owner.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/prng.h"

namespace hf::call {
namespace {

Hasher hasher() {
  std::array<unsigned char, 32> secret{};
  for (std::size_t i = 0; i < secret.size(); ++i)
    secret[i] = static_cast<unsigned char>(i);
  return Hasher(secret);
}

std::string credential(std::string_view authorization) {
  return credential_of({{"Authorization", std::string(authorization)}});
}

TEST(Credential, StablePart) {
  EXPECT_EQ(credential("Bearer sk_1"), credential("bearer   sk_1 "));
  EXPECT_NE(credential("Bearer sk_1"), credential("Bearer sk_2"));
  EXPECT_NE(credential("Bearer sk_1"), credential("Basic sk_1"));
  EXPECT_NE(credential("Bearer"), "");
  EXPECT_EQ(credential(""), "");
  EXPECT_EQ(credential_of({}), "");
}

TEST(Credential, AnAwsSignatureIsItsAccessKeyId) {
  const auto first = credential(
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/iam/aws4_request, "
      "SignedHeaders=host;x-amz-date, Signature=aaaa");
  const auto later = credential(
      "AWS4-HMAC-SHA256 SignedHeaders=host,Credential=AKIDEXAMPLE/20261122/eu-west-1/s3/"
      "aws4_request,Signature=bbbb");
  EXPECT_EQ(first, later);
  EXPECT_NE(first, credential("AWS4-HMAC-SHA256 Credential=AKIDOTHER/20261121/x, Signature=aaaa"));
  EXPECT_NE(credential("AWS4-HMAC-SHA256 Signature=a"), credential("AWS4-HMAC-SHA256 Signature=b"));
}

TEST(Credential, OtherSchemesAndFields) {
  EXPECT_NE(credential("Digest username=\"a\""), credential("Digest username=\"b\""));
  const auto key = credential_of({{"x-api-key", "k"}});
  EXPECT_NE(key, "");
  EXPECT_NE(key, credential_of({{"api-key", "k"}}));
  EXPECT_NE(key, credential_of({{"x-api-key", "l"}}));
  // Authorization stands before the others.
  EXPECT_EQ(credential_of({{"x-api-key", "k"}, {"Authorization", "Bearer t"}}),
            credential("Bearer t"));
}

TEST(Credential, TwiceIsAmbiguous) {
  EXPECT_FALSE(ambiguous_credential({{"Authorization", "a"}, {"X-Api-Key", "b"}}, {}));
  EXPECT_TRUE(ambiguous_credential({{"Authorization", "a"}, {"authorization", "a"}}, {}));
  EXPECT_TRUE(ambiguous_credential({{"X-API-Key", "a"}, {"x-api-key", "b"}}, {}));
  const OwnerRule rule{OwnerRule::Kind::header, "X-User"};
  EXPECT_TRUE(ambiguous_credential({{"X-User", "a"}, {"x-user", "b"}}, rule));
  EXPECT_FALSE(ambiguous_credential({{"X-User", "a"}, {"x-user", "b"}}, {}));
}

TEST(Owner, ByRule) {
  const Fields fields{{"Authorization", "Bearer sk_1"}, {"X-User", "ann"}};
  const OwnerRule by_header{OwnerRule::Kind::header, "x-user"};
  const OwnerRule anyone{OwnerRule::Kind::anyone, ""};
  // HMAC computed with another implementation.
  EXPECT_EQ(to_hex(owner_of({}, fields, hasher()).raw()),
            "2ed96c41005169ca6605945cdc200bdc4c6c0362f3b5829f7da07f80f72513e7");
  EXPECT_EQ(owner_of(anyone, fields, hasher()), owner_anyone(hasher()));
  EXPECT_EQ(owner_of({}, {}, hasher()), owner_anyone(hasher()));
  EXPECT_NE(owner_of(by_header, fields, hasher()), owner_of({}, fields, hasher()));
  EXPECT_EQ(owner_of(by_header, {{"X-User", "ann"}}, hasher()),
            owner_of(by_header, fields, hasher()));
  EXPECT_NE(owner_of(by_header, {{"X-User", "bob"}}, hasher()),
            owner_of(by_header, fields, hasher()));
  EXPECT_EQ(owner_of(by_header, {{"Authorization", "Bearer sk_1"}}, hasher()),
            owner_of({}, fields, hasher()));
}

TEST(Owner, EveryoneARequestSpeaksFor) {
  Settings settings;
  RouteSettings route;
  route.owner = {OwnerRule::Kind::header, "X-User"};
  settings.routes.push_back(std::make_shared<const RouteSettings>(route));
  const Fields fields{{"Authorization", "Bearer sk_1"}, {"X-User", "ann"}};
  const auto owners = owners_of(settings, fields, hasher());
  EXPECT_EQ(owners.size(), 3U);
  EXPECT_EQ(std::count(owners.begin(), owners.end(), owner_of(route.owner, fields, hasher())), 1);
  EXPECT_EQ(owners_of(settings, {}, hasher()), std::vector<Digest>{owner_anyone(hasher())});
  // A second X-User is not believed.
  const Fields twice{{"X-User", "ann"}, {"X-User", "bob"}};
  EXPECT_EQ(owners_of(settings, twice, hasher()), std::vector<Digest>{owner_anyone(hasher())});
}

TEST(Account, LabelThenInjectedThenTheClients) {
  UpstreamSettings upstream;
  const Fields ann{{"Authorization", "Bearer a"}};
  const Fields bob{{"Authorization", "Bearer b"}};
  EXPECT_NE(account_of(upstream, ann, hasher()), account_of(upstream, bob, hasher()));
  EXPECT_EQ(account_of(upstream, ann, hasher()).size(), 64U);
  upstream.inject = {{"X-Other", "1"}};
  EXPECT_NE(account_of(upstream, ann, hasher()), account_of(upstream, bob, hasher()));
  upstream.inject = {{"authorization", "Bearer ours"}};
  EXPECT_EQ(account_of(upstream, ann, hasher()), account_of(upstream, bob, hasher()));
  upstream.account = "main";
  EXPECT_EQ(account_of(upstream, ann, hasher()), "main");
}

// Asked again and again, by more than it has places for.
TEST(KnownCallers, SayWhatTheRulesSay) {
  std::array<UpstreamSettings, 4> upstreams;
  upstreams[0].name = "stripe";
  upstreams[1].name = "other";
  upstreams[2].name = "labelled";
  upstreams[2].account = "main";
  upstreams[3].name = "injected";
  upstreams[3].inject = {{"Authorization", "Bearer ours"}};
  const std::array<OwnerRule, 3> rules{OwnerRule{}, OwnerRule{OwnerRule::Kind::anyone, {}},
                                       OwnerRule{OwnerRule::Kind::header, "X-User"}};
  KnownCallers callers(hasher());
  Prng prng(11);
  for (int i = 0; i < 20'000; ++i) {
    Fields fields;
    const auto draw = [&](std::string name, std::string front) {
      if (prng.chance(2, 3)) {
        fields.push_back({std::move(name), front + std::to_string(prng.below(40))});
      }
    };
    draw("Authorization", "Bearer ");
    draw("X-User", "");
    const auto& upstream = upstreams[prng.below(upstreams.size())];
    const auto& rule = rules[prng.below(rules.size())];
    const auto& known = callers.of(rule, upstream, fields);
    ASSERT_EQ(known.owner, owner_of(rule, fields, hasher()));
    ASSERT_EQ(known.account, account_of(upstream, fields, hasher()));
    ASSERT_EQ(known.limit_key, limit_key_of(upstream.name, known.owner, hasher()));
  }
}

TEST(LimitKey, UpstreamAndOwner) {
  UpstreamSettings stripe;
  stripe.name = "stripe";
  UpstreamSettings other;
  other.name = "other";
  const Digest ann = owner_of({}, {{"Authorization", "Bearer a"}}, hasher());
  const Digest bob = owner_of({}, {{"Authorization", "Bearer b"}}, hasher());
  EXPECT_EQ(limit_key_of(stripe.name, ann, hasher()), limit_key_of(stripe.name, ann, hasher()));
  EXPECT_NE(limit_key_of(stripe.name, ann, hasher()), limit_key_of(stripe.name, bob, hasher()));
  EXPECT_NE(limit_key_of(stripe.name, ann, hasher()), limit_key_of(other.name, ann, hasher()));
}

}  // namespace
}  // namespace hf::call
