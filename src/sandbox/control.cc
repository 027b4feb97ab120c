// The sandbox's own endpoints below /_.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

#include "sandbox/world.h"

namespace hf::sandbox {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  return {value.get_string().data(), value.get_string().size()};
}

std::uint64_t number_or(const Params& params, std::string_view name, std::uint64_t fallback) {
  const auto* text = find_param(params, name);
  if (text == nullptr) return fallback;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc{} && end == text->data() + text->size() ? value : fallback;
}

std::optional<std::string> optional_param(const Params& params, std::string_view name) {
  const auto* text = find_param(params, name);
  return text != nullptr ? std::optional<std::string>(*text) : std::nullopt;
}

// An empty body is an empty object.
Result<json::object> object_of(std::string_view body) {
  if (body.empty()) return json::object{};
  json::error_code error;
  auto value = json::parse({body.data(), body.size()}, error);
  if (error || !value.is_object()) return fail(ErrorKind::invalid, "the body is not a JSON object");
  return std::move(value.get_object());
}

Answer refused(const std::string& why) {
  return error_answer(400, "invalid_request_error", "", why);
}

constexpr std::array<std::string_view, 3> kKeyModes{"stripe", "all", "ignored"};
constexpr std::array<std::string_view, 3> kHints{"none", "truthful", "lying"};
constexpr std::array<std::string_view, 3> kPlans{"order", "key", "ordinal"};

template <typename Enum>
Result<Enum> choice(const std::array<std::string_view, 3>& names, const json::value& value) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (value.is_string() && text_of(value) == names[i]) return static_cast<Enum>(i);
  }
  return fail(ErrorKind::invalid,
              fmt::format("expected {}, {} or {}", names[0], names[1], names[2]));
}

Result<std::int64_t> count(const json::value& value) {
  const bool good = value.is_int64() && value.get_int64() >= 0;
  if (!good) return fail(ErrorKind::invalid, "expected a whole number from 0");
  return value.get_int64();
}

Result<bool> truth(const json::value& value) {
  if (!value.is_bool()) return fail(ErrorKind::invalid, "expected true or false");
  return value.get_bool();
}

// Settings that live in the options.
Result<bool> set_option(SandboxOptions& options, std::string_view name, const json::value& value) {
  if (name == "idle_close_ms") {
    HF_TRY(options.idle_close_ms, count(value));
  } else if (name == "lookup_lag_ms") {
    HF_TRY(options.lookup_lag_ms, count(value));
  } else if (name == "latency_ms") {
    HF_TRY(options.latency_ms, count(value));
  } else if (name == "llm_chunk_delay_ms") {
    HF_TRY(options.llm_chunk_delay_ms, count(value));
  } else if (name == "key_lifetime_ms") {
    HF_TRY(options.key_lifetime_ms, count(value));
  } else if (name == "close_on_reuse") {
    HF_TRY(options.close_on_reuse, truth(value));
  } else if (name == "keys") {
    HF_TRY(options.keys, choice<KeyMode>(kKeyModes, value));
  } else if (name == "keep_alive_hint") {
    HF_TRY(options.keep_alive_hint, choice<KeepAliveHint>(kHints, value));
  } else if (name == "plan_by") {
    HF_TRY(options.plan_by, choice<PlanBy>(kPlans, value));
  } else {
    return false;
  }
  return true;
}

// Settings that live in the plan.
Result<bool> set_plan(FaultPlan& plan, std::string_view name, const json::value& value) {
  if (name == "seed") {
    HF_TRY(const auto seed, count(value));
    plan.set_seed(static_cast<std::uint64_t>(seed));
  } else if (name == "faults" && value.is_string()) {
    HF_TRY(auto odds, parse_odds(text_of(value)));
    plan.set_odds(std::move(odds));
  } else if (name == "lookup_faults" && value.is_string()) {
    HF_TRY(auto odds, parse_odds(text_of(value)));
    plan.set_lookup_odds(std::move(odds));
  } else if (name == "always" && (value.is_null() || value.is_string())) {
    std::optional<Fault> always;
    if (value.is_string() && !value.get_string().empty()) {
      HF_TRY(always, parse_fault(text_of(value)));
    }
    plan.set_always(std::move(always));
  } else if (name == "next" && value.is_array()) {
    plan.clear_queue();
    for (const auto& item : value.get_array()) {
      if (!item.is_string()) return fail(ErrorKind::invalid, "expected names of faults");
      HF_TRY(auto fault, parse_fault(text_of(item)));
      HF_TRY_VOID(plan.enqueue(std::move(fault)));
    }
  } else if (name == "fault_safe") {
    HF_TRY(const auto on, truth(value));
    plan.set_fault_safe(on);
  } else if (name == "max_faulted_attempts") {
    HF_TRY(const auto attempts, count(value));
    plan.set_max_faulted_attempts(static_cast<int>(std::min<std::int64_t>(attempts, 1'000'000)));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Answer World::set_faults(const Request& request) {
  const auto body = object_of(request.body);
  if (!body) return refused(body.error().context);
  // All or nothing: a typing error in the last member must not leave the first ones in force.
  auto options = options_;
  auto plan = plan_;
  for (const auto& member : *body) {
    const std::string name(member.key().data(), member.key().size());
    auto known = set_option(options, name, member.value());
    if (known.ok() && !known.value()) known = set_plan(plan, name, member.value());
    if (!known.ok()) return refused(name + ": " + known.error().context);
    if (!known.value()) return refused(name + ": unknown or of the wrong type");
  }
  options_ = std::move(options);
  plan_ = std::move(plan);
  keys_.set_lifetime(Duration::millis(options_.key_lifetime_ms));
  return show_faults();
}

Answer World::show_faults() const {
  json::array next;
  for (const auto& fault : plan_.queue())
    next.emplace_back(fault.text());
  json::value always(nullptr);
  if (plan_.always()) always = plan_.always()->text();
  const auto name = [](const auto& names, auto value) {
    const auto text = names[static_cast<std::size_t>(value)];
    return json::string(text.data(), text.size());
  };
  return json_answer(200, {{"seed", plan_.seed()},
                           {"faults", format_odds(plan_.odds())},
                           {"lookup_faults", format_odds(plan_.lookup_odds())},
                           {"lookup_lag_ms", options_.lookup_lag_ms},
                           {"always", std::move(always)},
                           {"next", std::move(next)},
                           {"fault_safe", plan_.fault_safe()},
                           {"max_faulted_attempts", plan_.max_faulted_attempts()},
                           {"plan_by", name(kPlans, options_.plan_by)},
                           {"keys", name(kKeyModes, options_.keys)},
                           {"key_lifetime_ms", options_.key_lifetime_ms},
                           {"latency_ms", options_.latency_ms},
                           {"llm_chunk_delay_ms", options_.llm_chunk_delay_ms},
                           {"idle_close_ms", options_.idle_close_ms},
                           {"keep_alive_hint", name(kHints, options_.keep_alive_hint)},
                           {"close_on_reuse", options_.close_on_reuse}});
}

Answer World::show_ledger(const Request& request) const {
  const auto params = parse_form(request.query);
  LedgerFilter filter;
  filter.order = optional_param(params, "order");
  filter.key = optional_param(params, "key");
  filter.path = optional_param(params, "path");
  filter.since = number_or(params, "since", 0);
  filter.limit = number_or(params, "limit", filter.limit);
  filter.counts_only = param_or(params, "counts", "") == "only";
  return json_answer(200, ledger_.to_json(filter));
}

ControlOutcome World::control(const Request& request, bool is_down, WallTime now) {
  const auto& path = request.path;
  const bool post = request.method == "POST";
  const json::object state{{"ok", true}, {"down", is_down}, {"at_ms", now.ms}};
  if (!post && path == "/_ledger") return {show_ledger(request), {}, false};
  if (!post && path == "/_faults") return {show_faults(), {}, false};
  if (!post && path == "/_health") return {json_answer(200, state), {}, false};
  if (post && path == "/_faults") return {set_faults(request), {}, false};
  if (post && path == "/_reset") {
    ledger_.clear();
    keys_.clear();
    stripe_.clear();
    charges_.clear();
    plan_.clear_queue();
    plan_.clear_attempts();
    return {json_answer(200, state), {}, false};
  }
  if (post && path == "/_up") return {json_answer(200, {{"ok", true}, {"down", false}}), {}, true};
  if (post && path == "/_down") {
    auto body = object_of(request.body);
    if (!body) return {refused(body.error().context), {}, false};
    std::int64_t for_ms = 0;
    if (const auto* value = body->if_contains("for_ms")) {
      const auto given = count(*value);
      if (!given) return {refused("for_ms: " + given.error().context), {}, false};
      for_ms = given.value();
    }
    return {json_answer(200, {{"ok", true}, {"down", true}, {"for_ms", for_ms}}), for_ms, false};
  }
  return {error_answer(404, "invalid_request_error", "",
                       "Known: GET /_ledger /_faults /_health, POST /_faults /_reset /_down /_up."),
          {},
          false};
}

}  // namespace hf::sandbox
