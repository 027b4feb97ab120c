#include "control/admin_traffic.h"

#include <fmt/format.h>

#include "call/reply_json.h"
#include "control/admin_reply.h"
#include "control/json.h"

namespace hf::control {
namespace {

using ports::ControlReply;

ControlReply done(const std::string& message) {
  return json(call::JsonObject().boolean("ok", true).text("message", message).done());
}

struct Lift {
  std::string client;
  std::string reason;
};

Result<Lift> parse_lift(const std::string& text) {
  HF_TRY(const auto body, JsonMembers::read(text.empty() ? std::string_view("{}") : text));
  HF_TRY_VOID(body.only({"client", "reason"}));
  Lift out;
  HF_TRY(out.client, body.text("client"));
  HF_TRY(out.reason, read_reason(body));
  if (out.client.empty()) return fail(ErrorKind::invalid, "\"client\" is required");
  return out;
}

ControlReply lift(const TrafficAdmin& traffic, const TrafficAsk& ask,
                  const std::function<void(std::string_view, const std::string&)>& log) {
  const auto asked = parse_lift(ask.body);
  if (!asked.ok()) return bad_request(asked.error().context);
  if (!traffic.lift || !traffic.lift(ask.name, asked->client)) {
    return problem(404, "no-such-client", "Nobody is known by that name",
                   "GET /v1/limits tells the names of limits and of those refused");
  }
  if (log) {
    log("limit_lifted", fmt::format("limit {}, client {}: {}", ask.name, asked->client,
                                    asked->reason.empty() ? "no reason given" : asked->reason));
  }
  return done(fmt::format("{} owes {} nothing now", asked->client, ask.name));
}

ControlReply say_of_feature(const TrafficAdmin& traffic, const TrafficAsk& ask) {
  Result<std::string> said = fail(ErrorKind::not_found, "no features are configured");
  if (traffic.set_feature && traffic.release_feature) {
    said = ask.action == "set" ? traffic.set_feature(ask.name, ask.body)
                               : traffic.release_feature(ask.name);
  }
  if (said.ok()) return done(*said);
  const std::string& why = said.error().context;
  if (said.error().kind != ErrorKind::not_found) return bad_request(why);
  return problem(404, "no-such-feature", "There is no such feature", why);
}

}  // namespace

bool answer_traffic(const TrafficAdmin& traffic, const TrafficAsk& ask,
                    const std::function<void(std::string_view, const std::string&)>& log,
                    const ports::ControlRespond& respond) {
  const bool limits = ask.kind == "limits";
  if (ask.name.empty()) {
    const auto& shown = limits ? traffic.limits : traffic.features;
    const auto nothing =
        limits ? R"({"limits":[],"keys":0,"keys_max":0})" : R"({"features":[],"level":0,"of":0})";
    const bool read = ask.method == "GET" || ask.method == "HEAD";
    respond(!read ? wrong_method("GET") : json(shown ? shown() : nothing));
    return true;
  }
  const bool known = limits ? ask.action == "lift" : ask.action == "set" || ask.action == "release";
  if (!known) return false;
  if (ask.method != "POST") {
    respond(wrong_method("POST"));
  } else {
    respond(limits ? lift(traffic, ask, log) : say_of_feature(traffic, ask));
  }
  return true;
}

}  // namespace hf::control
