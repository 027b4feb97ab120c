#include "call/intake.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "call/callback.h"
#include "call/client_address.h"
#include "call/fingerprint.h"
#include "call/importance.h"
#include "call/intake_fields.h"
#include "call/intake_index.h"
#include "call/intake_key.h"
#include "call/lookup.h"
#include "call/prefer.h"
#include "call/relayed.h"
#include "call/routing.h"

namespace hf::call {
namespace {

constexpr std::string_view kOwnRoot = "/.holdfast";
constexpr std::string_view kCallsRoot = "/.holdfast/calls/";

// Refused before anything was sent: there is no effect, and the same request is refused again.
Reply refuse(Code code, std::string detail, std::optional<Measure> measure = std::nullopt) {
  ProblemSpec spec;
  spec.code = code;
  spec.detail = std::move(detail);
  spec.measure = std::move(measure);
  return problem(spec);
}

Measure bytes_over(std::string rule, std::uint64_t measured, std::uint64_t threshold) {
  return {std::move(rule), static_cast<std::int64_t>(measured),
          static_cast<std::int64_t>(threshold), "bytes"};
}

std::optional<CallAsk::What> what_of(std::string_view method, std::string_view rest) {
  const bool read = method == "GET" || method == "HEAD";
  if (rest.empty() && read) return CallAsk::What::status;
  if (rest.empty() && method == "DELETE") return CallAsk::What::cancel;
  if (rest == "/response" && read) return CallAsk::What::response;
  return std::nullopt;
}

HeadVerdict own_request(const Settings& settings, const IncomingHead& head, const Hasher& hasher) {
  const auto path = path_of(head.target);
  if (!path.starts_with(kCallsRoot)) {
    return refuse(Code::no_route, "Below /.holdfast/ there is calls/{id} and calls/{id}/response.");
  }
  const auto rest = path.substr(kCallsRoot.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto what = what_of(head.method, rest.substr(slash));
  if (!what) {
    return refuse(Code::no_route,
                  "GET calls/{id}, GET calls/{id}/response and DELETE calls/{id} are there.");
  }
  auto id = CallId::parse(rest.substr(0, slash));
  if (!id) return refuse(Code::no_such_call, {});
  if (ambiguous_credential(head.fields, {})) {
    return refuse(Code::bad_request, "Send each credential field once.");
  }
  CallAsk ask;
  ask.what = *what;
  ask.call = *id;
  ask.owner_credential = owner_of({}, head.fields, hasher);
  ask.owner_anyone = owner_anyone(hasher);
  ask.owners = owners_of(settings, head.fields, hasher);
  return ask;
}

std::uint64_t head_size(const IncomingHead& head) {
  std::uint64_t size = head.method.size() + head.target.size() + 12;  // two blanks, version, CRLF
  for (const auto& field : head.fields)
    size += field.name.size() + field.value.size() + 4;
  return size + 2;
}

// What is wrong with a head whatever its route says of keys and bodies.
std::optional<Reply> head_fault(const RouteSettings& route, const IncomingHead& head) {
  if (const std::size_t size = head_size(head); size > route.limits.head) {
    return refuse(Code::head_too_large, {}, bytes_over("limits.head", size, route.limits.head));
  }
  if (is_loop(head.fields)) {
    return refuse(Code::loop, "An upstream's address leads back to Holdfast.");
  }
  if (const Field* expect = find_field(head.fields, "Expect")) {
    if (!same_name(trim_blanks(expect->value), "100-continue")) {
      return refuse(Code::expectation_failed, "Only 100-continue can be met.");
    }
  }
  if (const auto asked = read_asked(head.fields);
      const auto* fault = std::get_if<std::string>(&asked)) {
    return refuse(Code::bad_request, *fault);
  }
  if (ambiguous_credential(head.fields, route.owner)) {
    return refuse(Code::bad_request, "Send each credential field once.");
  }
  if (route.webhook && head.method != "POST") {
    return refuse(Code::not_supported, "Webhooks come by POST.");
  }
  return std::nullopt;
}

std::shared_ptr<const UpstreamSettings> upstream_of(const Settings& settings,
                                                    const RouteSettings& route) {
  const auto at = settings.upstreams.find(route.upstream);
  HF_CHECK_MSG(at != settings.upstreams.end(), route.upstream);  // config refuses such a route
  return at->second;
}

// Keyed and holdable calls are read whole before anything is sent; all others flow.
bool is_buffered(const RouteSettings& route, const UpstreamSettings& upstream,
                 std::string_view method) {
  if (safe_method(method)) return false;
  return route.webhook || !route.key.from.empty() || route.key.required ||
         !route.key.derive.empty() || route.hold != Hold::never ||
         upstream.idempotency.mode == Mode::key || upstream.idempotency.mode == Mode::verify;
}

// PUT, PATCH and DELETE overwrite one another: held, a later one could be overtaken by an earlier,
// unless they have an order.
bool holdable(const RouteSettings& route, const UpstreamSettings& upstream,
              const IncomingHead& head) {
  const bool credential = !upstream.inject.empty() || upstream.credentials_stored;
  const bool changes = head.method == "PUT" || head.method == "PATCH" || head.method == "DELETE";
  const bool ordered = changes && find_field(head.fields, "Holdfast-Order") != nullptr;
  return route.hold != Hold::never && (head.method == "POST" || ordered) && credential;
}

// A repeat will be recognised, or the client agreed to a 202.
bool hold_is_safe(const NewCall& call) {
  const bool agreed = call.respond_async || call.route->hold == Hold::always ||
                      call.route->held_answer == HeldAnswer::accepted;
  return agreed || (call.key && (call.key->business || call.key->stable));
}

void read_prefer(NewCall& call, const IncomingHead& head, Fields& fields) {
  if (call.route->hold == Hold::never) return;
  const Preferences asked = read_preferences(head.fields);
  call.respond_async = asked.respond_async && holdable(*call.route, *call.upstream, head);
  if (asked.wait) call.wait = std::min(*asked.wait, call.route->wait);
  drop_preferences(fields, call.respond_async, call.wait.has_value());
}

// The client's address, where proxies stand before us, and its owner where one is known.
Share share_of_client(const ClientAddressSettings& proxies, const IncomingHead& head,
                      const Digest& owner, const Digest& anyone) {
  Share out;
  if (const auto address = client_address(proxies, head.client_address, head.fields)) {
    out.address = share_of(client_network(proxies, *address));
  }
  if (owner != anyone) out.owner = share_of(owner);
  return out;
}

NewCall new_call(const std::shared_ptr<const RouteSettings>& route,
                 const std::shared_ptr<const UpstreamSettings>& upstream, const IncomingHead& head,
                 KnownCallers& callers, const Digest& anyone,
                 const ClientAddressSettings& proxies) {
  const KnownCallers::Caller& caller = callers.of(route->owner, *upstream, head.fields);
  NewCall call;
  call.route = route;
  call.upstream = upstream;
  call.has_body = head.has_body;
  call.safe = safe_method(head.method);
  call.owner = caller.owner;
  call.account = caller.account;
  call.limit_key = caller.limit_key;
  call.per_attempt = per_attempt_fields(*route, head);
  call.client_address = head.client_address;
  call.share = share_of_client(proxies, head, call.owner, anyone);
  return call;
}

void freeze(NewCall& call, const IncomingHead& head, Body body) {
  Request request;
  request.method = head.method;
  request.target = upstream_target(*call.route, *call.upstream, head.target);
  request.fields = frozen_fields(*call.route, *call.upstream, head.fields);
  read_prefer(call, head, request.fields);
  if (call.key) put_key_field(request.fields, *call.key);
  request.body = std::move(body);
  call.request = std::make_shared<const Request>(std::move(request));
}

// What the caller asks of its call; a Reply where this call cannot give it. Ignoring "not before"
// would send too early, ignoring an order would let calls overtake one another.
std::optional<Reply> take_asked(NewCall& call, const IncomingHead& head, const Hasher& hasher) {
  auto read = read_asked(head.fields);
  if (std::holds_alternative<std::string>(read)) {
    return refuse(Code::bad_request, std::get<std::string>(read));
  }
  auto& asked = std::get<AskedFields>(read);
  call.asked.urgency = asked.urgency;
  call.importance = class_of(call.route->importance, head.fields, asked.urgency);
  call.not_before = asked.not_before;
  call.deadline = asked.deadline;
  if (call.not_before && !call.may_hold) {
    return refuse(
        Code::not_supported,
        "Holdfast-Not-Before is for calls that may be held: a POST on a route with `hold`, "
        "with a key that comes again or Prefer: respond-async.");
  }
  if (asked.order.empty()) return std::nullopt;
  const bool journaled = call.key || call.may_hold || call.upstream->idempotency.mode == Mode::key;
  if (call.safe || call.streamed || !journaled) {
    return refuse(
        Code::not_supported,
        "Holdfast-Order is for calls that are journaled: not safe, and with a key or on a "
        "route that may hold them.");
  }
  Order order;
  std::string line;
  put_string(line, call.upstream->name);
  line += call.owner.raw();
  line += asked.order;
  order.line = hasher.digest("order", line);
  order.name = std::move(asked.order);
  call.asked.order = std::move(order);
  return std::nullopt;
}

// A callback that could not be made is refused now: nobody would look for the end elsewhere.
std::optional<Reply> callback_fault(const Settings& settings, const RouteSettings& route,
                                    const UpstreamSettings& upstream, const IncomingHead& head) {
  const Field* asked = find_field(head.fields, kCallbackField);
  if (asked == nullptr) return std::nullopt;
  const std::string name(kCallbackField);
  if (count_fields(head.fields, kCallbackField) > 1) {
    return refuse(Code::bad_request, "Send " + name + " once.");
  }
  if (!holdable(route, upstream, head)) {
    return refuse(Code::bad_request, name + " tells the end of a held call; this one is not held.");
  }
  const auto place = callback_place(settings.callbacks, trim_blanks(asked->value));
  if (place.ok()) return std::nullopt;
  return refuse(Code::bad_request, name + ": " + place.error().context + ".");
}

std::string wanted_callback(const RouteSettings& route, const IncomingHead& head) {
  const Field* asked = find_field(head.fields, kCallbackField);
  return asked == nullptr ? route.callback : std::string(trim_blanks(asked->value));
}

Reply too_large(const RouteSettings& route, std::uint64_t size) {
  return refuse(Code::body_too_large,
                "This route reads at most " + format_size(route.limits.body) + ".",
                bytes_over("limits.body", size, route.limits.body));
}

}  // namespace

bool NewCall::wants_journal() const {
  if (streamed || safe) return false;
  return key.has_value() || may_hold || upstream->idempotency.mode == Mode::key;
}

SharedValue<Idempotency> NewCall::frozen() const {
  SharedValue<Idempotency> out(shared_idempotency(upstream));
  const bool can_be_asked_about =
      upstream->lookup && lookup_target(*upstream->lookup, *upstream, *request, key);
  if (out->mode == Mode::verify && !can_be_asked_about) {
    out.own().mode = Mode::none;
  }
  return out;
}

Intake::Intake(std::shared_ptr<const Settings> settings, Hasher hasher, WebhookDoor door)
    : settings_(std::move(settings)),
      hasher_(hasher),
      anyone_(owner_anyone(hasher)),
      callers_(std::make_shared<KnownCallers>(hasher)),
      door_(std::move(door)),
      relayed_(relayed_routes(*settings_)) {}

HeadVerdict Intake::on_head(const IncomingHead& head) const {
  const auto path = path_of(head.target);
  if (below(path, kOwnRoot)) return own_request(*settings_, head, hasher_);
  const auto route = find_route(*settings_, head);
  if (!route) return refuse(Code::no_route, {});
  if (route->mode == RouteMode::observe) {
    return Streamed{relayed_call(relayed_.at(route.get()), head)};
  }
  if (auto fault = head_fault(*route, head)) return *fault;
  const auto upstream = upstream_of(*settings_, *route);
  if (auto fault = callback_fault(*settings_, *route, *upstream, head)) return *fault;
  if (!is_buffered(*route, *upstream, head.method)) {
    const ClientAddressSettings& proxies = settings_->traffic.client_address;
    Streamed out{new_call(route, upstream, head, *callers_, anyone_, proxies)};
    out.call.streamed = true;
    freeze(out.call, head, nullptr);
    if (auto fault = take_asked(out.call, head, hasher_)) return *fault;
    return out;
  }
  if (head.length && *head.length > route->limits.body) return too_large(*route, *head.length);
  if (auto fault = header_key_fault(*route, *upstream, head)) {
    return refuse(fault->code, std::move(fault->detail));
  }
  return Buffered{route, route->limits.body};
}

CallVerdict Intake::on_request(const IncomingHead& head, Body body) const {
  const auto route = find_route(*settings_, head);
  if (!route) return refuse(Code::no_route, {});  // the configuration changed under the body
  if (view(body).size() > route->limits.body) return too_large(*route, view(body).size());
  const auto upstream = upstream_of(*settings_, *route);
  if (auto fault = webhook_fault(door_, *route, head, view(body))) return *fault;
  auto verdict = find_key(*route, *upstream, head, view(body), hasher_);
  if (auto* fault = std::get_if<KeyFault>(&verdict)) {
    return refuse(fault->code, std::move(fault->detail));
  }
  auto& found = std::get<KeyFound>(verdict);
  const ClientAddressSettings& proxies = settings_->traffic.client_address;
  NewCall call = new_call(route, upstream, head, *callers_, anyone_, proxies);
  call.key = std::move(found.key);
  const bool derived = !call.key && !route->key.derive.empty() && !call.safe;
  if (call.key || derived) {
    call.fingerprint = fingerprint_of(*route, head, view(body), found.scope, hasher_);
  }
  if (derived) call.key = derived_key(*route, *upstream, call.owner, call.fingerprint, hasher_);
  call.index = index_of(*route, head.fields, view(body), hasher_);
  call.content = content_of(body, hasher_);
  if (route->suspect.action != OnSuspect::off) {
    call.likeness = likeness_of(*route, head, view(body), found.scope, call.owner,
                                call.content->digest(), hasher_);
  }
  freeze(call, head, std::move(body));
  call.may_hold = holdable(*route, *upstream, head) && hold_is_safe(call);
  if (auto fault = take_asked(call, head, hasher_)) return *fault;
  if (route->hold != Hold::never) call.asked.callback = wanted_callback(*route, head);
  return call;
}

}  // namespace hf::call
