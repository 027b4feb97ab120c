// Journal records: any bytes are an error or a value, and a value is written back as the same
// bytes, but for those of an earlier version. The first byte picks what the rest is taken for.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "call/record.h"
#include "call/record_payload.h"

namespace {

using namespace hf::call;

const Sealer& sealer() {
  static const Sealer kSealer = [] {
    Sealer::Key key{};
    for (std::size_t i = 0; i < key.size(); ++i)
      key[i] = static_cast<unsigned char>(i);
    return Sealer(key, [] { return Sealer::Nonce{}; });
  }();
  return kSealer;
}

void check_envelope(std::string_view bytes) {
  const auto head = Sealer::peek(bytes);
  const auto opened = sealer().open("mmade", bytes);
  HF_CHECK(head.ok() || !opened.ok());
  if (opened.ok()) HF_CHECK(opened.value().head == head.value());
  // And any payload comes back.
  const auto again = sealer().open("k", sealer().seal({}, "k", bytes));
  HF_CHECK(again.ok() && again.value().payload == bytes);
}

void check_keys(std::string_view bytes) {
  const auto entry = parse_retire_key(bytes);
  if (entry.ok()) {
    HF_CHECK(retire_key(entry.value().what, entry.value().since, entry.value().call) == bytes);
  }
  const auto likeness = parse_likeness_entry(bytes, "8 bytes!");
  if (likeness.ok()) {
    Digest digest;
    std::copy(likeness.value().likeness.begin(), likeness.value().likeness.end(),
              digest.bytes.begin());
    HF_CHECK(likeness_key(digest, likeness.value().call).substr(1) == bytes.substr(1));
  }
  (void)due_of_key(bytes);
  (void)call_of_key(bytes);
}

hf::Result<Call> decode_progress_alone(std::string_view bytes) {
  Call call;
  auto read = decode_progress(bytes, call);
  if (!read.ok()) return read.error();
  return call;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  // What is read is written the same; what an older version wrote, as the newest one writes it.
  const auto same = [&](auto decode, auto encode) {
    const auto decoded = decode(bytes);
    if (!decoded.ok()) return;
    const std::string written = encode(decoded.value());
    if (written.front() == bytes.front()) {
      HF_CHECK(written == bytes);
      return;
    }
    HF_CHECK(bytes.front() < written.front());
    const auto again = decode(written);
    HF_CHECK(again.ok() && encode(again.value()) == written);
  };
  switch (data[0] % 10) {
    case 0:
      same(decode_call, [](const CallHead& head) { return encode_call(head.call, head.events); });
      break;
    case 1:
      same(decode_body, encode_body);
      break;
    case 2:
      same(decode_key_entry, encode_key_entry);
      break;
    case 3:
      same(decode_event, encode_event);
      break;
    case 4:
      same(decode_pause, encode_pause);
      break;
    case 5:
      same(decode_meta, encode_meta);
      break;
    case 6:
      check_envelope(bytes);
      break;
    case 7:
      check_keys(bytes);
      break;
    case 8:
      same(decode_events, encode_events);
      break;
    default:
      same(decode_progress_alone, encode_progress);
      break;
  }
  return 0;
}
