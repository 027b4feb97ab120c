#include "call/webhook.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/bytes.h"

namespace hf::call {
namespace {

constexpr std::string_view kSecretMark = "whsec_";
constexpr std::size_t kMacBytes = crypto_auth_hmacsha256_BYTES;
// In one field; a provider that changes its secret sends two.
constexpr std::size_t kSignaturesMax = 16;

const unsigned char* octets(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out(text.size(), '\0');
  auto* into = reinterpret_cast<unsigned char*>(out.data());
  for (const int variant :
       {sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING}) {
    std::size_t size = 0;
    const char* end = nullptr;
    if (sodium_base642bin(into, out.size(), text.data(), text.size(), nullptr, &size, &end,
                          variant) != 0) {
      continue;
    }
    if (end != text.data() + text.size()) continue;
    out.resize(size);
    return out;
  }
  return std::nullopt;
}

std::string to_base64(std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
  std::string out(sodium_base64_ENCODED_LEN(bytes.size(), kVariant), '\0');
  sodium_bin2base64(out.data(), out.size(), octets(bytes), bytes.size(), kVariant);
  out.pop_back();  // its terminating zero
  return out;
}

bool same_mac(std::string_view a, std::string_view b) {
  return a.size() == kMacBytes && b.size() == kMacBytes &&
         sodium_memcmp(a.data(), b.data(), kMacBytes) == 0;
}

// What one request says of its signature.
struct Signed {
  std::string text;               // over which it is made
  std::vector<std::string> macs;  // raw
  std::optional<std::int64_t> timestamp;
};

std::optional<std::int64_t> seconds_in(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || out < 0 || out > 100'000'000'000) return std::nullopt;
  return out;
}

std::optional<std::string_view> only_field(const Fields& fields, std::string_view name) {
  if (count_fields(fields, name) != 1) return std::nullopt;
  return trim_blanks(find_field(fields, name)->value);
}

// The pieces of `text` between `separator`s, without blanks at their ends.
std::vector<std::string_view> pieces(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    out.push_back(trim_blanks(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void add_hex(std::string_view text, std::vector<std::string>& out) {
  if (auto mac = from_hex(text); mac.ok()) out.push_back(std::move(*mac));
}

// Stripe-Signature: t=SECONDS,v1=HEX,v1=HEX,v0=...
// https://docs.stripe.com/webhooks#verify-manually
std::optional<Signed> read_stripe(const Fields& fields, std::string_view body) {
  const auto field = only_field(fields, "Stripe-Signature");
  if (!field) return std::nullopt;
  Signed out;
  for (const std::string_view piece : pieces(*field, ',')) {
    if (piece.starts_with("t=")) {
      if (out.timestamp) return std::nullopt;
      out.timestamp = seconds_in(piece.substr(2));
      if (!out.timestamp) return std::nullopt;
    } else if (piece.starts_with("v1=")) {
      add_hex(piece.substr(3), out.macs);
    }
  }
  if (!out.timestamp) return std::nullopt;
  out.text = fmt::format("{}.{}", *out.timestamp, body);
  return out;
}

// webhook-signature: v1,BASE64 v1,BASE64 v1a,...
std::optional<Signed> read_standard(const Fields& fields, std::string_view body) {
  const auto id = only_field(fields, "webhook-id");
  const auto timestamp = only_field(fields, "webhook-timestamp");
  const auto field = only_field(fields, "webhook-signature");
  if (!id || id->empty() || !timestamp || !field) return std::nullopt;
  Signed out;
  out.timestamp = seconds_in(*timestamp);
  if (!out.timestamp) return std::nullopt;
  for (const std::string_view piece : pieces(*field, ' ')) {
    if (!piece.starts_with("v1,")) continue;
    if (auto mac = from_base64(piece.substr(3))) out.macs.push_back(std::move(*mac));
  }
  out.text = fmt::format("{}.{}.{}", *id, *timestamp, body);
  return out;
}

std::optional<Signed> read_hmac(const WebhookRule& rule, const Fields& fields,
                                std::string_view body) {
  auto field = only_field(fields, rule.header);
  if (!field || !field->starts_with(rule.prefix)) return std::nullopt;
  field->remove_prefix(rule.prefix.size());
  Signed out;
  if (rule.encoding == WebhookEncoding::hex) {
    add_hex(*field, out.macs);
  } else if (auto mac = from_base64(*field)) {
    out.macs.push_back(std::move(*mac));
  }
  out.text = body;
  return out;
}

std::optional<Signed> read_signature(const WebhookRule& rule, const Fields& fields,
                                     std::string_view body) {
  switch (rule.scheme) {
    case WebhookScheme::stripe:
      return read_stripe(fields, body);
    case WebhookScheme::standard:
      return read_standard(fields, body);
    case WebhookScheme::hmac:
      return read_hmac(rule, fields, body);
  }
  return std::nullopt;
}

}  // namespace

std::string hmac_sha256(std::string_view secret, std::string_view bytes) {
  std::array<unsigned char, kMacBytes> out{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, octets(secret), secret.size());
  crypto_auth_hmacsha256_update(&state, octets(bytes), bytes.size());
  crypto_auth_hmacsha256_final(&state, out.data());
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

Result<std::string> webhook_secret(std::string_view text) {
  if (!text.starts_with(kSecretMark)) return std::string(text);
  auto key = from_base64(text.substr(kSecretMark.size()));
  if (!key || key->empty()) return fail(ErrorKind::invalid, "no base64 behind whsec_");
  return std::move(*key);
}

std::string standard_signature(std::string_view key, std::string_view id, std::int64_t timestamp,
                               std::string_view body) {
  return "v1," + to_base64(hmac_sha256(key, fmt::format("{}.{}.{}", id, timestamp, body)));
}

Fields sign_webhook(const WebhookRule& rule, std::string_view secret, std::string_view id,
                    std::string_view body, WallTime now) {
  const std::int64_t seconds = now.ms / 1000;
  switch (rule.scheme) {
    case WebhookScheme::stripe: {
      const auto mac = hmac_sha256(secret, fmt::format("{}.{}", seconds, body));
      return {{"Stripe-Signature", fmt::format("t={},v1={}", seconds, to_hex(mac))}};
    }
    case WebhookScheme::standard:
      return {{"webhook-id", std::string(id)},
              {"webhook-timestamp", std::to_string(seconds)},
              {"webhook-signature", standard_signature(secret, id, seconds, body)}};
    case WebhookScheme::hmac: {
      const auto mac = hmac_sha256(secret, body);
      const bool hex = rule.encoding == WebhookEncoding::hex;
      return {{rule.header, rule.prefix + (hex ? to_hex(mac) : to_base64(mac))}};
    }
  }
  return {};
}

WebhookVerdict check_webhook(const WebhookRule& rule, const std::vector<std::string>& secrets,
                             const Fields& fields, std::string_view body, WallTime now) {
  const auto found = read_signature(rule, fields, body);
  if (!found || found->macs.empty() || found->macs.size() > kSignaturesMax) {
    return WebhookVerdict::malformed;
  }
  bool fits = false;
  for (const std::string& text : secrets) {
    // Stripe's own secrets begin with whsec_ and are used as they are written.
    const auto key =
        rule.scheme == WebhookScheme::standard ? webhook_secret(text) : Result<std::string>(text);
    if (!key.ok() || key->empty()) continue;
    const std::string mac = hmac_sha256(*key, found->text);
    for (const std::string& other : found->macs)
      fits = same_mac(mac, other) || fits;
  }
  if (found->timestamp) {
    const Duration apart = now - WallTime{*found->timestamp * 1000};
    if (apart > rule.tolerance || apart < Duration{} - rule.tolerance) fits = false;
  }
  return fits ? WebhookVerdict::good : WebhookVerdict::wrong;
}

}  // namespace hf::call
