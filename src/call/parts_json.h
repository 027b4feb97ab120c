// Finding one value in a JSON body by its pointer, as the bytes that were sent. A scanner, not a
// document model: a number must not pass through a double on its way into a key (two order ids of
// 20 digits would become one), a member that is there twice must be seen as such (parsers differ in
// which they take), and the ignored parts of a fingerprint are cut out of the body by position.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hf::call {

enum class JsonFind {
  found,
  absent,     // the body is JSON without such a value
  ambiguous,  // a member on the way is there more than once
  not_json,   // not JSON by RFC 8259, or nested deeper than kJsonDepth
};

inline constexpr int kJsonDepth = 64;

struct JsonHit {
  JsonFind result = JsonFind::not_json;
  std::size_t begin = 0;  // of the value, when found: text[begin, end)
  std::size_t end = 0;
};

// `pointer` is by RFC 6901: "" is the whole document, "/a/0/b~1c" a way through it. An array index
// has no leading zero. A pointer that is none finds nothing.
JsonHit find_json(std::string_view text, std::string_view pointer);

// The text that a found value gives a key: of a string its characters in UTF-8, of a number, true
// or false the bytes as sent. Nothing for null, objects, arrays and strings with half a surrogate
// pair.
std::optional<std::string> json_scalar_text(std::string_view value);

}  // namespace hf::call
