// Packings read what they made, and refuse everything else; what they know beforehand is for ever.
#include "call/squeeze.h"

#include <gtest/gtest.h>
#include <lz4.h>

#include "base/bytes.h"
#include "base/prng.h"
#include "call/hasher.h"
#include "call/record_payload.h"

namespace hf::call {
namespace {

std::string payload_of_a_call() {
  Call call;
  call.id = CallId::make(WallTime{1'800'000'000'000}, 1, 2);
  call.epoch = 1;
  call.route = "/v1/";
  call.upstream = "payments";
  call.request = std::make_shared<Request>(
      Request{"POST",
              "/v1/charges",
              {{"Content-Type", "application/json"}, {"Idempotency-Key", "order-1"}},
              make_body(R"({"amount":1200,"currency":"eur","customer":"cus_1","note":"hello"})")});
  call.body_bytes = call.request->body->size();
  call.has_body = true;
  return encode_call(call, Implied(Hasher({})), {}, BodyPlace::inside);
}

// As records were packed until the second packing.
std::string pack_first(const std::string& payload) {
  LZ4_stream_t stream;
  LZ4_initStream(&stream, sizeof stream);
  LZ4_loadDict(&stream, first_dictionary().data(), static_cast<int>(first_dictionary().size()));
  std::string room(4096, '\0');
  const int got = LZ4_compress_fast_continue(&stream, payload.data(), room.data(),
                                             static_cast<int>(payload.size()), 4096, 1);
  std::string out;
  put_u32(out, static_cast<std::uint32_t>(payload.size()));
  out.append(room, 0, static_cast<std::size_t>(got));
  return out;
}

TEST(Squeeze, RefusesWhatItDidNotMake) {
  const std::string payload = payload_of_a_call();
  for (const Packing how : {Packing::first, Packing::second}) {
    const std::string good =
        how == Packing::first ? pack_first(payload) : std::string(squeeze(payload));
    ASSERT_FALSE(good.empty());
    ASSERT_LT(good.size(), payload.size());
    ASSERT_EQ(unsqueeze(how, good, 100'000).value(), payload);
    EXPECT_FALSE(unsqueeze(how, good, 100).ok()) << "longer than what is wanted";
    EXPECT_FALSE(unsqueeze(how, "", 100).ok());
    EXPECT_FALSE(unsqueeze(how, good + "x", 100'000).ok());
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_FALSE(unsqueeze(how, std::string_view(good).substr(0, size), 100'000).ok()) << size;
    Prng prng(7);
    for (int i = 0; i < 2000; ++i) {
      std::string other = good;
      other[prng.below(other.size())] = static_cast<char>(prng.next());
      const auto got = unsqueeze(how, other, 10'000);
      EXPECT_TRUE(!got.ok() || got->size() <= 10'000);
    }
  }
  std::string longer = pack_first(payload);
  longer[2] = '\x7f';
  EXPECT_FALSE(unsqueeze(Packing::first, longer, std::size_t{1} << 30).ok())
      << "more than its bytes can say";
  // A frame of RFC 8878 without its magic: one segment, its size in four bytes, an empty block.
  const std::string claims("\xa0\x00\x00\x00\x30\x01\x00\x00", 8);
  EXPECT_FALSE(unsqueeze(Packing::second, claims, std::size_t{1} << 30).ok());
}

TEST(Squeeze, TheDictionariesAreForEver) {
  EXPECT_EQ(to_hex(sha256(first_dictionary())),
            "f0957fc6b32bff5e0283251bdf52150bd5feac1220400acf0b1bd376cbcf4872");
  EXPECT_EQ(to_hex(sha256(second_dictionary())),
            "dc2b86e303ed8aa32f7093aa585f375e181952ab12984a0005286b33f5cfa140");
}

}  // namespace
}  // namespace hf::call
