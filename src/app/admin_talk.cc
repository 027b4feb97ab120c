#include "app/admin_talk.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>

#include "app/json_view.h"

namespace hf::app {
namespace {

namespace json = boost::json;

ErrorKind kind_of(int status, const std::string& type) {
  if (status >= 500) return ErrorKind::unavailable;
  if (status == 404) return ErrorKind::not_found;
  return type == "urn:holdfast:admin:busy" ? ErrorKind::full : ErrorKind::invalid;
}

}  // namespace

int complain(const std::string& what, int code) {
  std::fputs(("holdfast: " + what + "\n").c_str(), stderr);
  return code;
}

Result<json::object> read_answer(const Result<AdminAnswer>& answer) {
  if (!answer.ok()) return Error(answer.error());
  const int status = (*answer).status;
  boost::system::error_code error;
  json::value value = json::parse((*answer).body, error);
  json::object* object = error ? nullptr : value.if_object();
  if (status == 200 && object != nullptr) return std::move(*object);
  if (status == 200) {
    return fail(ErrorKind::invalid, "the answer is not JSON: is this the admin address?");
  }
  if (object == nullptr) {
    return fail(kind_of(status, {}), fmt::format("the admin API answered {}", status));
  }
  return fail(kind_of(status, text_of(*object, "type")),
              text_of(*object, "title") + ": " + text_of(*object, "detail"));
}

}  // namespace hf::app
