// Which bytes may stand where in a head (RFC 9110 section 5.5, RFC 9112), as one table look-up a
// byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace hf::http1 {

enum CharClass : std::uint8_t {
  kTokenChar = 1,   // tchar: field names, methods, chunk extensions
  kValueChar = 2,   // SP, HTAB, visible ASCII and obs-text: field values and reason phrases
  kTargetChar = 4,  // visible ASCII but '#': a fragment never goes over the wire
  kHostChar = 8,    // unreserved: letters, digits, '-', '.', '_', '~'
  kDigitChar = 16,
};

namespace detail {
constexpr std::array<std::uint8_t, 256> make_char_table() {
  std::array<std::uint8_t, 256> table{};
  constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";
  constexpr std::string_view kHostMarks = "-._~";
  for (unsigned c = 0; c < 256; ++c) {
    const char as_char = static_cast<char>(c);
    const bool digit = c >= '0' && c <= '9';
    const bool alnum = digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool visible = c > 0x20 && c < 0x7f;
    unsigned bits = 0;
    if (alnum || kTokenMarks.find(as_char) != std::string_view::npos) bits |= kTokenChar;
    if (alnum || kHostMarks.find(as_char) != std::string_view::npos) bits |= kHostChar;
    if (visible || c >= 0x80 || c == ' ' || c == '\t') bits |= kValueChar;
    if (visible && c != '#') bits |= kTargetChar;
    if (digit) bits |= kDigitChar;
    table[c] = static_cast<std::uint8_t>(bits);
  }
  return table;
}
inline constexpr std::array<std::uint8_t, 256> kCharTable = make_char_table();
}  // namespace detail

constexpr bool is_char(char c, CharClass kind) {
  return (detail::kCharTable[static_cast<unsigned char>(c)] & kind) != 0;
}

// How many bytes at the front, in words of eight, are no control characters: those may stand in a
// value. Most of a head is found good by this, and the rest byte by byte.
inline std::size_t plain_words(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = kOnes * 0x80;
  std::size_t n = 0;
  for (std::uint64_t word = 0; text.size() - n >= sizeof word; n += sizeof word) {
    std::memcpy(&word, text.data() + n, sizeof word);
    const std::uint64_t below_blank = (word - kOnes * 0x20) & ~word;
    const std::uint64_t off_delete = word ^ (kOnes * 0x7f);
    const std::uint64_t is_delete = (off_delete - kOnes) & ~off_delete;
    if (((below_blank | is_delete) & kHighs) != 0) break;
  }
  return n;
}

// How many bytes at the front of `text` are of that class.
constexpr std::size_t span_of(std::string_view text, CharClass kind) {
  std::size_t n = 0;
  if (!std::is_constant_evaluated() && kind == kValueChar) n = plain_words(text);
  while (n < text.size() && is_char(text[n], kind))
    ++n;
  return n;
}

constexpr bool all_of(std::string_view text, CharClass kind) {
  return span_of(text, kind) == text.size();
}

constexpr bool is_token(std::string_view text) {
  return !text.empty() && all_of(text, kTokenChar);
}

}  // namespace hf::http1
