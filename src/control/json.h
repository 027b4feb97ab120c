// The little JSON that the admin API needs beside call/reply_json.h: arrays to write, and one flat
// object to read.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hf::control {

class JsonArray {
 public:
  // `json` is a finished value.
  JsonArray& add(std::string_view json);
  [[nodiscard]] std::string done() const { return items_ + "]"; }

 private:
  std::string items_ = "[";
};

// The members of two finished objects in one.
std::string join_objects(std::string_view first, std::string_view second);

// The members of one JSON object, values as the bytes that were sent. A view into the text.
class JsonMembers {
 public:
  // ErrorKind::invalid: not JSON, not an object, or a member that is there twice.
  static Result<JsonMembers> read(std::string_view text);

  // ErrorKind::invalid when some member is none of these: a misspelt option must not be ignored.
  [[nodiscard]] Result<void> only(const std::vector<std::string_view>& names) const;
  [[nodiscard]] bool has(std::string_view name) const { return !raw(name).empty(); }
  [[nodiscard]] std::vector<std::string> names() const;
  // Empty: there is none.
  [[nodiscard]] std::string_view raw(std::string_view name) const;
  // The characters of a string; empty when it is missing, invalid when it is something else.
  [[nodiscard]] Result<std::string> text(std::string_view name) const;
  // A whole number from `low` to `high`; invalid when it is missing or something else.
  [[nodiscard]] Result<int> number(std::string_view name, int low, int high) const;

 private:
  std::vector<std::pair<std::string, std::string_view>> members_;
};

// RFC 4648 section 4, with its padding; read back, anything else is ErrorKind::invalid.
std::string to_base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);

}  // namespace hf::control
