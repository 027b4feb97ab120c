#include "call/intake_key.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "call/lookup.h"
#include "call/parts.h"
#include "call/routing.h"

namespace hf::call {
namespace {

constexpr std::string_view kVersion = "1";
// stripe-node makes one of these anew for every create(): it covers the SDK's own retries and
// nothing that the application repeats.
constexpr std::string_view kStripeSdkKey = "stripe-node-retry-";

using PartKind = PartValue::Kind;

KeyFault invalid(std::string detail) {
  return {Code::key_invalid, std::move(detail)};
}

std::string name_of(const Part& part) {
  switch (part.kind) {
    case Part::Kind::header:
      return fmt::format("the header field {}", part.name);
    case Part::Kind::body:
      return fmt::format("the body's value at {}", part.name);
    case Part::Kind::form:
      return fmt::format("the form field {}", part.name);
  }
  return {};
}

KeyFault ambiguous(const Part& part) {
  return invalid(
      fmt::format("Send {} once{}.", name_of(part),
                  part.kind == Part::Kind::header
                      ? fmt::format(", as 1 to {} visible ASCII characters if it is a key", kKeyMax)
                      : ""));
}

KeyFault missing() {
  return {Code::key_missing, "Send the parts that this route's key is made of."};
}

struct HeaderKey {
  std::string key;  // what is compared
  std::string raw;  // what came
};

// Of a field that holds nothing but a key: the draft's rules, whatever the field is called.
std::variant<KeyFault, std::optional<HeaderKey>> read_header_key(const std::string& name,
                                                                 const Fields& fields) {
  const Field* field = find_field(fields, name);
  if (field == nullptr) return std::optional<HeaderKey>{};
  const Part part{Part::Kind::header, name};
  if (count_fields(fields, name) > 1) return ambiguous(part);
  auto key = parse_key(field->value);
  if (!key) return ambiguous(part);
  return std::optional<HeaderKey>{{std::move(*key), std::string(trim_blanks(field->value))}};
}

// A lookup that asks by {key} needs the upstream to have seen it.
bool carries_key(const UpstreamSettings& upstream) {
  if (upstream.idempotency.mode == Mode::key) return true;
  return upstream.idempotency.mode == Mode::verify && upstream.lookup &&
         lookup_uses(upstream.lookup->get, "key");
}

// All that one request says for its key.
class Reader {
 public:
  Reader(const RouteSettings& route, const UpstreamSettings& upstream, const IncomingHead& head,
         std::string_view body, const Hasher& hasher)
      : route_(route), upstream_(upstream), head_(head), body_(body), hasher_(hasher) {}

  KeyVerdict run() {
    if (auto fault = read_scope()) return *fault;
    const auto& rule = route_.key;
    if (rule.business()) {
      if (auto fault = business_key()) return *fault;
    } else if (!rule.from.empty()) {
      if (auto fault = header_key(rule.from.front().name, rule.stable)) return *fault;
    }
    const bool may_fall_back = rule.from.empty() || !rule.required;
    if (!out_.key && carries_key(upstream_) && may_fall_back) {
      const bool stable = rule.from.empty() && rule.stable;
      if (auto fault = header_key(upstream_.idempotency.header, stable)) return *fault;
    }
    if (!out_.key && rule.required) return missing();
    return std::move(out_);
  }

 private:
  std::optional<KeyFault> read_scope() {
    for (const auto& part : route_.key.scope) {
      auto value = read_part(part, head_.fields, body_);
      if (value.kind == PartKind::ambiguous) return ambiguous(part);
      out_.scope.push_back(std::move(value.text));
    }
    return std::nullopt;
  }

  std::optional<KeyFault> business_key() {
    std::vector<std::string> values;
    for (const auto& part : route_.key.from) {
      auto value = read_part(part, head_.fields, body_);
      if (value.kind == PartKind::ambiguous) return ambiguous(part);
      if (value.kind == PartKind::missing) return std::nullopt;
      values.push_back(std::move(value.text));
    }
    values.push_back(head_.method);
    values.emplace_back(path_of(head_.target));
    const std::string identity = identity_of(values);
    use(identity, public_key_value(identity), true);
    return std::nullopt;
  }

  std::optional<KeyFault> header_key(const std::string& name, bool stable) {
    auto read = read_header_key(name, head_.fields);
    if (auto* fault = std::get_if<KeyFault>(&read)) return *fault;
    const auto& key = std::get<std::optional<HeaderKey>>(read);
    if (!key) return std::nullopt;
    const std::string identity = identity_of({key->key});
    const bool plain = route_.key.scope.empty();
    const bool sdk_made = upstream_.preset == "stripe" && key->key.starts_with(kStripeSdkKey);
    use(identity, plain ? key->raw : public_key_value(identity), false);
    out_.key->stable = stable && !sdk_made;
    return std::nullopt;
  }

  // Version, space, scope values, then `values`, each behind its length (u32, little-endian).
  [[nodiscard]] std::string identity_of(const std::vector<std::string>& values) const {
    std::string out;
    put_string(out, kVersion);
    put_string(out, route_.key.space.empty() ? upstream_.name : route_.key.space);
    for (const auto& value : out_.scope)
      put_string(out, value);
    for (const auto& value : values)
      put_string(out, value);
    return out;
  }

  void use(std::string_view identity, std::string value, bool business) {
    KeyUse key;
    key.identity = hasher_.digest("key", identity);
    if (carries_key(upstream_)) key.field = upstream_.idempotency.header;
    key.value = std::move(value);
    key.business = business;
    key.stable = business;
    out_.key = std::move(key);
  }

  const RouteSettings& route_;
  const UpstreamSettings& upstream_;
  const IncomingHead& head_;
  std::string_view body_;
  const Hasher& hasher_;
  KeyFound out_;
};

}  // namespace

KeyVerdict find_key(const RouteSettings& route, const UpstreamSettings& upstream,
                    const IncomingHead& head, std::string_view body, const Hasher& hasher) {
  return Reader(route, upstream, head, body, hasher).run();
}

std::optional<KeyFault> header_key_fault(const RouteSettings& route,
                                         const UpstreamSettings& upstream,
                                         const IncomingHead& head) {
  const auto& rule = route.key;
  if (rule.from.empty()) {
    if (!carries_key(upstream)) return std::nullopt;
    auto read = read_header_key(upstream.idempotency.header, head.fields);
    if (auto* fault = std::get_if<KeyFault>(&read)) return *fault;
    return std::nullopt;
  }
  if (!rule.business()) {
    auto read = read_header_key(rule.from.front().name, head.fields);
    if (auto* fault = std::get_if<KeyFault>(&read)) return *fault;
    if (rule.required && !std::get<std::optional<HeaderKey>>(read)) return missing();
    return std::nullopt;
  }
  for (const auto& part : rule.from) {
    if (part.kind != Part::Kind::header) continue;
    const auto value = read_part(part, head.fields, {});
    if (value.kind == PartKind::ambiguous) return ambiguous(part);
    if (value.kind == PartKind::missing && rule.required) return missing();
  }
  return std::nullopt;
}

void put_key_field(Fields& fields, const KeyUse& key) {
  if (!key.field.empty()) set_field(fields, key.field, key.value);
}

}  // namespace hf::call
