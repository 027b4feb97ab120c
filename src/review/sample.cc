#include "review/sample.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fields.h"
#include "call/lookup.h"
#include "call/routing.h"
#include "call/webhook.h"
#include "review/json_tree.h"

namespace hf::review {
namespace {

using Kind = call::Part::Kind;

constexpr std::string_view kForm = "application/x-www-form-urlencoded";

std::string form_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// What is put into one request, and where.
class Filling {
 public:
  void put(const call::Part& part, std::string_view value) {
    if (part.kind == Kind::header) {
      if (find_field(fields_, part.name) == nullptr) {
        fields_.push_back({part.name, std::string(value)});
      }
      return;
    }
    if (std::find(put_.begin(), put_.end(), part) != put_.end()) return;
    put_.push_back(part);
    if (part.kind == Kind::form) {
      form_ +=
          fmt::format("{}{}={}", form_.empty() ? "" : "&", form_text(part.name), form_text(value));
    } else {
      json_.put(part.name, value);
    }
  }
  // One body is JSON or a form, not both: what the other one would hold is not there.
  [[nodiscard]] bool is_form() const { return !form_.empty() && json_.empty(); }
  [[nodiscard]] std::string body() const { return is_form() ? form_ : json_.text(); }
  [[nodiscard]] const Fields& fields() const { return fields_; }

 private:
  Fields fields_;
  std::vector<call::Part> put_;
  std::string form_;
  JsonTree json_;
};

// {body:/a} and {form:b} of a lookup's target.
std::vector<call::Part> placeholders(const call::UpstreamSettings& upstream) {
  std::vector<call::Part> out;
  if (!upstream.lookup) return out;
  std::string_view rest = upstream.lookup->get;
  for (auto open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
    const auto close = std::min(rest.find('}', open), rest.size());
    const auto inside = rest.substr(open + 1, close - open - 1);
    if (inside.starts_with("body:")) out.push_back({Kind::body, std::string(inside.substr(5))});
    if (inside.starts_with("form:")) out.push_back({Kind::form, std::string(inside.substr(5))});
    rest.remove_prefix(std::min(close + 1, rest.size()));
  }
  return out;
}

}  // namespace

std::vector<call::Part> key_parts(const call::RouteSettings& route,
                                  const call::UpstreamSettings& upstream) {
  if (!route.key.from.empty()) return route.key.from;
  const auto& rules = upstream.idempotency;
  const bool asked_by_key = rules.mode == call::Mode::verify && upstream.lookup &&
                            call::lookup_uses(upstream.lookup->get, "key");
  if (rules.mode != call::Mode::key && !asked_by_key) return {};
  return {{Kind::header, rules.header}};
}

Sample sample_for(const call::RouteSettings& route, const call::UpstreamSettings& upstream,
                  const SampleAsk& ask, WallTime now) {
  const bool stripe_event = route.webhook && route.webhook->scheme == call::WebhookScheme::stripe;
  Filling filling;
  const auto parts = key_parts(route, upstream);
  if (ask.keyed) {
    for (const auto& part : parts) {
      // Signed with its event, below.
      const bool signed_with =
          route.webhook && part.kind == Kind::header && same_name(part.name, "webhook-id");
      if (!signed_with) filling.put(part, ask.value);
    }
  }
  for (const auto& part : route.key.scope)
    filling.put(part, "scope-1");
  for (const auto& part : placeholders(upstream)) {
    const bool names_it = std::find(parts.begin(), parts.end(), part) != parts.end();
    if (ask.keyed || !names_it) filling.put(part, "ref-1");
  }
  Sample out;
  out.head.method = ask.method;
  out.head.target = route.path;
  out.head.listener = route.listen;
  out.head.client_address = "192.0.2.1:50000";  // RFC 5737
  out.head.fields = filling.fields();
  auto add = [&](std::string name, std::string text) {
    if (find_field(out.head.fields, name) == nullptr) {
      out.head.fields.push_back({std::move(name), std::move(text)});
    }
  };
  add("Host", route.host_match.empty() ? "holdfast.example" : route.host_match);
  if (!route.webhook) add("Authorization", "Bearer " + ask.credential);
  if (call::safe_method(ask.method)) return out;
  out.body = filling.body();
  add("Content-Type", filling.is_form() ? std::string(kForm) : "application/json");
  if (route.webhook) {
    const std::string id = stripe_event ? std::string() : "evt_" + ask.value;
    for (auto& field : call::sign_webhook(*route.webhook, kRehearsalSecret, id, out.body, now))
      add(field.name, field.value);
  }
  out.head.has_body = true;
  out.head.length = out.body.size();
  return out;
}

call::WebhookDoor rehearsal_door(WallTime now) {
  call::WebhookDoor door;
  door.secret = [](const std::string&) {
    return Result<std::string>(std::string(kRehearsalSecret));
  };
  door.now = [now] { return now; };
  return door;
}

call::Hasher rehearsal_hasher() {
  return call::Hasher({1});
}

std::vector<std::string> methods_of(const call::RouteSettings& route) {
  std::vector<std::string> all{"POST", "PATCH", "PUT", "DELETE", "GET", "HEAD", "OPTIONS"};
  if (route.methods.empty()) return all;
  std::vector<std::string> out;
  for (const auto& method : all) {
    if (std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end()) {
      out.push_back(method);
    }
  }
  for (const auto& method : route.methods) {
    if (std::find(all.begin(), all.end(), method) == all.end()) out.push_back(method);
  }
  return out;
}

std::string text_of(const call::Part& part) {
  const std::string_view kind = part.kind == Kind::header ? "header"
                                : part.kind == Kind::body ? "body"
                                                          : "form";
  return fmt::format("{} `{}`", kind, part.name);
}

std::string text_of(const std::vector<call::Part>& parts) {
  std::string out;
  for (const auto& part : parts)
    out += (out.empty() ? "" : " and ") + text_of(part);
  return out;
}

}  // namespace hf::review
