#include "app/features_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/admin_talk.h"
#include "app/json_view.h"
#include "app/selection_options.h"
#include "base/quantity.h"
#include "call/reply_json.h"

namespace hf::app {
namespace {

namespace json = boost::json;
using Action = FeaturesOptions::Action;

std::string why_of(const json::object& one, const ViewOptions& options) {
  if (const json::object* word = object_of(one, "word")) {
    const auto until = parse_rfc3339(text_of(*word, "until"));
    return fmt::format("by hand, ends {}: {}", until.ok() ? relative(*until, options.now) : "",
                       safe(text_of(*word, "reason")));
  }
  return flag_of(one, "dimmed") ? "by load" : "";
}

Result<AdminAnswer> ask(const FeaturesOptions& options) {
  HF_TRY(const auto place, find_admin(options.where));
  const std::string one = "/v1/features/" + percent_encoded(options.name);
  switch (options.action) {
    case Action::show:
      return good_answer(ask_admin(place, "GET", "/v1/features"));
    case Action::set:
      return good_answer(ask_admin(place, "POST", one + "/set",
                                   call::JsonObject()
                                       .boolean("on", options.value == "on")
                                       .text("for", options.lasts)
                                       .text("reason", options.reason)
                                       .done()));
    case Action::release:
      break;
  }
  return good_answer(ask_admin(place, "POST", one + "/release", "{}"));
}

}  // namespace

std::string show_features(const json::object& answer, const ViewOptions& options) {
  const json::array* features = list_of(answer, "features");
  if (features == nullptr || features->empty()) return "no features are configured\n";
  Table table({"FEATURE", "STATE", "VALUE", "WHY"});
  for (const json::value& value : *features) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    const auto* shown = one->if_contains("value");
    table.add({text_of(*one, "name"), flag_of(*one, "on") ? "on" : "off",
               shown == nullptr ? "" : safe(json::serialize(*shown)), why_of(*one, options)});
  }
  std::string out = table.text(false, 0);
  const json::object* pressure = object_of(answer, "pressure");
  if (pressure == nullptr || text_of(*pressure, "upstream").empty()) return out;
  return out + fmt::format(
                   "\n{} of {} off by load; {}: {} at {} % of what counts as overload "
                   "({} ms of queueing, threshold {} ms)\n",
                   text_of(answer, "level"), text_of(answer, "of"),
                   safe(text_of(*pressure, "upstream")), text_of(*pressure, "rule"),
                   number_of(*pressure, "permille") / 10,
                   number_of(*pressure, "measured_us") / 1000,
                   number_of(*pressure, "threshold_us") / 1000);
}

void add_features_command(CLI::App& app, FeaturesOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "features",
      "Optional features: which are on, and why.\n\n"
      "Examples:\n"
      "  holdfast features\n"
      "  holdfast features set recommendations off --for 2h --reason \"sale at noon\"\n"
      "  holdfast features release recommendations    it follows the load again\n"
      "Exit code: 0; 1 no answer, or it was refused. docs/features.md has the rest.");
  add_where(*command, options.where);
  command->add_flag("--json", options.json, "one JSON object, for scripts");
  command->require_subcommand(0, 1);
  CLI::App* set = command->add_subcommand(
      "set",
      "Switch a feature by hand, for a while, whatever the load says.\n\n"
      "Example:\n  holdfast features set recommendations off --for 2h --reason \"sale at noon\"");
  set->add_option("feature", options.name, "its name")->required();
  set->add_option("value", options.value, "on or off")
      ->required()
      ->check(CLI::IsMember({"on", "off"}));
  set->add_option("--for", options.lasts, "how long, such as 2h")->required();
  set->add_option("--reason", options.reason, "why; everybody sees it")->required();
  set->callback([&options] { options.action = Action::set; });
  CLI::App* release =
      command->add_subcommand("release",
                              "Let a feature follow the load again.\n\n"
                              "Example:\n  holdfast features release recommendations");
  release->add_option("feature", options.name, "its name")->required();
  release->callback([&options] { options.action = Action::release; });
  command->callback([&] { code = run_features(options); });
}

int run_features(const FeaturesOptions& options) {
  return print_answer(ask(options), options.json, [&](const json::object& answer) {
    return options.action == Action::show ? show_features(answer, {wall_now(), false})
                                          : text_of(answer, "message") + "\n";
  });
}

}  // namespace hf::app
