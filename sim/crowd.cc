// A crowded upstream: well at all times, and slow. More is asked of it than it bears, by calls of
// every class; who is sent away, and who goes first, is what is judged.
#include <utility>

#include "sim/clients.h"
#include "sim/upstream.h"

namespace hf::sim {
namespace {

// What was decided is seen at the upstream a little later.
constexpr Duration kOnTheWay = Duration::millis(100);
// A level that has risen stays for a while; its calm time in these worlds is a second.
constexpr Duration kLevelStays = Duration::millis(800);

constexpr int kCritical = 3;

}  // namespace

void SimUpstream::serve_crowded(const Arrival& arrival) {
  const Arrived request = arrived(arrival);
  const std::string receipt = receipt_of(request);
  apply(request, receipt);
  if (arrival.sender != Arrival::Sender::waits) return;
  const auto took = Duration::millis(crowd_prng_.between(20, 150));
  schedule_.after(took, [this, request, receipt] {
    if (!wire_.waits(request.exchange)) return;
    PeerAct act;
    act.body = receipt;
    wire_.act(request.exchange, std::move(act));
  });
}

void SimClients::note_crowd_asks(const Order& order, const std::string& body) {
  if (order.importance) crowd_[body] = {*order.importance, schedule_.now(), {}};
}

// What matters less never goes before what matters more and came earlier, nor while its like, or
// what matters more, is sent away.
void SimClients::note_crowd_sent(const std::string& body) {
  const auto found = crowd_.find(body);
  if (found == crowd_.end() || found->second.sent) return;
  CrowdTry& sent = found->second;
  sent.sent = schedule_.now();
  for (const auto& [other, one] : crowd_) {
    const bool before = one.sent && *one.sent + kOnTheWay < *sent.sent;
    if (before && one.rank < sent.rank && one.asked > sent.asked) {
      violation_("class-order: " + other + " went before " + body +
                 ", which matters more and asked earlier");
    }
  }
  for (const CrowdShed& shed : crowd_shed_) {
    if (shed.rank <= sent.rank || *sent.sent <= shed.at + kOnTheWay) continue;
    const bool waited = sent.asked < shed.at;
    const bool at_level = shed.by_class && *sent.sent < shed.at + kLevelStays;
    if (waited || at_level) {
      violation_("class-order: " + body +
                 " was sent, though one that matters more had been sent "
                 "away for it");
    }
  }
}

void SimClients::check_crowd(const Order& order, const std::string& body, const std::string& answer,
                             const std::string& effect) {
  const bool by_class = answer.find("\"rule\":\"class-shed\"") != std::string::npos;
  const bool displaced = answer.find("\"rule\":\"displaced\"") != std::string::npos;
  crowd_.erase(body);
  if (!by_class && !displaced) return;
  if (effect != "none") violation_("class-order: " + order.name + " was sent away with an effect");
  if (*order.importance == kCritical) {
    violation_("class-order: " + order.name + " is critical and was sent away");
  }
  if (answer.find("\"threshold\":") == std::string::npos) {
    violation_("class-order: " + order.name + " was not told by what");
  }
  crowd_shed_.push_back({*order.importance, schedule_.now(), by_class});
}

}  // namespace hf::sim
