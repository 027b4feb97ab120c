// What heads and changes leave out, and what is read in its place.
#include "call/implied.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "call/owner.h"
#include "call/record_payload.h"

namespace hf::call {
namespace {

Hasher hasher(unsigned char fill = 7) {
  std::array<unsigned char, 32> secret{};
  secret.fill(fill);
  return Hasher(secret);
}

const Implied& implied() {
  static const Implied kImplied{hasher()};
  return kImplied;
}

Call usual_call() {
  Call out;
  out.upstream = "stripe";
  out.owner = owner_anyone(hasher());
  out.limit_key = limit_key_of(out.upstream, out.owner, hasher());
  out.request = std::make_shared<Request>(Request{"POST", "/", {}, make_body("{\"a\":1}")});
  return out;
}

TimelineEvent about(const Body& body) {
  TimelineEvent out;
  out.where = "192.0.2.1:443";
  out.tell(content_of(body, hasher()));
  return out;
}

TEST(Implied, LimitKeysAreThoseOfTheCaller) {
  // Owners of one place in what is remembered, upstreams of one owner, and hashers of both.
  const Implied other(hasher(8));
  for (int round = 0; round < 2; ++round) {
    for (const char* upstream : {"stripe", "mail"}) {
      for (unsigned char last = 0; last < 3; ++last) {
        Digest who = owner_anyone(hasher());
        who.bytes.back() = last;
        EXPECT_EQ(implied().limit_key(upstream, who), limit_key_of(upstream, who, hasher()));
        EXPECT_EQ(other.limit_key(upstream, who), limit_key_of(upstream, who, hasher(8)));
      }
    }
  }
}

TEST(Implied, TheUsualLimitKeyTakesNoRoom) {
  const Call call = usual_call();
  const std::string usual = encode_call(call, implied());
  const auto back = decode_call({}, usual, implied());
  ASSERT_TRUE(back.ok()) << back.error().context;
  EXPECT_EQ(back->call.limit_key, call.limit_key);
  for (const std::string& own : {std::string(), std::string("main"), std::string(64, 'a')}) {
    Call unusual = call;
    unusual.limit_key = own;
    const std::string payload = encode_call(unusual, implied());
    EXPECT_GT(payload.size(), usual.size());
    const auto read = decode_call({}, payload, implied());
    ASSERT_TRUE(read.ok()) << read.error().context;
    EXPECT_EQ(read->call.limit_key, own);
  }
  // One form each: written out where it need not be, it is nobody's record.
  const std::string out = encode_call(call, Implied(hasher(8)));
  ASSERT_GT(out.size(), usual.size());
  EXPECT_FALSE(decode_call({}, out, implied()).ok());
}

TEST(Implied, ADigestOfTheBodyInsideTakesNoRoom) {
  const Call call = usual_call();
  const TimelineEvent event = about(call.request->body);
  const std::vector<TimelineEvent> both{event, event};
  const std::string inside = encode_call(call, implied(), both, BodyPlace::inside);
  const std::string apart = encode_call(call, implied(), both);
  EXPECT_EQ(inside.size() + 2 * sizeof(Digest::bytes), apart.size() + call.request->body->size());
  for (const std::string& payload : {inside, apart}) {
    const auto back = decode_call({}, payload, implied());
    ASSERT_TRUE(back.ok()) << back.error().context;
    EXPECT_EQ(back->events.at(0).digest, event.digest);
    EXPECT_EQ(back->events.at(1).digest, event.digest);
    const bool again = back->call.request->body != nullptr;
    EXPECT_EQ(encode_call(back->call, implied(), back->events,
                          again ? BodyPlace::inside : BodyPlace::apart),
              payload);
  }
  // As retention takes the body out, the digest stays.
  const auto whole = decode_call({}, inside, implied());
  EXPECT_EQ(encode_call(whole->call, implied(), whole->events), apart);
}

TEST(Implied, AnAnswersDigestToo) {
  Call call = usual_call();
  call.answer = Answer{200, {}, make_body("done"), true, 4, WallTime{8}};
  const TimelineEvent event = about(call.answer->body);
  const auto change = [&](const TimelineEvent& told) {
    return encode_change(call, {told}, BodyPlace::inside);
  };
  Call read;
  const auto events = decode_change(change(event), read, implied());
  ASSERT_TRUE(events.ok()) << events.error().context;
  EXPECT_EQ(events->front().digest, event.digest);
  EXPECT_EQ(view(read.answer->body), "done");

  // Of another body, were it an equal one, it is written.
  const TimelineEvent equal = about(make_body("done"));
  const TimelineEvent request = about(call.request->body);
  for (const TimelineEvent& other : {equal, request}) {
    EXPECT_EQ(change(other).size(), change(event).size() + sizeof(Digest::bytes));
    const auto back = decode_change(change(other), read, implied());
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->front().digest, other.digest);
  }
}

TEST(Implied, EveryCutBeforeTheBodyIsCorrupt) {
  const Call call = usual_call();
  const TimelineEvent event = about(call.request->body);
  const std::string whole = encode_call(call, implied(), {event}, BodyPlace::inside);
  const std::size_t before = whole.size() - call.request->body->size();
  for (std::size_t size = 0; size < before; ++size) {
    const auto cut = decode_call({}, std::string_view(whole).substr(0, size), implied());
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().kind, ErrorKind::corrupt) << size;
  }
}

TEST(Implied, ADigestOfABodyThatIsNotThereIsNobodysRecord) {
  const Call call = usual_call();
  TimelineEvent event = about(call.request->body);
  std::string payload = encode_call(call, implied(), {event}, BodyPlace::inside);
  payload.resize(payload.size() - call.request->body->size());
  ASSERT_TRUE(decode_call({}, payload, implied()).ok()) << "of an empty one";
  payload.back() = '\0';
  EXPECT_FALSE(decode_call({}, payload, implied()).ok());
}

}  // namespace
}  // namespace hf::call
