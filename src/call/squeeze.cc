#include "call/squeeze.h"

#include <lz4.h>

#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace hf::call {
namespace {

using namespace std::string_view_literals;

// What records are full of, the likeliest last. It is a part of the format: another one would be
// another flag of the envelope (docs/formats/journal.md).
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

// A stream that has learnt the dictionary: copied for each payload, which costs less than to learn
// it anew.
struct Encoder {
  Encoder() {
    LZ4_initStream(&learnt, sizeof learnt);
    LZ4_loadDict(&learnt, kDictionary.data(), static_cast<int>(kDictionary.size()));
  }
  LZ4_stream_t learnt;
  LZ4_stream_t stream;
  std::string room;
};

}  // namespace

std::string squeeze(std::string_view payload) {
  if (payload.size() > LZ4_MAX_INPUT_SIZE) return {};
  thread_local Encoder encoder;
  const int size = static_cast<int>(payload.size());
  encoder.room.resize(static_cast<std::size_t>(LZ4_compressBound(size)));
  encoder.stream = encoder.learnt;
  const int got = LZ4_compress_fast_continue(&encoder.stream, payload.data(), encoder.room.data(),
                                             size, static_cast<int>(encoder.room.size()), 1);
  if (got <= 0 || static_cast<std::size_t>(got) + 4 >= payload.size()) return {};
  std::string out;
  out.reserve(static_cast<std::size_t>(got) + 4);
  put_u32(out, static_cast<std::uint32_t>(payload.size()));
  out.append(encoder.room, 0, static_cast<std::size_t>(got));
  return out;
}

Result<std::string> unsqueeze(std::string_view squeezed, std::size_t most) {
  ByteReader in(squeezed);
  const std::uint32_t size = in.u32();
  if (!in.ok() || size > most || size > LZ4_MAX_INPUT_SIZE) {
    return fail(ErrorKind::corrupt, "record says a length that it cannot have");
  }
  // LZ4 makes 255 bytes of one at most.
  if (size / 255 > in.rest().size()) {
    return fail(ErrorKind::corrupt, "record is too short for the length that it says");
  }
  std::string out(size, '\0');
  const int got = LZ4_decompress_safe_usingDict(
      in.rest().data(), out.data(), static_cast<int>(in.rest().size()), static_cast<int>(size),
      kDictionary.data(), static_cast<int>(kDictionary.size()));
  if (got < 0 || static_cast<std::uint32_t>(got) != size) {
    return fail(ErrorKind::corrupt, "record does not unpack");
  }
  return out;
}

}  // namespace hf::call
