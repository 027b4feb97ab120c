#include "call/intake_key.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/bytes.h"

namespace hf::call {
namespace {

Hasher hasher() {
  std::array<unsigned char, 32> secret{};
  for (std::size_t i = 0; i < secret.size(); ++i)
    secret[i] = static_cast<unsigned char>(i);
  return Hasher(secret);
}

struct World {
  RouteSettings route;
  UpstreamSettings upstream;
  IncomingHead head;
  std::string body;

  World() {
    upstream.name = "stripe";
    upstream.idempotency.mode = Mode::key;
    route.upstream = "stripe";
    route.key.from = {{Part::Kind::header, "Idempotency-Key"}};
    head.method = "POST";
    head.target = "/v1/charges";
  }

  World& field(std::string name, std::string value) {
    head.fields.push_back({std::move(name), std::move(value)});
    return *this;
  }
  World& from(std::vector<Part> parts) {
    route.key.from = std::move(parts);
    return *this;
  }
  [[nodiscard]] KeyVerdict verdict() const {
    return find_key(route, upstream, head, body, hasher());
  }
  [[nodiscard]] std::optional<KeyUse> key() const {
    const auto found = verdict();
    if (const auto* fault = std::get_if<KeyFault>(&found)) {
      ADD_FAILURE() << fault->detail;
      return std::nullopt;
    }
    return std::get<KeyFound>(found).key;
  }
  [[nodiscard]] std::string fault() const {
    const auto found = verdict();
    const auto* fault = std::get_if<KeyFault>(&found);
    return fault == nullptr ? "(none)" : std::string(to_string(fault->code));
  }
  [[nodiscard]] std::string early() const {
    const auto fault = header_key_fault(route, upstream, head);
    return fault ? std::string(to_string(fault->code)) : "(none)";
  }
};

const Part kOrder{Part::Kind::body, "/metadata/order"};
const Part kAccount{Part::Kind::header, "Stripe-Account"};

TEST(HeaderKey, IsSentAsItCame) {
  const auto bare = World().field("Idempotency-Key", "k-1").key();
  const auto quoted = World().field("idempotency-key", "\"k-1\"").key();
  ASSERT_TRUE(bare && quoted);
  EXPECT_EQ(bare->identity, quoted->identity);
  // HMAC computed with another implementation over "1", "stripe", "k-1", each behind its length.
  EXPECT_EQ(to_hex(bare->identity.raw()),
            "f51639096cced5e15b0271f29c52b3f238a7451953e4f0e4a9530213252f8fa4");
  EXPECT_EQ(bare->value, "k-1");
  EXPECT_EQ(quoted->value, "\"k-1\"");
  EXPECT_EQ(bare->field, "Idempotency-Key");
  EXPECT_FALSE(bare->business);
  EXPECT_FALSE(bare->stable);
  EXPECT_FALSE(bare->made);
}

TEST(HeaderKey, DoesNotDependOnThePath) {
  World there;
  there.head.target = "/v1/refunds?x";
  EXPECT_EQ(World().field("Idempotency-Key", "k").key()->identity,
            there.field("Idempotency-Key", "k").key()->identity);
}

TEST(HeaderKey, Refusals) {
  const std::string twice =
      World().field("Idempotency-Key", "k").field("idempotency-key", "k").fault();
  EXPECT_EQ(twice, "key-invalid");
  EXPECT_EQ(World().field("Idempotency-Key", std::string(256, 'k')).fault(), "key-invalid");
  EXPECT_EQ(World().field("Idempotency-Key", "").fault(), "key-invalid");
  EXPECT_EQ(World().field("Idempotency-Key", "a b").early(), "key-invalid");
  EXPECT_EQ(World().field("Idempotency-Key", "a").early(), "(none)");
  EXPECT_EQ(World().early(), "(none)");

  World required;
  required.route.key.required = true;
  EXPECT_EQ(required.fault(), "key-missing");
  EXPECT_EQ(required.early(), "key-missing");
  EXPECT_FALSE(World().key());
}

TEST(HeaderKey, StableOnlyWhereTheRouteSaysAndTheSdkDidNotMakeIt) {
  World world;
  world.route.key.stable = true;
  world.field("Idempotency-Key", "stripe-node-retry-5f");
  EXPECT_TRUE(world.key()->stable);
  world.upstream.preset = "stripe";
  EXPECT_FALSE(world.key()->stable);
  world.head.fields = {{"Idempotency-Key", "order-5"}};
  EXPECT_TRUE(world.key()->stable);
  world.head.fields = {{"Idempotency-Key", "\"stripe-node-retry-5f\""}};
  EXPECT_FALSE(world.key()->stable);
}

TEST(HeaderKey, WithScopeTheValueIsDerived) {
  World world;
  world.route.key.scope = {kAccount};
  world.route.key.space = "pay";
  world.field("Idempotency-Key", "\"k-1\"").field("stripe-account", "acct_1");
  const auto key = world.key();
  ASSERT_TRUE(key);
  // SHA-256 computed with another implementation over "1", "pay", "acct_1", "k-1".
  EXPECT_EQ(key->value, "hf1-95b1dede54b9831e03acc210843c3039f189acbe");
  world.head.fields[1].value = "acct_2";
  EXPECT_NE(world.key()->value, key->value);
  EXPECT_NE(world.key()->identity, key->identity);
  world.head.fields.pop_back();
  EXPECT_NE(world.key()->identity, key->identity);  // no account is a scope of its own
  world.field("Stripe-Account", "a").field("Stripe-Account", "b");
  EXPECT_EQ(world.fault(), "key-invalid");
}

TEST(HeaderKey, SpacesSeparateAndJoin) {
  World other;
  other.upstream.name = "other";
  other.field("Idempotency-Key", "k");
  const auto here = World().field("Idempotency-Key", "k").key();
  EXPECT_NE(other.key()->identity, here->identity);
  other.route.key.space = "stripe";
  EXPECT_EQ(other.key()->identity, here->identity);
}

TEST(HeaderKey, OfAnotherNameTravelsInTheUpstreamsField) {
  World world;
  world.from({{Part::Kind::header, "X-Request"}}).field("X-Request", "r-1");
  const auto key = world.key();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->field, "Idempotency-Key");
  EXPECT_EQ(key->value, "r-1");
}

TEST(HeaderKey, NothingIsSentToAnUpstreamWithoutKeys) {
  for (const Mode mode : {Mode::none, Mode::verify, Mode::repeatable}) {
    World world;
    world.upstream.idempotency.mode = mode;
    const auto key = world.field("Idempotency-Key", "k").key();
    ASSERT_TRUE(key);
    EXPECT_EQ(key->field, "");
    Fields fields = world.head.fields;
    put_key_field(fields, *key);
    EXPECT_EQ(fields, world.head.fields);
  }
}

TEST(BusinessKey, FixedValue) {
  World world;
  world.from({kOrder}).body = R"({"metadata":{"order":42}})";
  const auto key = world.key();
  ASSERT_TRUE(key);
  // SHA-256 computed with another implementation over "1", "stripe", "42", "POST", "/v1/charges".
  EXPECT_EQ(key->value, "hf1-0808dc0fd890c3e540ebf9eb192116f4695a83ae");
  EXPECT_TRUE(key->business);
  EXPECT_TRUE(key->stable);
  EXPECT_EQ(key->field, "Idempotency-Key");

  world.route.key.scope = {kAccount};
  world.field("Stripe-Account", "acct_1").body = R"({"metadata":{"order":"order-42"}})";
  EXPECT_EQ(world.key()->value, "hf1-aecdd6fcde631efefe2d53d182437fbbf0213e10");
}

TEST(BusinessKey, MethodAndPathCountTheQueryDoesNot) {
  World world;
  world.from({kOrder}).body = R"({"metadata":{"order":42}})";
  const auto first = world.key()->identity;
  world.head.target = "/v1/charges?a=b";
  EXPECT_EQ(world.key()->identity, first);
  world.head.target = "/v1/refunds";
  EXPECT_NE(world.key()->identity, first);
  world.head.target = "/v1/charges";
  world.head.method = "PUT";
  EXPECT_NE(world.key()->identity, first);
}

TEST(BusinessKey, ReplacesWhatTheSdkInvents) {
  World world;
  world.from({kOrder}).body = R"({"metadata":{"order":42}})";
  world.field("A", "1").field("Idempotency-Key", "stripe-node-retry-1").field("B", "2");
  const auto key = world.key();
  ASSERT_TRUE(key);
  Fields fields = world.head.fields;
  put_key_field(fields, *key);
  EXPECT_EQ(fields, (Fields{{"A", "1"}, {"Idempotency-Key", key->value}, {"B", "2"}}));
}

TEST(BusinessKey, AllPartsOrNone) {
  World world;
  world.from({kOrder, {Part::Kind::header, "X-Step"}}).body = R"({"metadata":{"order":42}})";
  EXPECT_FALSE(world.key());
  world.route.key.required = true;
  EXPECT_EQ(world.fault(), "key-missing");
  EXPECT_EQ(world.early(), "key-missing");
  world.field("X-Step", "1");
  EXPECT_EQ(world.early(), "(none)");
  ASSERT_TRUE(world.key());
  world.body = R"({"metadata":{"order":42,"order":43}})";
  EXPECT_EQ(world.fault(), "key-invalid");
  world.field("X-Step", "1");
  EXPECT_EQ(world.early(), "key-invalid");
}

TEST(BusinessKey, PartsDoNotRunTogether) {
  World world;
  world.from({{Part::Kind::header, "A"}, {Part::Kind::header, "B"}});
  world.head.fields = {{"A", "1"}, {"B", "23"}};
  const auto first = world.key()->identity;
  world.head.fields = {{"A", "12"}, {"B", "3"}};
  EXPECT_NE(world.key()->identity, first);
}

TEST(FallBack, TheUpstreamsOwnFieldIsAKeyWhereTheRuleNamesNone) {
  World world;
  world.from({}).field("Idempotency-Key", "k");
  ASSERT_TRUE(world.key());
  EXPECT_EQ(world.key()->value, "k");
  EXPECT_FALSE(world.key()->business);
  world.field("Idempotency-Key", "k");
  EXPECT_EQ(world.fault(), "key-invalid");
  EXPECT_EQ(world.early(), "key-invalid");
  world.upstream.idempotency.mode = Mode::none;
  EXPECT_FALSE(world.key());
  EXPECT_EQ(world.early(), "(none)");
}

TEST(FallBack, AnSdksKeyIsNotReplacedByAMadeOneWhenAPartIsMissing) {
  World world;
  world.from({kOrder}).field("Idempotency-Key", "stripe-node-retry-1").body = "{}";
  world.route.key.stable = true;
  const auto key = world.key();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->value, "stripe-node-retry-1");
  EXPECT_FALSE(key->business);
  EXPECT_FALSE(key->stable);
  world.route.key.required = true;
  EXPECT_EQ(world.fault(), "key-missing");
}

RC_GTEST_PROP(HeaderKey, DifferentKeysAreDifferentCallsHoweverTheyAreWritten, ()) {
  const auto visible = rc::gen::suchThat(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>(0x21, 0x7F))),
      [](const std::string& key) {
        return key.size() <= 255 && key.find_first_of("\"\\") == std::string::npos;
      });
  const std::string a = *visible;
  const std::string b = *rc::gen::oneOf(visible, rc::gen::just(a));
  const auto key_of = [](const std::string& value) {
    return *World().field("Idempotency-Key", value).key();
  };
  const KeyUse bare = key_of(a);
  const KeyUse quoted = key_of("\"" + b + "\"");
  RC_ASSERT((bare.identity == quoted.identity) == (a == b));
  RC_ASSERT(bare.value == a);
  RC_ASSERT(quoted.value == "\"" + b + "\"");
}

TEST(HeaderKey, CanBeAskedForByItsTextAlone) {
  World world;
  world.route.key.scope = {kAccount};
  world.field("Idempotency-Key", "k-1");
  EXPECT_EQ(header_key_identity(world.route, world.upstream, "k-1", hasher()),
            world.key()->identity);
}

TEST(DerivedKey, IsMadeOfWhatTheRuleNames) {
  const auto derived = [](std::vector<Derive> parts, unsigned char owner, unsigned char content,
                          const std::string& path = "/") {
    RouteSettings route;
    route.path = path;
    route.key.derive = std::move(parts);
    UpstreamSettings upstream;
    upstream.name = "u";
    upstream.idempotency.mode = Mode::key;
    Digest first;
    first.bytes.fill(owner);
    Digest second;
    second.bytes.fill(content);
    return derived_key(route, upstream, first, second, hasher());
  };
  const std::vector<Derive> both{Derive::owner, Derive::body};
  const KeyUse key = derived(both, 1, 2);
  EXPECT_TRUE(key.derived);
  EXPECT_FALSE(key.stable || key.business || key.made);
  EXPECT_TRUE(key.field.empty() && key.value.empty());
  EXPECT_EQ(key.identity, derived(both, 1, 2).identity);
  EXPECT_NE(key.identity, derived(both, 1, 3).identity);
  EXPECT_NE(key.identity, derived(both, 2, 2).identity);
  EXPECT_NE(key.identity, derived(both, 1, 2, "/v1").identity);
  EXPECT_EQ(derived({Derive::body}, 1, 2).identity, derived({Derive::body}, 3, 2).identity);
}

}  // namespace
}  // namespace hf::call
