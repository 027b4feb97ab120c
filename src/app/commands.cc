#include "app/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "app/calls_command.h"
#include "app/explain_command.h"
#include "app/features_command.h"
#include "app/health_command.h"
#include "app/limits_command.h"
#include "app/load_command.h"
#include "app/manual.h"
#include "app/report_command.h"
#include "app/review_command.h"
#include "app/serve_command.h"
#include "app/top_command.h"
#include "sandbox/sandbox.h"

namespace hf::app {
namespace {

void add_serve(CLI::App& app, ServeOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "serve",
      "Take calls and see them through.\n\n"
      "Examples:\n"
      "  holdfast serve -c holdfast.yaml\n"
      "  holdfast serve --route /stripe/=https://api.stripe.com\n"
      "SIGTERM drains: no new calls, what is in flight is finished or held, exit 0.");
  command->add_option("-c,--config", options.config, "the configuration (holdfast.yaml)");
  command->add_option("--route", options.routes,
                      "PATH=URL, without a file; may be given several times");
  command->add_option("--listen", options.listen, "HOST:PORT instead of the configured one");
  command->add_option("--journal", options.journal, "directory instead of the configured one");
  command->add_option("--record", options.record,
                      "append a sample of the calls to this file, for `holdfast load --requests`: "
                      "method and path, never query, body or credentials; a body leaves a place "
                      "to fill in");
  command->add_option("--record-share", options.record_share, "of the calls, by chance")
      ->capture_default_str();
  command
      ->add_option("--record-header", options.record_headers,
                   "a field to record too, such as Accept; several times")
      ->allow_extra_args(false);
  command->callback([&] { code = serve(options); });
}

void add_check(CLI::App& app, CheckOptions& options, int& code) {
  CLI::App* command =
      app.add_subcommand("check",
                         "Report everything that is wrong or unwise in a configuration.\n\n"
                         "Examples:\n"
                         "  holdfast check -c holdfast.yaml\n"
                         "  holdfast check -c holdfast.yaml --print   the effective configuration\n"
                         "  holdfast check -c holdfast.yaml --strict  warnings fail too, for CI");
  command->add_option("-c,--config", options.config, "the configuration")->required();
  command->add_flag("--print", options.print, "print the effective configuration");
  command->add_flag("--strict", options.strict, "exit 1 on warnings as well");
  command->callback([&] { code = check(options); });
}

void add_health(CLI::App& app, HealthOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "health",
      "Whether a running Holdfast is ready for new calls, for probes without curl.\n\n"
      "Examples:\n"
      "  holdfast health\n"
      "  holdfast health --health 127.0.0.1:8082\n"
      "Exit code: 0 it is ready; 1 it is not, and the output says why, or there is no answer.");
  command->add_option("-c,--config", options.config,
                      "the configuration, for the address of its `health` listener (default: "
                      "holdfast.yaml of this folder, else /etc/holdfast/holdfast.yaml)");
  command->add_option("--health", options.address, "HOST:PORT of the health listener");
  command->callback([&] { code = health(options); });
}

void add_sandbox(CLI::App& app, sandbox::SandboxOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "sandbox",
      "A fake upstream that misbehaves on demand and keeps a ledger of what happened.\n\n"
      "Examples:\n"
      "  holdfast sandbox --port 9000\n"
      "  holdfast sandbox --port 9000 --seed 7 --faults reset_after=50,s500=20\n"
      "  curl -s localhost:9000/_ledger\n"
      "docs/sandbox.md lists every fault.");
  command->add_option("--host", options.host, "address to listen on")->capture_default_str();
  command->add_option("--port", options.port, "0: any free one")->capture_default_str();
  command->add_option("--control", options.control_port,
                      "a second port for /_... that works while the sandbox is down");
  command->add_option("--seed", options.seed, "of the fault plan")->capture_default_str();
  command->add_option("--faults", options.faults, "odds in parts per thousand: NAME[:ARG]=N,...");
  command->add_option("--lookup-faults", options.lookup_faults, "odds for GET /charges only");
  command->add_option("--lookup-lag-ms", options.lookup_lag_ms,
                      "a charge shows in lookups this long after it is there");
  command->add_option("--always", options.always, "one fault for every request: NAME[=ARG]");
  command->add_flag("--fault-safe", options.fault_safe, "faults meet safe methods too");
  command->add_option("--max-faulted-attempts", options.max_faulted_attempts,
                      "leave a request alone after so many attempts; 0: never");
  static const std::map<std::string, sandbox::PlanBy> kPlans{{"order", sandbox::PlanBy::order},
                                                             {"key", sandbox::PlanBy::key},
                                                             {"ordinal", sandbox::PlanBy::ordinal}};
  command->add_option("--plan-by", options.plan_by, "what counts as the same thing tried again")
      ->transform(CLI::CheckedTransformer(kPlans, CLI::ignore_case))
      ->option_text("order|key|ordinal");
  static const std::map<std::string, sandbox::KeyMode> kKeys{
      {"stripe", sandbox::KeyMode::stripe},
      {"all", sandbox::KeyMode::all},
      {"ignored", sandbox::KeyMode::ignored}};
  command->add_option("--keys", options.keys, "which paths honour idempotency keys")
      ->transform(CLI::CheckedTransformer(kKeys, CLI::ignore_case))
      ->option_text("stripe|all|ignored");
  command->add_option("--key-lifetime-ms", options.key_lifetime_ms, "keys are forgotten after this")
      ->capture_default_str();
  command->add_option("--latency-ms", options.latency_ms, "time that every effect takes")
      ->capture_default_str();
  command->add_option("--idle-close-ms", options.idle_close_ms,
                      "close idle connections after this");
  static const std::map<std::string, sandbox::KeepAliveHint> kHints{
      {"none", sandbox::KeepAliveHint::none},
      {"truthful", sandbox::KeepAliveHint::truthful},
      {"lying", sandbox::KeepAliveHint::lying}};
  command->add_option("--keep-alive-hint", options.keep_alive_hint, "the Keep-Alive field it sends")
      ->transform(CLI::CheckedTransformer(kHints, CLI::ignore_case))
      ->option_text("none|truthful|lying");
  command->add_flag("--close-on-reuse", options.close_on_reuse,
                    "read every second request of a connection and drop both");
  command->callback([&] { code = sandbox::run_sandbox(options); });
}

// In the list of subcommands one sentence is enough; the examples are for a command's own help.
void move_examples_to_footer(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    const std::string text = command->get_description();
    const auto gap = text.find("\n\n");
    if (gap != std::string::npos) {
      command->description(text.substr(0, gap));
      command->footer(text.substr(gap + 2));
    }
    move_examples_to_footer(*command);
  }
}

// What is installed beside the program, and can be had from it alone.
void add_pages(CLI::App& app) {
  const auto print = [](const std::string& text) {
    std::fputs(text.c_str(), stdout);
    throw CLI::Success();
  };
  app.add_flag_callback(
         "--manual", [&app, print] { print(manual_page(app, HOLDFAST_VERSION)); },
         "print the manual page: holdfast --manual | man -l -")
      ->trigger_on_parse();
  app.add_flag_callback(
         "--bash-completion", [&app, print] { print(bash_completion(app)); },
         "print a completion for bash: source <(holdfast --bash-completion)")
      ->trigger_on_parse();
}

}  // namespace

int run_commands(int argc, char** argv) {
  CLI::App app{
      "holdfast: reliability for any HTTP hop. Point a base URL at it, and every call becomes\n"
      "bounded, safe to repeat, durable when it must be, and explainable afterwards.\n\n"
      "Example:\n"
      "  holdfast serve --route /stripe/=https://api.stripe.com"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "holdfast " HOLDFAST_VERSION);
  int code = 0;
  ServeOptions serve_options;
  CheckOptions check_options;
  sandbox::SandboxOptions sandbox_options;
  CallsOptions calls_options;
  add_serve(app, serve_options, code);
  add_check(app, check_options, code);
  add_calls_commands(app, calls_options, code);
  HealthOptions health_options;
  add_health(app, health_options, code);
  ExplainOptions explain_options;
  add_explain_commands(app, explain_options, code);
  ReviewOptions review_options;
  PolicyOptions policy_options;
  add_review_commands(app, review_options, policy_options, code);
  FeaturesOptions features_options;
  add_features_command(app, features_options, code);
  LimitsOptions limits_options;
  add_limits_command(app, limits_options, code);
  TopOptions top_options;
  add_top_command(app, top_options, code);
  ReportOptions report_options;
  add_report_command(app, report_options, code);
  LoadLines load_lines;
  add_load_commands(app, load_lines, code);
  add_sandbox(app, sandbox_options, code);
  move_examples_to_footer(app);
  add_pages(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int shown = app.exit(error);
    // Of explain, 2 is an answer.
    const std::string_view first = argc > 1 ? argv[1] : "";
    const bool telling = first == "explain" || first == "duplicates";
    return shown == 0 ? 0 : telling ? kExplainFailed : 2;
  }
  return code;
}

}  // namespace hf::app
