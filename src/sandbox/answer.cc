#include "sandbox/answer.h"

#include <boost/json.hpp>

namespace hf::sandbox {

namespace json = boost::json;

Answer json_answer(int status, const json::object& body) {
  Answer answer;
  answer.status = status;
  answer.fields.push_back({"Content-Type", "application/json"});
  answer.body = json::serialize(body);
  return answer;
}

Answer error_answer(int status, std::string_view type, std::string_view code,
                    std::string_view message) {
  json::object error{{"type", json::string_view(type.data(), type.size())},
                     {"message", json::string_view(message.data(), message.size())}};
  if (!code.empty()) error["code"] = json::string_view(code.data(), code.size());
  return json_answer(status, {{"type", "error"}, {"error", std::move(error)}});
}

bool is_safe_method(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE";
}

std::string field_or_empty(const Fields& fields, std::string_view name) {
  const auto* field = find_field(fields, name);
  return field != nullptr ? field->value : std::string{};
}

}  // namespace hf::sandbox
