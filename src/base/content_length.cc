#include "base/content_length.h"

#include <charconv>

namespace hf {

std::optional<std::uint64_t> content_length(const Fields& fields) {
  const Field* field = find_field(fields, "content-length");
  if (field == nullptr || count_fields(fields, "content-length") != 1) return std::nullopt;
  const std::string& text = field->value;
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return length;
}

}  // namespace hf
