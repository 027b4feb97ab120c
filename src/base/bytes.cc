#include "base/bytes.h"

#include <array>
#include <cstring>

namespace hf {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kBase32 = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 1024> out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = {kBase32[i >> 5], kBase32[i & 31]};
  return out;
}();

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A loop of known length over bytes of one number: one store.
template <typename T>
void put_little(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  out.append(bytes.data(), bytes.size());
}

std::uint64_t get_little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = (value << 8) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

}  // namespace

std::string to_hex(std::string_view bytes) {
  std::string out(bytes.size() * 2, '\0');
  char* to = out.data();
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    *to++ = kHex[b >> 4];
    *to++ = kHex[b & 15];
  }
  return out;
}

Result<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return fail(ErrorKind::invalid, "odd number of hex digits");
  std::string out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_digit(hex[i]);
    const int low = hex_digit(hex[i + 1]);
    if (high < 0 || low < 0) return fail(ErrorKind::invalid, "not a hex digit");
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::string to_base32(std::string_view bytes) {
  std::string out((bytes.size() * 8 + 4) / 5, '\0');
  char* to = out.data();
  // Five bytes are four pairs of digits.
  for (; bytes.size() >= 5; bytes.remove_prefix(5)) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 5; ++i)
      bits = (bits << 8) | static_cast<unsigned char>(bytes[i]);
    for (int shift = 30; shift >= 0; shift -= 10, to += 2)
      std::memcpy(to, kPairs[(bits >> shift) & 1023].data(), 2);
  }
  std::uint32_t bits = 0;
  unsigned count = 0;  // of bits that are still to be written, below 8
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 5; count -= 5)
      *to++ = kBase32[(bits >> (count - 5)) & 31];
  }
  if (count > 0) *to = kBase32[(bits << (5 - count)) & 31];
  return out;
}

Result<std::string> from_base32(std::string_view text, std::size_t size) {
  if (text.size() != (size * 8 + 4) / 5) return fail(ErrorKind::invalid, "wrong length");
  std::string out;
  out.reserve(size);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kBase32.find(c);
    if (digit == std::string_view::npos) return fail(ErrorKind::invalid, "not a base32 digit");
    bits = (bits << 5) | static_cast<std::uint32_t>(digit);
    count += 5;
    if (count >= 8) {
      out.push_back(static_cast<char>(static_cast<unsigned char>(bits >> (count - 8))));
      count -= 8;
      bits &= (1U << count) - 1;
    }
  }
  if (bits != 0) return fail(ErrorKind::invalid, "stray bits at the end");
  return out;
}

void put_u16(std::string& out, std::uint16_t value) {
  put_little(out, value);
}
void put_u32(std::string& out, std::uint32_t value) {
  put_little(out, value);
}
void put_u64(std::string& out, std::uint64_t value) {
  put_little(out, value);
}

void put_u64_ordered(std::string& out, std::uint64_t value) {
  std::array<char, sizeof value> bytes;
  for (std::size_t i = 0; i < sizeof value; ++i)
    bytes[i] = static_cast<char>(static_cast<unsigned char>(value >> (56 - 8 * i)));
  out.append(bytes.data(), bytes.size());
}

void put_varint(std::string& out, std::uint64_t value) {
  if (value < 0x80) return out.push_back(static_cast<char>(value));
  std::array<char, 10> bytes;
  std::size_t size = 0;
  for (; value >= 0x80; value >>= 7)
    bytes[size++] = static_cast<char>(value | 0x80);
  bytes[size++] = static_cast<char>(value);
  out.append(bytes.data(), size);
}

void put_string(std::string& out, std::string_view value) {
  put_u32(out, static_cast<std::uint32_t>(value.size()));
  out.append(value);
}

std::string_view ByteReader::bytes(std::size_t count) {
  if (!ok_ || rest_.size() < count) {
    ok_ = false;
    return {};
  }
  const auto out = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return out;
}

std::uint8_t ByteReader::u8() {
  return static_cast<std::uint8_t>(get_little(bytes(1)));
}
std::uint16_t ByteReader::u16() {
  return static_cast<std::uint16_t>(get_little(bytes(2)));
}
std::uint32_t ByteReader::u32() {
  return static_cast<std::uint32_t>(get_little(bytes(4)));
}
std::uint64_t ByteReader::u64() {
  return get_little(bytes(8));
}

std::uint64_t ByteReader::u64_ordered() {
  std::uint64_t value = 0;
  for (const char c : bytes(8))
    value = (value << 8) | static_cast<unsigned char>(c);
  return value;
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = u8();
    if (!ok_) return 0;
    const std::uint64_t bits = byte & 0x7fU;
    const bool last = (byte & 0x80) == 0;
    if ((shift == 63 && bits > 1) || (last && bits == 0 && shift > 0)) break;
    value |= bits << shift;
    if (last) return value;
  }
  ok_ = false;
  return 0;
}

std::string_view ByteReader::string() {
  const auto size = u32();
  return bytes(size);
}

}  // namespace hf
