// Bytes that are shared, not copied: a request body travels from the socket to the journal and to
// the upstream as one allocation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hf {

// Immutable and shared; null means "no body", which is not the same as an empty one.
using Body = std::shared_ptr<const std::string>;

inline Body make_body(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}
inline std::string_view view(const Body& body) {
  return body ? std::string_view(*body) : std::string_view{};
}

std::string to_hex(std::string_view bytes);
// ErrorKind::invalid unless an even number of [0-9a-fA-F].
Result<std::string> from_hex(std::string_view hex);

// Crockford base32, lower case, most significant bit first, zero bits padded at the end.
std::string to_base32(std::string_view bytes);
// Accepts exactly what to_base32 writes for `size` bytes; anything else is ErrorKind::invalid.
Result<std::string> from_base32(std::string_view text, std::size_t size);

// Little-endian fixed-width integers for records and hashes.
void put_u16(std::string& out, std::uint16_t value);
void put_u32(std::string& out, std::uint32_t value);
void put_u64(std::string& out, std::uint64_t value);
// Big-endian, for keys whose byte order must be their numeric order.
void put_u64_ordered(std::string& out, std::uint64_t value);
// Seven bits a byte, the lowest first; the highest bit says that more follow.
void put_varint(std::string& out, std::uint64_t value);
void put_string(std::string& out, std::string_view value);  // u32 length, then the bytes

// Reads what put_* wrote, front to back. After the first shortfall every read fails: check ok()
// once at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  std::uint64_t u64_ordered();
  // In its shortest form only; a longer one fails.
  std::uint64_t varint();
  std::string_view bytes(std::size_t count);
  std::string_view string();
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace hf
