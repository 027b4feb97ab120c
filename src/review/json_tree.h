// A small JSON document made from pointers and values: bodies of requests and answers that hold
// what a configuration looks for in them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hf::review {

class JsonTree {
 public:
  // Puts the string `value` where the pointer (RFC 6901) leads. A place whose members are all small
  // indexes becomes an array. False: something else stands on the way, or there already.
  bool put(std::string_view pointer, std::string_view value);
  // The same with a finished JSON value.
  bool put_json(std::string_view pointer, std::string json);
  [[nodiscard]] bool empty() const { return !value_ && members_.empty(); }
  [[nodiscard]] std::string text() const;  // {} when empty

 private:
  std::map<std::string, JsonTree> members_;
  std::optional<std::string> value_;  // JSON
};

}  // namespace hf::review
