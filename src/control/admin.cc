#include "control/admin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/address_view.h"
#include "control/admin_explain.h"
#include "control/admin_export.h"
#include "control/admin_reply.h"
#include "control/call_view.h"
#include "control/forecast.h"
#include "control/guard.h"
#include "control/health.h"
#include "control/incident_reading.h"
#include "control/json.h"
#include "control/load_view.h"
#include "control/top_view.h"

namespace hf::control {

using engine::OperatorCommand;
using ports::ControlReply;
using ports::ControlRequest;
using ports::ControlRespond;

namespace {

constexpr std::size_t kListDefault = 100;
constexpr std::size_t kListMax = 1000;
constexpr std::size_t kListExamined = 500;  // of one page
constexpr std::size_t kAnswerMax = 1024 * 1024;
constexpr Duration kIncidentMax = Duration::hours(24 * 90);
constexpr Duration kObservedMax = Duration::hours(24 * 31);
constexpr Duration kPauseMax = Duration::hours(24 * 30);

ControlReply no_such_call(std::string_view id) {
  return problem(404, "no-such-call", "There is no such call",
                 fmt::format("no call {} is in the journal; it may have been retired", id));
}
// By name; invalid when one is none of `known`, or there twice. `also` are known and were taken.
Result<std::map<std::string, std::string>> known_values(QueryPairs pairs,
                                                        const std::vector<std::string>& known,
                                                        const std::string& also = {}) {
  std::map<std::string, std::string> out;
  for (auto& [name, value] : pairs) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return fail(ErrorKind::invalid, fmt::format("query '{}' is not known here; known are: {}{}",
                                                  name, fmt::join(known, ", "), also));
    }
    if (!out.emplace(name, std::move(value)).second) {
      return fail(ErrorKind::invalid, fmt::format("query '{}' is there twice", name));
    }
  }
  return out;
}

// "a=1&b=2"; invalid when malformed as well.
Result<std::map<std::string, std::string>> parse_query(std::string_view text,
                                                       const std::vector<std::string>& known) {
  HF_TRY(auto pairs, query_pairs(text));
  return known_values(std::move(pairs), known);
}

Result<ports::CallFilter> parse_filter(std::string_view query, const SelectionContext& context) {
  HF_TRY(auto pairs, query_pairs(query));
  ports::CallFilter out;
  HF_TRY(out.select, take_selection(pairs, context));
  HF_TRY(const auto values,
         known_values(std::move(pairs), {"limit", "after"}, ", " + selection_names()));
  out.limit = kListDefault;
  out.examine = kListExamined;
  out.pass_over = true;
  for (const auto& [name, value] : values) {
    if (name == "after") {
      const auto id = CallId::parse(value);
      if (!id.ok()) return fail(ErrorKind::invalid, "'after' must be the id of a call");
      out.after = id.value();
    } else {
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), out.limit);
      const bool whole = error == std::errc{} && end == value.data() + value.size();
      if (!whole || out.limit < 1 || out.limit > kListMax) {
        return fail(ErrorKind::invalid, fmt::format("'limit' must be from 1 to {}", kListMax));
      }
    }
  }
  return out;
}

// "since=2h&until=30m": how long ago; until is now when it is left out.
Result<IncidentWindow> parse_window(std::string_view query, WallTime now) {
  HF_TRY(const auto values, parse_query(query, {"since", "until"}));
  IncidentWindow out{now, now};
  if (!values.contains("since")) {
    return fail(ErrorKind::invalid, "'since' is required: how long ago it began, such as 2h");
  }
  for (const auto& [name, value] : values) {
    auto ago = parse_duration(value);
    if (!ago.ok()) return ago.take_error().in("'" + name + "'");
    if (*ago < Duration{} || *ago > kIncidentMax) {
      return fail(ErrorKind::invalid, "'" + name + "' must be from 0 to 90d ago");
    }
    (name == "since" ? out.since : out.until) = now - *ago;
  }
  if (out.since >= out.until) {
    return fail(ErrorKind::invalid, "'since' must lie before 'until'");
  }
  return out;
}

Result<JsonMembers> parse_body(const std::string& body,
                               const std::vector<std::string_view>& names) {
  HF_TRY(auto members, JsonMembers::read(body.empty() ? std::string_view("{}") : body));
  HF_TRY_VOID(members.only(names));
  return members;
}

Result<call::Answer> parse_answer(std::string_view text) {
  HF_TRY(const auto members, JsonMembers::read(text));
  HF_TRY_VOID(members.only({"status", "content_type", "body_base64"}));
  call::Answer out;
  HF_TRY(out.status, members.number("status", 200, 599));
  HF_TRY(auto type, members.text("content_type"));
  for (const char c : type) {
    if (c < 0x20 || c == 0x7F) {
      return fail(ErrorKind::invalid, "\"content_type\" must be visible ASCII");
    }
  }
  if (!type.empty()) out.fields.push_back({"Content-Type", std::move(type)});
  HF_TRY(const auto encoded, members.text("body_base64"));
  auto body = from_base64(encoded);
  if (!body.ok()) return body.take_error().in("\"body_base64\"");
  if (body->size() > kAnswerMax) {
    return fail(ErrorKind::invalid,
                fmt::format("the answer's body may have at most {}", format_size(kAnswerMax)));
  }
  out.body = make_body(std::move(*body));
  return out;
}

Result<OperatorCommand> parse_resolve(const std::string& text) {
  HF_TRY(const auto body, parse_body(text, {"outcome", "reason", "answer"}));
  HF_TRY(const auto outcome, body.text("outcome"));
  if (outcome != "applied" && outcome != "not_applied") {
    return fail(ErrorKind::invalid, "\"outcome\" must be \"applied\" or \"not_applied\"");
  }
  OperatorCommand out;
  const bool applied = outcome == "applied";
  out.what =
      applied ? OperatorCommand::What::resolve_applied : OperatorCommand::What::resolve_not_applied;
  HF_TRY(out.reason, read_reason(body));
  if (out.reason.empty()) {
    return fail(ErrorKind::invalid, "\"reason\" is required: say how you know");
  }
  if (body.has("answer")) {
    if (!applied) {
      return fail(ErrorKind::invalid, "an answer belongs to the outcome \"applied\" alone");
    }
    auto answer = parse_answer(body.raw("answer"));
    if (!answer.ok()) return answer.take_error().in("\"answer\"");
    out.answer = std::move(*answer);
  }
  return out;
}

Result<OperatorCommand> parse_command(const std::string& action, const std::string& text) {
  if (action == "resolve") return parse_resolve(text);
  HF_TRY(const auto body, parse_body(text, {"reason"}));
  OperatorCommand out;
  out.what = action == "retry" ? OperatorCommand::What::retry : OperatorCommand::What::cancel;
  HF_TRY(out.reason, read_reason(body));
  return out;
}

Result<OperatorCommand> parse_pause(bool resume, const std::string& text) {
  OperatorCommand out;
  if (resume) {
    HF_TRY(const auto body, parse_body(text, {"reason"}));
    out.what = OperatorCommand::What::resume;
    HF_TRY(out.reason, read_reason(body));
    return out;
  }
  HF_TRY(const auto body, parse_body(text, {"for", "reason"}));
  out.what = OperatorCommand::What::pause;
  HF_TRY(out.reason, read_reason(body));
  HF_TRY(const auto length, body.text("for"));
  if (length.empty()) {
    return fail(ErrorKind::invalid, "\"for\" is required: how long, such as \"10m\"");
  }
  auto duration = parse_duration(length);
  if (!duration.ok()) return duration.take_error().in("\"for\"");
  out.pause_for = duration.value();
  if (out.pause_for <= Duration{} || out.pause_for > kPauseMax) {
    return fail(ErrorKind::invalid, "\"for\" must be more than 0 and at most 30d");
  }
  return out;
}

// The answer of every command.
runtime::Driver::CommandAnswer answer_of(const ControlRespond& respond) {
  return [respond](bool ok, const std::string& message) {
    if (ok) {
      respond(json(call::JsonObject().boolean("ok", true).text("message", message).done()));
    } else {
      respond(problem(409, "refused", "This cannot be done as things stand", message));
    }
  };
}

std::string upstream_json(const call::UpstreamSettings& settings,
                          const engine::UpstreamStats& stats, const OutgoingFacts& outgoing) {
  static constexpr std::string_view kBreaker[] = {"closed", "half_open", "open"};
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  call::JsonObject out;
  out.text("name", settings.name)
      .text("breaker", kBreaker[std::min<std::uint64_t>(stats.breaker_open, 2)])
      .number("in_flight", number(stats.in_flight))
      .number("queue", number(stats.live_queue))
      .number("held_loaded", number(stats.held_loaded))
      .number("attempts", number(stats.attempts))
      .number("retries", number(stats.retries))
      .number("answered", number(stats.answered))
      .number("became_held", number(stats.held))
      .number("became_unknown", number(stats.unknown))
      .number("died", number(stats.dead))
      .number("pauses", number(stats.pauses))
      .number("paused_keys", number(stats.paused_keys));
  if (stats.paused_until_ms > 0) {
    out.text("paused_until", format_rfc3339(WallTime{stats.paused_until_ms}));
  } else {
    out.null("paused_until");
  }
  if (stats.next_due_ms > 0) {
    out.text("next_due_at", format_rfc3339(WallTime{stats.next_due_ms}));
  } else {
    out.null("next_due_at");
  }
  out.raw("load", load_json(stats.load, settings.overload.has_value()));
  if (settings.proxy) {
    out.raw("proxy", proxy_json(settings, outgoing));
  } else {
    out.null("proxy");
  }
  out.raw("addresses", addresses_json(settings.name, stats, outgoing));
  return out.done();
}

}  // namespace

// A path below /v1/, in its parts.
struct Admin::Route {
  std::string method;
  std::string kind;    // calls, upstreams
  std::string name;    // a call's id or an upstream's name; empty: the collection
  std::string action;  // retry, cancel, ...; empty: the thing itself
  std::string query;
  std::string body;

  static std::optional<Route> parse(const ControlRequest& request) {
    std::string_view target = request.target;
    Route out;
    out.method = request.method;
    out.body = request.body;
    if (const auto mark = target.find('?'); mark != std::string_view::npos) {
      out.query = std::string(target.substr(mark + 1));
      target = target.substr(0, mark);
    }
    constexpr std::string_view kVersion = "/v1/";
    if (!target.starts_with(kVersion)) return {};
    target.remove_prefix(kVersion.size());
    std::vector<std::string> parts;
    while (true) {
      const auto slash = target.find('/');
      auto part = percent_decoded(target.substr(0, slash), false);
      if (!part || part->empty() || parts.size() == 3) return {};
      parts.push_back(std::move(*part));
      if (slash == std::string_view::npos) break;
      target.remove_prefix(slash + 1);
    }
    parts.resize(3);
    out.kind = std::move(parts[0]);
    out.name = std::move(parts[1]);
    out.action = std::move(parts[2]);
    return out;
  }

  [[nodiscard]] bool is_read() const { return method == "GET" || method == "HEAD"; }
};

namespace {

OperationParts parts_for_operations(runtime::Driver& driver, const AdminOptions& options) {
  OperationParts out;
  out.driver = &driver;
  out.settings = options.settings;
  out.hasher = options.hasher;
  out.now = [now = options.now] { return now ? now() : WallTime{}; };
  out.fresh_id = options.fresh_id;
  out.store = options.operations;
  out.log = options.log;
  return out;
}

}  // namespace

Admin::Admin(runtime::Driver& driver, AdminOptions options)
    : driver_(driver),
      options_(std::move(options)),
      operations_(parts_for_operations(driver, options_)) {}

WallTime Admin::wall_now() const {
  return options_.now ? options_.now() : WallTime{};
}

SelectionContext Admin::context() const {
  return {options_.settings.get(), options_.hasher, wall_now()};
}

void Admin::handle(const ControlRequest& request, const ControlRespond& respond) {
  if (!host_allowed(request.fields, options_.listen, options_.hosts)) {
    respond(problem(421, "wrong-host", "This Host is not served here",
                    "Host must be a loopback name or the address of the admin listener"));
    return;
  }
  if (!has_token(request.fields, options_.token)) {
    auto reply = problem(401, "unauthorized", "The token is missing or wrong",
                         "send Authorization: Bearer with the token in <journal.path>/admin.token");
    reply.fields = {{"WWW-Authenticate", "Bearer realm=\"holdfast\""}};
    respond(std::move(reply));
    return;
  }
  if (request.target == "/metrics") {
    respond(request.method == "GET" || request.method == "HEAD"
                ? metrics_reply(driver_, options_.facts)
                : wrong_method("GET"));
    return;
  }
  if (driver_.broken()) {
    respond(journal_unavailable("the journal is broken; Holdfast is starting anew from it"));
    return;
  }
  const auto route = Route::parse(request);
  if (!route || !dispatch(*route, request, respond)) {
    respond(problem(404, "not-found", "There is nothing at this path",
                    "docs/admin-api.md lists the paths, all below /v1/"));
  }
}

bool Admin::dispatch(const Route& route, const ControlRequest& request,
                     const ControlRespond& respond) {
  using Read = void (Admin::*)(const Route&, const ControlRespond&);
  static const std::map<std::string_view, Read> kReads{{"calls", &Admin::calls},
                                                       {"blocked", &Admin::blocked},
                                                       {"incident", &Admin::incident},
                                                       {"alerts", &Admin::alerts},
                                                       {"upstreams", &Admin::upstreams},
                                                       {"explain", &Admin::evidence},
                                                       {"duplicates", &Admin::evidence},
                                                       {"count", &Admin::count},
                                                       {"export", &Admin::export_page},
                                                       {"observed", &Admin::observed},
                                                       {"top", &Admin::top}};
  const std::string& action = route.action;
  if (route.kind == "limits" || route.kind == "features") {
    const TrafficAsk ask{route.method, route.kind, route.name, action, route.body};
    return answer_traffic(options_.traffic, ask, options_.log, respond);
  }
  if (route.kind == "operations") return operations(route, request.peer, respond);
  if (route.name.empty()) {
    const auto read = kReads.find(route.kind);
    if (read == kReads.end()) return false;
    if (route.is_read()) {
      (this->*read->second)(route, respond);
    } else {
      respond(wrong_method("GET"));
    }
    return true;
  }
  if (route.kind == "calls" && action.empty()) {
    one_call(route, respond);
  } else if (route.kind == "calls" &&
             (action == "retry" || action == "cancel" || action == "resolve")) {
    command(route, respond);
  } else if (route.kind == "upstreams" && (action == "pause" || action == "resume")) {
    pause(route, respond);
  } else {
    return false;
  }
  return true;
}

void Admin::alerts(const Route&, const ControlRespond& respond) {
  respond(json(options_.alerts ? options_.alerts() : R"({"alerts":[]})"));
}

void Admin::count(const Route& route, const ControlRespond& respond) {
  answer_count(driver_, context(), route.query, respond);
}

void Admin::export_page(const Route& route, const ControlRespond& respond) {
  answer_export({&driver_, context(), options_.sealer}, route.query, respond);
}

bool Admin::operations(const Route& route, const std::string& peer, const ControlRespond& respond) {
  const bool known = route.action.empty() || route.action == "step" || route.action == "stop" ||
                     route.action == "resume";
  if (!known) return false;
  const bool read = route.is_read();
  if (read ? !route.action.empty() : route.method != "POST") {
    respond(wrong_method(route.action.empty() ? "GET, POST" : "POST"));
  } else if (!route.action.empty()) {
    operations_.act(route.name, route.action, route.body, respond);
  } else if (read && route.name.empty()) {
    operations_.list(respond);
  } else if (read) {
    operations_.one(route.name, respond);
  } else if (route.name.empty()) {
    operations_.begin(route.body, peer, respond);
  } else {
    respond(wrong_method("GET"));
  }
  return true;
}

void Admin::calls(const Route& route, const ControlRespond& respond) {
  auto filter = parse_filter(route.query, context());
  if (!filter.ok()) {
    respond(bad_request(filter.error().context));
    return;
  }
  driver_.list(std::move(*filter), [respond](const Result<ports::CallPage>& page) {
    if (!page.ok()) {
      respond(journal_unavailable(page.error().context));
      return;
    }
    JsonArray calls;
    for (const auto& call : page.value().calls)
      calls.add(list_json(*call));
    JsonArray unreadable;
    for (const auto& [id, why] : page.value().unreadable)
      unreadable.add(call::json_string(id.text()));
    call::JsonObject out;
    out.raw("calls", calls.done())
        .raw("unreadable", unreadable.done())
        .number("examined", static_cast<std::int64_t>(page.value().examined))
        .boolean("more", page.value().more);
    if (page.value().next) {
      out.text("next", page.value().next->text());
    } else {
      out.null("next");
    }
    respond(json(out.done()));
  });
}

// Lines in which a call that cannot end by itself, or takes long, keeps others waiting.
void Admin::blocked(const Route&, const ControlRespond& respond) {
  ports::CallFilter filter;
  filter.blocking = true;
  filter.limit = kListMax;
  const WallTime now = wall_now();
  driver_.list(std::move(filter), [respond, now](const Result<ports::CallPage>& page) {
    if (!page.ok()) {
      respond(journal_unavailable(page.error().context));
      return;
    }
    JsonArray lines;
    for (std::size_t i = 0; i < (*page).calls.size(); ++i) {
      const call::Call& head = *(*page).calls[i];
      if (!blocks_for_long(head, now)) continue;
      lines.add(blocked_json(head, (*page).behind[i]));
    }
    respond(
        json(call::JsonObject().raw("lines", lines.done()).boolean("more", (*page).more).done()));
  });
}

// What routes that only observe would have done.
void Admin::observed(const Route& route, const ControlRespond& respond) {
  const auto values = parse_query(route.query, {"since", "route"});
  if (!values.ok()) return respond(bad_request(values.error().context));
  Duration since = Duration::hours(24);
  std::string path;
  for (const auto& [name, value] : *values) {
    if (name == "route") {
      path = value;
      continue;
    }
    const auto ago = parse_duration(value);
    if (!ago.ok() || *ago <= Duration{} || *ago > kObservedMax) {
      return respond(bad_request("'since' must be a time from 1s to 31d ago, such as 24h"));
    }
    since = *ago;
  }
  if (!options_.observed) return respond(bad_request("this Holdfast keeps nothing observed"));
  options_.observed(wall_now() - since, path, [respond](const Result<std::string>& sum) {
    if (!sum.ok()) return respond(journal_unavailable(sum.error().context));
    respond(json(*sum));
  });
}

void Admin::one_call(const Route& route, const ControlRespond& respond) {
  if (!route.is_read()) {
    respond(wrong_method("GET"));
    return;
  }
  const auto id = CallId::parse(route.name);
  if (!id.ok()) {
    respond(no_such_call(route.name));
    return;
  }
  driver_.detail(id.value(), [respond, name = route.name](const Result<ports::CallDetail>& detail) {
    if (!detail.ok()) {
      respond(journal_unavailable(detail.error().context));
    } else if (!detail.value().call) {
      respond(no_such_call(name));
    } else {
      respond(json(detail_json(detail.value())));
    }
  });
}

void Admin::evidence(const Route& route, const ControlRespond& respond) {
  const ExplainContext context{&driver_, options_.settings, options_.hasher, wall_now()};
  if (route.kind == "explain") {
    answer_explain(context, route.query, respond);
  } else {
    answer_duplicates(context, route.query, respond);
  }
}

void Admin::command(const Route& route, const ControlRespond& respond) {
  if (route.method != "POST") {
    respond(wrong_method("POST"));
    return;
  }
  const auto id = CallId::parse(route.name);
  if (!id.ok()) {
    respond(no_such_call(route.name));
    return;
  }
  auto command = parse_command(route.action, route.body);
  if (!command.ok()) {
    respond(bad_request(command.error().context));
    return;
  }
  command->call = id.value();
  // Looked up first, so that a mistyped id is told from a call that cannot be helped now. The
  // driver outlives what it answers.
  driver_.detail(id.value(), [respond, name = route.name, &driver = driver_,
                              command = *command](const Result<ports::CallDetail>& detail) {
    if (!detail.ok()) {
      respond(journal_unavailable(detail.error().context));
    } else if (!detail.value().call) {
      respond(no_such_call(name));
    } else {
      driver.command(command, answer_of(respond));
    }
  });
}

void Admin::upstreams(const Route&, const ControlRespond& respond) {
  respond(json(call::JsonObject().raw("upstreams", upstreams_json()).done()));
}

void Admin::top(const Route&, const ControlRespond& respond) {
  TopParts parts;
  parts.upstreams = upstreams_json();
  const TrafficAdmin& traffic = options_.traffic;
  parts.limits = traffic.limits ? traffic.limits() : "null";
  parts.features = traffic.features ? traffic.features() : "null";
  parts.autoscale = traffic.autoscale ? traffic.autoscale() : "null";
  const Facts facts = options_.facts ? options_.facts() : Facts{};
  respond(json(top_json(driver_.stats(), facts, parts, wall_now())));
}

std::string Admin::upstreams_json() const {
  const engine::Stats& stats = driver_.stats();
  const OutgoingFacts outgoing = options_.facts ? options_.facts().outgoing : OutgoingFacts{};
  JsonArray list;
  for (const auto& [name, settings] : options_.settings->upstreams) {
    const auto found = stats.upstreams.find(name);
    const auto one = found == stats.upstreams.end() ? engine::UpstreamStats{} : found->second;
    list.add(upstream_json(*settings, one, outgoing));
  }
  return list.done();
}

void Admin::incident(const Route& route, const ControlRespond& respond) {
  const WallTime now = wall_now();
  const auto window = parse_window(route.query, now);
  if (!window.ok()) {
    respond(bad_request(window.error().context));
    return;
  }
  read_incident(driver_, *window, options_.settings->alerts.stake,
                [respond, now](const Result<Incident>& found) {
                  if (!found.ok()) {
                    respond(journal_unavailable(found.error().context));
                    return;
                  }
                  const std::string text =
                      call::JsonObject().text("markdown", (*found).markdown(now)).done();
                  respond(json(join_objects((*found).json(now), text)));
                });
}

void Admin::pause(const Route& route, const ControlRespond& respond) {
  if (route.method != "POST") {
    respond(wrong_method("POST"));
    return;
  }
  if (options_.settings->upstreams.count(route.name) == 0) {
    respond(problem(404, "no-such-upstream", "There is no such upstream",
                    fmt::format("no upstream '{}' is configured", route.name)));
    return;
  }
  auto command = parse_pause(route.action == "resume", route.body);
  if (!command.ok()) {
    respond(bad_request(command.error().context));
    return;
  }
  command->upstream = route.name;
  driver_.command(std::move(*command), answer_of(respond));
}

}  // namespace hf::control
