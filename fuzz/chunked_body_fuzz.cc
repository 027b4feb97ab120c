// A chunked body: the pieces it comes in make no difference, no byte is counted twice, and
// Boost.Beast reads what is accepted alike. Then the same bytes as data, encoded and decoded again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http1/beast_oracle.h"
#include "http1/body.h"
#include "http1/write.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hf::http1;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const BodyFraming chunked{BodyFraming::Kind::chunked, 0};
  const BodyLimits limits{.max_body = 100'000, .max_trailer = 1000};
  if (size == 0) return 0;

  const auto whole = oracle::decode(bytes, chunked, size, limits);
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    HF_CHECK(oracle::decode(bytes, chunked, step, limits) == whole);
  }
  HF_CHECK(whole.consumed <= size && whole.data.size() <= whole.consumed);
  HF_CHECK(!whole.done || whole.refusal == Refusal::none);
  if (whole.done) {
    const auto difference = oracle::difference(bytes, whole);
    HF_CHECK_MSG(difference.empty(), difference);
  }

  std::string encoded;
  const auto half = size / 2;
  write_chunk(encoded, bytes.substr(0, half));
  write_chunk(encoded, bytes.substr(half));
  write_last_chunk(encoded);
  const auto back = oracle::decode(encoded, chunked, 1 + data[0] % 64U);
  HF_CHECK(back.done && back.data == bytes && back.consumed == encoded.size());
  return 0;
}
