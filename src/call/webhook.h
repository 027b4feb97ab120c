// Signatures of webhooks: made for those that Holdfast sends, checked on those that it takes. Pure;
// secrets come from the caller and are kept nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "base/result.h"
#include "base/time.h"
#include "call/settings.h"

namespace hf::call {

// 32 raw bytes (RFC 2104), with a secret of any length.
std::string hmac_sha256(std::string_view secret, std::string_view bytes);

// The key that the text of a Standard Webhooks secret stands for: base64 behind "whsec_", else its
// bytes as they are. ErrorKind::invalid, without the text, when what follows is no base64.
Result<std::string> webhook_secret(std::string_view text);

// "v1,<base64>" over "id.timestamp.body" (standardwebhooks.com, section "Signature scheme").
// `timestamp` is in seconds; `key` is what webhook_secret gave.
std::string standard_signature(std::string_view key, std::string_view id, std::int64_t timestamp,
                               std::string_view body);

// The fields with which a provider would send `body` at `now`: check_webhook calls them good. For
// rehearsals; `secret` as webhook_secret wants it, `id` is the event's where the scheme has one.
Fields sign_webhook(const WebhookRule& rule, std::string_view secret, std::string_view id,
                    std::string_view body, WallTime now);

enum class WebhookVerdict : std::uint8_t {
  good,
  malformed,  // the fields of the scheme are missing, there twice, or not readable
  wrong,      // no signature fits, or the timestamp is too far from now
};
// `secrets` are the texts that rule.secrets stand for; one that fits is enough. Compared in
// constant time.
WebhookVerdict check_webhook(const WebhookRule& rule, const std::vector<std::string>& secrets,
                             const Fields& fields, std::string_view body, WallTime now);

}  // namespace hf::call
