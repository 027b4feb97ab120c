#include "control/selection_query.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/quantity.h"
#include "call/intake_index.h"
#include "call/intake_key.h"
#include "control/admin_reply.h"

namespace hf::control {
namespace {

constexpr Duration kAgoMax = Duration::hours(24 * 3660);
constexpr int kAttemptsMax = 1'000'000;
constexpr std::size_t kHashShown = 12;  // hex digits: enough to compare, too few to find

constexpr std::array<std::string_view, 13> kNames{
    "state", "reason", "effect",       "cause",        "status",     "upstream",  "route",
    "key",   "match",  "min_attempts", "max_attempts", "older_than", "newer_than"};

bool is_name(std::string_view name) {
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Error not_one(std::string_view name, std::string_view value, const std::string& known) {
  return fail(ErrorKind::invalid, fmt::format("'{}' is no {}; there are: {}", value, name, known));
}

// "a,b": both.
std::vector<std::string> parts_of(std::string_view value) {
  std::vector<std::string> out;
  while (true) {
    const auto comma = value.find(',');
    out.emplace_back(value.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    value.remove_prefix(comma + 1);
  }
}

template <typename T, typename Parse>
Result<void> add_words(std::string_view name, const std::string& value, std::set<T>& to,
                       Parse parse, const std::string& known) {
  for (const std::string& part : parts_of(value)) {
    const auto word = parse(part);
    if (!word) return not_one(name, part, known);
    to.insert(*word);
  }
  return {};
}

Result<int> parse_number(std::string_view name, std::string_view value, int low, int high) {
  int out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  const bool whole = error == std::errc{} && end == value.data() + value.size();
  if (whole && out >= low && out <= high) return out;
  return fail(ErrorKind::invalid, fmt::format("'{}' must be from {} to {}", name, low, high));
}

// "503", "5xx", "500-504", "none".
Result<call::StatusRange> parse_status(std::string_view value) {
  if (value == "none") return call::StatusRange{0, 0};
  if (value.size() == 3 && value.substr(1) == "xx" && value[0] >= '1' && value[0] <= '5') {
    const int hundred = (value[0] - '0') * 100;
    return call::StatusRange{hundred, hundred + 99};
  }
  const auto dash = value.find('-');
  const auto low = parse_number("status", value.substr(0, dash), 100, 599);
  const auto high = dash == std::string_view::npos
                        ? low
                        : parse_number("status", value.substr(dash + 1), 100, 599);
  if (low.ok() && high.ok() && *low <= *high) return call::StatusRange{*low, *high};
  return fail(ErrorKind::invalid,
              fmt::format("'{}' is not a status: write 503, 5xx, 500-504 or none", value));
}

Result<WallTime> parse_when(std::string_view name, const std::string& value, WallTime now) {
  if (const auto ago = parse_duration(value); ago.ok()) {
    if (*ago >= Duration{} && *ago <= kAgoMax) return now - *ago;
    return fail(ErrorKind::invalid, fmt::format("'{}' must be from 0 to 10 years ago", name));
  }
  auto at = parse_rfc3339(value);
  if (at.ok()) return *at;
  return fail(ErrorKind::invalid,
              fmt::format("'{}': '{}' is neither a duration such as 2h nor a time such as "
                          "2026-11-21T03:00:00Z",
                          name, value));
}

// A header key is the same wherever it is sent in one space; of business keys the text says too
// little, because method and path belong to them.
Result<void> add_key(const std::string& key, const SelectionContext& context,
                     call::Selection& out) {
  if (context.settings == nullptr || !context.hasher) {
    return fail(ErrorKind::invalid,
                "'key' needs the configuration: where keys are looked for stands in its routes");
  }
  if (!out.keys) out.keys.emplace();
  for (const auto& route : context.settings->routes) {
    const auto upstream = context.settings->upstreams.find(route->upstream);
    if (upstream == context.settings->upstreams.end()) continue;
    out.keys->insert(call::header_key_identity(*route, *upstream->second, key, *context.hasher));
  }
  return {};
}

Result<void> add(const std::string& name, std::string& value, const SelectionContext& context,
                 call::Selection& out) {
  if (name == "state") {
    return add_words(name, value, out.states, call::parse_state, call::known_states());
  }
  if (name == "reason") {
    return add_words(name, value, out.reasons, call::parse_reason, call::known_reasons());
  }
  if (name == "effect") {
    return add_words(name, value, out.effects, call::parse_effect, call::known_effects());
  }
  if (name == "cause") {
    return add_words(name, value, out.causes, call::parse_cause, call::known_causes());
  }
  if (name == "status") {
    for (const std::string& part : parts_of(value)) {
      HF_TRY(const auto range, parse_status(part));
      out.statuses.push_back(range);
    }
  } else if (name == "upstream" || name == "route") {
    if (value.empty()) return fail(ErrorKind::invalid, fmt::format("'{}' is empty", name));
    (name == "upstream" ? out.upstreams : out.routes).insert(value);
  } else if (name == "key") {
    return add_key(value, context, out);
  } else if (name == "match") {
    HF_TRY(auto match, parse_match(value, context));
    out.matches.push_back(std::move(match));
  } else if (name == "min_attempts" || name == "max_attempts") {
    HF_TRY(const int number, parse_number(name, value, 0, kAttemptsMax));
    (name == "min_attempts" ? out.attempts_min : out.attempts_max) = number;
  } else {
    HF_TRY(const WallTime when, parse_when(name, value, context.now));
    (name == "older_than" ? out.until : out.from) = when;
    value = format_rfc3339(when);
  }
  return {};
}

// Which fields can be searched for, in words.
std::string known_fields(const call::Settings& settings) {
  std::set<std::string> names;
  for (const auto& route : settings.routes) {
    for (const auto& field : route->index)
      names.insert(field.name);
  }
  std::string out;
  for (const auto& name : names)
    out += (out.empty() ? "" : ", ") + name;
  return out;
}

Result<void> must_be_declared(const std::string& name, const call::Settings& settings) {
  const bool known =
      std::any_of(settings.routes.begin(), settings.routes.end(), [&](const auto& route) {
        return std::any_of(route->index.begin(), route->index.end(),
                           [&](const auto& field) { return field.name == name; });
      });
  if (known) return {};
  const std::string fields = known_fields(settings);
  return fail(ErrorKind::invalid,
              fields.empty() ? std::string("no route declares searchable fields: say `index: "
                                           "{ customer: { form: customer } }` on one")
                             : fmt::format("no route has a searchable field '{}'; there are: {}",
                                           name, fields));
}

}  // namespace

Result<call::FieldMatch> parse_match(const std::string& text, const SelectionContext& context) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return fail(ErrorKind::invalid, "'match' must be NAME=VALUE");
  }
  call::FieldMatch out;
  out.name = text.substr(0, equals);
  out.value = text.substr(equals + 1);
  if (context.settings != nullptr) HF_TRY_VOID(must_be_declared(out.name, *context.settings));
  if (context.hasher) out.hashed = call::hashed_value(out.value, *context.hasher);
  return out;
}

Result<call::Selection> take_selection(QueryPairs& pairs, const SelectionContext& context,
                                       QueryPairs* taken) {
  static const std::set<std::string, std::less<>> kOnce{"min_attempts", "max_attempts",
                                                        "older_than", "newer_than"};
  call::Selection out;
  QueryPairs rest;
  std::set<std::string> seen;
  std::size_t values = 0;
  for (auto& [name, value] : pairs) {
    if (!is_name(name)) {
      rest.emplace_back(std::move(name), std::move(value));
      continue;
    }
    if (!seen.insert(name).second && kOnce.contains(name)) {
      return fail(ErrorKind::invalid, fmt::format("'{}' is there twice", name));
    }
    if (++values > kSelectionValuesMax || value.size() > kSelectionValueMax) {
      return fail(ErrorKind::invalid, fmt::format("at most {} values of {} bytes",
                                                  kSelectionValuesMax, kSelectionValueMax));
    }
    HF_TRY_VOID(add(name, value, context, out));
    if (taken != nullptr) taken->emplace_back(name, value);
  }
  if (out.matches.size() > kMatchesMax) {
    return fail(ErrorKind::invalid, fmt::format("at most {} matches", kMatchesMax));
  }
  if (out.from && out.until && *out.from >= *out.until) {
    return fail(ErrorKind::invalid, "'newer_than' must lie before 'older_than'");
  }
  pairs = std::move(rest);
  return out;
}

std::string selection_names() {
  return fmt::format("{}", fmt::join(kNames, ", "));
}

std::string shown_selection(const QueryPairs& taken, const std::optional<call::Hasher>& hasher) {
  const auto hashed = [&](const std::string& value) {
    return "#" + (hasher ? call::hashed_value(value, *hasher).substr(0, kHashShown) : "?");
  };
  std::string out;
  for (const auto& [name, value] : taken) {
    if (!out.empty()) out += ' ';
    const auto equals = value.find('=');
    out += name + '=';
    if (name == "key") {
      out += hashed(value);
    } else if (name == "match") {
      out += value.substr(0, equals) + '=' + hashed(value.substr(equals + 1));
    } else {
      out += value;
    }
  }
  return out;
}

std::string query_text(const QueryPairs& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs)
    out += (out.empty() ? "" : "&") + name + '=' + percent_encoded(value);
  return out;
}

}  // namespace hf::control
