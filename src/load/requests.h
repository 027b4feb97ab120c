// What a load asks for: requests as bytes, made once and sent often.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "base/result.h"

namespace hf::load {

struct RequestSpec {
  std::string method = "GET";
  std::string target = "/";  // origin-form: path and query
  Fields headers;
  std::string body;
  // It had one, or its method usually has one, and this is not it: what a server makes of the
  // request may be another thing.
  bool body_left_out = false;
  bool operator==(const RequestSpec&) const = default;
};

struct PreparedRequest {
  std::string bytes;
  std::string method;  // whether its answer has a body
};

// The request to that authority ("host" or "host:port"), with a Host field and its length.
// ErrorKind::invalid: what cannot be sent as it is, such as a line break in a field, a target that
// is no path, or fields that frame a message; says which.
Result<PreparedRequest> prepare(const RequestSpec& spec, std::string_view authority);

}  // namespace hf::load
