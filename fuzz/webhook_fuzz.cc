// What strangers can say to a route that takes webhooks, and where a client can ask to be called
// back. The first line of the input is the signature's field, the second a URL, the rest the body.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "call/callback.h"
#include "call/webhook.h"

namespace hf::call {
namespace {

const WallTime kNow{1'700'000'000'000};
const std::vector<std::string> kSecrets{"whsec_c2VjcmV0", "secret"};

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

WebhookRule rule_of(WebhookScheme scheme) {
  WebhookRule rule;
  rule.scheme = scheme;
  rule.header = "X-Signature";
  return rule;
}

// Nobody who does not know the secret gets through: the input would have to hold an HMAC under it.
void check_forged(std::string_view field, std::string_view body) {
  const std::string value(field);
  for (const WebhookScheme scheme :
       {WebhookScheme::stripe, WebhookScheme::standard, WebhookScheme::hmac}) {
    const Fields fields{{"Stripe-Signature", value},
                        {"webhook-id", "id"},
                        {"webhook-timestamp", "1700000000"},
                        {"webhook-signature", value},
                        {"X-Signature", value}};
    HF_CHECK(check_webhook(rule_of(scheme), kSecrets, fields, body, kNow) != WebhookVerdict::good);
  }
}

// What is signed passes beside whatever else the field holds, and with another body it does not.
void check_signed(std::string_view field, std::string_view body) {
  const WebhookRule rule = rule_of(WebhookScheme::standard);
  const std::string good = standard_signature("secret", "id", 1'700'000'000, body);
  const Fields fields{
      {"webhook-id", "id"}, {"webhook-timestamp", "1700000000"}, {"webhook-signature", good}};
  HF_CHECK(check_webhook(rule, kSecrets, fields, body, kNow) == WebhookVerdict::good);
  HF_CHECK(check_webhook(rule, kSecrets, fields, std::string(body) + "x", kNow) ==
           WebhookVerdict::wrong);
  if (const auto key = webhook_secret(field); key.ok()) HF_CHECK(key->size() <= field.size());
}

// An allowed URL leads to one of the receivers, below its path, by a target that can stand in a
// request line.
void check_place(std::string_view url) {
  CallbackSettings settings;
  settings.allow = {"https://app.example/hooks/", "http://[::1]:8080"};
  settings.secrets = {"s"};
  const auto place = callback_place(settings, url);
  if (!place.ok()) return;
  const auto receivers = callback_upstreams(settings);
  HF_CHECK(receivers.contains(place->upstream));
  const std::string& target = place->target;
  HF_CHECK(target.starts_with("/"));
  HF_CHECK(target.find_first_of("# \r\n\t") == std::string::npos);
  const std::string path = target.substr(0, target.find('?'));
  HF_CHECK(path.find('\\') == std::string::npos && path.find("/../") == std::string::npos);
  if (place->upstream == "callback:app.example") {
    HF_CHECK(target.starts_with("/hooks") &&
             (target.size() == 6 || target[6] == '/' || target[6] == '?'));
  }
}

}  // namespace
}  // namespace hf::call

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hf::call;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto field = take_line(rest);
  const auto url = take_line(rest);
  check_forged(field, rest);
  check_signed(field, rest);
  check_place(url);
  return 0;
}
