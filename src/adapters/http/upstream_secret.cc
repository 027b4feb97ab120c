#include "adapters/http/upstream_secret.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/fields.h"

namespace hf::adapters {
namespace {

constexpr std::size_t kMaxSecret = 64 * 1024;
constexpr std::size_t kMaxFiles = 256;

void strip_line_end(std::string& text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
}

}  // namespace

bool is_field_value(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  return trim_blanks(text).size() == text.size();
}

Result<std::string> SecretResolver::from_file(const std::string& path) {
  const auto known = files_.find(path);
  if (known != files_.end() && FileStamp::of(path) == known->second.stamp) {
    return known->second.content;
  }
  HF_TRY(auto file, read_watched_file(path, kMaxSecret));
  strip_line_end(file.content);
  if (file.content.empty()) return fail(ErrorKind::unavailable, "empty");
  if (files_.size() >= kMaxFiles) files_.clear();
  std::string content = file.content;
  files_[path] = std::move(file);
  return content;
}

Result<std::string> SecretResolver::placeholder(const std::string& inside) {
  const auto doing = fmt::format("secret ${{{}}}", inside);
  if (inside.starts_with("file:")) {
    auto content = from_file(inside.substr(5));
    if (!content.ok()) return content.take_error().in(doing);
    return content;
  }
  if (inside.starts_with("env:")) {
    const char* value = std::getenv(inside.substr(4).c_str());
    if (value == nullptr || *value == '\0') {
      return fail(ErrorKind::unavailable, "not set").in(doing);
    }
    return std::string(value);
  }
  return fail(ErrorKind::invalid, "neither file: nor env:").in(doing);
}

Result<std::string> SecretResolver::resolve(const std::string& value) {
  std::string out;
  std::size_t at = 0;
  for (;;) {
    const auto open = value.find("${", at);
    if (open == std::string::npos) break;
    const auto close = value.find('}', open);
    if (close == std::string::npos) return fail(ErrorKind::invalid, "secret: no } behind ${");
    out.append(value, at, open - at);
    HF_TRY(const auto secret, placeholder(value.substr(open + 2, close - open - 2)));
    out += secret;
    at = close + 1;
  }
  out.append(value, at);
  if (!is_field_value(out)) {
    return fail(ErrorKind::invalid, "secret: holds bytes that cannot stand in a header field");
  }
  return out;
}

Result<std::string> resolve_secret(const std::string& value) {
  return SecretResolver().resolve(value);
}

}  // namespace hf::adapters
