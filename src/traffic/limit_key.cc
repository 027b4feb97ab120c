#include "traffic/limit_key.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/bytes.h"
#include "base/planted.h"
#include "call/parts.h"
#include "call/parts_json.h"

namespace hf::traffic {
namespace {

using Kind = call::LimitPart::Kind;

constexpr std::size_t kTextMax = 4 * 1024;
constexpr std::size_t kTokenMax = 16 * 1024;      // of a JSON Web Token
constexpr std::int64_t kExponentMax = 1'000'000;  // of a number: beyond it stands as it was sent
constexpr std::int64_t kZerosMax = 40;            // written out

// RFC 6265 section 5.4: `name=value` pairs apart by "; ". The first of a name counts, as nearly all
// servers read it.
std::optional<std::string> cookie(const Fields& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (!same_name(field.name, "Cookie")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto pair = trim_blanks(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      if (trim_blanks(pair.substr(0, equals)) != name) continue;
      return std::string(trim_blanks(pair.substr(equals + 1)));
    }
  }
  return std::nullopt;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out(text.size(), '\0');
  std::size_t size = 0;
  const int bad = sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                    text.data(), text.size(), nullptr, &size, nullptr,
                                    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (bad != 0) return std::nullopt;
  out.resize(size);
  return out;
}

// The digits of a JSON number without its point, and by how many places that is to be moved.
struct Decimal {
  std::string digits;
  std::int64_t exponent = 0;
};

std::optional<Decimal> decimal(std::string_view text) {
  Decimal out;
  const auto e = text.find_first_of("eE");
  std::string_view mantissa = text.substr(0, e);
  if (e != std::string_view::npos) {
    auto power = text.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(power.data(), power.data() + power.size(), out.exponent);
    if (error != std::errc{} || end != power.data() + power.size()) return std::nullopt;
    if (std::abs(out.exponent) > kExponentMax) return std::nullopt;
  }
  const auto point = mantissa.find('.');
  out.digits = mantissa.substr(0, point);
  if (point != std::string_view::npos) {
    out.digits += mantissa.substr(point + 1);
    out.exponent -= static_cast<std::int64_t>(mantissa.size() - point - 1);
  }
  return out;
}

// 1, 1.0, 10e-1 are one number to nearly every application, and so one client: a sender has as many
// spellings as it likes. Exact, because two ids of 20 digits are two clients.
std::string one_spelling(std::string_view number) {
  const bool minus = number.starts_with('-');
  auto parts = decimal(number.substr(minus ? 1 : 0));
  if (!parts) return std::string(number);
  const auto first = parts->digits.find_first_not_of('0');
  if (first == std::string::npos) return "0";
  parts->digits.erase(0, first);
  while (parts->digits.ends_with('0')) {
    parts->digits.pop_back();
    ++parts->exponent;
  }
  std::string out = (minus ? "-" : "") + parts->digits;
  if (parts->exponent >= 0 && parts->exponent <= kZerosMax) {
    return out.append(static_cast<std::size_t>(parts->exponent), '0');
  }
  return fmt::format("{}e{}", out, parts->exponent);
}

std::optional<std::string> json_part(std::string_view body, const std::string& pointer) {
  const call::JsonHit hit = call::find_json(body, pointer);
  if (hit.result != call::JsonFind::found) return std::nullopt;
  const auto value = body.substr(hit.begin, hit.end - hit.begin);
  auto text = call::json_scalar_text(value);
  const bool number = !value.empty() && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
  return text && number ? one_spelling(*text) : text;
}

// RFC 7519: header.claims.signature. The signature is the application's to judge.
std::optional<std::string> claim(const Fields& fields, const std::string& name) {
  const Field* field = find_field(fields, "Authorization");
  if (field == nullptr || field->value.size() > kTokenMax) return std::nullopt;
  // The application may read the other one, which nobody would have counted.
  if (count_fields(fields, "Authorization") != 1) return std::nullopt;
  std::string_view token = field->value;
  constexpr std::string_view kBearer = "Bearer ";
  if (token.size() < kBearer.size() || !same_name(token.substr(0, kBearer.size()), kBearer)) {
    return std::nullopt;
  }
  token.remove_prefix(kBearer.size());
  const auto first = token.find('.');
  const auto second = token.find('.', std::min(first, token.size() - 1) + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto claims = from_base64url(token.substr(first + 1, second - first - 1));
  if (!claims) return std::nullopt;
  return json_part(*claims, name.starts_with('/') ? name : "/" + name);
}

std::optional<std::string> form_part(const std::string& name, const Subject& subject) {
  auto value = call::read_part({call::Part::Kind::form, name}, subject.head->fields, subject.body);
  if (value.kind != call::PartValue::Kind::found) return std::nullopt;
  return std::move(value.text);
}

std::optional<std::string> whole_text(const call::LimitPart& part, const Subject& subject,
                                      const PathTemplate& path,
                                      const std::vector<std::string_view>& path_values) {
  switch (part.kind) {
    case Kind::address:
      if (!subject.address) return std::nullopt;
      return address_text(subject);
    case Kind::header: {
      const Field* field = find_field(subject.head->fields, part.name);
      const auto value = field == nullptr ? std::string_view{} : trim_blanks(field->value);
      // Twice could be read either way by the application; it is nobody's single value.
      if (value.empty() || count_fields(subject.head->fields, part.name) != 1) return std::nullopt;
      return std::string(value.substr(0, kTextMax));
    }
    case Kind::cookie:
      return cookie(subject.head->fields, part.name);
    case Kind::claim:
      return claim(subject.head->fields, part.name);
    case Kind::path: {
      const auto at = std::find(path.names().begin(), path.names().end(), part.name);
      const auto index = static_cast<std::size_t>(at - path.names().begin());
      if (index >= path_values.size()) return std::nullopt;
      return std::string(path_values[index]);
    }
    case Kind::body:
      return json_part(subject.body, part.name);
    case Kind::form:
      return form_part(part.name, subject);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> part_text(const call::LimitPart& part, const Subject& subject,
                                     const PathTemplate& path,
                                     const std::vector<std::string_view>& path_values) {
  auto out = whole_text(part, subject, path, path_values);
  if (!out || out->empty()) return std::nullopt;
  if (out->size() > kTextMax) out->resize(kTextMax);
  return out;
}

std::string address_text(const Subject& subject) {
  if (!subject.address) return "?";
  if (subject.address->is_v4() || subject.v6_prefix == 128) return format_ip(*subject.address);
  return format_network({subject.address->masked(subject.v6_prefix), subject.v6_prefix});
}

ClientKey client_key(const HashSecret& secret, const call::LimitSettings& limit,
                     const std::vector<std::optional<std::string>>& parts, const Subject& subject) {
  static_assert(crypto_shorthash_siphashx24_KEYBYTES == sizeof(HashSecret));
  std::string text;
  put_string(text, limit.name);
  for (const auto& part : parts) {
    text += part ? 'v' : 'a';
    if (HF_BUG("one-share-for-all")) continue;
    put_string(text, part ? *part : address_text(subject));
  }
  std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> out{};
  crypto_shorthash_siphashx24(out.data(), reinterpret_cast<const unsigned char*>(text.data()),
                              text.size(), secret.data());
  ClientKey key;
  static_assert(sizeof(key) == out.size());
  std::memcpy(&key, out.data(), out.size());
  if (key == ClientKey{}) key.low = 1;  // what stands for an empty place
  return key;
}

std::string client_label(const call::LimitSettings& limit,
                         const std::vector<std::optional<std::string>>& parts,
                         const Subject& subject, const ClientKey& key) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!out.empty()) out += ' ';
    const Kind kind = limit.by[i].kind;
    if (!parts[i]) {
      out += address_text(subject);
    } else if (kind == Kind::address || kind == Kind::path) {
      out += parts[i]->substr(0, 64);
    } else {
      out += fmt::format("#{:012x}", key.high >> 16);
    }
  }
  return out.empty() ? "everybody" : out;
}

}  // namespace hf::traffic
