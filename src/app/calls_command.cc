#include "app/calls_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "app/admin_talk.h"
#include "app/bulk_view.h"
#include "app/calls_view.h"
#include "app/json_view.h"
#include "app/progress.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"

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

Result<std::string> read_file(const std::string& path) {
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

Result<std::string> resolve_body(const CallsOptions& options) {
  call::JsonObject out;
  out.text("outcome", options.outcome).text("reason", options.reason);
  if (!options.answer_file.empty()) {
    HF_TRY(const auto body, read_file(options.answer_file));
    out.raw("answer", call::JsonObject()
                          .number("status", options.answer_status)
                          .text("content_type", options.answer_type)
                          .text("body_base64", control::to_base64(body))
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

// "2h", or "2026-11-21T03:00:00Z": how long ago that is.
Result<std::string> ago(std::string_view name, const std::string& text) {
  if (parse_duration(text).ok()) return text;
  const auto at = parse_rfc3339(text);
  if (!at.ok()) {
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
      break;  // more than one question
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

int put_out(const CallsOptions& options, const std::string& text) {
  if (!options.out_file.empty()) return save(options.out_file, text);
  std::fputs(text.c_str(), stdout);
  return 0;
}

int report(const CallsOptions& options, const Result<AdminAnswer>& answer) {
  const auto object = read_answer(answer);
  if (!object.ok()) return complain(object.error().context, 1);
  return put_out(options, options.json ? (*answer).body + "\n" : shown(options, *object));
}

// As many as are wanted, or all there are: one page may be short where few of many fit.
int run_list(const CallsOptions& options) {
  const auto pairs = selection_pairs(options.select, wall_now());
  if (!pairs.ok()) return complain(pairs.error().context, 2);
  const auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context, 1);
  Progress progress(options.json);
  json::array calls;
  json::array unreadable;
  json::object last;
  std::string after = options.after;
  std::int64_t examined = 0;
  do {
    control::QueryPairs query = *pairs;
    query.emplace_back("limit", std::to_string(options.limit - static_cast<int>(calls.size())));
    if (!after.empty()) query.emplace_back("after", after);
    auto page = read_answer(ask_admin(*place, "GET", "/v1/calls?" + control::query_text(query)));
    if (!page.ok()) return complain(page.error().context, 1);
    last = *std::move(page);
    if (json::value* found = last.if_contains("calls"); found != nullptr && found->is_array()) {
      for (json::value& call : found->get_array())
        calls.push_back(std::move(call));
    }
    if (const json::array* broken = list_of(last, "unreadable"); broken != nullptr) {
      unreadable.insert(unreadable.end(), broken->begin(), broken->end());
    }
    after = member(last, "next");
    examined += number_of(last, "examined");
    progress.show(fmt::format("{} looked at, {} fit", grouped(static_cast<std::uint64_t>(examined)),
                              calls.size()));
  } while (flag_of(last, "more") && calls.size() < static_cast<std::size_t>(options.limit));
  progress.clear();
  last["calls"] = std::move(calls);
  last["unreadable"] = std::move(unreadable);
  last["examined"] = examined;
  return put_out(options, options.json ? json::serialize(last) + "\n" : shown(options, last));
}

int bad_line(const std::string& what) {
  return complain(what, kBulkBadLine);
}

// "ID applied", or "applied" where a selection says which calls. None is needed to go on with what
// was begun.
int take_words(CallsOptions& options) {
  if (options.words.size() == 2) {
    options.call = options.words.front();
  } else if (options.words.empty() && !options.bulk.resume.empty()) {
    return 0;
  }
  if (!options.words.empty()) options.outcome = options.words.back();
  if (options.outcome != "applied" && options.outcome != "not_applied") {
    return bad_line("say what became of it: applied or not_applied");
  }
  options.bulk.word =
      options.outcome == "applied" ? call::Word::resolve_applied : call::Word::resolve_not_applied;
  return 0;
}

// retry, cancel, resolve: of one call, or of all that fit.
int run_word(CallsOptions& options) {
  BulkOptions& bulk = options.bulk;
  const bool settles = command_of(bulk.word) == "resolve";
  options.action = settles                           ? Action::resolve
                   : bulk.word == call::Word::cancel ? Action::cancel
                                                     : Action::retry;
  if (settles) {
    if (const int wrong = take_words(options); wrong != 0) return wrong;
  }
  if (options.call.empty()) {
    if (!options.answer_file.empty()) {
      return bad_line("--answer is one call's: name the call by its id");
    }
    bulk.where = options.where;
    bulk.json = options.json;
    bulk.reason = options.reason;
    return run_bulk(bulk);
  }
  const auto pairs = selection_pairs(bulk.select, wall_now());
  if (!pairs.ok()) return bad_line(pairs.error().context);
  if (!(*pairs).empty() || bulk.all || bulk.dry_run || !bulk.resume.empty()) {
    return bad_line("a call's id, or a selection (with --dry-run or --resume), but not both");
  }
  if (settles && options.reason.empty()) {
    return bad_line("--reason is required: say how you know");
  }
  return run_calls(options);
}

// Options of every subcommand.
void add_where_and_json(CLI::App& command, CallsOptions& options) {
  add_where(command, options.where);
  command.add_flag("--json", options.json, "the answer as JSON, for scripts");
}

CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help, Action action,
              CallsOptions& options, int& code) {
  CLI::App* command = parent.add_subcommand(name, help);
  add_where_and_json(*command, options);
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
                       "  holdfast calls list --state waiting --upstream stripe --json\n"
                       "  holdfast calls list --state dead --newer-than 3h --status 5xx",
                       Action::list, options, code);
  add_selection(*list, options.select);
  list->add_option("--limit", options.limit, "at most so many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  list->add_option("--after", options.after, "page on from this call");
}

constexpr const char* kExitCodes =
    "Exit code: 0 done; 1 no answer, or refused; 2 a wrong command line; of many calls: 3 done, "
    "and "
    "some were refused; 4 stopped before the end.";

// A command for one call, by its id, or for all that fit.
CLI::App* add_word(CLI::App& calls, const std::string& name, const std::string& help,
                   call::Word word, CallsOptions& options, int& code) {
  CLI::App* command = calls.add_subcommand(name, help + "\n" + kExitCodes);
  add_where_and_json(*command, options);
  add_bulk_options(*command, options.bulk);
  command->callback([&options, &code, word] {
    options.bulk.word = word;
    code = run_word(options);
  });
  return command;
}

void add_resolve(CLI::App& calls, CallsOptions& options, int& code) {
  CLI::App* resolve = add_word(
      calls, "resolve",
      "Settle calls whose outcome is unknown, after you have looked at the upstream.\n"
      "applied: it took effect; the key answers from now on (with --answer: that answer).\n"
      "not_applied: it did not; the call is dead and may be retried.\n\n"
      "Examples:\n"
      "  holdfast calls resolve ID not_applied --reason 'no charge in the dashboard'\n"
      "  holdfast calls resolve ID applied --reason 'ch_123' --answer charge.json\n"
      "  holdfast calls resolve not_applied --upstream sms --older-than 2h \\\n"
      "      --reason 'their log of that hour has none of them' --dry-run",
      call::Word::resolve_applied, options, code);
  resolve
      ->add_option("call-and-outcome", options.words,
                   "a call's id, unless a selection is given; then applied or not_applied")
      ->expected(0, 2);
  resolve->add_option("--reason", options.reason, "how you know; kept in the timeline");
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
  CLI::App* retry = add_word(*calls, "retry",
                             "Attempt dead or waiting calls now: one, or all that fit. They go out "
                             "as the upstream's limits and budget let them.\n\n"
                             "Examples:\n"
                             "  holdfast calls retry ID --reason 'card was renewed'\n"
                             "  holdfast calls retry --state dead --newer-than 3h --dry-run\n"
                             "  holdfast calls retry --state dead --newer-than 3h --rate 20/s \\\n"
                             "      --reason 'outage of the bank is over'",
                             call::Word::retry, options, code);
  retry->add_option("call", options.call, "a call's id, unless a selection is given");
  retry->add_option("--reason", options.reason, "for the timeline");
  CLI::App* cancel =
      add_word(*calls, "cancel",
               "Make no further attempt of calls that are known not to have applied.\n\n"
               "Examples:\n"
               "  holdfast calls cancel ID --reason 'ordered by mistake'\n"
               "  holdfast calls cancel --upstream sms --state waiting --older-than 1d \\\n"
               "      --reason 'too late to be of use'",
               call::Word::cancel, options, code);
  cancel->add_option("call", options.call, "a call's id, unless a selection is given");
  cancel->add_option("--reason", options.reason, "for the timeline");
  add_resolve(*calls, options, code);
  CLI::App* operations = calls->add_subcommand(
      "operations",
      "Bulk commands that were given: who, which calls, why, and what came of them.\n\n"
      "Examples:\n  holdfast calls operations\n  holdfast calls operations ID --json");
  add_where_and_json(*operations, options);
  operations->add_option("operation", options.operations.operation, "one of them, by its id");
  operations->callback([&options, &code] {
    options.operations.where = options.where;
    options.operations.json = options.json;
    code = run_operations(options.operations);
  });
  add_export_command(*calls, options.exported, code);
  add_upstream_commands(app, options, code);
}

int run_calls(const CallsOptions& options) {
  if (options.action == Action::list) return run_list(options);
  const auto ask = ask_of(options);
  if (!ask.ok()) return complain(ask.error().context, 2);
  const auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context, 1);
  const auto& what = ask.value();
  return report(options, ask_admin(place.value(), what.method, what.target, what.body));
}

}  // namespace hf::app
