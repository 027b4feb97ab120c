// Bytes of record payloads, written and read: whole numbers and lengths as varints, the signed ones
// zigzag, times as steps from the one before, the yes and no of a record in one number. Reading
// takes any bytes; every value has one form, so that what is read is written the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/fields.h"
#include "base/ids.h"
#include "call/call.h"
#include "call/digest.h"

namespace hf::call {

// Small numbers on both sides of zero as small numbers.
constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t from_zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Up to 64 answers to yes or no, in the order in which they are asked.
class BitsWriter {
 public:
  // Gives the answer back, for the value that may follow.
  bool add(bool yes) {
    bits_ |= static_cast<std::uint64_t>(yes) << count_++;
    return yes;
  }
  [[nodiscard]] std::uint64_t value() const { return bits_; }

 private:
  std::uint64_t bits_ = 0;
  int count_ = 0;
};

// Writes into its own room, which grows where `room` was too small: most of a payload is numbers of
// one byte, for which a string's own bookkeeping is most of the work.
class PayloadWriter {
 public:
  PayloadWriter(std::uint8_t version, std::size_t room) {
    out_.resize(room);
    u8(version);
  }
  void u8(std::uint8_t value) {
    make_room(1);
    out_[size_++] = static_cast<char>(value);
  }
  template <typename Enum>
  void choice(Enum value) {
    u8(static_cast<std::uint8_t>(value));
  }
  void number(std::uint64_t value) {
    make_room(kVarintMax);
    for (; value >= 0x80; value >>= 7)
      out_[size_++] = static_cast<char>(value | 0x80);
    out_[size_++] = static_cast<char>(value);
  }
  void count(int value) { number(static_cast<std::uint32_t>(value)); }
  void signed_number(std::int64_t value) { number(zigzag(value)); }
  void bits(const BitsWriter& bits) { number(bits.value()); }
  void raw(std::string_view bytes) {
    make_room(bytes.size());
    std::copy(bytes.begin(), bytes.end(), out_.data() + size_);
    size_ += bytes.size();
  }
  void text(std::string_view text) {
    number(text.size());
    raw(text);
  }
  // Text that is often 32 bytes in hex: then as these.
  void label(std::string_view text);
  void fields(const Fields& fields);
  void statuses(const std::vector<int>& statuses);
  void wall(WallTime time) {
    signed_number(static_cast<std::int64_t>(static_cast<std::uint64_t>(time.ms) -
                                            static_cast<std::uint64_t>(last_.wall.ms)));
    last_.wall = time;
  }
  void stamp(const Stamp& stamp);
  std::string finish() {
    out_.resize(size_);
    return std::move(out_);
  }

 private:
  static constexpr std::size_t kVarintMax = 10;
  void make_room(std::size_t bytes) {
    if (out_.size() - size_ < bytes) out_.resize(2 * out_.size() + bytes);
  }

  std::string out_;  // of which so many are written
  std::size_t size_ = 0;
  Stamp last_;
};

class BitsReader {
 public:
  explicit BitsReader(std::uint64_t bits) : bits_(bits) {}
  bool next() {
    const bool yes = (bits_ & 1) != 0;
    bits_ >>= 1;
    return yes;
  }
  // Whether there are more than were asked for.
  [[nodiscard]] bool more() const { return bits_ != 0; }

 private:
  std::uint64_t bits_;
};

// ByteReader with the checks of values on top; everything after the first wrong one is worthless,
// and finish() says so.
class PayloadReader {
 public:
  PayloadReader(std::string_view payload, std::string_view what) : in_(payload), what_(what) {}

  // False: finish() tells why.
  bool version(std::uint8_t newest);
  [[nodiscard]] bool since(std::uint8_t version) const { return version_ >= version; }
  [[nodiscard]] bool before(std::uint8_t version) const { return version_ < version; }
  void require(bool condition) { valid_ = valid_ && condition; }

  std::uint8_t u8() { return in_.u8(); }
  std::uint64_t number() { return in_.varint(); }
  std::uint32_t number32() {
    const std::uint64_t value = number();
    require(value <= 0xffffffff);
    return static_cast<std::uint32_t>(value);
  }
  int count() { return static_cast<int>(number32()); }
  std::int64_t signed_number() { return from_zigzag(number()); }
  BitsReader bits() { return BitsReader(number()); }
  void no_more(const BitsReader& bits) { require(!bits.more()); }
  std::string text() {
    const std::uint64_t size = number();
    require(in_.ok() && size <= in_.rest().size());
    return valid_ ? std::string(in_.bytes(static_cast<std::size_t>(size))) : std::string();
  }
  std::string label();
  Fields fields();
  std::vector<int> statuses();
  WallTime wall() {
    last_.wall.ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(last_.wall.ms) +
                                              static_cast<std::uint64_t>(signed_number()));
    return last_.wall;
  }
  Stamp stamp();
  template <typename Enum>
  Enum choice(Enum low, Enum high) {
    const auto value = in_.u8();
    if (value < static_cast<std::uint8_t>(low) || value > static_cast<std::uint8_t>(high)) {
      valid_ = false;
      return low;
    }
    return static_cast<Enum>(value);
  }
  Digest digest();
  CallId call_id();
  std::string_view rest() { return in_.bytes(in_.rest().size()); }
  // A count of things of at least `least` bytes each: never more than the rest can hold.
  std::size_t how_many(std::uint64_t claimed, std::size_t least) {
    if (!in_.ok() || claimed > in_.rest().size() / least) {
      valid_ = false;
      return 0;
    }
    return static_cast<std::size_t>(claimed);
  }

  // Forms of the first two versions: fixed widths.
  std::uint16_t u16() { return in_.u16(); }
  std::uint32_t u32() { return in_.u32(); }
  std::uint64_t u64() { return in_.u64(); }
  std::int64_t i64() { return static_cast<std::int64_t>(in_.u64()); }
  int i32() { return static_cast<int>(in_.u32()); }
  std::string wide_text() { return std::string(in_.string()); }
  bool boolean() {
    const auto value = in_.u8();
    require(value <= 1);
    return value == 1;
  }

  // ErrorKind::invalid for a newer version, ErrorKind::corrupt for what no version has written.
  template <typename T>
  Result<T> finish(T value) const {
    if (auto wrong = why_not()) return *std::move(wrong);
    return value;
  }

 private:
  [[nodiscard]] std::optional<Error> why_not() const;

  ByteReader in_;
  std::string_view what_;
  Stamp last_;
  std::uint8_t version_ = 0;
  bool valid_ = true;
  bool too_new_ = false;
};

}  // namespace hf::call
