// An upstream that is well at all times: what is felt of the others' troubles there is Holdfast's
// doing.
#include <utility>

#include "sim/upstream.h"

namespace hf::sim {

void SimUpstream::start_calm(ports::AttemptSpec spec) {
  const AttemptId id = spec.id;
  Live fresh;
  Arrived& request = fresh.request;
  request.safe = spec.request->method == "GET";
  request.order = std::string(view(spec.request->body));
  watch_(spec, request.order);
  starts_[request.order] += 1;
  fresh.spec = std::move(spec);
  const Arrived arrived = request;
  live_.emplace(std::pair{generation_, id}, std::move(fresh));
  schedule_.after(Duration::micros(prng_.between(100, 5000)),
                  [this, id, life = generation_, arrived] {
                    const std::string receipt = receipt_of(arrived);
                    if (!arrived.safe) apply(arrived, receipt);
                    if (life == generation_) answer(id, 200, receipt, {}, false);
                  });
}

}  // namespace hf::sim
