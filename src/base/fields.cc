#include "base/fields.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace hf {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// Its first eight bytes, or all of it and zeros.
std::uint64_t word_of(std::string_view text) {
  std::uint64_t out = 0;
  if (text.size() >= sizeof out) {
    std::memcpy(&out, text.data(), sizeof out);
  } else {
    for (std::size_t i = 0; i < text.size(); ++i)
      out |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  return out;
}

// Whether they differ in nothing but the case of ASCII letters, byte by byte.
bool same_words(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = kOnes * 0x80;
  const std::uint64_t differ = a ^ b;
  if (differ == 0) return true;
  constexpr std::uint64_t kCase = kOnes * 0x20;
  if ((differ & ~kCase) != 0) return false;
  // Of each byte of `a` in lower case, whether it is from 'a' to 'z'.
  const std::uint64_t low = (a | kCase) & ~kHighs;
  const std::uint64_t from_a = low + kOnes * (0x80 - 'a');
  const std::uint64_t above_z = low + kOnes * (0x7f - 'z');
  const std::uint64_t letters = from_a & ~above_z & ~a & kHighs;
  return (differ & ~(letters >> 2)) == 0;
}

}  // namespace

bool same_of_one_length(std::string_view a, std::string_view b) {
  // Most differ in their first letter.
  if (a.empty() || lower(a.front()) != lower(b.front())) return a.empty();
  for (; a.size() >= sizeof(std::uint64_t);
       a.remove_prefix(sizeof(std::uint64_t)), b.remove_prefix(sizeof(std::uint64_t))) {
    if (!same_words(word_of(a), word_of(b))) return false;
  }
  return same_words(word_of(a), word_of(b));
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
