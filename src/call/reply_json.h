// JSON text made by hand: the few small objects of our own answers need no document model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

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
  // The object, once.
  [[nodiscard]] std::string done() {
    members_ += '}';
    return std::move(members_);
  }

 private:
  static constexpr std::size_t kRoom = 512;  // of most answers
  void begin(std::string_view name);
  std::string members_ = roomy();
  static std::string roomy() {
    std::string out;
    out.reserve(kRoom);
    out += '{';
    return out;
  }
};

}  // namespace hf::call
