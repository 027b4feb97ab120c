#include "call/address_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/quantity.h"
#include "policy/choice.h"

namespace hf::call {
namespace {

policy::EjectionConfig config_of(const EjectionSettings& settings) {
  policy::EjectionConfig config;
  config.consecutive = settings.consecutive;
  config.out_min = settings.out.low;
  config.out_max = settings.out.high;
  config.most_permille = settings.most_permille;
  return config;
}

bool contains(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

Sign sign_of(const AttemptOutcome& outcome, const Idempotency& rules) {
  switch (outcome.cause) {
    case Cause::cancelled:
    case Cause::client_body:
    case Cause::crash:
    case Cause::address_refused:
    case Cause::proxy_unreachable:
    case Cause::proxy_credentials:
      return Sign::none;
    case Cause::connect_failed:
      // Nobody was dialled: a secret could not be read, say.
      if (outcome.address.empty()) return Sign::none;
      break;
    default:
      break;
  }
  if (outcome.evidence < Evidence::answer_begun) return Sign::failed;
  const int status = outcome.head.status;
  if (std::find(rules.refused.begin(), rules.refused.end(), status) != rules.refused.end()) {
    return Sign::none;
  }
  if (status >= 500 || outcome.cause != Cause::none) return Sign::failed;
  return status == 429 ? Sign::none : Sign::ok;
}

std::string failure_of(const AttemptOutcome& outcome) {
  if (outcome.cause != Cause::none) return std::string(to_string(outcome.cause));
  return fmt::format("status {}", outcome.head.status);
}

AddressBook::AddressBook(const EjectionSettings& settings, Prng prng)
    : ejection_(config_of(settings)), prng_(prng) {}

void AddressBook::set(const std::vector<std::string>& addresses) {
  if (addresses == order_) return;
  ejection_.set(addresses);
  std::map<std::string, Entry, std::less<>> kept;
  for (const std::string& address : addresses) {
    Entry* known = find(address);
    kept.try_emplace(address, known == nullptr ? Entry{} : std::move(*known));
  }
  entries_ = std::move(kept);
  order_ = addresses;
}

AddressBook::Entry* AddressBook::find(std::string_view address) {
  const auto found = entries_.find(address);
  return found == entries_.end() ? nullptr : &found->second;
}

AddressTicket AddressBook::begin(const std::string& address, bool probe, Instant now) {
  if (probe) ejection_.begin_probe(address);
  if (Entry* entry = find(address)) {
    entry->under_way += 1;
    entry->attempts += 1;
  }
  return {address, probe, now};
}

AddressTicket AddressBook::take(Instant now, bool harmless,
                                const std::vector<std::string>& prefer) {
  HF_CHECK(!order_.empty());
  if (const auto due = ejection_.due(now, harmless)) return begin(*due, true, now);
  if (order_.size() == 1) return begin(order_.front(), false, now);
  std::vector<std::string> choices = ejection_.choices();
  const bool some = std::any_of(choices.begin(), choices.end(),
                                [&](const auto& address) { return contains(prefer, address); });
  if (some) {
    std::erase_if(choices, [&](const auto& address) { return !contains(prefer, address); });
  }
  std::vector<int> loads;
  loads.reserve(choices.size());
  for (const std::string& address : choices)
    loads.push_back(entries_.at(address).under_way);
  return begin(choices[policy::less_loaded_of_two(loads, prng_)], false, now);
}

AddressTicket AddressBook::take_this(std::string_view address, Instant now) {
  // Once its time is over, this call finds out what a probe would.
  const bool probe = ejection_.standing(address, now) == policy::Standing::due;
  return begin(std::string(address), probe, now);
}

policy::Verdict AddressBook::give_back(const AddressTicket& ticket, Sign sign,
                                       std::string_view failure, Instant now) {
  if (Entry* entry = find(ticket.address)) entry->under_way = std::max(0, entry->under_way - 1);
  if (sign == Sign::none && ticket.probe) ejection_.abandon_probe(ticket.address);
  return judge(ticket.address, sign, failure, ticket.probe, ticket.begun, now);
}

policy::Verdict AddressBook::note(std::string_view address, Sign sign, std::string_view failure,
                                  Instant begun, Instant now) {
  return judge(address, sign, failure, false, begun, now);
}

policy::Verdict AddressBook::judge(std::string_view address, Sign sign, std::string_view failure,
                                   bool probe, Instant begun, Instant now) {
  Entry* entry = find(address);
  if (sign == Sign::none || entry == nullptr) return policy::Verdict::none;
  const bool ok = sign == Sign::ok;
  entry->was_well = ok;
  if (ok) {
    entry->last_failure.clear();
  } else {
    entry->failures += 1;
    entry->last_failure = failure;
  }
  const auto verdict = ejection_.record(address, ok, probe, begun, now, prng_);
  if (verdict == policy::Verdict::ejected) entry->ejections += 1;
  return verdict;
}

bool AddressBook::another_is_well(std::string_view address) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const auto& one) { return one.first != address && one.second.was_well; });
}

std::optional<AddressFacts> AddressBook::facts(std::string_view address, const Now& now) const {
  const auto found = entries_.find(address);
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  AddressFacts out;
  out.address = found->first;
  out.standing = ejection_.standing(address, now.mono);
  if (const auto until = ejection_.out_until(address)) {
    out.back_at = now.wall + (*until - now.mono);
  }
  out.last_failure = entry.last_failure;
  out.streak = ejection_.streak(address);
  out.under_way = entry.under_way;
  out.attempts = entry.attempts;
  out.failures = entry.failures;
  out.ejections = entry.ejections;
  return out;
}

std::vector<AddressFacts> AddressBook::all(const Now& now) const {
  std::vector<AddressFacts> out;
  for (const std::string& address : order_)
    out.push_back(*facts(address, now));
  return out;
}

std::string describe_ejection(const AddressFacts& facts, WallTime now) {
  const Duration left = facts.back_at.value_or(now) - now;
  return fmt::format("{} failures in a row, the last: {}; no calls for {}", facts.streak,
                     facts.last_failure, format_duration(Duration::seconds(left.ceil_seconds())));
}

}  // namespace hf::call
