#include "call/owner.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/bytes.h"

namespace hf::call {
namespace {

constexpr std::array<std::string_view, 3> kCredentialFields{"Authorization", "X-Api-Key",
                                                            "Api-Key"};

bool is_credential_field(std::string_view name) {
  return std::any_of(kCredentialFields.begin(), kCredentialFields.end(),
                     [&](std::string_view field) { return same_name(field, name); });
}

std::string marked(std::string_view kind, std::string_view value) {
  std::string out;
  put_string(out, kind);
  put_string(out, value);
  return out;
}

// `Credential=AKID/date/region/service/aws4_request` of an AWS signature; empty when there is none.
std::string_view access_key_id(std::string_view parameters) {
  constexpr std::string_view kName = "Credential=";
  while (!parameters.empty()) {
    const auto comma = std::min(parameters.find(','), parameters.size());
    const auto parameter = trim_blanks(parameters.substr(0, comma));
    if (parameter.starts_with(kName)) {
      const auto value = parameter.substr(kName.size());
      return value.substr(0, value.find('/'));
    }
    parameters.remove_prefix(std::min(parameters.size(), comma + 1));
  }
  return {};
}

std::string authorization_credential(std::string_view value) {
  value = trim_blanks(value);
  const auto blank = value.find_first_of(" \t");
  const std::string scheme = lower_ascii(value.substr(0, blank));
  const auto rest =
      blank == std::string_view::npos ? std::string_view{} : trim_blanks(value.substr(blank));
  if ((scheme == "bearer" || scheme == "basic") && !rest.empty()) return marked(scheme, rest);
  if (scheme.starts_with("aws4-")) {
    const auto id = access_key_id(rest);
    if (!id.empty()) return marked("aws4", id);
  }
  return marked("authorization", value);
}

std::string header_owner(std::string_view name, std::string_view value) {
  std::string out;
  put_string(out, "header");
  put_string(out, lower_ascii(name));
  put_string(out, trim_blanks(value));
  return out;
}

std::string anyone() {
  return marked("anyone", {});
}

// What an owner's digest is of.
std::string owner_bytes(const OwnerRule& rule, const Fields& fields) {
  if (rule.kind == OwnerRule::Kind::anyone) return anyone();
  if (rule.kind == OwnerRule::Kind::header) {
    const Field* field = find_field(fields, rule.header);
    if (field != nullptr && !trim_blanks(field->value).empty()) {
      return header_owner(rule.header, field->value);
    }
  }
  auto credential = credential_of(fields);
  return credential.empty() ? anyone() : credential;
}

// What an account's digest is of, where it has no label.
std::string account_bytes(const UpstreamSettings& upstream, const Fields& fields) {
  for (const auto& injected : upstream.inject) {
    if (is_credential_field(injected.name)) return header_owner(injected.name, injected.value);
  }
  return credential_of(fields);
}

}  // namespace

std::string credential_of(const Fields& fields) {
  for (const auto name : kCredentialFields) {
    const Field* field = find_field(fields, name);
    if (field == nullptr || trim_blanks(field->value).empty()) continue;
    if (name == "Authorization") return authorization_credential(field->value);
    return marked(lower_ascii(name), trim_blanks(field->value));
  }
  return {};
}

bool ambiguous_credential(const Fields& fields, const OwnerRule& rule) {
  if (rule.kind == OwnerRule::Kind::header && count_fields(fields, rule.header) > 1) return true;
  return std::any_of(kCredentialFields.begin(), kCredentialFields.end(),
                     [&](std::string_view name) { return count_fields(fields, name) > 1; });
}

Digest owner_anyone(const Hasher& hasher) {
  return hasher.digest("owner", anyone());
}

Digest owner_of(const OwnerRule& rule, const Fields& fields, const Hasher& hasher) {
  return hasher.digest("owner", owner_bytes(rule, fields));
}

std::vector<Digest> owners_of(const Settings& settings, const Fields& fields,
                              const Hasher& hasher) {
  std::set<Digest> out{owner_anyone(hasher), owner_of({}, fields, hasher)};
  for (const auto& route : settings.routes) {
    if (!ambiguous_credential(fields, route->owner)) {
      out.insert(owner_of(route->owner, fields, hasher));
    }
  }
  return {out.begin(), out.end()};
}

std::string account_of(const UpstreamSettings& upstream, const Fields& fields,
                       const Hasher& hasher) {
  if (!upstream.account.empty()) return upstream.account;
  return to_hex(hasher.digest("account", account_bytes(upstream, fields)).raw());
}

std::string limit_key_of(std::string_view upstream, const Digest& owner, const Hasher& hasher) {
  std::string bytes;
  put_string(bytes, upstream);
  bytes += owner.raw();
  return to_hex(hasher.digest("limit", bytes).raw());
}

KnownCallers::KnownCallers(Hasher hasher) : hasher_(std::move(hasher)), places_(kPlaces) {
  static_assert(std::tuple_size_v<Name> == crypto_shorthash_siphashx24_KEYBYTES &&
                std::tuple_size_v<Name> == crypto_shorthash_siphashx24_BYTES);
  static_assert(kPlaces == 256, "a byte of the name says the place");
  randombytes_buf(secret_.data(), secret_.size());
}

const KnownCallers::Caller& KnownCallers::of(const OwnerRule& rule,
                                             const UpstreamSettings& upstream,
                                             const Fields& fields) {
  bytes_.clear();
  put_string(bytes_, upstream.name);
  put_string(bytes_, owner_bytes(rule, fields));
  if (upstream.account.empty()) put_string(bytes_, account_bytes(upstream, fields));
  Name name{};
  crypto_shorthash_siphashx24(name.data(), reinterpret_cast<const unsigned char*>(bytes_.data()),
                              bytes_.size(), secret_.data());
  sodium_memzero(bytes_.data(), bytes_.size());
  Place& place = places_[name.front()];
  if (!place.taken || place.name != name) {
    place.caller.owner = owner_of(rule, fields, hasher_);
    place.caller.account = account_of(upstream, fields, hasher_);
    place.caller.limit_key = limit_key_of(upstream.name, place.caller.owner, hasher_);
    place.name = name;
    place.taken = true;
  }
  return place.caller;
}

}  // namespace hf::call
