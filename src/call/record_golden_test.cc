// Records as each version wrote them, which must be read for ever. The same key and nonces write
// the same bytes; a change of what this version writes is a change of the format, with a folder of
// its own: golden/journal-v1 (payload version 1), golden/journal-v2 (call heads and events 2),
// golden/journal-v3 (envelope version 2, call heads and changes 3, living keys not sealed),
// golden/journal-v4 (payloads packed with Zstandard), golden/journal-v5 (call heads and changes 4,
// which leave out what the rest implies).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/bytes.h"
#include "call/owner.h"
#include "call/record.h"

namespace hf::call {
namespace {

struct Golden {
  std::string key;
  std::string value;
};

const std::string kFirst = std::string(HF_SOURCE_DIR) + "/golden/journal-v1/";
const std::string kSecond = std::string(HF_SOURCE_DIR) + "/golden/journal-v2/";
const std::string kThird = std::string(HF_SOURCE_DIR) + "/golden/journal-v3/";
const std::string kFourth = std::string(HF_SOURCE_DIR) + "/golden/journal-v4/";
const std::string kDir = std::string(HF_SOURCE_DIR) + "/golden/journal-v5/";
const std::string kLargeBody(kBodyInsideMax + 1, 'x');

// Key bytes 00 01 .. 1f; the nth nonce is n in its first byte and zeros.
RecordCodec golden_codec() {
  Sealer::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<unsigned char>(i);
  return RecordCodec(Sealer(key, [n = 0]() mutable {
    Sealer::Nonce nonce{};
    nonce[0] = static_cast<unsigned char>(++n);
    return nonce;
  }));
}
Hasher golden_hasher() {
  return Hasher(golden_codec().sealer().hash_secret());
}

constexpr Now kNow{Instant{5'000'000'000}, WallTime{1'800'000'000'000}, BootId{0xb007}};

Digest filled(unsigned char with) {
  Digest out;
  out.bytes.fill(with);
  return out;
}

Call golden_call() {
  Call out;
  out.id = CallId::make(WallTime{1'799'999'999'000}, 0x0123456789abcdef, 0xfedcba9876543210);
  out.epoch = 3;
  out.state = State::answered;
  out.route = "/v1/";
  out.upstream = "stripe";
  out.owner = filled(0x0a);
  out.key = KeyUse{filled(0x1d), "Idempotency-Key", "order-1", false, true, false};
  out.fingerprint = filled(0xf1);
  out.request = std::make_shared<Request>(
      Request{"POST", "/v1/charges", {{"Content-Type", "text/plain"}}, make_body("amount=1200")});
  out.body_bytes = 11;
  out.has_body = true;
  out.idempotency.own().mode = Mode::key;
  out.idempotency.own().lifetime = Duration::hours(24);
  out.idempotency.own().in_progress = {409};
  out.accepted = {WallTime{1'799'999'999'000}, BootId{0xb007}, Instant{4'000'000'000}};
  out.deadline = Duration::hours(23);
  out.account = "main";
  out.limit_key = limit_key_of(out.upstream, out.owner, golden_hasher());
  out.attempts = 1;
  out.first_sent = Stamp{WallTime{1'799'999'999'100}, BootId{0xb007}, Instant{4'100'000'000}};
  out.first_sent_authority = "api.stripe.com";
  out.last_status = 200;
  out.answer = Answer{200, {{"Request-Id", "req_1"}},  make_body("{\"id\":\"ch_1\"}"), true,
                      13,  WallTime{1'799'999'999'900}};
  out.ended = Stamp::of(kNow);
  out.idempotency.own().settle = Duration::seconds(35);
  out.key->derived = true;
  out.asked.not_before = WallTime{1'799'999'999'050};
  out.asked.deadline = true;
  out.asked.urgency = 1;
  out.asked.order = Order{filled(0x0d), 7, "account-1"};
  out.asked.callback = "https://app.example/done";
  out.index = {{"customer", "cus_1", false}, {"card", "9f2c", true}};
  out.likeness = filled(0x11);
  out.resembles = CallId::make(WallTime{1'799'999'990'000}, 1, 2);
  out.callback_of = CallId::make(WallTime{1'799'999'980'000}, 3, 4);
  out.doubt = {Stamp::of(kNow), Stamp::of(kNow), 2};
  out.stage = 1;
  out.asked_again = 5;
  out.answer->by_lookup = true;
  return out;
}

Batch golden_batch() {
  CallWrite write;
  write.after = std::make_shared<Call>(golden_call());
  write.write_request_body = true;
  write.write_answer_body = true;
  TimelineEvent event;
  event.at = kNow.wall;
  event.what = Happening::answered;
  event.who = Actor::upstream;
  event.attempt = 1;
  event.status = 200;
  event.evidence = Evidence::answer_complete;
  event.bytes_sent = 321;
  event.bytes_received = 123;
  event.took_ms = 800;
  event.where = "192.0.2.1:443";
  event.rule = "final";
  event.phases = {Duration::micros(1), Duration::micros(2), Duration::micros(3),
                  Duration::micros(4), Duration::micros(5), Duration::micros(6)};
  event.tell(content_of(write.after->request->body, golden_hasher()));
  write.events.push_back(event);
  Batch out;
  out.calls.push_back(write);
  out.pauses.push_back({"stripe", "stripe/main", WallTime{1'800'000'060'000}});
  return out;
}

std::map<std::string, KvOp> written() {
  const RecordCodec codec = golden_codec();
  const std::map<char, std::string> names{
      {'c', "call_head"},    {'g', "change"},       {'k', "key_entry"},  {'p', "pause"},
      {'h', "amended_head"}, {'b', "request_body"}, {'a', "answer_body"}};
  std::map<std::string, KvOp> out;
  const auto take = [&](const Batch& batch) {
    for (const KvOp& op : codec.encode(batch, kNow, 0x9e3779b97f4a7c15).ops) {
      const auto name = names.find(op.key[0]);
      if (name != names.end()) out.try_emplace(name->second, op);
    }
  };
  Batch batch = golden_batch();
  CallWrite later = batch.calls.front();
  Call call = golden_call();
  later.before = indexed(call);
  later.before_epoch = call.epoch;
  call.epoch += 1;
  call.attempts = 2;
  call.answer->body_epoch = call.epoch;
  call.idempotency.own().header = "X-Key";
  later.after = std::make_shared<Call>(call);
  later.events.front().tell(content_of(call.answer->body, golden_hasher()));
  batch.calls.push_back(later);
  // Bodies too long to stand inside.
  Batch large = golden_batch();
  Call with_large = golden_call();
  auto request = std::make_shared<Request>(*with_large.request);
  request->body = make_body(kLargeBody);
  with_large.request = std::move(request);
  with_large.answer->body = make_body(kLargeBody);
  with_large.limit_key = "stripe/main";
  large.calls.front().after = std::make_shared<Call>(with_large);
  Batch apart;
  apart.calls = large.calls;
  for (const KvOp& op : codec.encode(apart, kNow).ops) {
    if (op.key[0] == 'a' || op.key[0] == 'b') out[names.at(op.key[0])] = op;
    if (op.key[0] == 'c') out["call_head_apart"] = op;  // and nothing is left out
  }
  take(batch);
  const KeyEntry entry{golden_call().id, filled(0x0a), {}, true, Effect::applied};
  out["tombstone"] = codec.put_key_entry(filled(0x1d), entry, kNow);
  out["meta_made"] = codec.put_meta(kMetaMade, kNow.wall, kNow);
  return out;
}

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

// "key HEX" and "value HEX", the latter over several lines; a line that begins with # is a comment.
Golden read_golden(const std::string& name, const std::string& dir = kDir) {
  std::istringstream in(slurp(dir + name + ".txt"));
  Golden out;
  std::string line;
  std::string* into = nullptr;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    if (line == "key" || line == "value") {
      into = line == "key" ? &out.key : &out.value;
      continue;
    }
    const auto bytes = from_hex(line);
    if (into && bytes.ok()) into->append(bytes.value());
  }
  return out;
}

std::string hex_lines(std::string_view bytes) {
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 32))) {
    out += to_hex(bytes.substr(0, 32)) + "\n";
  }
  return out;
}

// Only to add a fixture of a new record: those that are there stay as they are.
TEST(GoldenRecords, DISABLED_WriteMissing) {
  for (const auto& [name, op] : written()) {
    if (!read_golden(name).key.empty()) continue;
    std::ofstream(kDir + name + ".txt")
        << fmt::format("# {}, of format 5; seal key 00 01 .. 1f\nkey\n{}value\n{}", name,
                       hex_lines(op.key), hex_lines(*op.value));
  }
}

// Seeds of fuzz/record_fuzz.cc, whose first byte picks the decoder.
TEST(GoldenRecords, DISABLED_WriteFuzzSeeds) {
  const std::string corpus = std::string(HF_SOURCE_DIR) + "/fuzz/corpus/record/";
  const std::map<std::string, char> picks{
      {"call_head", 0}, {"request_body", 1}, {"answer_body", 1},
      {"tombstone", 2}, {"pause", 4},        {"meta_made", 5},
      {"change", 8},    {"amended_head", 0}, {"call_head_apart", 0}};
  const RecordCodec codec = golden_codec();
  for (const auto& [name, pick] : picks) {
    const Golden golden = read_golden(name);
    const auto opened = codec.sealer().open(golden.key, golden.value);
    ASSERT_TRUE(opened.ok()) << name;
    std::ofstream(corpus + "v5_" + name, std::ios::binary) << pick << opened.value().payload;
    std::ofstream(corpus + "v5_sealed_" + name, std::ios::binary) << '\6' << golden.value;
  }
  std::ofstream(corpus + "retire_key", std::ios::binary)
      << '\7' << retire_key(Retire::tombstone, WallTime{-5}, golden_call().id);
}

TEST(GoldenRecords, AreWrittenAsTheyWere) {
  for (const auto& [name, op] : written()) {
    const Golden golden = read_golden(name);
    EXPECT_EQ(to_hex(op.key), to_hex(golden.key)) << name;
    // What Zstandard makes of a payload is its own affair.
    if (name == "key_entry") {
      EXPECT_EQ(to_hex(*op.value), to_hex(golden.value));
      continue;
    }
    const auto ours = golden_codec().sealer().open(op.key, *op.value);
    const auto theirs = golden_codec().sealer().open(golden.key, golden.value);
    ASSERT_TRUE(ours.ok() && theirs.ok()) << name;
    EXPECT_EQ(ours.value().head, theirs.value().head) << name;
    EXPECT_EQ(to_hex(ours.value().payload), to_hex(theirs.value().payload)) << name;
  }
}

// What every version's call head tells.
Call read_call(const std::string& dir) {
  const RecordCodec codec = golden_codec();
  const Golden record = read_golden("call_head", dir);
  const auto call = codec.open_call(record.key, record.value);
  EXPECT_TRUE(call.ok()) << call.error().context;
  if (!call.ok()) return {};
  EXPECT_EQ(call.value().call->id, golden_call().id);
  EXPECT_EQ(call.value().call->key->value, "order-1");
  EXPECT_EQ(call.value().call->answer->fields, golden_call().answer->fields);
  EXPECT_EQ(call.value().written, kNow.wall);
  return *call.value().call;
}

TEST(GoldenRecords, AreReadForEver) {
  const RecordCodec codec = golden_codec();
  for (const std::string& dir : {kFirst, kSecond, kThird, kFourth, kDir}) {
    const bool large = dir != kFirst && dir != kSecond;
    Golden record = read_golden("request_body", dir);
    EXPECT_EQ(view(codec.open_body(record.key, record.value).value()),
              large ? kLargeBody : "amount=1200");
    record = read_golden("answer_body", dir);
    EXPECT_EQ(view(codec.open_body(record.key, record.value).value()),
              large ? kLargeBody : "{\"id\":\"ch_1\"}");
    record = read_golden("key_entry", dir);
    EXPECT_EQ(codec.open_key_entry(record.key, record.value).value().call, golden_call().id);
    record = read_golden("tombstone", dir);
    EXPECT_EQ(codec.open_key_entry(record.key, record.value).value().owner, filled(0x0a));
    EXPECT_EQ(codec.open_key_entry(record.key, record.value).value().verdict, Effect::applied);
    EXPECT_TRUE(codec.open_key_entry(record.key, record.value).value().tombstone);
    record = read_golden("pause", dir);
    EXPECT_EQ(codec.open_pause(record.key, record.value).value().until,
              WallTime{1'800'000'060'000});
    record = read_golden("meta_made", dir);
    EXPECT_EQ(codec.open_meta(record.key, record.value).value(), kNow.wall);
  }
  for (const std::string& dir : {kFirst, kSecond}) {
    const Golden record = read_golden("timeline_event", dir);
    EXPECT_EQ(codec.open_event(record.key, record.value).value()->where, "192.0.2.1:443");
  }
}

TEST(GoldenRecords, AChangeLiesOverTheHeadOfEveryVersion) {
  const RecordCodec codec = golden_codec();
  for (const std::string& later : {kThird, kFourth, kDir}) {
    const Golden change = read_golden("change", later);
    for (const std::string& dir : {kFirst, kSecond, kThird, kFourth, kDir}) {
      const Golden head = read_golden("call_head", dir);
      auto opened = codec.open_call(head.key, head.value);
      ASSERT_TRUE(opened.ok());
      EXPECT_EQ(opened->head_epoch, 3U);
      const auto events = codec.open_change(change.key, change.value, *opened);
      ASSERT_TRUE(events.ok());
      EXPECT_EQ(events->front().where, "192.0.2.1:443");
      EXPECT_EQ(opened->call->attempts, 2);
      EXPECT_EQ(opened->call->epoch, 4U);
      EXPECT_EQ(opened->call->idempotency->header, "Idempotency-Key");
      EXPECT_EQ(view(opened->call->answer->body), "{\"id\":\"ch_1\"}");
    }
  }
  for (const std::string& dir : {kThird, kFourth, kDir}) {
    const Golden amended = read_golden("amended_head", dir);
    EXPECT_EQ(codec.open_call(amended.key, amended.value).value().call->idempotency->header,
              "X-Key");
  }
}

TEST(GoldenRecords, WhatStandsInARecordBesidesIsTakenOut) {
  const RecordCodec codec = golden_codec();
  for (const char* name : {"call_head", "change"}) {
    const Golden record = read_golden(name);
    const auto bare = codec.stripped(record.key, record.value, Strip::body);
    ASSERT_TRUE(bare.ok() && bare.value()) << name;
    EXPECT_EQ((*bare)->key, record.key);
    EXPECT_EQ(Sealer::peek(*(*bare)->value).value(), Sealer::peek(record.value).value());
    const auto again = codec.stripped(record.key, *(*bare)->value, Strip::body);
    EXPECT_TRUE(again.ok() && !again.value()) << "there is none any more";
    const auto barer = codec.stripped(record.key, *(*bare)->value, Strip::body_and_events);
    ASSERT_TRUE(barer.ok() && barer.value()) << name;
    EXPECT_LT((*barer)->value->size(), (*bare)->value->size());
  }
  const Golden head = read_golden("call_head");
  const auto whole = codec.open_call(head.key, head.value);
  EXPECT_EQ(view(whole->call->request->body), "amount=1200");
  const auto op = codec.stripped(head.key, head.value, Strip::body);
  const auto bare = codec.open_call(head.key, *(*op)->value);
  EXPECT_EQ(bare->call->request->body, nullptr);
  EXPECT_EQ(bare->call->fingerprint, whole->call->fingerprint);
  EXPECT_EQ(bare->events.size(), 1U);
}

TEST(GoldenRecords, ACallOfVersionOneHasDefaultsForWhatItCouldNotSay) {
  const Call call = read_call(kFirst);
  Idempotency rules = *golden_call().idempotency;
  rules.settle = {};
  EXPECT_EQ(*call.idempotency, rules);
  EXPECT_EQ(call.asked, Asked{});
  EXPECT_EQ(call.doubt, Doubt{});
  EXPECT_TRUE(call.index.empty());
}

TEST(GoldenRecords, ACallOfALaterVersionSaysAllOfIt) {
  for (const std::string& dir : {kSecond, kThird, kFourth, kDir}) {
    const Call call = read_call(dir);
    EXPECT_EQ(call.idempotency, golden_call().idempotency);
    EXPECT_EQ(call.asked, golden_call().asked);
    EXPECT_EQ(call.doubt, golden_call().doubt);
    EXPECT_EQ(call.index, golden_call().index);
    EXPECT_EQ(call.likeness, golden_call().likeness);
    EXPECT_EQ(call.resembles, golden_call().resembles);
    EXPECT_EQ(call.callback_of, golden_call().callback_of);
    EXPECT_EQ(call.asked_again, 5);
    EXPECT_EQ(call.stage, 1);
    EXPECT_TRUE(call.answer->by_lookup);
    EXPECT_TRUE(call.key->derived);
  }
}

TEST(GoldenRecords, WhatARecordLeavesOutIsThereWhenItIsRead) {
  const RecordCodec codec = golden_codec();
  const auto digest = [](const Body& body) { return content_of(body, golden_hasher()).digest(); };
  Golden head = read_golden("call_head");
  auto opened = codec.open_call(head.key, head.value);
  EXPECT_EQ(opened->call->limit_key, golden_call().limit_key);
  EXPECT_EQ(opened->events.front().digest, digest(golden_call().request->body));
  EXPECT_EQ(opened->events.front().digested, nullptr) << "a timeline keeps no bodies";
  const Golden change = read_golden("change");
  for (const auto& events : {codec.open_change(change.key, change.value, *opened),
                             codec.open_events(change.key, change.value)}) {
    ASSERT_TRUE(events.ok());
    EXPECT_EQ(events->front().digest, digest(golden_call().answer->body));
    EXPECT_EQ(events->front().digested, nullptr);
  }
  head = read_golden("call_head_apart");
  opened = codec.open_call(head.key, head.value);
  EXPECT_EQ(opened->call->limit_key, "stripe/main");
  EXPECT_EQ(opened->events.front().digest, digest(golden_call().request->body));
  // As earlier versions wrote them out.
  head = read_golden("call_head", kFourth);
  opened = codec.open_call(head.key, head.value);
  EXPECT_EQ(opened->call->limit_key, "stripe/main");
  EXPECT_EQ(opened->events.front().digest, filled(0xa5));
}

// The bytes of the page's worked example are those of the fixture.
TEST(GoldenRecords, ThePageShowsARealOne) {
  const std::string page = slurp(std::string(HF_SOURCE_DIR) + "/docs/formats/journal.md");
  const auto from = page.find("```hex\n");
  ASSERT_NE(from, std::string::npos);
  std::istringstream in(page.substr(from + 7, page.find("```", from + 7) - from - 7));
  std::string shown;
  std::string line;
  while (std::getline(in, line)) {
    for (const char c : line.substr(0, line.find('#'))) {
      if (c != ' ') shown.push_back(c);
    }
  }
  EXPECT_EQ(shown, to_hex(read_golden("meta_made").value));
}

}  // namespace
}  // namespace hf::call
