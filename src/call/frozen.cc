#include "call/frozen.h"

#include <cstring>
#include <functional>
#include <optional>
#include <string_view>

namespace hf::call {
namespace {

class Mixer {
 public:
  // Two lanes in turn: one multiplication does not wait for the one before.
  void number(std::uint64_t value) {
    const std::uint64_t mixed = (other_ ^ value) * 0x9e3779b97f4a7c15;
    other_ = hash_;
    hash_ = mixed ^ (mixed >> 32);
  }
  void signed_number(std::int64_t value) { number(static_cast<std::uint64_t>(value)); }
  // By words; the last one may have bytes of the one before again. Each load is of a size that the
  // compiler knows.
  void text(std::string_view text) {
    number(text.size());
    if (text.size() < kWord) {
      if (!text.empty()) number(short_word(text));
      return;
    }
    std::size_t at = 0;
    for (; at + kWord <= text.size(); at += kWord)
      number(load<std::uint64_t>(text, at));
    if (at < text.size()) number(load<std::uint64_t>(text, text.size() - kWord));
  }
  void digest(const Digest& digest) {
    for (std::size_t i = 0; i < digest.bytes.size(); i += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, digest.bytes.data() + i, sizeof word);
      number(word);
    }
  }
  template <typename T>
  bool there(const T& value) {
    const bool yes = static_cast<bool>(value);
    number(yes ? 1 : 2);
    return yes;
  }
  void statuses(const std::vector<int>& statuses) {
    number(statuses.size());
    for (const int status : statuses)
      signed_number(status);
  }
  void fields(const Fields& fields) {
    number(fields.size());
    for (const Field& field : fields) {
      text(field.name);
      text(field.value);
    }
  }
  void call_id(const std::optional<CallId>& id) {
    if (there(id)) text(id->raw());
  }
  [[nodiscard]] std::uint64_t value() const { return hash_ ^ (other_ * 0xd6e8feb86659fd93); }

 private:
  static constexpr std::size_t kWord = sizeof(std::uint64_t);
  template <typename Word>
  static Word load(std::string_view text, std::size_t at) {
    Word out = 0;
    std::memcpy(&out, text.data() + at, sizeof out);
    return out;
  }
  // One to seven bytes; together with their number no two texts have the same.
  static std::uint64_t short_word(std::string_view text) {
    if (text.size() >= sizeof(std::uint32_t)) {
      const std::uint64_t last = load<std::uint32_t>(text, text.size() - sizeof(std::uint32_t));
      return load<std::uint32_t>(text, 0) | last << 32;
    }
    const auto octet = [&](std::size_t at) {
      return std::uint64_t{static_cast<unsigned char>(text[at])};
    };
    return octet(0) | octet(text.size() / 2) << 8 | octet(text.size() - 1) << 16;
  }

  std::uint64_t hash_ = 0x51ed270b0a1f39c1;
  std::uint64_t other_ = 0x2545f4914f6cdd1d;
};

void mix(Mixer& out, const Idempotency& rules) {
  out.number(static_cast<std::uint64_t>(rules.mode));
  out.text(rules.header);
  if (out.there(rules.lifetime)) out.signed_number(rules.lifetime->ns);
  out.statuses(rules.refused);
  out.statuses(rules.in_progress);
  out.statuses(rules.settles);
  out.text(rules.settles_field);
  out.text(rules.settles_unless_type);
  out.text(rules.replay_marker);
  out.fields(rules.no_retry_advice);
  out.signed_number(rules.settle.ns);
}

void mix(Mixer& out, const KeyUse& key) {
  out.digest(key.identity);
  out.text(key.field);
  out.text(key.value);
  out.number((key.business ? 1U : 0U) | (key.stable ? 2U : 0U) | (key.made ? 4U : 0U) |
             (key.derived ? 8U : 0U));
}

void mix(Mixer& out, const Asked& asked) {
  if (out.there(asked.not_before)) out.signed_number(asked.not_before->ms);
  out.number(asked.deadline ? 1 : 0);
  out.number(asked.urgency);
  if (out.there(asked.order)) {
    out.digest(asked.order->line);
    out.number(asked.order->place);
    out.text(asked.order->name);
  }
  out.text(asked.callback);
}

}  // namespace

std::uint64_t frozen_hash(const Call& call) {
  Mixer out;
  out.text(call.route);
  out.text(call.upstream);
  out.digest(call.owner);
  if (out.there(call.key)) mix(out, *call.key);
  out.digest(call.fingerprint);
  if (out.there(call.request)) {
    out.text(call.request->method);
    out.text(call.request->target);
    out.fields(call.request->fields);
  }
  out.number(call.body_bytes);
  out.number((call.has_body ? 1U : 0U) | (call.safe ? 2U : 0U) | (call.head_is_proof ? 4U : 0U));
  mix(out, *call.idempotency);
  out.signed_number(call.accepted.wall.ms);
  out.number(call.accepted.boot.value);
  out.signed_number(call.accepted.mono.ns);
  out.signed_number(call.deadline.ns);
  out.text(call.account);
  out.text(call.limit_key);
  mix(out, call.asked);
  out.number(call.index.size());
  for (const IndexValue& value : call.index) {
    out.text(value.name);
    out.text(value.value);
    out.number(value.hashed ? 1 : 0);
  }
  if (out.there(call.likeness)) out.digest(*call.likeness);
  out.call_id(call.resembles);
  out.call_id(call.callback_of);
  return out.value();
}

}  // namespace hf::call
