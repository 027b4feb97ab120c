#include "app/review_command.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "adapters/system/clock.h"
#include "review/forecast.h"
#include "review/report.h"

namespace hf::app {
namespace {

constexpr int kBad = 2;
constexpr std::size_t kBodyMax = 64UL << 20;

int complain(const std::string& what) {
  std::fputs(("holdfast: " + what + "\n").c_str(), stderr);
  return kBad;
}

// Of a terminal what it has, within what is read well; else what fits everywhere.
std::size_t columns() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 80;
  return std::clamp<std::size_t>(size.ws_col, 60, 100);
}

bool in_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
}

// Nothing, and the findings on stderr, where the configuration has errors.
std::optional<config::Loaded> load(const std::string& file) {
  config::Loaded loaded = config::load_file(file);
  if (loaded.settings) return loaded;
  for (const auto& finding : loaded.findings)
    std::fputs((config::format(finding) + "\n").c_str(), stderr);
  return std::nullopt;
}

// "no rule `x`; did you mean `y`?", or nothing.
std::string unknown_rule(const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (const auto& row : review::rules())
    known.push_back(row.id);
  for (const auto& name : names) {
    if (review::find_rule(name) != nullptr) continue;
    return fmt::format("no rule {}; {}", config::in_quotes(name), config::suggest(name, known));
  }
  return {};
}

// "Name: value" as it stands in a request.
std::optional<Field> parse_field(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  return Field{text.substr(0, colon), std::string(trim_blanks(text.substr(colon + 1)))};
}

// At most kBodyMax: a larger one flows through or is refused, whatever is in it.
Result<std::string> read_body(const std::string& path) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  std::string out(kBodyMax + 1, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  if (in.bad() || (in.fail() && !in.eof())) {
    return fail(ErrorKind::not_found, fmt::format("{} cannot be read", path));
  }
  out.resize(static_cast<std::size_t>(in.gcount()));
  if (out.size() > kBodyMax) {
    return fail(ErrorKind::full, fmt::format("{} has more than 64 MiB", path));
  }
  return out;
}

void add_review(CLI::App& app, ReviewOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "review",
      "An engineer's questions of each route, and what to change.\n\n"
      "Are retries safe? What if only the answer is lost? Does a call survive a restart? Who is\n"
      "told when it runs out? Ten times the traffic? A full journal? Every route is rehearsed "
      "with\n"
      "the real engine, in memory; nothing is sent.\n\n"
      "Examples:\n"
      "  holdfast review -c holdfast.yaml\n"
      "  holdfast review --fail-on warning             for CI\n"
      "  holdfast review --only repeat-doubles --only key-optional\n"
      "  holdfast review --sarif > review.sarif        for code scanning\n"
      "Exit code: 0 nothing at or above --fail-on; 1 something is; 2 a bad configuration or "
      "command\nline. What is meant to be so: `review: { accept: { RULE: \"why\" } }` at the "
      "route.\ndocs/review.md lists the rules.");
  command->add_option("-c,--config", options.config, "the configuration")->capture_default_str();
  command->add_option("--fail-on", options.fail_on, "error, warning, note or never")
      ->check(CLI::IsMember({"error", "warning", "note", "never"}))
      ->capture_default_str();
  command->add_option("--only", options.only, "RULE; only findings of these")
      ->allow_extra_args(false);
  command->add_option("--skip", options.skip, "RULE; no findings of these")
      ->allow_extra_args(false);
  CLI::Option* json = command->add_flag("--json", options.json, "one JSON object, for scripts");
  command->add_flag("--sarif", options.sarif, "SARIF 2.1.0, for code scanning")->excludes(json);
  command->callback([&] { code = run_review(options); });
}

void add_policy(CLI::App& app, PolicyOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "policy",
      "What would be done with one request, and by which rule; nothing is sent.\n\n"
      "Its route, its key, held or not, what applies; and what follows however an attempt ends.\n\n"
      "Examples:\n"
      "  holdfast policy POST http://localhost:8080/v1/charges\n"
      "  holdfast policy POST /v1/charges --header 'Idempotency-Key: order-7' --body charge.json\n"
      "  holdfast policy GET /v1/charges/ch_1 --json\n"
      "Exit code: 0; 1 the request would be refused; 2 a bad configuration or command line.");
  command->add_option("method", options.method, "GET, POST, ...")->required();
  command->add_option("url", options.url, "as the client has it, or from the path on")->required();
  command->add_option("-c,--config", options.config, "the configuration")->capture_default_str();
  command->add_option("--header", options.headers, "'Name: value'; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--body", options.body, "FILE with the body; -: standard input");
  command->add_flag("--json", options.json, "one JSON object, for scripts");
  command->callback([&] { code = run_policy(options); });
}

}  // namespace

void add_review_commands(CLI::App& app, ReviewOptions& review, PolicyOptions& policy, int& code) {
  add_review(app, review, code);
  add_policy(app, policy, code);
}

int run_review(const ReviewOptions& options) {
  for (const auto* names : {&options.only, &options.skip}) {
    const std::string fault = unknown_rule(*names);
    if (!fault.empty()) return complain(fault);
  }
  const auto loaded = load(options.config);
  if (!loaded) return kBad;
  review::Choice choice;
  choice.only.insert(options.only.begin(), options.only.end());
  choice.skip.insert(options.skip.begin(), options.skip.end());
  const review::Report report = review::review(*loaded, choice);
  const auto fail_on = review::parse_level(options.fail_on);
  const std::string text = options.json ? review::json_of(report, fail_on) + "\n"
                           : options.sarif
                               ? review::sarif_of(report, HOLDFAST_VERSION) + "\n"
                               : review::text_of(report, fail_on, {columns(), in_colour()});
  std::fputs(text.c_str(), stdout);
  return fail_on && report.any(*fail_on) ? 1 : 0;
}

int run_policy(const PolicyOptions& options) {
  review::ForecastAsk ask;
  ask.method = options.method;
  ask.url = options.url;
  ask.now = adapters::SystemClock().read();
  for (const auto& header : options.headers) {
    auto field = parse_field(header);
    if (!field)
      return complain(fmt::format("--header {}: write 'Name: value'", config::in_quotes(header)));
    ask.headers.push_back(std::move(*field));
  }
  if (!options.body.empty()) {
    auto body = read_body(options.body);
    if (!body.ok()) return complain(body.error().context);
    ask.body = std::move(*body);
  }
  const auto loaded = load(options.config);
  if (!loaded) return kBad;
  const auto forecast = review::forecast(*loaded, ask);
  if (!forecast.ok()) return complain(forecast.error().context);
  const std::string text = options.json ? review::json_of(*forecast, loaded->places) + "\n"
                                        : review::text_of(*forecast, loaded->places, columns());
  std::fputs(text.c_str(), stdout);
  return forecast->refused ? 1 : 0;
}

}  // namespace hf::app
