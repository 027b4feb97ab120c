#include "base/fields.h"

#include <algorithm>
#include <cstring>

namespace hf {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool same_of_one_length(std::string_view a, std::string_view b) {
  // Most are spelt alike, or differ in their first letter.
  if (a.empty() || lower(a.front()) != lower(b.front())) return a.empty();
  if (std::memcmp(a.data(), b.data(), a.size()) == 0) return true;
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string_view trim_blanks(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

const Field* find_field(const Fields& fields, std::string_view name) {
  const auto at = std::find_if(fields.begin(), fields.end(),
                               [&](const Field& f) { return same_name(f.name, name); });
  return at == fields.end() ? nullptr : &*at;
}

std::size_t count_fields(const Fields& fields, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const Field& f) { return same_name(f.name, name); }));
}

void remove_fields(Fields& fields, std::string_view name) {
  std::erase_if(fields, [&](const Field& f) { return same_name(f.name, name); });
}

void set_field(Fields& fields, std::string_view name, std::string value) {
  const auto at = std::find_if(fields.begin(), fields.end(),
                               [&](const Field& f) { return same_name(f.name, name); });
  if (at == fields.end()) {
    fields.push_back({std::string(name), std::move(value)});
    return;
  }
  at->value = std::move(value);
  const auto rest = std::next(at);
  fields.erase(
      std::remove_if(rest, fields.end(), [&](const Field& f) { return same_name(f.name, name); }),
      fields.end());
}

std::vector<std::string_view> list_elements(const Fields& fields, std::string_view name) {
  std::vector<std::string_view> out;
  for (const auto& field : fields) {
    if (!same_name(field.name, name)) continue;
    std::string_view rest = field.value;
    for (;;) {
      const auto comma = rest.find(',');
      const auto element = trim_blanks(rest.substr(0, comma));
      if (!element.empty()) out.push_back(element);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

bool list_contains(const Fields& fields, std::string_view name, std::string_view element) {
  const auto elements = list_elements(fields, name);
  return std::any_of(elements.begin(), elements.end(),
                     [&](std::string_view e) { return same_name(e, element); });
}

}  // namespace hf
