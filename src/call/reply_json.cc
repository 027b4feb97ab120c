#include "call/reply_json.h"

#include <fmt/format.h>

#include <cstring>

namespace hf::call {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::uint32_t octet(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Length of the UTF-8 sequence at the front of `text`; 0 when there is none (RFC 3629 section 4: no
// overlong forms, no surrogates, nothing over U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const std::uint32_t first = octet(text, 0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(text, i) & 0xC0) != 0x80) return 0;
  }
  const std::uint32_t second = octet(text, 1);
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return size;
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const auto code = static_cast<unsigned char>(c);
  if (code < 0x20 || code == 0x7F) {
    out += fmt::format("\\u{:04x}", code);
  } else {
    out.push_back(c);
  }
}

constexpr std::uint64_t kOnes = 0x0101010101010101;

// The highest bit of each byte that is `c`; of bytes above such a one perhaps, too.
std::uint64_t bytes_that_are(std::uint64_t word, unsigned char c) {
  const std::uint64_t off = word ^ (kOnes * c);
  return (off - kOnes) & ~off;
}

// How much of it stands in a string as it is: by words of eight, and the rest by bytes.
std::size_t plain_length(std::string_view text) {
  std::size_t size = 0;
  for (std::uint64_t word = 0; text.size() - size >= sizeof word; size += sizeof word) {
    std::memcpy(&word, text.data() + size, sizeof word);
    const std::uint64_t below_blank = (word - kOnes * 0x20) & ~word;
    const std::uint64_t special = below_blank | word | bytes_that_are(word, 0x7f) |
                                  bytes_that_are(word, '"') | bytes_that_are(word, '\\');
    if ((special & (kOnes * 0x80)) != 0) break;
  }
  for (; size < text.size(); ++size) {
    const auto code = static_cast<unsigned char>(text[size]);
    if (code < 0x20 || code >= 0x7F || code == '"' || code == '\\') break;
  }
  return size;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t plain = plain_length(text);
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t size = utf8_length(text);
    if (size == 1) {
      append_ascii(out, text.front());
    } else {
      out += size == 0 ? kReplacement : text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out += '"';
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

void JsonObject::begin(std::string_view name) {
  if (members_.size() > 1) members_ += ',';
  append_string(members_, name);
  members_ += ':';
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
  begin(name);
  members_ += json;
  return *this;
}

JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
  begin(name);
  append_string(members_, value);
  return *this;
}

JsonObject& JsonObject::number(std::string_view name, std::int64_t value) {
  return raw(name, std::to_string(value));
}

JsonObject& JsonObject::boolean(std::string_view name, bool value) {
  return raw(name, value ? "true" : "false");
}

JsonObject& JsonObject::null(std::string_view name) {
  return raw(name, "null");
}

}  // namespace hf::call
