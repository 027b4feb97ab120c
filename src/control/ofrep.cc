#include "control/ofrep.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "call/reply_json.h"
#include "control/admin_reply.h"
#include "control/guard.h"
#include "control/json.h"

namespace hf::control {
namespace {

using ports::ControlReply;
using ports::ControlRequest;

constexpr std::string_view kFlags = "/ofrep/v1/evaluate/flags";
constexpr std::string_view kStream = "/ofrep/v1/stream";
// After so long without a sign of life a client may look for itself.
constexpr int kInactivitySeconds = 120;

ControlReply json_reply(int status, std::string body) {
  return {status, "application/json", std::move(body), {}};
}

ControlReply failure(int status, std::string_view key, std::string_view code,
                     std::string_view details) {
  call::JsonObject out;
  if (!key.empty()) out.text("key", key);
  out.text("errorCode", code).text("errorDetails", details);
  return json_reply(status, out.done());
}

// What is wrong with the body of an evaluation, if anything. The context is not looked into: it
// changes nothing.
std::optional<ControlReply> body_fault(const ControlRequest& request, std::string_view key) {
  if (request.body.empty()) return std::nullopt;
  const auto body = JsonMembers::read(request.body);
  if (!body.ok()) return failure(400, key, "PARSE_ERROR", body.error().context);
  const auto context = body->raw("context");
  if (context.empty() || context.starts_with('{') || context == "null") return std::nullopt;
  return failure(400, key, "INVALID_CONTEXT", "\"context\" must be an object");
}

std::string flag_json(const traffic::Features& features, std::size_t index) {
  const call::FeatureFlag& flag = features.settings().flags[index];
  const traffic::FeatureState state = features.state(index);
  call::JsonObject metadata;
  if (state.word) {
    metadata.text("by", "operator").text("reason", state.word->reason);
  } else if (state.dimmed) {
    metadata.text("by", "load");
  }
  return call::JsonObject()
      .text("key", flag.name)
      .raw("value", state.on ? flag.on : flag.off)
      .text("variant", state.on ? "on" : "off")
      .text("reason", !state.word && state.dimmed ? "BROWNOUT" : "STATIC")
      .raw("metadata", metadata.done())
      .done();
}

// RFC 9110 section 13.1.2: a list of entity tags, or *. Compared weakly.
bool none_match(const Fields& fields, const std::string& etag) {
  for (const Field& field : fields) {
    if (!same_name(field.name, "If-None-Match")) continue;
    if (trim_blanks(field.value) == "*") return false;
    if (field.value.find(etag) != std::string::npos) return false;
  }
  return true;
}

bool is_read(const ControlRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

ControlReply only(std::string_view allow) {
  ControlReply out = failure(405, {}, "GENERAL", fmt::format("use {}", allow));
  out.fields.push_back({"Allow", std::string(allow)});
  return out;
}

}  // namespace

Ofrep::Ofrep(traffic::Features& features, OfrepOptions options)
    : features_(features), options_(std::move(options)) {}

void Ofrep::handle(const ControlRequest& request, const ports::ControlRespond& respond) {
  ControlReply out = reply(request);
  add_origin(request, out);
  respond(std::move(out));
}

ControlReply Ofrep::reply(const ControlRequest& request) {
  const std::string_view target = request.target;
  const std::string_view path = target.substr(0, target.find('?'));
  if (request.method == "OPTIONS") return {204, "text/plain", {}, {}};
  // It tells no value, and a browser's EventSource can send no token.
  if (path == kStream) return is_read(request) ? stream() : only("GET");
  if (!allowed(request)) {
    ControlReply out = failure(401, {}, "GENERAL", "the token is missing or wrong");
    out.fields.push_back({"WWW-Authenticate", "Bearer realm=\"holdfast features\""});
    return out;
  }
  if (path == kFlags) return request.method == "POST" ? all(request) : only("POST");
  if (path.starts_with(kFlags) && path.substr(kFlags.size()).starts_with('/')) {
    if (request.method != "POST") return only("POST");
    const auto key = percent_decoded(path.substr(kFlags.size() + 1), false);
    if (!key) return failure(400, {}, "PARSE_ERROR", "the flag's key is not readable");
    if (auto fault = body_fault(request, *key)) return *fault;
    return one(*key);
  }
  return failure(
      404, {}, "GENERAL",
      "here are POST /ofrep/v1/evaluate/flags, .../flags/{key} and GET /ofrep/v1/stream");
}

ControlReply Ofrep::one(const std::string& key) const {
  const auto index = features_.find(key);
  if (!index) {
    return failure(404, key, "FLAG_NOT_FOUND", "no such feature stands in the configuration");
  }
  return json_reply(200, flag_json(features_, *index));
}

ControlReply Ofrep::all(const ControlRequest& request) const {
  if (auto fault = body_fault(request, {})) return *fault;
  if (!none_match(request.fields, etag())) {
    ControlReply out = json_reply(304, {});
    out.fields.push_back({"ETag", etag()});
    return out;
  }
  JsonArray flags;
  for (std::size_t i = 0; i < features_.settings().flags.size(); ++i)
    flags.add(flag_json(features_, i));
  // An origin is left out: it is the one that the client knows us by.
  const std::string endpoint = call::JsonObject().text("requestUri", kStream).done();
  JsonArray streams;
  streams.add(call::JsonObject()
                  .text("type", "sse")
                  .raw("endpoint", endpoint)
                  .number("inactivityDelaySec", kInactivitySeconds)
                  .done());
  ControlReply out = json_reply(
      200,
      call::JsonObject().raw("flags", flags.done()).raw("eventStreams", streams.done()).done());
  out.fields.push_back({"ETag", etag()});
  return out;
}

ControlReply Ofrep::stream() {
  ControlReply out{200, "text/event-stream", "retry: 2000\n\n" + event(), {}};
  out.stream = [this](std::shared_ptr<ports::ControlSink> sink) {
    streams_.push_back(std::move(sink));
  };
  return out;
}

std::string Ofrep::etag() const {
  return fmt::format("\"{}-{}\"", options_.epoch, features_.version());
}

// Sent at the beginning as well: what changed while nobody listened is fetched then.
std::string Ofrep::event() const {
  const std::string data =
      call::JsonObject().text("type", "refetchEvaluation").text("etag", etag()).done();
  return fmt::format("id: {}\ndata: {}\n\n", features_.version(), data);
}

void Ofrep::tell(const std::string& text) {
  std::erase_if(streams_, [&](const auto& sink) { return !sink->write(text); });
}

void Ofrep::changed() {
  tell(event());
}

void Ofrep::breathe() {
  tell(": still here\n\n");
}

bool Ofrep::allowed(const ControlRequest& request) const {
  const std::string token = options_.token ? options_.token() : std::string();
  if (token.empty()) return true;
  if (has_token(request.fields, token)) return true;
  const Field* key = find_field(request.fields, "X-API-Key");
  return key != nullptr && count_fields(request.fields, "X-API-Key") == 1 &&
         same_secret(key->value, token);
}

// The Fetch standard, "CORS protocol". No credentials: cookies mean nothing here.
void Ofrep::add_origin(const ControlRequest& request, ControlReply& reply) const {
  const Field* origin = find_field(request.fields, "Origin");
  if (origin == nullptr) return;
  reply.fields.push_back({"Vary", "Origin"});
  const bool any =
      std::find(options_.origins.begin(), options_.origins.end(), "*") != options_.origins.end();
  const bool known = std::find(options_.origins.begin(), options_.origins.end(), origin->value) !=
                     options_.origins.end();
  if (!any && !known) return;
  reply.fields.push_back({"Access-Control-Allow-Origin", any ? "*" : origin->value});
  reply.fields.push_back({"Access-Control-Expose-Headers", "ETag"});
  if (request.method != "OPTIONS") return;
  reply.fields.push_back({"Access-Control-Allow-Methods", "GET, POST"});
  reply.fields.push_back(
      {"Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, X-API-Key"});
  reply.fields.push_back({"Access-Control-Max-Age", "600"});
}

}  // namespace hf::control
