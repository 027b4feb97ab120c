// A request as the sandbox sees it, and an answer before the wire has it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "sandbox/params.h"

namespace hf::sandbox {

struct Request {
  std::string method;
  std::string path;   // without the query
  std::string query;  // without the '?'
  Fields fields;
  std::string body;
};

struct Answer {
  int status = 200;
  Fields fields;  // without framing fields, those are the server's
  std::string body;
  // Not empty: an event stream, sent chunked, one element a write, with a pause after each.
  std::vector<std::string> events;
  std::int64_t event_delay_ms = 0;
};

Answer json_answer(int status, const boost::json::object& body);
// {"error": {"type", "code", "message"}}, the shape that the Stripe and OpenAI SDKs read; with
// "type": "error" beside it for Anthropic's. An empty code is left out.
Answer error_answer(int status, std::string_view type, std::string_view code,
                    std::string_view message);

bool is_safe_method(std::string_view method);
std::string field_or_empty(const Fields& fields, std::string_view name);

}  // namespace hf::sandbox
