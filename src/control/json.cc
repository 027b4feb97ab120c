#include "control/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "call/parts_json.h"

namespace hf::control {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(kBlanks, at), text.size());
}

// The end of the string that begins at text[at]; the text is known to be JSON.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

std::size_t end_of_value(std::string_view text, std::size_t at) {
  int depth = 0;
  while (true) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}' || kBlanks.find(c) != std::string_view::npos)) {
      return at;
    }
    if ((c == '}' || c == ']') && --depth == 0) return at + 1;
    ++at;
  }
}

int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

}  // namespace

JsonArray& JsonArray::add(std::string_view json) {
  if (items_.size() > 1) items_ += ',';
  items_ += json;
  return *this;
}

std::string join_objects(std::string_view first, std::string_view second) {
  if (first == "{}") return std::string(second);
  if (second == "{}") return std::string(first);
  std::string out(first.substr(0, first.size() - 1));
  out += ',';
  out += second.substr(1);
  return out;
}

Result<JsonMembers> JsonMembers::read(std::string_view text) {
  if (call::find_json(text, "").result != call::JsonFind::found) {
    return fail(ErrorKind::invalid, "the body is not JSON");
  }
  std::size_t at = skip_blanks(text, 0);
  if (text[at] != '{') return fail(ErrorKind::invalid, "the body must be a JSON object");
  JsonMembers out;
  at = skip_blanks(text, at + 1);
  while (text[at] != '}') {
    const std::size_t name_end = end_of_string(text, at);
    auto name = call::json_scalar_text(text.substr(at, name_end - at));
    if (!name) return fail(ErrorKind::invalid, "a member's name is not valid text");
    if (out.has(*name)) {
      return fail(ErrorKind::invalid, fmt::format("\"{}\" is there twice", *name));
    }
    at = skip_blanks(text, skip_blanks(text, name_end) + 1);  // behind the colon
    const std::size_t end = end_of_value(text, at);
    out.members_.emplace_back(std::move(*name), text.substr(at, end - at));
    at = skip_blanks(text, end);
    if (text[at] == ',') at = skip_blanks(text, at + 1);
  }
  return out;
}

Result<void> JsonMembers::only(const std::vector<std::string_view>& names) const {
  for (const auto& [name, value] : members_) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return fail(ErrorKind::invalid, fmt::format("\"{}\" is not known here; known are: {}", name,
                                                  fmt::join(names, ", ")));
    }
  }
  return {};
}

std::string_view JsonMembers::raw(std::string_view name) const {
  for (const auto& [known, value] : members_) {
    if (known == name) return value;
  }
  return {};
}

Result<std::string> JsonMembers::text(std::string_view name) const {
  const std::string_view value = raw(name);
  if (value.empty()) return std::string{};
  auto text = value.front() == '"' ? call::json_scalar_text(value) : std::nullopt;
  if (!text) return fail(ErrorKind::invalid, fmt::format("\"{}\" must be a string", name));
  return std::move(*text);
}

std::vector<std::string> JsonMembers::names() const {
  std::vector<std::string> out;
  for (const auto& [name, value] : members_)
    out.push_back(name);
  return out;
}

Result<int> JsonMembers::number(std::string_view name, int low, int high) const {
  const std::string_view value = raw(name);
  int out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc{} || end != value.data() + value.size() || out < low || out > high) {
    return fail(ErrorKind::invalid,
                fmt::format("\"{}\" must be a whole number from {} to {}", name, low, high));
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto byte = at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
      word = word << 8 | byte;
    }
    for (std::size_t i = 0; i < 4; ++i)
      out += at + i > bytes.size() ? '=' : kDigits[word >> (18 - 6 * i) & 63];
  }
  return out;
}

Result<std::string> from_base64(std::string_view text) {
  const auto malformed = [] { return fail(ErrorKind::invalid, "this is not base64"); };
  if (text.size() % 4 != 0) return malformed();
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    const int padding = !last || text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool pad = static_cast<int>(i) >= 4 - padding;
      const int bits = pad ? 0 : sextet(text[at + i]);
      if (bits < 0) return malformed();
      word = word << 6 | static_cast<std::uint32_t>(bits);
    }
    for (int i = 0; i < 3 - padding; ++i)
      out.push_back(static_cast<char>(word >> (16 - 8 * i) & 0xFF));
    const std::uint32_t unused = padding == 0 ? 0 : word & ((1U << (8 * padding)) - 1);
    if (unused != 0) return malformed();
  }
  return out;
}

}  // namespace hf::control
