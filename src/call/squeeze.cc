#include "call/squeeze.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/check.h"

namespace hf::call {
namespace {

using namespace std::string_view_literals;

// What records are full of, the likeliest last. It is a part of the format: another one is another
// flag of the envelope (docs/formats/journal.md).
constexpr std::string_view kDictionary =
    "X-Forwarded-For X-Forwarded-Proto X-Request-Id X-Correlation-Id X-Api-Key Stripe-Version "
    "User-Agent Accept-Language Accept-Encoding gzip, deflate, br Cache-Control no-cache "
    "Authorization Bearer Set-Cookie Vary Origin Strict-Transport-Security Content-Encoding "
    "ETag Last-Modified Location Retry-After RateLimit-Remaining Request-Id "
    "traceparent tracestate Via 1.1 holdfast Transfer-Encoding chunked Connection keep-alive "
    "application/x-www-form-urlencoded text/html; charset=utf-8 text/plain "
    "{\"id\":\"type\":\"object\":\"status\":\"amount\":\"currency\":\"customer\":\"created\":"
    "\"description\":\"email\":\"name\":\"items\":[{\"quantity\":1,\"price\":"
    "\"metadata\":{},\"error\":null,true,false},\"data\":\"2026-"
    "schedule-exhausted hold-asked first-attempt nothing-sent retry-status final answered "
    "\016x-should-retry\005false"
    "\023Idempotent-Replayed\015Cache-Control\004ETag\004Vary\014X-Request-Id\012Request-Id"
    "\016Content-Length\002\015Content-Length\004Date\035"
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2026 2027 "
    "00:00:00 GMT\006Server\005nginx\012Connection\012keep-alive"
    "\003GET\003PUT\006DELETE\005PATCH\004POST"
    "\004Host\006Accept\003*/*\012User-Agent\014Content-Type\030text/plain; charset=utf-8"
    "\014Content-Type\037application/json; charset=utf-8"
    "\014Content-Type\020application/json\017Idempotency-Key"
    "\200\200\263\211\314\323\045\001/\000\000\001\017Idempotency-Key\001"
    "\200\200\370\224\222\245\047\003\245\003\251\003\255\003\001\231\003"
    "\000\000\000\000\000\000\004POST"
    "\001\001\001\001\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\002\001"
    "\012hold-asked\000\001\004\202\200\020\000\001\017127.0.0.1:{\""sv;

// RFC 8878 section 3.1.1: not stored.
constexpr std::string_view kFrameMagic = "\x28\xb5\x2f\xfd"sv;
// Fast search, but with entropy coding, which most of the gain is: payloads have few repetitions
// and much of JSON and hex.
constexpr int kLevel = -5;
constexpr int kEntropyCoded = 1;
constexpr int kNotCoded = 2;
constexpr std::size_t kShort = 256;  // bytes of payload: what coding literals would gain is a byte
constexpr std::size_t kRoomKept = std::size_t{1} << 20;
// A block of 128 KiB (RFC 8878 section 3.1.1.2) takes four bytes at least.
constexpr std::size_t kGainMax = (std::size_t{128} << 10) / 4;

struct Free {
  void operator()(ZSTD_CCtx* one) const { ZSTD_freeCCtx(one); }
  void operator()(ZSTD_DCtx* one) const { ZSTD_freeDCtx(one); }
  void operator()(ZSTD_CDict* one) const { ZSTD_freeCDict(one); }
  void operator()(ZSTD_DDict* one) const { ZSTD_freeDDict(one); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// One for each thread.
struct Encoder {
  Encoder() {
    static const Owned<ZSTD_CDict> learnt{
        ZSTD_createCDict(second_dictionary().data(), second_dictionary().size(), kLevel)};
    HF_CHECK(learnt != nullptr);
    const auto prepare = [&](ZSTD_CCtx* context, int literals) {
      HF_CHECK(context != nullptr);
      const auto set = [&](ZSTD_cParameter what, int value) {
        HF_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(context, what, value)) == 0);
      };
      set(ZSTD_c_contentSizeFlag, 1);
      set(ZSTD_c_dictIDFlag, 0);
      set(ZSTD_c_checksumFlag, 0);  // the seal is one
      HF_CHECK(ZSTD_isError(ZSTD_CCtx_refCDict(context, learnt.get())) == 0);
      // "literalCompressionMode". A library that does not have it packs a little worse.
      static_cast<void>(ZSTD_CCtx_setParameter(context, ZSTD_c_experimentalParam5, literals));
    };
    prepare(for_long.get(), kEntropyCoded);
    prepare(for_short.get(), kNotCoded);
  }
  Owned<ZSTD_CCtx> for_long{ZSTD_createCCtx()};
  Owned<ZSTD_CCtx> for_short{ZSTD_createCCtx()};
  std::string room;
};

struct Decoder {
  Decoder() { HF_CHECK(learnt() != nullptr && context != nullptr); }
  static const ZSTD_DDict* learnt() {
    static const Owned<ZSTD_DDict> out{
        ZSTD_createDDict(second_dictionary().data(), second_dictionary().size())};
    return out.get();
  }
  Owned<ZSTD_DCtx> context{ZSTD_createDCtx()};
  std::string frame;
};

Error too_long() {
  return fail(ErrorKind::corrupt, "record says a length that it cannot have");
}
Error too_short() {
  return fail(ErrorKind::corrupt, "record is too short for the length that it says");
}
Error broken() {
  return fail(ErrorKind::corrupt, "record does not unpack");
}

Result<std::string> unpack_first(std::string_view squeezed, std::size_t most) {
  ByteReader in(squeezed);
  const std::uint32_t size = in.u32();
  if (!in.ok() || size > most || size > LZ4_MAX_INPUT_SIZE) return too_long();
  // LZ4 makes 255 bytes of one at most.
  if (size / 255 > in.rest().size()) return too_short();
  std::string out(size, '\0');
  const int got = LZ4_decompress_safe_usingDict(
      in.rest().data(), out.data(), static_cast<int>(in.rest().size()), static_cast<int>(size),
      kDictionary.data(), static_cast<int>(kDictionary.size()));
  if (got < 0 || static_cast<std::uint32_t>(got) != size) return broken();
  return out;
}

Result<std::string> unpack_second(std::string_view squeezed, std::size_t most) {
  thread_local Decoder decoder;
  std::string& frame = decoder.frame;
  frame.assign(kFrameMagic).append(squeezed);
  const auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return broken();
  if (size > most) return too_long();
  if (size / kGainMax > squeezed.size()) return too_short();
  std::string out(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompress_usingDDict(decoder.context.get(), out.data(), out.size(),
                                                     frame.data(), frame.size(), Decoder::learnt());
  if (ZSTD_isError(got) != 0 || got != out.size()) return broken();
  return out;
}

}  // namespace

std::string_view first_dictionary() {
  return kDictionary;
}

std::string_view squeeze(std::string_view payload) {
  thread_local Encoder encoder;
  if (encoder.room.size() > kRoomKept) encoder.room = std::string();  // of a body that was large
  encoder.room.resize(std::max(encoder.room.size(), ZSTD_compressBound(payload.size())));
  ZSTD_CCtx* const context =
      payload.size() < kShort ? encoder.for_short.get() : encoder.for_long.get();
  const std::size_t got = ZSTD_compress2(context, encoder.room.data(), encoder.room.size(),
                                         payload.data(), payload.size());
  std::string_view out;
  if (ZSTD_isError(got) == 0 && got - kFrameMagic.size() < payload.size()) {
    out = std::string_view(encoder.room).substr(kFrameMagic.size(), got - kFrameMagic.size());
  }
  return out;
}

Result<std::string> unsqueeze(Packing how, std::string_view squeezed, std::size_t most) {
  return how == Packing::first ? unpack_first(squeezed, most) : unpack_second(squeezed, most);
}

}  // namespace hf::call
