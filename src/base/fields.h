// HTTP header fields in the order and spelling in which they came. A vector, not a map: the order
// of equal fields reaches the other side as sent, and a head has a dozen of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hf {

struct Field {
  std::string name;
  std::string value;
  bool operator==(const Field&) const = default;
};

using Fields = std::vector<Field>;

bool same_of_one_length(std::string_view a, std::string_view b);  // same_name's

// ASCII case only; header names are tokens (RFC 9110 section 5.1).
inline bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_of_one_length(a, b);
}
std::string lower_ascii(std::string_view text);
std::string_view trim_blanks(std::string_view text);  // spaces and tabs

// The first field of that name, or nullptr.
const Field* find_field(const Fields& fields, std::string_view name);
std::size_t count_fields(const Fields& fields, std::string_view name);
void remove_fields(Fields& fields, std::string_view name);
// Replaces the first and removes the others; appends when there is none.
void set_field(Fields& fields, std::string_view name, std::string value);
// Elements of a comma-separated list over all lines of that name, trimmed, empty ones left out.
std::vector<std::string_view> list_elements(const Fields& fields, std::string_view name);
bool list_contains(const Fields& fields, std::string_view name, std::string_view element);

}  // namespace hf
