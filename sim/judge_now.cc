// The oracles that look at what is durable at the very moment when something is seen outside.
#include <algorithm>

#include "sim/world.h"

namespace hf::sim {

// Intent before bytes: of a call that has a key or may be held, and is not safe to repeat.
void World::judge_intent(const ports::AttemptSpec& spec, const std::string& body) {
  const Order* order = clients_->order_of(body);
  if (order == nullptr || order->repeatable || !handling_) return;
  if (!order->keyed && !order->target.starts_with("/made/")) return;
  const auto written = journal_->durable_call(*handling_);
  if (!written) {
    violation("intent-before-bytes: " + body + " is sent, and its call is not in the journal");
    return;
  }
  const auto& copies = witness_->copies_of(body);
  const auto sent = std::count_if(copies.begin(), copies.end(),
                                  [&](const Copy& copy) { return copy.call == *handling_; });
  if (written->state != call::State::sending || written->attempts < sent) {
    violation("intent-before-bytes: " + body + " is sent, and in the journal its call stands in " +
              std::string(to_string(written->state)) + " after " +
              std::to_string(written->attempts) + " attempts, at " + spec.upstream->name);
  }
}

// Durable before visible: what a reply says of a call stands in the journal, synced.
std::string World::not_durable(const CallId& id, const std::string& code, int status) const {
  const bool promised = status == 202 || code == "held";
  const bool final = code.empty() && status < 500 && status != 429 && status != 409;
  if (!promised && !final && code != "cancelled") return {};
  const auto written = journal_->durable_call(id);
  if (!written) return "its call is not in the journal";
  const std::string stands =
      "in the journal it stands in " + std::string(to_string(written->state));
  if (promised && !written->held) return stands + ", not held";
  // A refused credential ends no held call (DESIGN section 4).
  if (final && !promised && written->held && status == 401) return stands + ", held";
  if (code == "cancelled" && written->state != call::State::cancelled) return stands;
  if (!promised && final && (!written->answer || written->answer->status != status)) {
    return stands + ", without this answer";
  }
  return {};
}

// Neither the process nor its journal has had any trouble since.
bool World::well_since(Instant since) const {
  return serving() && !draining_ && (!disturbed_ || *disturbed_ < since) &&
         !journal_->lagged(since);
}

}  // namespace hf::sim
