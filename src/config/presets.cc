#include "config/presets.h"

#include <algorithm>

namespace hf::config {
namespace {

// Key field, "at least 24 hours", 500s replayed too, nothing stored for a request that failed
// validation or met another in progress: https://docs.stripe.com/api/idempotent_requests
// 409 idempotency_key_in_use, 400 idempotency_error, 404 and 402 as verdicts, `request-id` on
// answers of the API itself: https://docs.stripe.com/error-low-level and
// https://docs.stripe.com/api/errors and https://docs.stripe.com/api/request_ids
// 429 is sent before work begins: https://docs.stripe.com/rate-limits
// Keys belong to an account, `Stripe-Account` names another:
// https://docs.stripe.com/connect/authentication `stripe-should-retry`, `Idempotent-Replayed`:
// https://docs.stripe.com/error-low-level; 80 s: https://github.com/stripe/stripe-node (README,
// RequestSender)
Preset stripe() {
  Preset out;
  out.name = "stripe";
  out.host = "api.stripe.com";
  auto& rules = out.idempotency;
  rules.mode = call::Mode::key;
  rules.header = "Idempotency-Key";
  rules.lifetime = Duration::hours(24);
  rules.refused = {421, 425, 429};
  rules.in_progress = {409};
  rules.settles = {400, 402, 404};
  rules.settles_field = "request-id";
  rules.settles_unless_type = "idempotency_error";
  rules.replay_marker = "Idempotent-Replayed";
  rules.no_retry_advice = {{"stripe-should-retry", "false"}};
  out.scope = {{call::Part::Kind::header, "Stripe-Account"}};
  out.sdk_timeout = Duration::seconds(80);
  return out;
}

// LLM APIs honour no key; repeating a request costs its tokens and changes nothing else. SDKs wait
// ten minutes, and a stream may be silent while the model thinks.
Preset llm(std::string_view name, std::string_view host) {
  Preset out;
  out.name = name;
  out.host = host;
  out.idempotency.mode = call::Mode::repeatable;
  out.idempotency.refused = {421, 425, 429};
  out.idempotency.no_retry_advice = {{"x-should-retry", "false"}};
  out.timeouts.head = Duration::minutes(10);
  out.timeouts.idle = Duration::minutes(10);
  out.sdk_timeout = Duration::minutes(10);
  return out;
}

// 429 and 503: https://platform.openai.com/docs/guides/error-codes
// Ten minutes, two retries, `x-should-retry`: https://github.com/openai/openai-node (README,
// client)
Preset openai() {
  return llm("openai", "api.openai.com");
}

// 429 rate_limit_error, 529 overloaded_error: https://docs.anthropic.com/en/api/errors
// 529 is left out of `refused`: the page does not promise that nothing was done, a repeat is
// allowed anyway, and as a plain 5xx it counts for the breaker, which is what overload is about.
// Ten minutes, two retries, `x-should-retry`:
// https://github.com/anthropics/anthropic-sdk-typescript
Preset anthropic() {
  return llm("anthropic", "api.anthropic.com");
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> kPresets{stripe(), openai(), anthropic()};
  return kPresets;
}

const Preset* find_preset(std::string_view name) {
  const auto& all = presets();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const Preset& p) { return p.name == name; });
  return at == all.end() ? nullptr : &*at;
}

const Preset* preset_for_host(std::string_view host) {
  const auto& all = presets();
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const Preset& p) { return p.host == host; });
  return at == all.end() ? nullptr : &*at;
}

}  // namespace hf::config
