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

using call::AnswerRule;
using call::AnswerTest;
using call::Meaning;

AnswerTest is(std::string where, std::vector<std::string> values) {
  return {AnswerTest::Kind::equals, std::move(where), std::move(values)};
}

// An API without keys: what may have been done is not sent again.
Preset unkeyed(std::string_view name, std::string_view host) {
  Preset out;
  out.name = name;
  out.host = host;
  out.idempotency.refused = {421, 425, 429};
  return out;
}

// `ok: false` and a word, with status 200; 429 with Retry-After; `fatal_error` and `internal_error`
// "possibly succeeded in part": https://docs.slack.dev/apis/web-api/ and
// https://docs.slack.dev/apis/web-api/rate-limits and the errors of each method, such as
// https://docs.slack.dev/reference/methods/chat.postMessage
Preset slack() {
  Preset out = unkeyed("slack", "slack.com");
  const auto says = [&](std::vector<std::string> words, Meaning means) {
    AnswerRule rule;
    rule.status = {200};
    rule.json = {is("/ok", {"false"})};
    if (!words.empty()) rule.json.push_back(is("/error", std::move(words)));
    rule.means = means;
    out.classify.push_back(std::move(rule));
  };
  says({"ratelimited", "rate_limited"}, Meaning::refused);
  says({"fatal_error", "internal_error", "service_unavailable"}, Meaning::unresolved);
  says({"invalid_auth", "not_authed", "account_inactive", "token_expired", "token_revoked"},
       Meaning::credentials);
  says({}, Meaning::error);
  return out;
}

// 429 with X-RateLimit-Reset, seconds since 1970:
// https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits
Preset sendgrid() {
  Preset out = unkeyed("sendgrid", "api.sendgrid.com");
  AnswerRule limited;
  limited.status = {429};
  limited.means = Meaning::refused;
  limited.pause_until = "X-RateLimit-Reset";
  out.classify.push_back(limited);
  return out;
}

// A limit is told by 403 or 429; then Retry-After counts, else X-RateLimit-Reset where nothing
// remains, else at least a minute:
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
Preset github() {
  Preset out = unkeyed("github", "api.github.com");
  AnswerRule limited;
  limited.means = Meaning::refused;
  limited.pause = Duration::minutes(1);
  AnswerRule spent = limited;
  spent.status = {403, 429};
  spent.headers = {is("X-RateLimit-Remaining", {"0"})};
  spent.pause_until = "X-RateLimit-Reset";
  AnswerRule told = limited;
  told.status = {403};
  told.headers = {{AnswerTest::Kind::present, "Retry-After", {}}};
  AnswerRule secondary = limited;
  secondary.status = {403};
  secondary.contains = {"secondary rate limit"};
  limited.status = {429};
  out.classify = {spent, told, secondary, limited};
  return out;
}

// "The request was denied due to request throttling":
// https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html (Throttling...)
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/query-api-troubleshooting.html
// (RequestLimitExceeded) and the errors of SQS and EBS (RequestThrottled...). ServiceUnavailable,
// "a temporary failure of the server", and InternalFailure are left out: nothing says that the
// request was not carried out.
const std::vector<std::string>& throttled() {
  static const std::vector<std::string> kCodes{
      "Throttling",       "ThrottlingException",       "RequestLimitExceeded",
      "RequestThrottled", "RequestThrottledException", "TooManyRequestsException"};
  return kCodes;
}

// XML: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
Preset aws_query() {
  Preset out = unkeyed("aws-query", "");
  AnswerRule limited;
  limited.status = {400, 403, 429, 503};
  for (const auto& code : throttled())
    limited.contains.push_back("<Code>" + code + "</Code>");
  limited.means = Meaning::refused;
  out.classify.push_back(std::move(limited));
  return out;
}

// `__type`, with or without a namespace before it:
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html (operation error serialization)
// DynamoDB's own words:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
Preset aws_json() {
  Preset out = unkeyed("aws-json", "");
  AnswerRule limited;
  limited.status = {400, 403, 429, 503};
  limited.means = Meaning::refused;
  AnswerTest bare = is("/__type", throttled());
  bare.values.emplace_back("ProvisionedThroughputExceededException");
  AnswerTest named = bare;
  named.kind = AnswerTest::Kind::ends;
  for (auto& code : named.values)
    code.insert(0, 1, '#');
  for (const auto& test : {bare, named}) {
    limited.json = {test};
    out.classify.push_back(limited);
  }
  return out;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> kPresets{stripe(),   openai(), anthropic(), slack(),
                                            sendgrid(), github(), aws_query(), aws_json()};
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
  const auto at = std::find_if(all.begin(), all.end(),
                               [&](const Preset& p) { return !p.host.empty() && p.host == host; });
  return at == all.end() ? nullptr : &*at;
}

}  // namespace hf::config
