// Webhooks in both directions: callbacks that tell the end of held calls, and routes that take a
// provider's.
#include <fmt/format.h>

#include <algorithm>

#include "call/callback.h"
#include "config/address.h"
#include "config/draft.h"
#include "config/section.h"

namespace hf::config {
namespace {

constexpr std::size_t kMaxSecrets = 8;
constexpr std::size_t kMaxAllowed = 64;
constexpr std::uint64_t kAnswerMax = 64 * 1024;
constexpr Duration kDay = Duration::hours(24);

// A value is never repeated in a finding: it may be a secret in the wrong place.
void read_secrets(Section& in, std::vector<std::string>& out) {
  constexpr std::string_view kExample = "secrets: [ \"${file:/run/secrets/name}\" ]";
  const Node* node = in.raw("secrets");
  if (node == nullptr) {
    return in.add(Rule::missing, "secrets", "signatures need a secret", std::string(kExample));
  }
  if (node->kind != Node::Kind::sequence || node->items.empty() ||
      node->items.size() > kMaxSecrets) {
    return in.add(Rule::wrong_type, "secrets",
                  fmt::format("expected a list of 1 to {} secrets", kMaxSecrets),
                  std::string(kExample));
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    const Node& item = node->items[i];
    const auto path = fmt::format("{}[{}]", in.path_of("secrets"), i);
    if (item.kind != Node::Kind::scalar || !is_plain_value(item.text)) {
      in.findings().add(Rule::bad_value, item.at, path, "a secret is visible ASCII",
                        "${file:PATH} or ${env:NAME}");
    } else if (!references_are_sound(item.text)) {
      in.findings().add(Rule::secret_reference, item.at, path, "a reference that is not known",
                        "${file:PATH} or ${env:NAME}");
    } else {
      out.push_back(item.text);
    }
  }
}

void read_allow(Section& in, call::CallbackSettings& out) {
  in.texts("allow", out.allow, "[\"https://app.example/hooks/\"]");
  if (out.allow.size() > kMaxAllowed) {
    in.add(Rule::out_of_range, "allow", fmt::format("{} URLs", out.allow.size()),
           fmt::format("at most {}", kMaxAllowed));
  }
  if (out.allow.empty() && in.node() != nullptr) {
    in.add(Rule::missing, "allow", "callbacks need to know where they may go",
           "allow: [ \"https://app.example/hooks/\" ]");
  }
  for (const std::string& text : out.allow) {
    const auto url = parse_url(text);
    if (!url.ok()) {
      in.add(Rule::bad_url, "allow", url.error().context, "such as https://app.example/hooks/");
      continue;
    }
    if (!url->tls && !loopback_host(url->host)) {
      in.add(Rule::upstream_plain, "allow", "callbacks travel to another machine in clear",
             "use https://");
    }
    if (loopback_host(url->host) && !out.private_addresses) {
      in.add(Rule::callback_private, "allow",
             fmt::format("{} is no public address, so no callback gets there", url->host),
             "private_addresses: true");
    }
  }
}

void warn_of_literals(Section& in, const std::vector<std::string>& secrets) {
  for (const std::string& value : secrets) {
    if (value.find("${") != std::string::npos) continue;
    in.add(Rule::secret_literal, "secrets", "a secret in the configuration itself",
           "${file:PATH} or ${env:NAME}");
    return;
  }
}

// What the scheme itself says of an event's identity, where the route says nothing of its key.
void default_key(const call::WebhookRule& rule, bool key_written, call::RouteSettings& route) {
  using Kind = call::Part::Kind;
  if (key_written || rule.scheme == call::WebhookScheme::hmac) return;
  const bool stripe = rule.scheme == call::WebhookScheme::stripe;
  route.key.from = {stripe ? call::Part{Kind::body, "/id"}
                           : call::Part{Kind::header, std::string(call::kWebhookId)}};
  route.key.required = true;
  route.key.stable = !stripe;
}

// In what two deliveries of one event differ.
void default_fingerprint(const call::WebhookRule& rule, bool written, call::RouteSettings& route) {
  if (written || rule.scheme != call::WebhookScheme::stripe) return;
  route.fingerprint_ignore = {{call::Part::Kind::body, "/pending_webhooks"}};
}

}  // namespace

void read_callbacks(Section in, call::CallbackSettings& out) {
  if (in.node() == nullptr) return;
  in.flag("private_addresses", out.private_addresses);
  read_allow(in, out);
  read_secrets(in, out.secrets);
  warn_of_literals(in, out.secrets);
  Section retry = in.section("retry");
  retry.durations("held", out.held, {Duration::millis(1), kDay * 30});
  if (out.held.empty()) {
    retry.add(Rule::out_of_range, "held", "an empty schedule", "leave the key out for the default");
  }
  retry.close();
  in.duration("deadline", out.deadline, {Duration::seconds(1), kDay * 30});
  in.close();
}

void read_route_webhooks(Section& in, call::RouteSettings& out) {
  in.text("callback", out.callback);
  in.size("callback_answer", out.callback_answer, {0, kAnswerMax});
  const bool written = in.has("webhook");
  Section webhook = in.section("webhook");
  if (!written || webhook.node() == nullptr) return;
  call::WebhookRule rule;
  if (!webhook.has("scheme")) {
    webhook.add(Rule::missing, "scheme", "how are the webhooks signed?",
                "scheme: stripe, standard or hmac");
  }
  webhook.word<call::WebhookScheme>("scheme", rule.scheme,
                                    {{"stripe", call::WebhookScheme::stripe},
                                     {"standard", call::WebhookScheme::standard},
                                     {"hmac", call::WebhookScheme::hmac}});
  read_secrets(webhook, rule.secrets);
  warn_of_literals(webhook, rule.secrets);
  const bool hmac = rule.scheme == call::WebhookScheme::hmac;
  webhook.duration("tolerance", rule.tolerance, {Duration::seconds(1), kDay});
  webhook.text("header", rule.header);
  webhook.text("prefix", rule.prefix);
  webhook.word<call::WebhookEncoding>(
      "encoding", rule.encoding,
      {{"hex", call::WebhookEncoding::hex}, {"base64", call::WebhookEncoding::base64}});
  if (hmac && !is_token(rule.header)) {
    webhook.add(Rule::missing, "header", "which field carries the signature?",
                "header: X-Signature");
  }
  for (const std::string_view key : {"header", "prefix", "encoding"}) {
    if (hmac || !webhook.has(key)) continue;
    webhook.add(Rule::mode_mismatch, key,
                fmt::format("`{}` means nothing with `scheme: {}`", key, to_string(rule.scheme)),
                "leave it out, or write `scheme: hmac`");
  }
  if (hmac && webhook.has("tolerance")) {
    webhook.add(Rule::mode_mismatch, "tolerance", "a plain HMAC signs no time", "leave it out");
  }
  webhook.close();
  // Who delivers an event again while it is held need not wait for the application: the 202 says
  // that it is on disk, and providers wait for a few seconds only.
  if (out.hold == call::Hold::always && !in.has("wait")) out.wait = {};
  default_key(rule, in.has("key"), out);
  default_fingerprint(rule, in.has("fingerprint"), out);
  out.webhook = std::move(rule);
}

void judge_webhooks(const Draft& draft, const RouteDraft& route, Findings& findings) {
  using call::Hold;
  const auto& settings = route.settings;
  if (!settings.callback.empty()) {
    const auto place = call::callback_place(draft.settings.callbacks, settings.callback);
    if (!place.ok()) {
      add(route, findings, Rule::callback_refused, "callback", place.error().context,
          "add it to `callbacks.allow`");
    }
    if (settings.hold == Hold::never) {
      add(route, findings, Rule::callback_hold, "callback",
          "a callback tells the end of a held call, and this route never holds",
          "hold: on_failure");
    }
  }
  if (!settings.webhook) return;
  if (settings.key.from.empty() || !settings.key.required) {
    add(route, findings, Rule::webhook_key, "webhook",
        "a provider sends an event again until it is taken, and nothing tells that it is the same",
        "key: { required: true, from: [ { body: /id } ] }");
  }
  const bool taken =
      settings.hold == Hold::always ||
      (settings.hold == Hold::on_failure && settings.held_answer == call::HeldAnswer::accepted);
  if (!taken) {
    add(route, findings, Rule::webhook_hold, "webhook",
        "an event that the application cannot take now is answered with an error",
        "hold: always, or hold: on_failure with held_answer: 202");
  }
}

}  // namespace hf::config
