// What the intake needs from outside to judge a provider's webhooks.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "call/reply.h"

namespace hf::call {

struct IncomingHead;
struct RouteSettings;

// Made by the shell. All are called on the I/O thread, for each webhook; secrets are kept nowhere.
struct WebhookDoor {
  // What a configured secret's text stands for: "${file:/p}", "${env:X}". An error's context does
  // not hold the secret.
  std::function<Result<std::string>(const std::string& value)> secret;
  std::function<WallTime()> now;
  std::function<void(const std::string&)> warn;       // a line for people, no secrets; may be empty
  std::function<void(const RouteSettings&)> refused;  // no good signature; may be empty
};

// What to answer instead of taking the webhook; nothing where its signature is good. Beyond its
// class, an answer tells nothing of why: whoever forges must not learn how close it was.
std::optional<Reply> webhook_fault(const WebhookDoor& door, const RouteSettings& route,
                                   const IncomingHead& head, std::string_view body);

}  // namespace hf::call
