#include "review/forecast.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quantity.h"
#include "call/fingerprint.h"
#include "call/parts.h"
#include "call/prefer.h"
#include "call/relayed.h"
#include "call/routing.h"
#include "call/url.h"
#include "call/webhook.h"
#include "engine/gate.h"
#include "http1/head.h"

namespace hf::review {
namespace {

using config::Place;
using Kind = KeyForecast::Kind;

struct Where {
  std::string authority;
  std::string target;
};

// "http://host:1/path?query#x" or "/path?query".
Where split(std::string_view url) {
  Where out;
  url = url.substr(0, url.find('#'));
  const auto scheme = url.find("://");
  if (scheme != std::string_view::npos && scheme < url.find('/')) {
    url.remove_prefix(scheme + 3);
    const auto end = std::min(url.find_first_of("/?"), url.size());
    out.authority = std::string(url.substr(0, end));
    url.remove_prefix(end);
  }
  out.target = url.starts_with('/') ? std::string(url) : "/" + std::string(url);
  return out;
}

// As it would come over the wire, and through the same parser.
Result<call::IncomingHead> read_request(const ForecastAsk& ask, const call::Settings& settings) {
  const Where where = split(ask.url);
  const bool has_host = find_field(ask.headers, "Host") != nullptr;
  std::string bytes = fmt::format("{} {} HTTP/1.1\r\n", ask.method, where.target);
  if (!has_host) {
    bytes +=
        fmt::format("Host: {}\r\n", where.authority.empty() ? settings.listen : where.authority);
  }
  for (const Field& field : ask.headers)
    bytes += fmt::format("{}: {}\r\n", field.name, field.value);
  const bool framed = find_field(ask.headers, "Content-Length") != nullptr ||
                      find_field(ask.headers, "Transfer-Encoding") != nullptr;
  if (ask.body && !framed) bytes += fmt::format("Content-Length: {}\r\n", ask.body->size());
  const auto parsed = http1::parse_request(bytes + "\r\n");
  if (parsed.refusal != http1::Refusal::none) {
    return fail(ErrorKind::invalid, std::string(http1::explain(parsed.refusal)));
  }
  call::IncomingHead out;
  out.method = parsed.head.method;
  out.target = parsed.head.target;
  out.fields = parsed.head.fields;
  out.client_address = "127.0.0.1:50000";
  out.tls = !settings.tls.certificate.empty();
  out.has_body = parsed.framing.kind != http1::BodyFraming::Kind::none;
  if (out.has_body && ask.body) out.length = ask.body->size();
  for (const auto& route : settings.routes) {
    if (!route->listen.empty() && route->listen == where.authority) out.listener = route->listen;
  }
  return out;
}

std::vector<PartSeen> seen(const std::vector<call::Part>& parts, const call::IncomingHead& head,
                           std::string_view body) {
  std::vector<PartSeen> out;
  out.reserve(parts.size());
  for (const auto& part : parts) {
    const auto value = call::read_part(part, head.fields, body);
    out.push_back({part, value.text, value.kind != call::PartValue::Kind::found});
  }
  return out;
}

// What a repeat must have in common with the first request: each thing is changed in turn, and the
// fingerprint tells.
std::vector<std::string> same_request(const call::RouteSettings& route,
                                      const call::IncomingHead& head, const std::string& body,
                                      const std::vector<PartSeen>& scope) {
  const call::Hasher hasher = rehearsal_hasher();
  std::vector<std::string> values;
  values.reserve(scope.size());
  for (const auto& part : scope)
    values.push_back(part.value);
  const auto print = [&](const call::IncomingHead& of, std::string_view text) {
    return call::fingerprint_of(route, of, text, values, hasher);
  };
  const call::Digest as_sent = print(head, body);
  std::vector<std::string> out;
  const auto look = [&](std::string_view name, const auto& change) {
    call::IncomingHead other = head;
    std::string text = body;
    change(other, text);
    if (print(other, text) != as_sent) out.emplace_back(name);
  };
  const auto path = std::string(call::path_of(head.target));
  const auto query = std::string(call::query_of(head.target));
  look("method", [](auto& of, auto&) { of.method = of.method == "POST" ? "PUT" : "POST"; });
  look("path", [&](auto& of, auto&) { of.target = path + "x" + query; });
  look("query", [&](auto& of, auto&) { of.target += query.empty() ? "?x=1" : "&x=1"; });
  look("content type", [](auto& of, auto&) { set_field(of.fields, "Content-Type", "x/y"); });
  look("other fields", [](auto& of, auto&) { of.fields.push_back({"X-Another", "1"}); });
  look("body", [](auto&, auto& text) { text += " "; });
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] += "x";
    if (print(head, body) != as_sent) out.push_back(text_of(scope[i].part));
    values[i].pop_back();
  }
  for (const auto& part : route.fingerprint_ignore)
    out.push_back("but not " + text_of(part));
  return out;
}

class Writer {
 public:
  Writer(const config::Loaded& loaded, Forecast& out, std::size_t route, const call::NewCall& call,
         const call::IncomingHead& head, const std::string& body)
      : settings_(*loaded.settings),
        places_(loaded.places),
        out_(out),
        index_(route),
        call_(call),
        head_(head),
        body_(body) {}

  void run(Stage& stage) {
    const auto& request = *call_.request;
    out_.sent_target = request.target;
    out_.safe = call_.safe;
    out_.streamed = call_.streamed;
    out_.journaled = call_.wants_journal();
    out_.may_hold = call_.may_hold;
    out_.mode = call_.frozen()->mode;
    out_.mode_place = of_upstream("idempotency.mode");
    out_.urgency = call_.asked.urgency;
    if (call_.asked.order) out_.order = call_.asked.order->name;
    out_.callback = call_.asked.callback;
    key(stage);
    hold(stage);
    if (out_.key.kind != Kind::none && out_.key.kind != Kind::made) {
      out_.same_request = same_request(*call_.route, head_, body_, out_.key.scope);
    }
    limits(stage);
  }

 private:
  [[nodiscard]] Place of_route(std::string_view key) const {
    return places_.of_route(index_, *call_.route, *call_.upstream, key);
  }
  [[nodiscard]] Place of_upstream(std::string_view key) const {
    return places_.of_upstream(*call_.upstream, key);
  }

  void key(const Stage& stage) {
    KeyForecast& key = out_.key;
    const auto& rule = call_.route->key;
    key.parts = seen(key_parts(*call_.route, *call_.upstream), head_, body_);
    key.scope = seen(rule.scope, head_, body_);
    key.space = rule.space.empty() ? call_.upstream->name : rule.space;
    key.place = rule.from.empty() && !key.parts.empty() ? of_upstream("idempotency.header")
                                                        : of_route("key.from");
    if (call_.key) {
      key.kind = call_.key->derived    ? Kind::derived
                 : call_.key->business ? Kind::business
                                       : Kind::header;
      key.stable = call_.key->stable;
    }
    if (key.kind == Kind::derived) key.place = of_route("key.derive");
    const auto& sent = stage.first_sent();
    const auto& rules = call_.upstream->idempotency;
    const Field* field = sent ? find_field(sent->fields, rules.header) : nullptr;
    const bool carries = rules.mode == call::Mode::key || (call_.key && !call_.key->field.empty());
    if (field != nullptr && carries && !call_.safe) {
      key.sent_field = field->name;
      key.sent_value = field->value;
      if (!call_.key) key.kind = Kind::made;
    }
    key.why = why_no_key();
  }

  [[nodiscard]] std::string why_no_key() const {
    if (call_.key) return {};
    if (call_.safe) return "on a safe method a key is passed on and means nothing here";
    std::string missing;
    for (const auto& part : out_.key.parts) {
      if (part.missing) missing += (missing.empty() ? "" : " and ") + text_of(part.part);
    }
    if (!missing.empty()) return "the request has no " + missing;
    return "the route takes none";
  }

  void hold(const Stage& stage) {
    out_.hold_place = of_route("hold");
    for (const auto& event : stage.timeline()) {
      const bool asked = event.what == call::Happening::held && event.rule == "hold-asked";
      out_.held_at_once = out_.held_at_once || asked;
    }
    if (!out_.may_hold) out_.hold_why = why_not_held();
  }

  // One thing after the other is changed, and the intake is asked again.
  [[nodiscard]] std::string why_not_held() const {
    struct Other {
      call::RouteSettings route;
      call::UpstreamSettings upstream;
      call::IncomingHead head;
    };
    const Other as_it_is{*call_.route, *call_.upstream, head_};
    const auto held = [&](const Other& other) {
      auto settings = std::make_shared<call::Settings>(settings_);
      settings->routes = {std::make_shared<const call::RouteSettings>(other.route)};
      settings->upstreams[other.upstream.name] =
          std::make_shared<const call::UpstreamSettings>(other.upstream);
      const auto taken = admit(settings, other.head, body_, Stage::beginning());
      return taken && taken->may_hold;
    };
    if (call_.safe) return "a safe method never is";
    Other other = as_it_is;
    std::string why;
    const auto add = [&](std::string_view text) {
      why += fmt::format("{}{}", why.empty() ? "" : "; and ", text);
      return held(other);
    };
    if (as_it_is.route.hold == call::Hold::never) {
      other.route.hold = call::Hold::on_failure;
      if (add("the route never holds")) return why;
    }
    if (other.upstream.inject.empty() && !other.upstream.credentials_stored) {
      other.upstream.credentials_stored = true;
      if (add("its upstream has no credential for a held call")) return why;
    }
    if (other.head.method != "POST") {
      other.head.method = "POST";
      if (add("only a POST is held, or what has a Holdfast-Order")) return why;
    }
    other.route.held_answer = call::HeldAnswer::accepted;
    if (add("a repeat would not be recognised: it has no stable key")) return why;
    return why;
  }

  // The routes to an upstream share the most careful one's.
  [[nodiscard]] Place budget_place(int budget) const {
    if (call_.route->retry.budget_permille == budget) return of_route("retry.budget");
    for (std::size_t i = 0; i < settings_.routes.size(); ++i) {
      const auto& other = *settings_.routes[i];
      if (other.upstream == call_.upstream->name && other.retry.budget_permille == budget) {
        return places_.of_route(i, other, *call_.upstream, "retry.budget");
      }
    }
    return of_route("retry.budget");
  }

  void put(std::string name, std::string value, Place place) {
    out_.settings.push_back({std::move(name), std::move(value), std::move(place)});
  }

  void limits(const Stage& stage) {
    const auto& route = *call_.route;
    const auto& upstream = *call_.upstream;
    const Duration wait = call_.wait.value_or(route.wait);
    put("wait", format_duration(wait) + (call_.wait ? " (Prefer)" : ""), of_route("wait"));
    const bool reads = head_.method == "GET" || head_.method == "HEAD";
    if (reads && route.stale_if_error) {
      put("stale_if_error", format_duration(*route.stale_if_error), of_route("stale_if_error"));
    }
    const auto call = stage.call();
    const Duration deadline = call ? call->deadline : route.deadline;
    if (out_.may_hold || call_.deadline) {
      put("deadline", format_duration(deadline), of_route("deadline"));
    }
    const auto& timeouts = upstream.timeouts;
    put("timeouts.connect", format_duration(timeouts.connect), of_upstream("timeouts.connect"));
    put("timeouts.head", format_duration(timeouts.head), of_upstream("timeouts.head"));
    put("timeouts.idle", format_duration(timeouts.idle), of_upstream("timeouts.idle"));
    const auto lifetime = call_.frozen()->lifetime;
    if (lifetime && !call_.safe) {
      put("idempotency.lifetime", format_duration(*lifetime), of_upstream("idempotency.lifetime"));
    }
    if (upstream.lookup && !call_.safe) {
      put("lookup.settle", format_duration(upstream.idempotency.settle),
          of_upstream("idempotency.lookup.settle"));
    }
    put("retry.live.attempts", std::to_string(route.retry.live_attempts),
        of_route("retry.live.attempts"));
    if (out_.may_hold) {
      std::string steps;
      for (const Duration step : route.retry.held)
        steps += (steps.empty() ? "" : ", ") + format_duration(step);
      put("retry.held", steps, of_route("retry.held"));
    }
    const int budget = engine::budget_permille_of(settings_, upstream.name);
    put("retry.budget", format_permille(budget), budget_place(budget));
    put("concurrency",
        upstream.adaptive
            ? fmt::format("learnt, {} to {}", upstream.adaptive->min, upstream.concurrency)
            : std::to_string(upstream.concurrency),
        of_upstream("concurrency"));
    if (const auto& overload = upstream.overload) {
      put("overload", fmt::format("target {}", format_duration(overload->target)),
          of_upstream("overload"));
    }
    if (upstream.overload || route.importance != call::ClassSettings{}) {
      put("class", std::string(call::to_string(route.importance.at_most)), of_route("class"));
    }
    if (upstream.rate) put("rate", format_rate(*upstream.rate), of_upstream("rate"));
    const auto& breaker = upstream.breaker;
    put("breaker",
        fmt::format("{} of {} in {}, or {} in a row", format_permille(breaker.failure_permille),
                    breaker.of_at_least, format_duration(breaker.within), breaker.consecutive),
        of_upstream("breaker"));
    put("max_pause", format_duration(upstream.max_pause), of_upstream("max_pause"));
    if (!call_.streamed)
      put("limits.body", format_size(route.limits.body), of_route("limits.body"));
    if (out_.journaled) {
      put("limits.stored_answer", format_size(route.limits.stored_answer),
          of_route("limits.stored_answer"));
    }
  }

  const call::Settings& settings_;
  const config::Places& places_;
  Forecast& out_;
  std::size_t index_;
  const call::NewCall& call_;
  const call::IncomingHead& head_;
  const std::string& body_;
};

// A webhook's own signature cannot be checked without its secret: it is signed anew.
void sign(call::IncomingHead& head, const call::RouteSettings& route, const std::string& body,
          WallTime now) {
  const Field* id = find_field(head.fields, "webhook-id");
  const std::string event = id == nullptr ? "evt_1" : id->value;
  for (const auto& field : call::sign_webhook(*route.webhook, kRehearsalSecret, event, body, now)) {
    set_field(head.fields, field.name, field.value);
  }
}

void take_route(const config::Loaded& loaded, const call::RouteSettings& route, Forecast& out) {
  const auto& settings = *loaded.settings;
  const auto& upstream = *settings.upstreams.at(route.upstream);
  for (std::size_t i = 0; i < settings.routes.size(); ++i) {
    if (settings.routes[i].get() == &route) out.route = i;
  }
  out.route_place = loaded.places.of_route(*out.route, route, upstream, "path");
  out.route_path = route.path;
  out.upstream = upstream.name;
  out.upstream_place = loaded.places.of_upstream(upstream, "");
  out.urls.reserve(upstream.urls.size());
  for (const auto& url : upstream.urls)
    out.urls.push_back(call::format_url(url));
  out.webhook = route.webhook.has_value();
}

}  // namespace

Result<Forecast> forecast(const config::Loaded& as_written, const ForecastAsk& ask) {
  config::Loaded loaded = as_written;
  loaded.settings = std::make_shared<const call::Settings>(call::acting(*as_written.settings));
  const auto& settings = loaded.settings;
  HF_TRY(call::IncomingHead head, read_request(ask, *settings));
  const std::string body = ask.body.value_or("");
  Forecast out;
  out.method = head.method;
  out.target = head.target;
  const auto route = call::find_route(*settings, head);
  if (route) {
    take_route(loaded, *route, out);
    const auto& written = *as_written.settings->routes[*out.route];
    out.observes = written.mode == call::RouteMode::observe;
    out.observes_place = loaded.places.of_route(*out.route, *route,
                                                *settings->upstreams.at(route->upstream), "mode");
  }
  if (route && route->webhook) sign(head, *route, body, ask.now.wall);
  Stage stage(settings, ask.now);
  stage.upstream = [](const Copy&) { return answers(200, true); };
  const int number = stage.ask(head, body);
  if (!stage.taken()) {
    const Told* told = stage.told(number);
    if (told != nullptr) out.refused = *told;
    return out;
  }
  const call::NewCall call = *stage.taken();
  stage.pass(Duration::hours(1));
  Writer(loaded, out, *out.route, call, head, body).run(stage);
  out.outcomes = outcomes_of(settings, loaded.places, *out.route, head, body, call, ask.now);
  return out;
}

std::string_view to_string(Ruled::When when) {
  switch (when) {
    case Ruled::When::first:
      return "first";
    case Ruled::When::in_doubt:
      return "in_doubt";
    case Ruled::When::held:
      return "held";
    case Ruled::When::held_in_doubt:
      return "held_in_doubt";
  }
  return "?";
}

std::string_view to_string(KeyForecast::Kind kind) {
  switch (kind) {
    case Kind::none:
      return "none";
    case Kind::header:
      return "header";
    case Kind::business:
      return "business";
    case Kind::derived:
      return "derived";
    case Kind::made:
      return "made";
  }
  return "?";
}

}  // namespace hf::review
