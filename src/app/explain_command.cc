#include "app/explain_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "app/admin_talk.h"
#include "app/explain_view.h"
#include "app/json_view.h"
#include "base/result.h"

namespace hf::app {
namespace {

namespace json = boost::json;

int complain(const std::string& what) {
  std::fputs(("holdfast: " + what + "\n").c_str(), stderr);
  return kExplainFailed;
}

void add(std::string& query, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  query += query.empty() ? '?' : '&';
  query += name;
  query += '=';
  query += percent_encoded(value);
}

std::string target_of(const ExplainOptions& options) {
  std::string query;
  add(query, "call", options.call);
  add(query, "key", options.key);
  for (const std::string& match : options.matches)
    add(query, "match", match);
  add(query, "since", options.since);
  add(query, "window", options.window);
  return (options.duplicates ? "/v1/duplicates" : "/v1/explain") + query;
}

int code_of(const ExplainOptions& options, const json::object& answer) {
  if (options.duplicates) {
    return number_of(answer, "repeats") > 0 ? kExplainTwice : kExplainClear;
  }
  const std::string verdict = text_of(answer, "verdict");
  if (verdict == "nothing_doubled") return kExplainClear;
  return verdict == "not_known" ? kExplainNotKnown : kExplainTwice;
}

Result<void> write_page(const std::string& path, const std::string& page) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << page;
  out.close();
  if (!out) return fail(ErrorKind::unavailable, fmt::format("{} cannot be written", path));
  return {};
}

int report(const ExplainOptions& options, const AdminAnswer& answer) {
  boost::system::error_code error;
  const json::value value = json::parse(answer.body, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (answer.status != 200) {
    return complain(object == nullptr
                        ? fmt::format("the admin API answered {}", answer.status)
                        : text_of(*object, "title") + ": " + text_of(*object, "detail"));
  }
  if (object == nullptr) return complain("the answer is not JSON: is this the admin address?");
  if (!options.evidence.empty()) {
    const auto written = write_page(options.evidence, evidence_page(*object, answer.body));
    if (!written.ok()) return complain(written.error().context);
  }
  const char* no_colour = std::getenv("NO_COLOR");
  const bool colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  const std::string text = options.json         ? answer.body + "\n"
                           : options.duplicates ? show_duplicates(*object)
                                                : show_explanation(*object, colour);
  std::fputs(text.c_str(), stdout);
  if (!options.evidence.empty() && !options.json) {
    std::fputs(fmt::format("\nWritten to {}\n", options.evidence).c_str(), stdout);
  }
  return code_of(options, *object);
}

void add_where_and_json(CLI::App& command, ExplainOptions& options) {
  add_where(command, options.where);
  command.add_flag("--json", options.json, "the answer as JSON, for scripts");
}

}  // namespace

void add_explain_commands(CLI::App& app, ExplainOptions& options, int& code) {
  CLI::App* explain = app.add_subcommand(
      "explain",
      "Was it doubled? What the records show of a call, and what they do not.\n\n"
      "Examples:\n"
      "  holdfast explain 06gz...                                   one call, and those like it\n"
      "  holdfast explain --key order-4711                          by the client's key\n"
      "  holdfast explain --match customer=cus_1 --match amount=4200 --since 2d\n"
      "  holdfast explain --match customer=cus_1 --evidence dispute.html\n"
      "--match finds by the fields that a route declares under `index`.\n"
      "Exit code: 0 nothing was doubled; 1 doubled, or the same content twice under two keys;\n"
      "2 not known, and the output says which fact is missing; 3 a wrong command line or no "
      "answer.");
  add_where_and_json(*explain, options);
  CLI::Option* call = explain->add_option("call", options.call, "the call's id");
  CLI::Option* key = explain->add_option("--key", options.key, "the idempotency key as sent");
  CLI::Option* match = explain->add_option("--match", options.matches,
                                           "NAME=VALUE; given several times, all must fit");
  match->allow_extra_args(false);
  explain->add_option("--since", options.since, "with --match: how far back (default 2d)")
      ->needs(match);
  explain->add_option("--evidence", options.evidence, "write one HTML page to this file as well");
  call->excludes(key)->excludes(match);
  key->excludes(match);
  explain->callback([&options, &code] {
    if (options.call.empty() && options.key.empty() && options.matches.empty()) {
      code = complain("say which: a call's id, --key KEY, or --match NAME=VALUE");
      return;
    }
    code = run_explain(options);
  });

  CLI::App* duplicates = app.add_subcommand(
      "duplicates",
      "Callers that repeat calls on their own under new keys, and what load that makes.\n\n"
      "Examples:\n"
      "  holdfast duplicates\n"
      "  holdfast duplicates --since 7d --window 10m --json\n"
      "Exit code: 0 none; 1 some; 3 a wrong command line or no answer.");
  add_where_and_json(*duplicates, options);
  duplicates->add_option("--since", options.since, "how far back (default 24h)");
  duplicates->add_option("--window", options.window, "how far apart two may be (default 60s)");
  duplicates->callback([&options, &code] {
    options.duplicates = true;
    code = run_explain(options);
  });
}

int run_explain(const ExplainOptions& options) {
  const auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context);
  const auto answer = ask_admin(place.value(), "GET", target_of(options));
  if (!answer.ok()) return complain(answer.error().context);
  return report(options, answer.value());
}

}  // namespace hf::app
