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

const RecordCodec& codec() {
  static const RecordCodec kCodec{sealer()};
  return kCodec;
}

const Implied& implied() {
  static const Implied kImplied{Hasher(sealer().hash_secret())};
  return kImplied;
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
  const auto change = parse_change_key(bytes);
  if (change.ok()) HF_CHECK(change_key(change->first, change->second) == bytes);
  (void)codec().open_key_entry("k", bytes);
  (void)codec().stripped("c", bytes, Strip::body_and_events);
}

// Early versions have the id in the payload, too.
hf::Result<CallHead> decode_head(std::string_view bytes) {
  hf::CallId id;
  if (bytes.size() > hf::CallId::kSize && bytes.front() < 3) {
    HF_TRY(id, hf::CallId::from_bytes(bytes.substr(1, hf::CallId::kSize)));
  }
  return decode_call(id, bytes, implied());
}
std::string encode_head(const CallHead& head) {
  const bool inside = head.call.request && head.call.request->body;
  return encode_call(head.call, implied(), head.events,
                     inside ? BodyPlace::inside : BodyPlace::apart);
}
hf::Result<CallHead> decode_change_alone(std::string_view bytes) {
  CallHead out;
  HF_TRY(out.events, decode_change(bytes, out.call, implied()));
  return out;
}
std::string encode_change_alone(const CallHead& read) {
  const bool inside = read.call.answer && read.call.answer->body;
  return encode_change(read.call, read.events, inside ? BodyPlace::inside : BodyPlace::apart);
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
  switch (data[0] % 9) {
    case 0:
      same(decode_head, encode_head);
      break;
    case 1:
      same(decode_body, encode_body);
      break;
    case 2:
      // What the first version sealed of living keys is written no more.
      if (const auto read = decode_key_entry(bytes); read.ok() && read.value().tombstone)
        same(decode_key_entry, encode_key_entry);
      break;
    case 3:
      (void)decode_event(bytes);
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
    default:
      same(decode_change_alone, encode_change_alone);
      break;
  }
  return 0;
}
