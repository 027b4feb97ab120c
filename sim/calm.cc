// An upstream that is well at all times: what is felt of the others' troubles there is Holdfast's
// doing.
#include <utility>

#include "sim/upstream.h"

namespace hf::sim {

void SimUpstream::serve_calm(const Arrival& arrival) {
  const Arrived request = arrived(arrival);
  const std::string receipt = receipt_of(request);
  if (arrival.spec->request->method != "GET") apply(request, receipt);
  if (arrival.sender != Arrival::Sender::waits) return;
  PeerAct act;
  act.body = receipt;
  act.at_once = arrival.spec->whole_if_ready && hit(500);
  wire_.act(arrival.exchange, std::move(act));
}

}  // namespace hf::sim
