#include "app/report_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>

#include "adapters/system/clock.h"
#include "app/admin_talk.h"
#include "app/observed_files.h"
#include "app/report_view.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

Result<std::string> at_rest(const ReportOptions& options, Duration since) {
  const WallTime now = adapters::SystemClock().read().wall;
  HF_TRY(const auto sum, ObservedFiles(observed_folder(options.journal)).read(now - since));
  return sum.json(now - since, now, options.route, nullptr);
}

Result<std::string> from_running(const ReportOptions& options) {
  HF_TRY(const auto place, find_admin(options.where));
  std::string target = "/v1/observed?since=" + percent_encoded(options.since);
  if (!options.route.empty()) target += "&route=" + percent_encoded(options.route);
  HF_TRY(auto answer, good_answer(ask_admin(place, "GET", target)));
  return std::move(answer.body);
}

}  // namespace

void add_report_command(CLI::App& app, ReportOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "report",
      "What routes with `mode: observe` would have done; how to dare to begin.\n\n"
      "Each finding by route: repeats that took effect twice, what would have been sent again,\n"
      "held, refused or delayed, by which rule, with samples; and which route to begin with.\n\n"
      "Examples:\n"
      "  holdfast report\n"
      "  holdfast report --since 7d --route /v1/charges\n"
      "  holdfast report --journal /var/lib/holdfast    when none runs\n"
      "Exit code: 0; 1 no answer, or nothing can be read; 2 a wrong command line.\n"
      "docs/observe.md tells what each finding means.");
  add_where(*command, options.where);
  command->add_option("--since", options.since, "how far back, at most 31d; whole hours")
      ->capture_default_str();
  command->add_option("--route", options.route, "PATH of a route; only this one");
  command->add_option("--journal", options.journal,
                      "the journal's directory, read without a running Holdfast");
  command->add_flag("--json", options.json, "one JSON object, for scripts");
  command->callback([&] { code = run_report(options); });
}

int run_report(const ReportOptions& options) {
  const auto since = parse_duration(options.since);
  if (!since.ok() || *since <= Duration{} || *since > kObservedKept) {
    return complain("--since: write a time up to 31d, such as 24h or 7d", 2);
  }
  const auto text = options.journal.empty() ? from_running(options) : at_rest(options, *since);
  if (!text.ok()) return complain(text.error().context, 1);
  boost::system::error_code error;
  const auto value = boost::json::parse(*text, error);
  if (error || !value.is_object()) {
    return complain("the answer is not JSON: is this the admin address?", 1);
  }
  const std::string shown = options.json ? *text + "\n" : show_report(value.get_object());
  std::fputs(shown.c_str(), stdout);
  return 0;
}

}  // namespace hf::app
