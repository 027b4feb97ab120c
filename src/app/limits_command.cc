#include "app/limits_command.h"

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

constexpr std::size_t kShown = 10;  // offenders of a limit

std::string time_of(const json::object& one, std::string_view name, const ViewOptions& options) {
  const auto at = parse_rfc3339(text_of(one, name));
  return at.ok() ? relative(*at, options.now) : "";
}

std::string by_of(const json::object& limit) {
  std::string out;
  const json::array* by = list_of(limit, "by");
  if (by == nullptr || by->empty()) return "everybody";
  for (const json::value& part : *by) {
    if (!out.empty()) out += ", ";
    if (const auto* text = part.if_string()) out += safe({text->data(), text->size()});
  }
  return out;
}

std::string show_offenders(const json::array& limits, const ViewOptions& options) {
  Table table({"LIMIT", "CLIENT", "REFUSED", "LAST", "BAN ENDS"});
  bool any = false;
  for (const json::value& value : limits) {
    const json::object* limit = value.if_object();
    const json::array* offenders = limit == nullptr ? nullptr : list_of(*limit, "offenders");
    if (offenders == nullptr) continue;
    for (std::size_t i = 0; i < std::min(kShown, offenders->size()); ++i) {
      const json::object* one = (*offenders)[i].if_object();
      if (one == nullptr) continue;
      any = true;
      // A ban that only would be is not to be lifted in a hurry.
      const bool observes = text_of(*limit, "mode") == "observe";
      table.add({text_of(*limit, "name") + (observes ? " (observes)" : ""),
                 safe(text_of(*one, "client")), text_of(*one, "refused"),
                 time_of(*one, "last", options), time_of(*one, "banned_until", options)});
    }
  }
  return any ? "\n" + table.text(false, 0) : "";
}

Result<AdminAnswer> ask(const LimitsOptions& options) {
  HF_TRY(const auto place, find_admin(options.where));
  if (options.lift.empty()) return good_answer(ask_admin(place, "GET", "/v1/limits"));
  call::JsonObject body;
  body.text("client", options.client);
  if (!options.reason.empty()) body.text("reason", options.reason);
  return good_answer(ask_admin(
      place, "POST", "/v1/limits/" + percent_encoded(options.lift) + "/lift", body.done()));
}

}  // namespace

std::string show_limits(const json::object& answer, const ViewOptions& options) {
  const json::array* limits = list_of(answer, "limits");
  if (limits == nullptr || limits->empty()) return "no limits are configured\n";
  Table table({"LIMIT", "MODE", "BY", "RATE", "BURST", "ADMITTED", "NEAR", "EXEMPT", "OVER QUOTA",
               "BANNED", "BLOCKED", "UNTRACKED"});
  for (const json::value& value : *limits) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    table.add({text_of(*one, "name"), text_of(*one, "mode"), by_of(*one), text_of(*one, "rate"),
               text_of(*one, "burst"), text_of(*one, "admitted"), text_of(*one, "near"),
               text_of(*one, "exempt"), text_of(*one, "quota"), text_of(*one, "banned"),
               text_of(*one, "blocked"), text_of(*one, "untracked")});
  }
  return table.text(false, 0) + show_offenders(*limits, options) +
         fmt::format("\n{} clients remembered, of at most {}\n", text_of(answer, "keys"),
                     text_of(answer, "keys_max"));
}

void add_limits_command(CLI::App& app, LimitsOptions& options, int& code) {
  CLI::App* command = app.add_subcommand(
      "limits",
      "What each limit per client has let through and refused, and whom.\n\n"
      "Examples:\n"
      "  holdfast limits\n"
      "  holdfast limits lift login 203.0.113.9 --reason \"our own office\"\n"
      "A client is shown by its address or path; anything else by a hash of it.\n"
      "Exit code: 0; 1 no answer, or it was refused.");
  add_where(*command, options.where);
  command->add_flag("--json", options.json, "one JSON object, for scripts");
  command->require_subcommand(0, 1);
  CLI::App* lift = command->add_subcommand(
      "lift",
      "Forget what a client owes a limit, and its ban.\n\n"
      "Example:\n  holdfast limits lift login 203.0.113.9 --reason \"our own office\"");
  lift->add_option("limit", options.lift, "the limit's name")->required();
  lift->add_option("client", options.client, "as `holdfast limits` shows it")->required();
  lift->add_option("--reason", options.reason, "for the log");
  command->callback([&] { code = run_limits(options); });
}

int run_limits(const LimitsOptions& options) {
  return print_answer(ask(options), options.json, [&](const json::object& answer) {
    return options.lift.empty() ? show_limits(answer, {wall_now(), false})
                                : text_of(answer, "message") + "\n";
  });
}

}  // namespace hf::app
