// JSON text made by hand: the few small objects of our own answers need no document model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hf::call {

// `text` as a JSON string with its quotes. Any bytes: what is not UTF-8 becomes U+FFFD, so that the
// result is always valid JSON (RFC 8259 section 8.1).
std::string json_string(std::string_view text);

// Whether json_string keeps every byte of it.
bool is_utf8(std::string_view text);

// Builds one object, members in the order of the calls.
class JsonObject {
 public:
  JsonObject& text(std::string_view name, std::string_view value);
  JsonObject& number(std::string_view name, std::int64_t value);
  JsonObject& boolean(std::string_view name, bool value);
  JsonObject& null(std::string_view name);
  // `json` is inserted as it is: another finished object.
  JsonObject& raw(std::string_view name, std::string_view json);
  [[nodiscard]] std::string done() const { return members_ + "}"; }

 private:
  std::string members_ = "{";
};

}  // namespace hf::call
