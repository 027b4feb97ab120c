#include "app/admin_talk.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <optional>

#include "app/json_view.h"
#include "app/progress.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr Duration kAskAgain = Duration::millis(500);

ErrorKind kind_of(int status, const std::string& type) {
  if (status >= 500) return ErrorKind::unavailable;
  if (status == 404) return ErrorKind::not_found;
  return type == "urn:holdfast:admin:busy" ? ErrorKind::full : ErrorKind::invalid;
}

}  // namespace

void add_where(CLI::App& command, AdminHints& hints) {
  command.add_option(
      "-c,--config", hints.config,
      "the configuration, for the admin address and token (default: holdfast.yaml of "
      "this folder, else /etc/holdfast/holdfast.yaml)");
  command.add_option("--admin", hints.admin, "HOST:PORT of the admin API [HOLDFAST_ADMIN]");
  command.add_option("--token-file", hints.token_file, "file with its token [HOLDFAST_TOKEN_FILE]");
}

int complain(const std::string& what, int code) {
  std::fputs(("holdfast: " + what + "\n").c_str(), stderr);
  return code;
}

Result<AdminAnswer> good_answer(Result<AdminAnswer> answer) {
  if (!answer.ok() || answer->status == 200) return answer;
  boost::system::error_code error;
  const json::value value = json::parse(answer->body, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) {
    return fail(kind_of(answer->status, {}),
                fmt::format("the admin API answered {}", answer->status));
  }
  return fail(kind_of(answer->status, text_of(*object, "type")),
              text_of(*object, "title") + ": " + text_of(*object, "detail"));
}

Result<json::object> read_answer(const Result<AdminAnswer>& answer) {
  HF_TRY(const auto good, good_answer(answer));
  boost::system::error_code error;
  json::value value = json::parse(good.body, error);
  if (!error && value.is_object()) return std::move(value.get_object());
  return fail(ErrorKind::invalid, "the answer is not JSON: is this the admin address?");
}

int print_answer(const Result<AdminAnswer>& answer, bool whole,
                 const std::function<std::string(const json::object&)>& show) {
  const auto object = read_answer(answer);
  if (!object.ok()) return complain(object.error().context, 1);
  std::fputs((whole ? answer->body + "\n" : show(*object)).c_str(), stdout);
  return 0;
}

Result<AdminAnswer> ask_patiently(const AdminPlace& place, const std::string& method,
                                  const std::string& target, const std::string& body,
                                  Duration patience,
                                  const std::function<void(const std::string&)>& waiting) {
  std::optional<Instant> until;
  while (true) {
    auto answer = good_answer(ask_admin(place, method, target, body));
    if (answer.ok()) return answer;
    const ErrorKind kind = answer.error().kind;
    const bool passing = kind == ErrorKind::unavailable || kind == ErrorKind::timeout ||
                         kind == ErrorKind::closed || kind == ErrorKind::full;
    if (!passing) return answer;
    if (!until) {
      until = mono_now() + patience;
      waiting(answer.error().context);
    }
    if (mono_now() >= *until || !rest(kAskAgain)) return answer;
  }
}

}  // namespace hf::app
