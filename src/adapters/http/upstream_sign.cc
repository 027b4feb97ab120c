#include "adapters/http/upstream_sign.h"

#include "call/webhook.h"

namespace hf::adapters {

Result<Fields> sign_webhook(const call::UpstreamSettings& settings, std::string_view id,
                            std::string_view body, WallTime now,
                            const std::function<Result<std::string>(const std::string&)>& resolve) {
  const std::int64_t seconds = now.ms / 1000;
  std::string signatures;
  for (const std::string& value : settings.signing) {
    HF_TRY(const std::string text, resolve(value));
    auto key = call::webhook_secret(text);
    if (!key.ok()) return key.take_error().in("a signing secret");
    if (!signatures.empty()) signatures += ' ';
    signatures += call::standard_signature(*key, id, seconds, body);
  }
  return Fields{{"webhook-timestamp", std::to_string(seconds)}, {"webhook-signature", signatures}};
}

}  // namespace hf::adapters
