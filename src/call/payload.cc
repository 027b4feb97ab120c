#include "call/payload.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace hf::call {
namespace {

constexpr std::size_t kLabelBytes = 32;

// Of a digit of lower-case hex; 255 else.
constexpr std::uint8_t kNoDigit = 255;
constexpr auto kNibbles = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 16; ++i)
    out[static_cast<unsigned char>("0123456789abcdef"[i])] = i;
  return out;
}();
std::uint8_t nibble(char c) {
  return kNibbles[static_cast<unsigned char>(c)];
}

using LabelBytes = std::array<char, kLabelBytes>;
std::optional<LabelBytes> hex_label(std::string_view text) {
  if (text.size() != 2 * kLabelBytes) return std::nullopt;
  LabelBytes out;
  for (std::size_t i = 0; i < kLabelBytes; ++i) {
    const std::uint8_t high = nibble(text[2 * i]);
    const std::uint8_t low = nibble(text[2 * i + 1]);
    if (high == kNoDigit || low == kNoDigit) return std::nullopt;
    out[i] = static_cast<char>(high * 16 + low);
  }
  return out;
}

}  // namespace

// 0: hex follows as its bytes; else one more than the length.
void PayloadWriter::label(std::string_view text) {
  if (const auto bytes = hex_label(text)) {
    number(0);
    return raw({bytes->data(), bytes->size()});
  }
  number(text.size() + 1);
  raw(text);
}

void PayloadWriter::fields(const Fields& fields) {
  number(fields.size());
  for (const Field& field : fields) {
    text(field.name);
    text(field.value);
  }
}

void PayloadWriter::statuses(const std::vector<int>& statuses) {
  number(statuses.size());
  for (const int status : statuses)
    count(status);
}

// The boot id only where it is another one than before; 0 is nobody's.
void PayloadWriter::stamp(const Stamp& stamp) {
  wall(stamp.wall);
  const bool same = stamp.boot == last_.boot;
  u8(same ? 0 : 1);
  if (!same) {
    for (int shift = 0; shift < 64; shift += 8)
      u8(static_cast<std::uint8_t>(stamp.boot.value >> shift));
    last_.boot = stamp.boot;
  }
  signed_number(static_cast<std::int64_t>(static_cast<std::uint64_t>(stamp.mono.ns) -
                                          static_cast<std::uint64_t>(last_.mono.ns)));
  last_.mono = stamp.mono;
}

bool PayloadReader::version(std::uint8_t newest) {
  version_ = in_.u8();
  too_new_ = in_.ok() && version_ > newest;
  require(version_ >= 1);
  return in_.ok() && !too_new_ && valid_;
}

std::string PayloadReader::label() {
  const std::uint64_t size = number();
  if (size == 0) return to_hex(in_.bytes(kLabelBytes));
  require(in_.ok() && size - 1 <= in_.rest().size());
  if (!valid_) return {};
  std::string out(in_.bytes(static_cast<std::size_t>(size - 1)));
  require(!hex_label(out));
  return out;
}

Fields PayloadReader::fields() {
  Fields out(how_many(number(), 2));
  for (Field& field : out) {
    field.name = text();
    field.value = text();
  }
  return out;
}

std::vector<int> PayloadReader::statuses() {
  std::vector<int> out(how_many(number(), 1));
  for (int& status : out)
    status = count();
  return out;
}

Stamp PayloadReader::stamp() {
  wall();
  if (choice<std::uint8_t>(0, 1) == 1) {
    const BootId boot{in_.u64()};
    require(boot != last_.boot);
    last_.boot = boot;
  }
  last_.mono.ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(last_.mono.ns) +
                                            static_cast<std::uint64_t>(signed_number()));
  return last_;
}

Digest PayloadReader::digest() {
  Digest out;
  const auto raw = in_.bytes(out.bytes.size());
  std::copy(raw.begin(), raw.end(), out.bytes.begin());
  return out;
}

CallId PayloadReader::call_id() {
  CallId out;
  const auto raw = in_.bytes(CallId::kSize);
  std::copy(raw.begin(), raw.end(), out.bytes.begin());
  return out;
}

std::optional<Error> PayloadReader::why_not() const {
  if (too_new_) {
    return fail(
        ErrorKind::invalid,
        fmt::format("{} has version {}, which is newer than this program", what_, version_));
  }
  if (!valid_ || !in_.at_end()) {
    return fail(ErrorKind::corrupt, fmt::format("{} is not well formed", what_));
  }
  return std::nullopt;
}

}  // namespace hf::call
