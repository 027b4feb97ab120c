#include "call/callback.h"

#include <algorithm>

#include "base/fields.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "call/routing.h"
#include "call/url.h"

namespace hf::call {
namespace {

// A colon: no upstream that somebody declares has one in its name.
constexpr std::string_view kTlsPrefix = "callback:";
constexpr std::string_view kPlainPrefix = "callback-plain:";
// Receivers answer a word or two; what is larger is not kept.
constexpr std::uint64_t kStoredAnswer = 4096;

std::string upstream_name(const Url& url) {
  return std::string(url.tls ? kTlsPrefix : kPlainPrefix) + url.authority();
}

Error refused(std::string_view why) {
  return fail(ErrorKind::invalid, std::string(why));
}

// Path segments that some servers resolve before they look, and others after.
bool is_ambiguous(std::string_view path) {
  if (path.find('\\') != std::string_view::npos) return true;
  const std::string lower = lower_ascii(path);
  if (lower.find("%2f") != std::string::npos || lower.find("%5c") != std::string::npos) return true;
  for (std::size_t at = 0; at < lower.size();) {
    const std::size_t end = std::min(lower.find('/', at), lower.size());
    std::string segment = lower.substr(at, end - at);
    for (auto dot = segment.find("%2e"); dot != std::string::npos; dot = segment.find("%2e"))
      segment.replace(dot, 3, ".");
    if (segment == "." || segment == "..") return true;
    at = end + 1;
  }
  return false;
}

// A receiver takes a callback with a 2xx, or says 410 once and for all. Whatever else it answers,
// it has not taken it; redirects are not followed.
std::vector<int> not_taken() {
  std::vector<int> out;
  for (int status = 300; status < 500; ++status) {
    if (status != 408 && status != 410) out.push_back(status);
  }
  return out;
}

std::string index_json(const Call& call) {
  JsonObject out;
  for (const IndexValue& field : call.index) {
    if (!field.hashed) out.text(field.name, field.value);
  }
  return out.done();
}

std::string answer_json(const Answer& answer, std::uint64_t body_max) {
  JsonObject out;
  out.number("status", answer.status);
  if (answer.body && answer.body->size() <= body_max) {
    if (const Field* type = find_field(answer.fields, "Content-Type")) {
      out.text("content_type", type->value);
    }
    out.text("body", view(answer.body));
  }
  return out.done();
}

}  // namespace

Result<CallbackPlace> callback_place(const CallbackSettings& settings, std::string_view url) {
  if (settings.allow.empty()) return refused("this Holdfast makes no callbacks");
  if (url.size() > kCallbackUrlMax) return refused("the URL is too long");
  const bool visible =
      std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!visible) return refused("a URL must be visible ASCII");
  if (url.find('#') != std::string_view::npos) return refused("a URL must not have a fragment");
  const std::string_view query = query_of(url);
  const std::string_view bare = url.substr(0, url.size() - query.size());
  HF_TRY(const Url parsed, parse_url(bare));
  const auto slash = bare.find('/', bare.find("://") + 3);
  const std::string path(slash == std::string_view::npos ? "/" : bare.substr(slash));
  if (is_ambiguous(path)) return refused("the URL's path can be read in two ways");
  for (const std::string& text : settings.allow) {
    const auto allowed = parse_url(text);
    if (!allowed.ok() || allowed->tls != parsed.tls || allowed->host != parsed.host ||
        allowed->port != parsed.port || !below(path, allowed->base_path)) {
      continue;
    }
    return CallbackPlace{upstream_name(parsed), path + std::string(query)};
  }
  return refused("the URL does not lie below any that is allowed");
}

std::map<std::string, std::shared_ptr<const UpstreamSettings>> callback_upstreams(
    const CallbackSettings& settings) {
  std::map<std::string, std::shared_ptr<const UpstreamSettings>> out;
  for (const std::string& text : settings.allow) {
    auto url = parse_url(text);
    if (!url.ok()) continue;
    UpstreamSettings made;
    made.name = upstream_name(*url);
    url->base_path.clear();  // the targets of calls are whole
    made.urls = {*url};
    // The receiver knows a callback that comes again by its id.
    made.idempotency.mode = Mode::repeatable;
    made.idempotency.refused = not_taken();
    made.public_only = !settings.private_addresses;
    made.signing = settings.secrets;
    std::string name = made.name;
    out.emplace(std::move(name), std::make_shared<const UpstreamSettings>(std::move(made)));
  }
  return out;
}

std::shared_ptr<const RouteSettings> callback_route(const CallbackSettings& settings) {
  auto out = std::make_shared<RouteSettings>();
  out->path = kCallbackRoute;
  out->hold = Hold::always;
  out->deadline = settings.deadline;
  out->retry.held = settings.held;
  out->limits.stored_answer = kStoredAnswer;
  return out;
}

bool is_callback_upstream(std::string_view name) {
  return name.starts_with(kTlsPrefix) || name.starts_with(kPlainPrefix);
}

std::string callback_body(const Call& call, WallTime now, bool settled_by_operator,
                          std::uint64_t answer_max) {
  JsonObject data;
  data.text("call", call.id.text());
  // The application's own key, not one that Holdfast made of the request.
  if (call.key && !call.key->business && !call.key->made && !call.key->derived) {
    data.text("key", call.key->value);
  }
  data.text("state", to_string(call.state));
  data.text("effect", to_string(effect_of(call)));
  data.number("attempts", call.attempts);
  data.text("created_at", format_rfc3339(call.accepted.wall));
  if (settled_by_operator) data.text("settled_by", "operator");
  if (!call.index.empty()) data.raw("index", index_json(call));
  // No status: a lookup has found the effect, or a person has said so.
  if (call.state == State::answered && call.answer && call.answer->status != 0) {
    data.raw("answer", answer_json(*call.answer, answer_max));
  }
  JsonObject out;
  out.text("type", "call." + std::string(to_string(call.state)));
  out.text("timestamp", format_rfc3339(now));
  out.raw("data", data.done());
  return out.done();
}

}  // namespace hf::call
