// Standard Webhooks signatures put on requests at send time.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/fields.h"
#include "base/result.h"
#include "base/time.h"
#include "call/settings.h"

namespace hf::adapters {

// webhook-timestamp and webhook-signature for one attempt at `now`: one signature for each of
// `settings.signing`, so that a secret can be changed while both are known. `resolve` gives what a
// value stands for. An error's context never holds a secret.
Result<Fields> sign_webhook(const call::UpstreamSettings& settings, std::string_view id,
                            std::string_view body, WallTime now,
                            const std::function<Result<std::string>(const std::string&)>& resolve);

}  // namespace hf::adapters
