// The parts a key, a scope or a fingerprint rule is made of, and the text of an idempotency key.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "call/settings.h"

namespace hf::call {

inline constexpr std::size_t kKeyMax = 255;

// The key that the value of an Idempotency-Key field stands for: `k` and `"k"` are one key (the
// IETF draft makes it an sf-string, RFC 8941 section 3.3.3; nearly everybody sends it bare).
// Nothing unless it is 1 to kKeyMax visible ASCII characters, and unless a quoted one ends with its
// quote: parameters behind it could carry anything.
std::optional<std::string> parse_key(std::string_view value);

// What one part of a request says.
struct PartValue {
  enum class Kind {
    found,
    missing,    // not there, empty, null, or no single value
    ambiguous,  // there twice, or not a key where a key is expected
  } kind = Kind::missing;
  std::string text;
};

// Header parts: the field's value without blanks at its ends; of Idempotency-Key what parse_key
// makes of it. Body parts: json_scalar_text at the pointer, whatever the Content-Type says. Form
// parts: the decoded value, in a body of type application/x-www-form-urlencoded.
PartValue read_part(const Part& part, const Fields& fields, std::string_view body);

// The media type in lower case without parameters; empty when there is none.
std::string media_type(const Fields& fields);

// One `name=value` of a form body as sent: body[begin, end), without the & around it.
struct FormPair {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string name;   // decoded
  std::string value;  // decoded
};
std::vector<FormPair> form_pairs(std::string_view body);

}  // namespace hf::call
