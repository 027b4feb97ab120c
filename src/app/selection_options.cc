#include "app/selection_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "base/quantity.h"

namespace hf::app {
namespace {

constexpr const char* kGroup = "Which calls (all that is said must fit)";

Result<std::string> as_time(std::string_view name, const std::string& text, WallTime now) {
  if (const auto ago = parse_duration(text); ago.ok()) return format_rfc3339(now - *ago);
  const auto at = parse_rfc3339(text);
  if (at.ok()) return format_rfc3339(*at);
  return fail(ErrorKind::invalid,
              fmt::format("--{}: '{}' is neither a duration such as 2h nor a time such as "
                          "2026-11-21T03:00:00Z",
                          name, text));
}

}  // namespace

void add_selection(CLI::App& command, SelectionOptions& options) {
  const auto several = [&](const char* name, std::vector<std::string>& to, const char* help) {
    command.add_option(name, to, help)->allow_extra_args(false)->group(kGroup);
  };
  const auto one = [&](const char* name, std::string& to, const char* help) {
    command.add_option(name, to, help)->group(kGroup);
  };
  several("--state", options.states,
          "waiting, sending, verifying, unknown, open, answered, dead or cancelled; several with "
          "commas");
  several("--why", options.reasons,
          "why it waits: first_attempt, backoff, breaker, paused, rate, budget, order, "
          "credentials, set_aside, not_before or verify; several with commas");
  several("--upstream", options.upstreams, "to this upstream; may be given several times");
  several("--route", options.routes, "of this route (its path); may be given several times");
  one("--older-than", options.older_than,
      "whose first request came before then: a duration ago (2h), or a time "
      "(2026-11-21T03:00:00Z)");
  one("--newer-than", options.newer_than, "whose first request came then or later");
  several("--status", options.statuses,
          "the status of the last answer: 503, 5xx, 500-504 or none; several with commas");
  several("--cause", options.causes,
          "why the last attempt failed: connect_refused, reset, head_timeout, ...; several with "
          "commas");
  one("--min-attempts", options.min_attempts, "so many attempts or more were made");
  one("--max-attempts", options.max_attempts, "so many attempts or fewer were made");
  several("--effect", options.effects, "none, unknown, pending or applied; several with commas");
  several("--key", options.keys,
          "with this idempotency key, as the client sent it; one made of business fields is found "
          "by --match");
  several("--match", options.matches,
          "NAME=VALUE of a field that a route declares under `index`; given several times, all "
          "must fit");
}

Result<control::QueryPairs> selection_pairs(const SelectionOptions& options, WallTime now) {
  control::QueryPairs out;
  const auto several = [&](const char* name, const std::vector<std::string>& values) {
    for (const std::string& value : values)
      out.emplace_back(name, value);
  };
  several("state", options.states);
  several("reason", options.reasons);
  several("upstream", options.upstreams);
  several("route", options.routes);
  if (!options.older_than.empty()) {
    HF_TRY(auto time, as_time("older-than", options.older_than, now));
    out.emplace_back("older_than", std::move(time));
  }
  if (!options.newer_than.empty()) {
    HF_TRY(auto time, as_time("newer-than", options.newer_than, now));
    out.emplace_back("newer_than", std::move(time));
  }
  several("status", options.statuses);
  several("cause", options.causes);
  if (!options.min_attempts.empty()) out.emplace_back("min_attempts", options.min_attempts);
  if (!options.max_attempts.empty()) out.emplace_back("max_attempts", options.max_attempts);
  several("effect", options.effects);
  several("match", options.matches);
  // What can be said without the configuration, the server need not say.
  control::QueryPairs copy = out;
  auto valid = control::take_selection(copy, {nullptr, std::nullopt, now});
  if (!valid.ok()) return valid.take_error();
  several("key", options.keys);
  return out;
}

std::string selection_words(const control::QueryPairs& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    std::string option = name == "reason" ? "why" : name;
    std::replace(option.begin(), option.end(), '_', '-');
    out += fmt::format("{}--{} {}", out.empty() ? "" : " ", option, value);
  }
  return out;
}

WallTime wall_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
}

}  // namespace hf::app
