#include "call/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/bytes.h"
#include "base/prng.h"
#include "call/frozen.h"
#include "call/record_payload.h"
#include "call/squeeze.h"

namespace hf::call {
namespace {

Sealer::Key test_key(unsigned char first = 0) {
  Sealer::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<unsigned char>(first + i);
  return key;
}

Digest digest_of(unsigned char fill) {
  Digest out;
  out.bytes.fill(fill);
  return out;
}

constexpr Now kNow{Instant{77}, WallTime{1'800'000'000'123}, BootId{9}};

const Implied& implied() {
  static const Implied kImplied{Hasher(test_key())};
  return kImplied;
}
std::string encode_call(const Call& call, const std::vector<TimelineEvent>& events = {},
                        BodyPlace request_body = BodyPlace::apart) {
  return encode_call(call, implied(), events, request_body);
}
Result<CallHead> decode_call(const CallId& id, std::string_view payload) {
  return decode_call(id, payload, implied());
}
Result<std::vector<TimelineEvent>> decode_change(std::string_view payload, Call& call) {
  return decode_change(payload, call, implied());
}

RecordHead some_head() {
  return {static_cast<std::uint8_t>(RecordKind::meta), 300, kNow.wall, 0x1122334455667788};
}

// Every member away from its default, so that a forgotten one shows.
Call full_call() {
  Call out;
  out.id = CallId::make(WallTime{1'800'000'000'000}, 11, 12);
  out.epoch = 42;
  out.state = State::unknown;
  out.reason = WaitReason::set_aside;
  out.held = true;
  out.route = "/v1/";
  out.upstream = "stripe";
  out.owner = digest_of(1);
  out.key = KeyUse{digest_of(2), "Idempotency-Key", "hf1-abc", true, true, true};
  out.fingerprint = digest_of(3);
  auto request = std::make_shared<Request>();
  request->method = "POST";
  request->target = "/v1/charges?a=b";
  request->fields = {{"A", "1"}, {"a", "2"}, {"Empty", ""}};
  request->body = make_body("not in the head");
  out.request = request;
  out.body_bytes = 15;
  out.has_body = true;
  out.idempotency = Idempotency{Mode::key,
                                "X-Key",
                                Duration::hours(24),
                                {421},
                                {409},
                                {400, 402},
                                "request-id",
                                "idempotency_error",
                                "Idempotent-Replayed",
                                {{"stripe-should-retry", "false"}},
                                Duration::seconds(35)};
  out.safe = true;
  out.head_is_proof = true;
  out.accepted = {WallTime{1}, BootId{2}, Instant{3}};
  out.deadline = Duration::hours(23);
  out.account = "main";
  out.limit_key = "limit";
  out.attempts = 4;
  out.held_attempts = 3;
  out.unresolved = true;
  out.proof = Proof::operator_word;
  out.first_sent = Stamp{WallTime{4}, BootId{5}, Instant{6}};
  out.first_sent_authority = "api.stripe.com";
  out.last_cause = Cause::head_timeout;
  out.last_status = 503;
  out.crashes = 2;
  out.key->derived = true;
  out.asked.not_before = WallTime{21};
  out.asked.deadline = true;
  out.asked.urgency = 6;
  out.asked.order = Order{digest_of(4), 99, "line"};
  out.asked.callback = "https://app.example/";
  out.index = {{"amount", "4200", false}, {"card", "00ff", true}};
  out.likeness = digest_of(5);
  out.resembles = CallId::make(WallTime{8}, 1, 1);
  out.callback_of = CallId::make(WallTime{9}, 1, 1);
  out.doubt = {Stamp{WallTime{5}, BootId{5}, Instant{5}}, Stamp{WallTime{6}, BootId{5}, Instant{6}},
               3};
  out.stage = 2;
  out.asked_again = 4;
  out.next_attempt_at = WallTime{-7};
  out.no_more_attempts = true;
  out.answer = Answer{200, {{"Request-Id", "req"}}, nullptr, true, 99, WallTime{8}, true, 7};
  out.verdict = Effect::applied;
  out.ended = Stamp{WallTime{9}, BootId{10}, Instant{11}};
  return out;
}

TimelineEvent full_event() {
  TimelineEvent out;
  out.at = WallTime{1};
  out.what = Happening::set_aside;
  out.who = Actor::upstream;
  out.attempt = 2;
  out.status = 503;
  out.evidence = Evidence::answer_begun;
  out.proof = Proof::refused_status;
  out.cause = Cause::idle_timeout;
  out.reused = true;
  out.bytes_sent = 3;
  out.bytes_received = 4;
  out.took_ms = 5;
  out.where = "127.0.0.1:1";
  out.rule = "rule";
  out.detail = "detail";
  out.phases = {Duration::micros(1), Duration::micros(2), Duration::micros(3),
                Duration::micros(4), Duration::micros(5), Duration::seconds(6)};
  out.digest = digest_of(7);
  return out;
}

TEST(Sealer, OpensWhatItSealed) {
  const Sealer sealer(test_key());
  const std::string record = sealer.seal(some_head(), "mkey", "payload");
  EXPECT_EQ(record.find("payload"), std::string::npos);
  const auto opened = sealer.open("mkey", record);
  ASSERT_TRUE(opened.ok()) << opened.error().context;
  EXPECT_EQ(opened.value().payload, "payload");
  EXPECT_EQ(opened.value().head, some_head());
  const auto peeked = Sealer::peek(record);
  ASSERT_TRUE(peeked.ok());
  EXPECT_EQ(peeked.value(), some_head());
  EXPECT_TRUE(sealer.open("", sealer.seal(some_head(), "", "")).ok());
}

TEST(Sealer, EveryNonceIsNew) {
  const Sealer sealer(test_key());
  EXPECT_NE(sealer.seal(some_head(), "k", "p"), sealer.seal(some_head(), "k", "p"));
}

TEST(Sealer, RefusesEveryChangedBit) {
  const Sealer sealer(test_key());
  const std::string record = sealer.seal(some_head(), "key", "payload");
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    std::string changed = record;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(sealer.open("key", changed).ok()) << "bit " << bit;
  }
}

TEST(Sealer, RefusesEveryCutAndAnyTail) {
  const Sealer sealer(test_key());
  const std::string record = sealer.seal(some_head(), "key", "payload");
  for (std::size_t size = 0; size < record.size(); ++size) {
    const auto opened = sealer.open("key", std::string_view(record).substr(0, size));
    ASSERT_FALSE(opened.ok()) << size;
    EXPECT_EQ(opened.error().kind, ErrorKind::corrupt);
  }
  EXPECT_FALSE(sealer.open("key", record + "x").ok());
}

TEST(Sealer, BindsTheRecordToItsPlace) {
  const Sealer sealer(test_key());
  const auto moved = sealer.open("other", sealer.seal(some_head(), "key", "payload"));
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().kind, ErrorKind::corrupt);
}

TEST(Sealer, SaysWhichKeyIsWrong) {
  const auto other =
      Sealer(test_key(1)).open("key", Sealer(test_key()).seal(some_head(), "key", "p"));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::invalid);
  EXPECT_THAT(other.error().context, ::testing::HasSubstr("is sealed with key"));
}

TEST(Sealer, RefusesUnknownFlagsAndVersionsAndKeepsUnknownKinds) {
  const Sealer sealer(test_key());
  const std::string record = sealer.seal(some_head(), "key", "p");
  std::string flagged = record;
  flagged[2] = static_cast<char>(flagged[2] | '\x80');
  auto opened = sealer.open("key", flagged);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  EXPECT_THAT(opened.error().context, ::testing::HasSubstr("flags 0x0082"));
  std::string newer = record;
  newer[0] = '\x03';
  opened = sealer.open("key", newer);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, ErrorKind::invalid);
  EXPECT_THAT(opened.error().context, ::testing::HasSubstr("format version 3"));
  RecordHead later = some_head();
  later.kind = 200;
  opened = sealer.open("key", sealer.seal(later, "key", "p"));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened.value().head.kind, 200);
}

TEST(Sealer, MakesLargePayloadsSmallerAndGivesThemBack) {
  const Sealer sealer(test_key());
  Prng prng(7);
  for (std::size_t size = 0; size < 3000; size += 1 + size / 16) {
    std::string alike(size, 'x');
    std::string noise;
    while (noise.size() < size)
      noise.push_back(static_cast<char>(prng.next()));
    for (const std::string& payload : {alike, noise, encode_call(full_call()) + noise}) {
      const std::string record = sealer.seal(some_head(), "key", payload);
      EXPECT_LE(record.size(), payload.size() + 80) << size;
      const auto opened = sealer.open("key", record);
      ASSERT_TRUE(opened.ok()) << opened.error().context;
      EXPECT_EQ(opened.value().payload, payload);
    }
    const std::size_t sealed = sealer.seal(some_head(), "key", alike).size();
    EXPECT_TRUE(size <= 200 || sealed < size) << sealed;
  }
}

TEST(Sealer, SubkeysAndDigestsDiffer) {
  const Sealer sealer(test_key());
  EXPECT_NE(sealer.hash_secret(), test_key());
  EXPECT_NE(sealer.key_id(), Sealer(test_key(1)).key_id());
  EXPECT_NE(sealer.index_digest("due", "x"), sealer.index_digest("pause", "x"));
  EXPECT_NE(sealer.index_digest("due", "x"), Sealer(test_key(1)).index_digest("due", "x"));
  EXPECT_EQ(sealer.index_digest("due", "x"), Sealer(test_key()).index_digest("due", "x"));
}

TEST(RecordPayload, CallsKeepEverythingButTheirBodies) {
  const Call call = full_call();
  const std::string payload = encode_call(call);
  EXPECT_EQ(payload.find("not in the head"), std::string::npos);
  const auto back = decode_call(call.id, payload);
  ASSERT_TRUE(back.ok()) << back.error().context;
  EXPECT_EQ(encode_call(back.value().call), payload);
  const Call& got = back.value().call;
  EXPECT_EQ(got.id, call.id);
  EXPECT_EQ(got.epoch, 42U);
  EXPECT_EQ(got.state, State::unknown);
  EXPECT_EQ(got.reason, WaitReason::set_aside);
  EXPECT_TRUE(got.held && got.safe && got.head_is_proof && got.has_body && got.unresolved);
  EXPECT_TRUE(got.no_more_attempts);
  EXPECT_EQ(got.route, "/v1/");
  EXPECT_EQ(got.upstream, "stripe");
  EXPECT_EQ(got.owner, call.owner);
  EXPECT_EQ(got.key, call.key);
  EXPECT_EQ(got.fingerprint, call.fingerprint);
  EXPECT_EQ(got.idempotency, call.idempotency);
  EXPECT_EQ(got.request->method, "POST");
  EXPECT_EQ(got.request->fields, call.request->fields);
  EXPECT_EQ(got.request->target, "/v1/charges?a=b");
  EXPECT_EQ(got.request->body, nullptr);
  EXPECT_EQ(got.body_bytes, 15U);
  EXPECT_EQ(got.accepted, call.accepted);
  EXPECT_EQ(got.deadline, call.deadline);
  EXPECT_EQ(got.account, "main");
  EXPECT_EQ(got.limit_key, call.limit_key);
  EXPECT_EQ(got.asked, call.asked);
  EXPECT_EQ(got.index, call.index);
  EXPECT_EQ(got.likeness, call.likeness);
  EXPECT_EQ(got.resembles, call.resembles);
  EXPECT_EQ(got.callback_of, call.callback_of);
  EXPECT_EQ(got.attempts, 4);
  EXPECT_EQ(got.held_attempts, 3);
  EXPECT_EQ(got.proof, Proof::operator_word);
  EXPECT_EQ(got.last_cause, Cause::head_timeout);
  EXPECT_EQ(got.last_status, 503);
  EXPECT_EQ(got.doubt, call.doubt);
  EXPECT_EQ(got.stage, 2);
  EXPECT_EQ(got.asked_again, 4);
  EXPECT_EQ(got.first_sent, call.first_sent);
  EXPECT_EQ(got.first_sent_authority, "api.stripe.com");
  EXPECT_EQ(got.ended, call.ended);
  EXPECT_EQ(got.next_attempt_at, call.next_attempt_at);
  EXPECT_EQ(got.answer->status, 200);
  EXPECT_EQ(got.answer->fields, call.answer->fields);
  EXPECT_EQ(got.answer->body_bytes, 99U);
  EXPECT_EQ(got.answer->body_epoch, 7U);
  EXPECT_EQ(got.answer->at, WallTime{8});
  EXPECT_TRUE(got.answer->by_lookup);
  EXPECT_EQ(got.verdict, Effect::applied);
  EXPECT_EQ(got.crashes, 2);
  const auto bare = decode_call({}, encode_call(Call{}));
  ASSERT_TRUE(bare.ok());
  const Call& empty = bare.value().call;
  EXPECT_EQ(empty.request, nullptr);
  EXPECT_FALSE(empty.key || empty.answer || empty.ended);
}

// An event as text, to compare.
std::string written(const std::vector<TimelineEvent>& events) {
  return encode_change(Call{}, events);
}

TEST(RecordPayload, AHeadHasTheEventsOfItsWrite) {
  const Call call = full_call();
  const auto back = decode_call(call.id, encode_call(call, {full_event(), TimelineEvent{}}));
  ASSERT_TRUE(back.ok()) << back.error().context;
  ASSERT_EQ(back.value().events.size(), 2U);
  EXPECT_EQ(written(back.value().events), written({full_event(), TimelineEvent{}}));
  const TimelineEvent& got = back.value().events.front();
  const TimelineEvent event = full_event();
  EXPECT_EQ(got.at, event.at);
  EXPECT_EQ(got.what, event.what);
  EXPECT_EQ(got.who, event.who);
  EXPECT_EQ(got.attempt, event.attempt);
  EXPECT_EQ(got.status, event.status);
  EXPECT_EQ(got.evidence, event.evidence);
  EXPECT_EQ(got.proof, event.proof);
  EXPECT_EQ(got.cause, event.cause);
  EXPECT_TRUE(got.reused);
  EXPECT_EQ(got.bytes_sent, event.bytes_sent);
  EXPECT_EQ(got.bytes_received, event.bytes_received);
  EXPECT_EQ(got.took_ms, event.took_ms);
  EXPECT_EQ(got.phases, event.phases);
  EXPECT_EQ(got.digest, event.digest);
  EXPECT_EQ(got.where, event.where);
  EXPECT_EQ(got.rule, event.rule);
  EXPECT_EQ(got.detail, event.detail);
}

TEST(RecordPayload, EveryCauseComesBack) {
  for (int i = 0; i <= static_cast<int>(kLastCause); ++i) {
    Call call = full_call();
    TimelineEvent event = full_event();
    call.last_cause = event.cause = static_cast<Cause>(i);
    const auto back = decode_call(call.id, encode_call(call, {event}));
    ASSERT_TRUE(back.ok()) << i;
    EXPECT_EQ(back->call.last_cause, call.last_cause);
    ASSERT_EQ(back->events.size(), 1U);
    EXPECT_EQ(back->events[0].cause, event.cause);
  }
}

TEST(RecordPayload, BodiesStandInsideWhereTheyAreToBe) {
  const Call call = full_call();
  const auto head = decode_call(call.id, encode_call(call, {full_event()}, BodyPlace::inside));
  ASSERT_TRUE(head.ok()) << head.error().context;
  EXPECT_EQ(view(head->call.request->body), "not in the head");
  Call answered = call;
  answered.answer->body = make_body(std::string("\0answer", 7));
  Call read = call;
  const auto change = encode_change(answered, {full_event()}, BodyPlace::inside);
  ASSERT_TRUE(decode_change(change, read).ok());
  EXPECT_EQ(view(read.answer->body), std::string_view("\0answer", 7));
  ASSERT_TRUE(decode_change(encode_change(answered, {}), read).ok());
  EXPECT_EQ(read.answer->body, nullptr);
}

// Over a head of any age: what it says of the attempts is all taken from the change.
TEST(RecordPayload, AChangeLiesOverTheHead) {
  Call early = full_call();
  Call late = early;
  late.epoch = 43;
  late.state = State::answered;
  late.answer.reset();
  late.attempts = 77;
  late.first_sent.reset();
  late.doubt = {};
  late.asked_again = 9;
  ASSERT_EQ(frozen_hash(early), frozen_hash(late));
  Call read = decode_call(early.id, encode_call(early)).value().call;
  const auto events = decode_change(encode_change(late, {full_event()}), read);
  ASSERT_TRUE(events.ok());
  EXPECT_EQ(events->size(), 1U);
  EXPECT_EQ(encode_call(read), encode_call(late));
}

TEST(RecordPayload, LabelsInHexTakeHalf) {
  Call call;
  call.account = std::string(64, 'a');
  const std::string hex = encode_call(call);
  EXPECT_EQ(decode_call({}, hex).value().call.account, call.account);
  call.account = std::string(64, 'g');
  EXPECT_EQ(encode_call(call).size(), hex.size() + 32);
  EXPECT_EQ(decode_call({}, encode_call(call)).value().call.account, call.account);
  // One form each: hex written as text is nobody's record.
  std::string other = encode_call(call);
  other.replace(other.find("gggg"), 64, std::string(64, 'b'));
  EXPECT_FALSE(decode_call({}, other).ok());
}

// All that a head tells and a change does not: a member that is forgotten here would not be written
// again when it changes.
TEST(Frozen, EveryMemberIsInTheHash) {
  const auto request = [](Call& call, auto change) {
    auto changed = std::make_shared<Request>(*call.request);
    change(*changed);
    call.request = std::move(changed);
  };
  const std::vector<std::function<void(Call&)>> changes{
      [](Call& call) { call.route += 'x'; },
      [](Call& call) { call.upstream += 'x'; },
      [](Call& call) { call.owner.bytes[31] ^= 1; },
      [](Call& call) { call.key.reset(); },
      [](Call& call) { call.key->identity.bytes[0] ^= 1; },
      [](Call& call) { call.key->field = "X-Other"; },
      [](Call& call) { call.key->value += 'x'; },
      [](Call& call) { call.key->business = !call.key->business; },
      [](Call& call) { call.key->stable = !call.key->stable; },
      [](Call& call) { call.key->made = !call.key->made; },
      [](Call& call) { call.key->derived = !call.key->derived; },
      [](Call& call) { call.fingerprint.bytes[8] ^= 1; },
      [](Call& call) { call.request.reset(); },
      [&](Call& call) { request(call, [](Request& of) { of.method = "PUT"; }); },
      [&](Call& call) { request(call, [](Request& of) { of.target += 'x'; }); },
      [&](Call& call) { request(call, [](Request& of) { of.fields.pop_back(); }); },
      [&](Call& call) { request(call, [](Request& of) { of.fields[0].value += 'x'; }); },
      [](Call& call) { call.body_bytes += 1; },
      [](Call& call) { call.has_body = !call.has_body; },
      [](Call& call) { call.safe = !call.safe; },
      [](Call& call) { call.head_is_proof = !call.head_is_proof; },
      [](Call& call) { call.idempotency.own().mode = Mode::none; },
      [](Call& call) { call.idempotency.own().header += 'x'; },
      [](Call& call) { call.idempotency.own().lifetime.reset(); },
      [](Call& call) { call.idempotency.own().refused.push_back(1); },
      [](Call& call) { call.idempotency.own().in_progress.clear(); },
      [](Call& call) { call.idempotency.own().settles[0] = 7; },
      [](Call& call) { call.idempotency.own().settles_field += 'x'; },
      [](Call& call) { call.idempotency.own().settles_unless_type += 'x'; },
      [](Call& call) { call.idempotency.own().replay_marker += 'x'; },
      [](Call& call) { call.idempotency.own().no_retry_advice.clear(); },
      [](Call& call) { call.idempotency.own().settle.ns += 1; },
      [](Call& call) { call.accepted.wall.ms += 1; },
      [](Call& call) { call.accepted.boot.value += 1; },
      [](Call& call) { call.accepted.mono.ns += 1; },
      [](Call& call) { call.deadline.ns += 1; },
      [](Call& call) { call.account += 'x'; },
      [](Call& call) { call.limit_key += 'x'; },
      [](Call& call) { call.asked.not_before.reset(); },
      [](Call& call) { call.asked.deadline = !call.asked.deadline; },
      [](Call& call) { call.asked.urgency += 1; },
      [](Call& call) { call.asked.order->place += 1; },
      [](Call& call) { call.asked.order->line.bytes[9] ^= 1; },
      [](Call& call) { call.asked.order->name += 'x'; },
      [](Call& call) { call.asked.callback += 'x'; },
      [](Call& call) { call.index.pop_back(); },
      [](Call& call) { call.index[0].name += 'x'; },
      [](Call& call) { call.index[0].value += 'x'; },
      [](Call& call) { call.index[0].hashed = !call.index[0].hashed; },
      [](Call& call) { call.likeness->bytes[30] ^= 1; },
      [](Call& call) { call.resembles.reset(); },
      [](Call& call) { call.callback_of->bytes[3] ^= 1; }};
  std::set<std::uint64_t> seen{frozen_hash(full_call())};
  std::set<std::string> written{encode_call(full_call())};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Call changed = full_call();
    changes[i](changed);
    EXPECT_TRUE(seen.insert(frozen_hash(changed)).second) << i;
    EXPECT_TRUE(written.insert(encode_call(changed)).second) << i;
  }
}

// An event as version 2 wrote it.
std::string early_event() {
  std::string out("\2", 1);
  put_u64(out, 1'800'000'000'000);
  out += {3, 3};  // what, who
  put_u32(out, 1);
  put_u16(out, 200);
  out += {3, 0, 0, 0};  // evidence, proof, cause, reused
  put_u64(out, 10);
  put_u64(out, 20);
  put_u32(out, 30);
  for (const std::string_view text : {"where", "rule", "detail"})
    put_string(out, text);
  for (std::uint32_t us = 1; us <= 6; ++us)
    put_u32(out, us);
  return out + '\0';  // no digest
}

TEST(RecordPayload, TheOthersComeBackToo) {
  const auto event = decode_event(early_event());
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(event.value().detail, "detail");
  const KeyEntry entry{full_call().id, digest_of(1), digest_of(2), true, Effect::applied};
  const auto key = decode_key_entry(encode_key_entry(entry));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key.value().call, entry.call);
  EXPECT_EQ(key.value().owner, entry.owner);
  EXPECT_TRUE(key.value().tombstone);
  EXPECT_EQ(key.value().verdict, Effect::applied);
  const auto pause = decode_pause(encode_pause({"stripe", "limit", WallTime{5}}));
  ASSERT_TRUE(pause.ok());
  EXPECT_EQ(pause.value().upstream, "stripe");
  EXPECT_EQ(pause.value().limit_key, "limit");
  EXPECT_EQ(pause.value().until, WallTime{5});
  EXPECT_EQ(decode_meta(encode_meta(WallTime{-5})).value(), WallTime{-5});
  EXPECT_EQ(decode_body(encode_body("")).value(), "");
  EXPECT_EQ(decode_body(encode_body(std::string_view("\0x", 2))).value(), std::string("\0x", 2));
}

// Every decoder as one function of bytes: the kind of its failure, or none.
std::vector<std::function<std::optional<ErrorKind>(std::string_view)>> decoders() {
  const auto kind_of = [](const auto& result) {
    return result.ok() ? std::optional<ErrorKind>{} : result.error().kind;
  };
  return {[=](std::string_view in) { return kind_of(decode_call(full_call().id, in)); },
          [=](std::string_view in) { return kind_of(decode_body(in)); },
          [=](std::string_view in) { return kind_of(decode_key_entry(in)); },
          [=](std::string_view in) { return kind_of(decode_event(in)); },
          [=](std::string_view in) { return kind_of(decode_pause(in)); },
          [=](std::string_view in) { return kind_of(decode_meta(in)); },
          [=](std::string_view in) {
            Call call;
            return kind_of(decode_change(in, call));
          }};
}

std::vector<std::string> payloads() {
  return {encode_call(full_call()),
          encode_body("body"),
          encode_key_entry({full_call().id, digest_of(1), digest_of(2), true, Effect::applied}),
          early_event(),
          encode_pause({"stripe", "limit", WallTime{5}}),
          encode_meta(WallTime{5}),
          encode_change(full_call(), {full_event(), full_event()})};
}

TEST(RecordPayload, ANewerVersionIsRefusedClearly) {
  const auto all = payloads();
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string newer = all[i];
    newer[0] = static_cast<char>(all[i][0] + 1);
    EXPECT_EQ(decoders()[i](newer), ErrorKind::invalid) << i;
    newer[0] = '\0';
    EXPECT_EQ(decoders()[i](newer), ErrorKind::corrupt) << i;
  }
  const auto refused = decode_meta(std::string_view("\x07", 1));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().context, ::testing::HasSubstr("newer than this program"));
}

TEST(RecordPayload, EveryCutAndAnyTailIsCorrupt) {
  const auto all = payloads();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool body = i == 1;  // a body is whatever is there
    for (std::size_t size = 0; size < all[i].size(); ++size) {
      if (body && size >= 1) continue;
      EXPECT_EQ(decoders()[i](std::string_view(all[i]).substr(0, size)), ErrorKind::corrupt) << i;
    }
    if (body) continue;
    EXPECT_EQ(decoders()[i](all[i] + "x"), ErrorKind::corrupt) << i;
  }
}

TEST(RecordPayload, DamageIsAnErrorOrAValueNeverMore) {
  const auto all = payloads();
  Prng prng(1);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = all[prng.below(all.size())];
    for (std::uint64_t hits = 1 + prng.below(4); hits > 0; --hits) {
      bytes[prng.below(bytes.size())] = static_cast<char>(prng.next());
    }
    for (const auto& decode : decoders()) {
      if (decode(bytes)) ++refused;
    }
  }
  EXPECT_GT(refused, 20'000);
}

TEST(RecordPayload, ACountCannotOutgrowItsRecord) {
  // A claim of four billion fields in a few bytes must not allocate them.
  Call call;
  call.request = std::make_shared<Request>(Request{"M", "T", {{"marker-name", "v"}}, nullptr});
  std::string payload = encode_call(call);
  const auto at = payload.find("marker-name");
  ASSERT_NE(at, std::string::npos);
  payload.replace(at - 2, 1, "\xff\xff\xff\xff\x0f");
  EXPECT_EQ(decoders()[0](payload), ErrorKind::corrupt);
}

TEST(RecordKeys, SortByTime) {
  const CallId id = CallId::make(WallTime{1}, 2, 3);
  EXPECT_LT(retire_key(Retire::bodies, WallTime{-1}, id),
            retire_key(Retire::bodies, WallTime{0}, id));
  EXPECT_LT(retire_key(Retire::bodies, WallTime{255}, id),
            retire_key(Retire::bodies, WallTime{256}, id));
  EXPECT_LT(change_key(id, 255), change_key(id, 256));
  EXPECT_EQ(parse_change_key(change_key(id, 256)).value(), std::pair(id, std::uint64_t{256}));
  EXPECT_FALSE(parse_change_key(call_key(Prefix::change, id)).ok());
  const auto back = parse_retire_key(retire_key(Retire::tombstone, WallTime{-5}, id));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().what, Retire::tombstone);
  EXPECT_EQ(back.value().since, WallTime{-5});
  EXPECT_EQ(back.value().call, id);
  EXPECT_FALSE(parse_retire_key("r").ok());
  EXPECT_FALSE(parse_retire_key("").ok());
  EXPECT_EQ(end_of("a\xff"), "b");
}

TEST(RecordKeys, NoNameOfAnUpstreamIsInClear) {
  const RecordCodec codec{Sealer(test_key())};
  EXPECT_EQ(codec.due_key("stripe", DueClass::normal, WallTime{1}, CallId{}).find("stripe"),
            std::string::npos);
  EXPECT_EQ(codec.pause_key("stripe", "limit").size(), 33U);
  EXPECT_NE(codec.pause_key("a", "bc"), codec.pause_key("ab", "c"));
  EXPECT_EQ(due_of_key(codec.due_key("stripe", DueClass::normal, WallTime{-9}, CallId{})).value(),
            WallTime{-9});
}

TEST(RecordBatch, ASettledCallLeavesEveryIndexItWasIn) {
  const RecordCodec codec{Sealer(test_key())};
  std::set<std::string> store;
  const auto apply = [&](const CallWrite& write) {
    Batch batch;
    batch.calls.push_back(write);
    for (const KvOp& op : codec.encode(batch, kNow).ops) {
      if (op.value) {
        store.insert(op.key);
      } else {
        EXPECT_EQ(store.erase(op.key), 1U);  // what is taken out was in
      }
    }
  };
  const auto indexes = [&] {
    std::string out;
    for (const auto& key : store) {
      if (key[0] == 'd' || key[0] == 's' || key[0] == 'u') out += key[0];
    }
    return out;
  };
  Call call = full_call();
  call.state = State::sending;
  call.next_attempt_at = WallTime{100};
  CallWrite write;
  write.after = std::make_shared<Call>(call);
  apply(write);
  EXPECT_EQ(indexes(), "s");
  const std::pair<State, std::string> path[] = {
      {State::waiting, "d"}, {State::waiting, "d"}, {State::sending, "s"}, {State::verifying, "d"},
      {State::waiting, "d"}, {State::open, "d"},    {State::unknown, "u"}, {State::unknown, "u"},
      {State::dead, ""},     {State::sending, "s"}, {State::answered, ""}};
  for (const auto& [state, expected] : path) {
    write.before = indexed(call);
    write.before_epoch = call.epoch++;
    call.state = state;
    call.next_attempt_at = call.next_attempt_at + Duration::millis(state == State::open ? 0 : 1);
    write.after = std::make_shared<Call>(call);
    apply(write);
    EXPECT_EQ(indexes(), expected) << to_string(state);
  }
}

}  // namespace
}  // namespace hf::call
