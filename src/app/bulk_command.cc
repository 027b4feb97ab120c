#include "app/bulk_command.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "app/admin_talk.h"
#include "app/bulk_view.h"
#include "app/json_view.h"
#include "app/progress.h"
#include "base/quantity.h"
#include "call/reply_json.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr int kStepMax = 200;                           // calls in one step
constexpr Duration kStepEvery = Duration::millis(200);  // about so often
constexpr std::int64_t kRateMax = 100'000;              // a second

std::string who_i_am() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const passwd* entry = ::getpwuid(::getuid());
  const std::string user = entry == nullptr ? std::to_string(::getuid()) : entry->pw_name;
  return (user + "@" + host.data()).substr(0, 100);
}

ViewOptions view_of(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  ViewOptions view;
  view.now = wall_now();
  view.colour = ::isatty(fd) == 1 && (no_colour == nullptr || *no_colour == '\0');
  return view;
}

struct Plan {
  control::QueryPairs pairs;
  Rate rate;
  Duration patience;
};

// What can be wrong with the command line alone.
Result<Plan> plan_of(const BulkOptions& options) {
  Plan out;
  HF_TRY(out.pairs, selection_pairs(options.select, wall_now()));
  auto rate = parse_rate(options.rate);
  if (!rate.ok()) return rate.take_error().in("--rate");
  out.rate = *rate;
  if (out.rate.count < 1 || out.rate.count * 1'000'000'000 / out.rate.per.ns > kRateMax) {
    return fail(ErrorKind::invalid, "--rate: more than none, and at most 100000/s");
  }
  auto patience = parse_duration(options.patience);
  if (!patience.ok()) return patience.take_error().in("--patience");
  out.patience = *patience;
  if (!options.resume.empty()) {
    if (!out.pairs.empty() || options.all || options.dry_run) {
      return fail(ErrorKind::invalid,
                  "--resume goes on with what was begun: it takes no selection and no --dry-run");
    }
    return out;
  }
  if (out.pairs.empty() && !options.all) {
    return fail(ErrorKind::invalid,
                "say which calls (see --help), or a call's id; --all if you mean every one");
  }
  const bool settles = options.word != call::Word::retry && options.word != call::Word::cancel;
  if (settles && options.reason.empty() && !options.dry_run) {
    return fail(ErrorKind::invalid, "--reason is required: say how you know");
  }
  if (!options.dry_run && !options.yes && ::isatty(STDIN_FILENO) != 1) {
    return fail(ErrorKind::invalid,
                "standard input is no terminal, so nobody can be asked: say --yes (and look at "
                "--dry-run first)");
  }
  return out;
}

class Bulk {
 public:
  Bulk(const BulkOptions& options, Plan plan, AdminPlace place)
      : options_(options), plan_(std::move(plan)), place_(std::move(place)), progress_(false) {}

  int run() { return options_.resume.empty() ? run_anew() : run_resumed(); }

 private:
  int fail_with(const Error& error) {
    progress_.clear();
    return complain(error.context, kBulkFailed);
  }

  Result<json::object> ask(const std::string& method, const std::string& target,
                           const std::string& body = {}) {
    return read_answer(
        ask_patiently(place_, method, target, body, plan_.patience, [this](const std::string& why) {
          progress_.clear();
          complain(why + "; asking again", 0);
        }));
  }

  // --- beginning ---

  Result<Count> count() {
    Count out;
    std::string after;
    while (true) {
      control::QueryPairs pairs = plan_.pairs;
      pairs.emplace_back("word", to_string(options_.word));
      if (!out.as_of().empty()) pairs.emplace_back("as_of", out.as_of());
      if (!after.empty()) pairs.emplace_back("after", after);
      HF_TRY(const auto page, ask("GET", "/v1/count?" + control::query_text(pairs)));
      out.add(page);
      if (!flag_of(page, "more")) return out;
      after = text_of(page, "next");
      progress_.show(fmt::format("counting: {} looked at, {} fit", grouped(out.examined()),
                                 grouped(out.matched())));
    }
  }

  int run_anew() {
    const auto counted = count();
    progress_.clear();
    if (!counted.ok()) return fail_with(counted.error());
    const Count& count = *counted;
    if (options_.dry_run) {
      if (options_.json) {
        std::fputs((count.json() + "\n").c_str(), stdout);
      } else {
        std::fputs(
            (count.text(options_.word, view_of(STDOUT_FILENO)) + "Nothing was done.\n").c_str(),
            stdout);
      }
      return kBulkDone;
    }
    const std::string text = count.text(options_.word, view_of(STDERR_FILENO));
    if (count.matched() == 0) {
      std::fputs(options_.json ? (count.json() + "\n").c_str() : text.c_str(), stdout);
      return kBulkDone;
    }
    if (!options_.yes) {
      std::fputs(text.c_str(), stderr);
      if (!confirmed(count.matched())) return complain("nothing was done", kBulkStopped);
    }
    looked_at_in_all_ = count.examined();
    return begin(count);
  }

  bool confirmed(std::uint64_t calls) const {
    const std::string_view as = options_.word == call::Word::resolve_applied ? " as applied"
                                : options_.word == call::Word::resolve_not_applied
                                    ? " as not applied"
                                    : "";
    std::fputs(fmt::format("To {} them{} at {}, type {} or yes: ", command_of(options_.word), as,
                           options_.rate, calls)
                   .c_str(),
               stderr);
    std::fflush(stderr);
    std::string line;
    if (!std::getline(std::cin, line)) std::fputs("\n", stderr);
    std::erase_if(line, [](char c) { return c == ',' || c == ' ' || c == '\r'; });
    return line == "yes" || line == std::to_string(calls);
  }

  int begin(const Count& count) {
    call::JsonObject body;
    body.text("word", to_string(options_.word))
        .text("query", control::query_text(plan_.pairs))
        .boolean("all", options_.all)
        .text("reason", options_.reason)
        .text("by", options_.by.empty() ? who_i_am() : options_.by)
        .text("as_of", count.as_of())
        .number("selected", static_cast<std::int64_t>(count.matched()));
    // Asked once: a second one would be a second entry in the audit.
    auto begun = read_answer(ask_admin(place_, "POST", "/v1/operations", body.done()));
    if (!begun.ok()) return fail_with(begun.error());
    return drive(*std::move(begun));
  }

  int run_resumed() {
    const std::string target = "/v1/operations/" + percent_encoded(options_.resume);
    const auto found = ask("GET", target);
    if (!found.ok()) return fail_with(found.error());
    const auto word = call::parse_word(text_of(*found, "word"));
    if (!word || command_of(*word) != command_of(options_.word)) {
      return complain(fmt::format("this operation is another command's: holdfast calls {} --resume "
                                  "{}",
                                  word ? command_of(*word) : "?", options_.resume),
                      kBulkBadLine);
    }
    if (text_of(*found, "stage") == "finished") return finish(*found);
    auto resumed = ask("POST", target + "/resume");
    if (!resumed.ok()) return fail_with(resumed.error());
    return drive(*std::move(resumed));
  }

  // --- driving ---

  [[nodiscard]] int step_limit() const {
    const std::int64_t wanted = plan_.rate.count * kStepEvery.ns / plan_.rate.per.ns;
    return static_cast<int>(std::clamp<std::int64_t>(wanted, 1, kStepMax));
  }
  static std::uint64_t handled(const json::object& operation) {
    return static_cast<std::uint64_t>(number_of(operation, "done") + number_of(operation, "left")) +
           refused_calls(operation);
  }

  // From here on a stop is no longer harmless, and waits for the end of a step.
  int drive(json::object operation) {
    catch_stop();
    const std::string target = "/v1/operations/" + text_of(operation, "operation");
    const std::string body = call::JsonObject()
                                 .number("driver", number_of(operation, "driver"))
                                 .number("limit", step_limit())
                                 .done();
    std::fputs(fmt::format("operation {}; if it is cut: {}\n", text_of(operation, "operation"),
                           how_to_resume(operation))
                   .c_str(),
               stderr);
    const std::uint64_t first = handled(operation);
    const Instant began = mono_now();
    Instant next = began;
    while (true) {
      if (stop_asked()) return stop(target, operation);
      auto step = ask("POST", target + "/step", body);
      if (!step.ok()) return cut(step.error(), operation);
      const std::uint64_t before = handled(operation);
      operation = *std::move(step);
      if (flag_of(operation, "finished")) return finish(operation);
      const std::uint64_t now = handled(operation);
      // What was done since the last step has to fit the rate; where nothing fits, none waits.
      next =
          std::max(next, mono_now() - kStepEvery) +
          Duration{static_cast<std::int64_t>(now - before) * plan_.rate.per.ns / plan_.rate.count};
      const double seconds = static_cast<double>((std::max(next, mono_now()) - began).ns) / 1e9;
      progress_.show(show_step(operation, looked_at_in_all_,
                               static_cast<double>(now - first) / std::max(seconds, 0.001)));
      rest(next - mono_now());
    }
  }

  std::string how_to_resume(const json::object& operation) const {
    return fmt::format("holdfast calls {} --resume {}", command_of(options_.word),
                       text_of(operation, "operation"));
  }

  int finish(const json::object& operation) {
    progress_.clear();
    std::fputs(options_.json ? (json::serialize(operation) + "\n").c_str()
                             : show_operation(operation).c_str(),
               stdout);
    return refused_calls(operation) == 0 ? kBulkDone : kBulkRefused;
  }

  int stop(const std::string& target, json::object operation) {
    progress_.clear();
    const std::string body =
        call::JsonObject().number("driver", number_of(operation, "driver")).done();
    auto stopped = read_answer(ask_admin(place_, "POST", target + "/stop", body));
    if (stopped.ok()) operation = *std::move(stopped);
    std::fputs(options_.json ? (json::serialize(operation) + "\n").c_str()
                             : show_operation(operation).c_str(),
               stdout);
    return complain("stopped; go on with: " + how_to_resume(operation), kBulkStopped);
  }

  int cut(const Error& error, const json::object& operation) {
    progress_.clear();
    if (stop_asked()) {
      return complain("stopped; go on with: " + how_to_resume(operation), kBulkStopped);
    }
    complain(error.context, 0);
    return complain("cut; go on with: " + how_to_resume(operation), kBulkFailed);
  }

  const BulkOptions& options_;
  Plan plan_;
  AdminPlace place_;
  Progress progress_;
  std::uint64_t looked_at_in_all_ = 0;
};

}  // namespace

void add_bulk_options(CLI::App& command, BulkOptions& options) {
  add_selection(command, options.select);
  command.add_flag("--all", options.all, "no selection: every call that the command is for");
  command.add_flag("--dry-run", options.dry_run,
                   "count, and say what would come of each; nothing is done");
  command.add_flag("--yes", options.yes, "do not ask; needed where there is no terminal");
  command.add_option("--rate", options.rate, "at most so many calls, such as 50/s or 600/m")
      ->capture_default_str();
  command.add_option("--resume", options.resume, "go on with this operation");
  command
      .add_option("--patience", options.patience,
                  "how long to ask again where Holdfast does not answer")
      ->capture_default_str();
  command.add_option("--by", options.by, "who does it, for the audit (USER@HOST)");
}

int run_bulk(const BulkOptions& options) {
  auto plan = plan_of(options);
  if (!plan.ok()) return complain(plan.error().context, kBulkBadLine);
  auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context, kBulkFailed);
  return Bulk(options, *std::move(plan), *std::move(place)).run();
}

int run_operations(const OperationsOptions& options) {
  const auto place = find_admin(options.where);
  if (!place.ok()) return complain(place.error().context, kBulkFailed);
  const bool one = !options.operation.empty();
  const auto answer = ask_admin(
      *place, "GET", "/v1/operations" + (one ? "/" + percent_encoded(options.operation) : ""));
  const auto object = read_answer(answer);
  if (!object.ok()) return complain(object.error().context, kBulkFailed);
  const std::string text = options.json ? (*answer).body + "\n"
                           : one        ? show_operation(*object)
                                        : show_operations(*object, view_of(STDOUT_FILENO));
  std::fputs(text.c_str(), stdout);
  return kBulkDone;
}

}  // namespace hf::app
