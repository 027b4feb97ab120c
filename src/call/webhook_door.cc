#include "call/webhook_door.h"

#include <vector>

#include "call/intake.h"
#include "call/webhook.h"

namespace hf::call {
namespace {

Reply refusal(Code code, std::string detail) {
  ProblemSpec spec;
  spec.code = code;
  spec.detail = std::move(detail);
  return problem(spec);
}

}  // namespace

std::optional<Reply> webhook_fault(const WebhookDoor& door, const RouteSettings& route,
                                   const IncomingHead& head, std::string_view body) {
  if (!route.webhook) return std::nullopt;
  const WebhookRule& rule = *route.webhook;
  std::vector<std::string> secrets;
  for (const std::string& value : rule.secrets) {
    if (!door.secret) break;
    auto secret = door.secret(value);
    if (secret.ok()) {
      secrets.push_back(std::move(*secret));
    } else if (door.warn) {
      door.warn("route " + route.path + ": " + secret.error().context);
    }
  }
  if (secrets.empty() || !door.now) {
    // Ours to mend: the provider sends it again.
    ProblemSpec spec;
    spec.code = Code::overloaded;
    spec.safe_to_retry = true;
    spec.retry_after = Duration::seconds(30);
    spec.detail = "Signatures cannot be checked now.";
    return problem(spec);
  }
  const WebhookVerdict verdict = check_webhook(rule, secrets, head.fields, body, door.now());
  if (verdict != WebhookVerdict::good && door.refused) door.refused(route);
  switch (verdict) {
    case WebhookVerdict::good:
      return std::nullopt;
    case WebhookVerdict::malformed:
      return refusal(Code::bad_request, "This route takes signed webhooks only.");
    case WebhookVerdict::wrong: {
      Reply reply = refusal(Code::signature_refused, {});
      reply.fields.push_back({"WWW-Authenticate", "Signature"});  // RFC 9110 section 15.5.2
      return reply;
    }
  }
  return std::nullopt;
}

}  // namespace hf::call
