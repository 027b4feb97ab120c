#include "app/calls_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "app/calls_view.h"
#include "base/quantity.h"
#include "call/reply_json.h"

namespace hf::app {
namespace {

using Action = CallsOptions::Action;
namespace json = boost::json;

constexpr std::size_t kAnswerFileMax = 1024 * 1024;

struct Ask {
  std::string method = "GET";
  std::string target;
  std::string body;
};

std::string to_base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto byte = at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
      word = word << 8 | byte;
    }
    for (std::size_t i = 0; i < 4; ++i)
      out += at + i > bytes.size() ? '=' : kDigits[word >> (18 - 6 * i) & 63];
  }
  return out;
}

Result<std::string> read_answer(const std::string& path) {
  std::string out;
  if (path == "-") {
    out.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(ErrorKind::invalid, fmt::format("{} cannot be read", path));
    out.assign(std::istreambuf_iterator<char>(in), {});
  }
  if (out.size() > kAnswerFileMax) {
    return fail(ErrorKind::invalid, fmt::format("{} is larger than 1 MiB", path));
  }
  return out;
}

std::string list_target(const CallsOptions& options) {
  std::string out = fmt::format("/v1/calls?limit={}", options.limit);
  if (!options.state.empty()) out += "&state=" + percent_encoded(options.state);
  if (!options.upstream.empty()) out += "&upstream=" + percent_encoded(options.upstream);
  if (!options.after.empty()) out += "&after=" + percent_encoded(options.after);
  return out;
}

Result<std::string> resolve_body(const CallsOptions& options) {
  call::JsonObject out;
  out.text("outcome", options.outcome).text("reason", options.reason);
  if (!options.answer_file.empty()) {
    HF_TRY(const auto body, read_answer(options.answer_file));
    out.raw("answer", call::JsonObject()
                          .number("status", options.answer_status)
                          .text("content_type", options.answer_type)
                          .text("body_base64", to_base64(body))
                          .done());
  }
  return out.done();
}

std::string reason_body(const CallsOptions& options) {
  call::JsonObject out;
  if (options.action == Action::pause) out.text("for", options.pause_for);
  if (!options.reason.empty()) out.text("reason", options.reason);
  return out.done();
}

WallTime wall_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
}

// "2h", or "2026-11-21T03:00:00.000Z" (parts of a second may be missing): how long ago that is.
Result<std::string> ago(std::string_view name, const std::string& text) {
  if (parse_duration(text).ok()) return text;
  std::string whole = text;
  if (whole.ends_with('Z') && whole.find('.') == std::string::npos) {
    whole.replace(whole.size() - 1, 1, ".000Z");
  }
  const auto at = parse_time(whole);
  if (!at) {
    return fail(ErrorKind::invalid,
                fmt::format("--{}: '{}' is neither a duration such as 2h nor a time such as "
                            "2026-11-21T03:00:00Z",
                            name, text));
  }
  return format_duration(std::max(wall_now() - *at, Duration{}));
}

Result<std::string> incident_target(const CallsOptions& options) {
  HF_TRY(const auto since, ago("since", options.since));
  std::string out = "/v1/incident?since=" + since;
  if (options.until.empty()) return out;
  HF_TRY(const auto until, ago("until", options.until));
  return out + "&until=" + until;
}

Result<Ask> ask_of(const CallsOptions& options) {
  const std::string call = "/v1/calls/" + percent_encoded(options.call);
  const std::string upstream = "/v1/upstreams/" + percent_encoded(options.upstream);
  switch (options.action) {
    case Action::list:
      return Ask{"GET", list_target(options), {}};
    case Action::show:
      return Ask{"GET", call, {}};
    case Action::retry:
      return Ask{"POST", call + "/retry", reason_body(options)};
    case Action::cancel:
      return Ask{"POST", call + "/cancel", reason_body(options)};
    case Action::resolve: {
      HF_TRY(auto body, resolve_body(options));
      return Ask{"POST", call + "/resolve", std::move(body)};
    }
    case Action::upstreams:
      return Ask{"GET", "/v1/upstreams", {}};
    case Action::alerts:
      return Ask{"GET", "/v1/alerts", {}};
    case Action::blocked:
      return Ask{"GET", "/v1/blocked", {}};
    case Action::incident: {
      HF_TRY(auto target, incident_target(options));
      return Ask{"GET", std::move(target), {}};
    }
    case Action::pause:
      return Ask{"POST", upstream + "/pause", reason_body(options)};
    case Action::resume:
      return Ask{"POST", upstream + "/resume", reason_body(options)};
  }
  return fail(ErrorKind::invalid, "no such command");
}

int complain(const std::string& what, int code) {
  std::fputs(("holdfast: " + what + "\n").c_str(), stderr);
  return code;
}

std::string member(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(json::string_view(name.data(), name.size()));
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string{} : std::string(text->data(), text->size());
}

std::string shown(const CallsOptions& options, const json::object& answer) {
  const char* no_colour = std::getenv("NO_COLOR");
  ViewOptions view;
  view.now = wall_now();
  view.colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  switch (options.action) {
    case Action::list:
      return show_calls(answer, view);
    case Action::show:
      return show_call(answer, view);
    case Action::upstreams:
      return show_upstreams(answer, view);
    case Action::alerts:
      return show_alerts(answer, view);
    case Action::blocked:
      return show_blocked(answer, view);
    case Action::incident:
      return member(answer, "markdown");
    case Action::retry:
    case Action::cancel:
    case Action::resolve:
    case Action::pause:
    case Action::resume:
      break;
  }
  return member(answer, "message") + "\n";
}

int save(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return complain(path + " cannot be written", 1);
  return 0;
}

int report(const CallsOptions& options, const AdminAnswer& answer) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (answer.status != 200) {
    std::string why = fmt::format("the admin API answered {}", answer.status);
    if (object != nullptr) why = member(*object, "title") + ": " + member(*object, "detail");
    return complain(why, 1);
  }
  if (object == nullptr) return complain("the answer is not JSON: is this the admin address?", 1);
  const std::string text = options.json ? answer.body + "\n" : shown(options, *object);
  if (!options.out_file.empty()) return save(options.out_file, text);
  std::fputs(text.c_str(), stdout);
  return 0;
}

// Options of every subcommand.
void add_where(CLI::App& command, CallsOptions& options) {
  command.add_option(
      "-c,--config", options.where.config,
      "the configuration, for the admin address and token (default: holdfast.yaml of "
      "this folder, else /etc/holdfast/holdfast.yaml)");
  command.add_option("--admin", options.where.admin, "HOST:PORT of the admin API [HOLDFAST_ADMIN]");
  command.add_option("--token-file", options.where.token_file,
                     "file with its token [HOLDFAST_TOKEN_FILE]");
  command.add_flag("--json", options.json, "the answer as JSON, for scripts");
}

CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help, Action action,
              CallsOptions& options, int& code) {
  CLI::App* command = parent.add_subcommand(name, help);
  add_where(*command, options);
  command->callback([&options, &code, action] {
    options.action = action;
    code = run_calls(options);
  });
  return command;
}

void add_call(CLI::App& command, CallsOptions& options) {
  command.add_option("call", options.call, "the call's id")->required();
}

void add_list(CLI::App& calls, CallsOptions& options, int& code) {
  CLI::App* list = add(calls, "list",
                       "Calls in the journal, newest first.\n\n"
                       "Examples:\n"
                       "  holdfast calls list --state unknown\n"
                       "  holdfast calls list --state waiting --upstream stripe --json",
                       Action::list, options, code);
  list->add_option("--state", options.state, "only calls in this state")
      ->check(CLI::IsMember(
          {"waiting", "sending", "verifying", "unknown", "open", "answered", "dead", "cancelled"}));
  list->add_option("--upstream", options.upstream, "only calls to this upstream");
  list->add_option("--limit", options.limit, "at most so many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  list->add_option("--after", options.after, "page on from this call");
}

void add_resolve(CLI::App& calls, CallsOptions& options, int& code) {
  CLI::App* resolve =
      add(calls, "resolve",
          "Settle a call whose outcome is unknown, after you have looked at the upstream.\n"
          "applied: it took effect; the key answers from now on (with --answer: that answer).\n"
          "not_applied: it did not; the call is dead and may be retried.\n\n"
          "Examples:\n"
          "  holdfast calls resolve ID not_applied --reason 'no charge in the dashboard'\n"
          "  holdfast calls resolve ID applied --reason 'ch_123' --answer charge.json",
          Action::resolve, options, code);
  add_call(*resolve, options);
  resolve->add_option("outcome", options.outcome, "applied or not_applied")
      ->required()
      ->check(CLI::IsMember({"applied", "not_applied"}));
  resolve->add_option("--reason", options.reason, "how you know; kept in the timeline")->required();
  CLI::Option* answer = resolve->add_option("--answer", options.answer_file,
                                            "file with the answer's body, - for standard input");
  resolve->add_option("--answer-status", options.answer_status, "its status")
      ->needs(answer)
      ->check(CLI::Range(200, 599))
      ->capture_default_str();
  resolve->add_option("--answer-type", options.answer_type, "its content type")
      ->needs(answer)
      ->capture_default_str();
}

void add_upstream_commands(CLI::App& app, CallsOptions& options, int& code) {
  add(app, "upstreams", "Every upstream as it stands now.\n\nExample:\n  holdfast upstreams",
      Action::upstreams, options, code);
  add(app, "alerts",
      "What is going wrong or will, how long there is still time, and what to do.\n\n"
      "Examples:\n  holdfast alerts\n  holdfast alerts --json",
      Action::alerts, options, code);
  CLI::App* incident =
      add(app, "incident",
          "A draft of a post-mortem from the records: who was affected, what was done, what is "
          "open.\n\n"
          "Examples:\n"
          "  holdfast incident --since 2h\n"
          "  holdfast incident --since 2026-11-21T03:00:00Z --until 1h -o incident.md",
          Action::incident, options, code);
  incident->add_option("--since", options.since, "when it began: a duration ago, or a time in UTC")
      ->required();
  incident->add_option("--until", options.until, "when it ended; now if left out");
  incident->add_option("-o,--out", options.out_file, "a file instead of standard output");
  CLI::App* pause =
      add(app, "pause",
          "Send nothing to an upstream for a while; calls wait, are held or refused.\n\n"
          "Example:\n"
          "  holdfast pause stripe --for 10m --reason 'their incident 4711'",
          Action::pause, options, code);
  pause->add_option("upstream", options.upstream, "its name")->required();
  pause->add_option("--for", options.pause_for, "how long, such as 10m")->required();
  pause->add_option("--reason", options.reason, "for the record");
  CLI::App* resume = add(app, "resume",
                         "Lift every pause of an upstream, an operator's and its own.\n\n"
                         "Example:\n"
                         "  holdfast resume stripe",
                         Action::resume, options, code);
  resume->add_option("upstream", options.upstream, "its name")->required();
  resume->add_option("--reason", options.reason, "for the record");
}

}  // namespace

void add_calls_commands(CLI::App& app, CallsOptions& options, int& code) {
  CLI::App* calls = app.add_subcommand("calls",
                                       "Look at calls, and settle those that need a person.\n\n"
                                       "Examples:\n"
                                       "  holdfast calls list --state unknown\n"
                                       "  holdfast calls show ID");
  calls->require_subcommand(1);
  add_list(*calls, options, code);
  add_call(*add(*calls, "show",
                "One call: where it stands, and everything that happened to it.\n\n"
                "Example:\n  holdfast calls show ID",
                Action::show, options, code),
           options);
  add(*calls, "blocked",
      "Calls that keep others with the same Holdfast-Order waiting, and what frees them.\n\n"
      "Example:\n  holdfast calls blocked",
      Action::blocked, options, code);
  CLI::App* retry = add(*calls, "retry",
                        "Attempt a dead or waiting call now.\n\n"
                        "Example:\n  holdfast calls retry ID --reason 'card was renewed'",
                        Action::retry, options, code);
  add_call(*retry, options);
  retry->add_option("--reason", options.reason, "for the timeline");
  CLI::App* cancel = add(*calls, "cancel",
                         "Make no further attempt of a call that is known not to have applied.\n\n"
                         "Example:\n  holdfast calls cancel ID --reason 'ordered by mistake'",
                         Action::cancel, options, code);
  add_call(*cancel, options);
  cancel->add_option("--reason", options.reason, "for the timeline");
  add_resolve(*calls, options, code);
  add_upstream_commands(app, options, code);
}

int run_calls(const CallsOptions& options) {
  const auto ask = ask_of(options);
  if (!ask.ok()) return complain(ask.error().context, 2);
  const auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context, 1);
  const auto& what = ask.value();
  const auto answer = ask_admin(place.value(), what.method, what.target, what.body);
  if (!answer.ok()) return complain(answer.error().context, 1);
  return report(options, answer.value());
}

}  // namespace hf::app
