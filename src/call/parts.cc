#include "call/parts.h"

#include <algorithm>

#include "base/percent.h"
#include "call/parts_json.h"

namespace hf::call {
namespace {

using Kind = PartValue::Kind;

bool visible(char c) {
  return c > 0x20 && c < 0x7F;
}

// Between the quotes of an sf-string; nothing if a quote or a lone backslash is in it.
std::optional<std::string> unquote(std::string_view inner) {
  std::string out;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    if (inner[i] == '"') return std::nullopt;
    if (inner[i] == '\\') {
      ++i;
      if (i >= inner.size() || (inner[i] != '"' && inner[i] != '\\')) return std::nullopt;
    }
    out.push_back(inner[i]);
  }
  return out;
}

PartValue found_unless_empty(std::string text) {
  // An empty order number names nothing: as a key it would join what does not belong together.
  if (text.empty()) return {};
  return {Kind::found, std::move(text)};
}

PartValue read_header(const std::string& name, const Fields& fields) {
  const Field* field = find_field(fields, name);
  if (field == nullptr) return {};
  if (count_fields(fields, name) > 1) return {Kind::ambiguous, {}};
  if (!same_name(name, "Idempotency-Key")) {
    return found_unless_empty(std::string(trim_blanks(field->value)));
  }
  auto key = parse_key(field->value);
  if (!key) return {Kind::ambiguous, {}};
  return {Kind::found, std::move(*key)};
}

PartValue read_json(const std::string& pointer, std::string_view body) {
  const JsonHit hit = find_json(body, pointer);
  if (hit.result == JsonFind::ambiguous) return {Kind::ambiguous, {}};
  if (hit.result != JsonFind::found) return {};
  auto text = json_scalar_text(body.substr(hit.begin, hit.end - hit.begin));
  return text ? found_unless_empty(std::move(*text)) : PartValue{};
}

PartValue read_form(const std::string& name, const Fields& fields, std::string_view body) {
  if (media_type(fields) != "application/x-www-form-urlencoded") return {};
  PartValue out;
  int seen = 0;
  for (auto& pair : form_pairs(body)) {
    if (pair.name != name) continue;
    if (++seen > 1) return {Kind::ambiguous, {}};
    out = found_unless_empty(std::move(pair.value));
  }
  return out;
}

}  // namespace

std::optional<std::string> parse_key(std::string_view value) {
  value = trim_blanks(value);
  std::string key(value);
  if (!value.empty() && value.front() == '"') {
    if (value.size() < 2 || value.back() != '"') return std::nullopt;
    auto inner = unquote(value.substr(1, value.size() - 2));
    if (!inner) return std::nullopt;
    key = std::move(*inner);
  }
  if (key.empty() || key.size() > kKeyMax) return std::nullopt;
  if (!std::all_of(key.begin(), key.end(), visible)) return std::nullopt;
  return key;
}

PartValue read_part(const Part& part, const Fields& fields, std::string_view body) {
  switch (part.kind) {
    case Part::Kind::header:
      return read_header(part.name, fields);
    case Part::Kind::body:
      return read_json(part.name, body);
    case Part::Kind::form:
      return read_form(part.name, fields, body);
  }
  return {};
}

std::string media_type(const Fields& fields) {
  const Field* field = find_field(fields, "Content-Type");
  if (field == nullptr) return {};
  const std::string_view value = field->value;
  return lower_ascii(trim_blanks(value.substr(0, value.find(';'))));
}

std::vector<FormPair> form_pairs(std::string_view body) {
  std::vector<FormPair> out;
  std::size_t begin = 0;
  while (begin < body.size()) {
    const std::size_t end = std::min(body.find('&', begin), body.size());
    if (end > begin) {
      const auto pair = body.substr(begin, end - begin);
      const auto equals = pair.find('=');
      const auto value =
          equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
      out.push_back({begin, end, percent_decoded_loosely(pair.substr(0, equals), true),
                     percent_decoded_loosely(value, true)});
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace hf::call
