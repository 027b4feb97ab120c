// Which of an upstream's URLs an attempt goes to. Those of a call in doubt are bound to the one
// that its first copy was sent to; all others go where calls are answered.
#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "engine/core.h"

namespace hf::engine {

// Section 4: several urls are several key stores unless declared one. What may be repeated without
// harm is bound to nobody.
bool Core::stays_with_its_authority(const Active& active) {
  const call::Call& call = *active.call;
  if (!call.unresolved || active.upstream->one_key_store || HF_BUG("go-to-another-store")) {
    return false;
  }
  return call::column_of(call.idempotency->mode, call.safe) != call::Column::safe;
}

std::size_t Core::take_address(Active& active) {
  UpstreamState& upstream = upstream_of(active);
  if (!upstream.addresses) return 0;
  const std::vector<call::Url>& urls = active.upstream->urls;
  const auto index_of = [&](const std::string& address) {
    const auto found = std::find_if(
        urls.begin(), urls.end(), [&](const call::Url& url) { return url.authority() == address; });
    return static_cast<std::size_t>(found - urls.begin());
  };
  call::AddressBook& book = *upstream.addresses;
  const std::string& first = active.call->first_sent_authority;
  const auto out = [&](const std::string& address) {
    const auto facts = book.facts(address, now_);
    return facts && facts->standing != policy::Standing::in;
  };
  const bool stays =
      stays_with_its_authority(active) && !(out(first) && HF_BUG("leave-an-ejected-authority"));
  if (stays && index_of(first) < urls.size()) {
    HF_PROBE("kept-to-its-authority");
    if (out(first)) HF_PROBE("kept-to-an-ejected-authority");
    active.ticket = book.take_this(first, now_.mono);
  } else {
    std::vector<std::string> others;
    for (const call::Url& url : urls) {
      if (url.authority() != active.last_address) others.push_back(url.authority());
    }
    // A question, a GET and what costs only money lose nothing when the address fails.
    const bool harmless =
        active.looking_up ||
        call::column_of(active.call->idempotency->mode, active.call->safe) == call::Column::safe;
    active.ticket = book.take(now_.mono, harmless, others);
  }
  active.last_address = active.ticket->address;
  return index_of(active.ticket->address);
}

// True when the attempt failed and another address is well: that tells of the address, not of the
// upstream.
bool Core::leave_address(Active& active, const call::AttemptOutcome& outcome) {
  const auto ticket = std::exchange(active.ticket, std::nullopt);
  if (!ticket) return false;
  UpstreamState& upstream = upstream_of(active);
  const call::Sign sign = call::sign_of(outcome, *active.call->idempotency);
  const std::string why = sign == call::Sign::failed ? call::failure_of(outcome) : std::string();
  const auto verdict = upstream.addresses->give_back(*ticket, sign, why, now_.mono);
  if (verdict != policy::Verdict::none) {
    const bool back = verdict == policy::Verdict::returned;
    if (back) HF_PROBE("an-address-came-back");
    if (verdict == policy::Verdict::kept_out) HF_PROBE("an-address-failed-its-probe");
    const auto facts = upstream.addresses->facts(ticket->address, now_);
    Note line;
    line.level = back ? Note::Level::info : Note::Level::warning;
    line.what = back ? "address_returned" : "address_ejected";
    line.upstream = upstream.settings->name;
    line.detail = ticket->address +
                  (back ? ": answered again" : ": " + call::describe_ejection(*facts, now_.wall));
    act(std::move(line), false);
  }
  return sign == call::Sign::failed && upstream.addresses->another_is_well(ticket->address);
}

}  // namespace hf::engine
