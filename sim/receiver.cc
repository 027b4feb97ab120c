// Those who are told the ends of held calls: they lose, refuse, and take what they are told and
// then do not say so, as the upstreams do.
#include "sim/upstream.h"

namespace hf::sim {

void SimUpstream::receive(const Arrived& request, const std::string& webhook) {
  if (unauthorized_) {
    answer(request, 401, "who are you", {}, false);
  } else if (hit(faults_.too_many)) {
    answer(request, 429, "slow down", {{"Retry-After", "2"}}, false);
  } else if (hit(faults_.reset_before)) {
    die_later(request.exchange, Duration::micros(500));
  } else if (hit(faults_.error_before)) {
    answer(request, prng_.chance(1, 2) ? 500 : 404, "not now", {}, false);
  } else {
    take_callback(webhook, request.order);
    if (hit(faults_.reset_after)) {
      die_later(request.exchange, Duration::micros(500));
    } else if (hit(faults_.error_after)) {
      answer(request, 500, "broken after", {}, false);
    } else {
      answer(request, 204, "", {}, false);
    }
  }
}

void SimUpstream::take_callback(const std::string& webhook, const std::string& body) {
  const auto [known, fresh] = told_.emplace(webhook, body);
  if (!fresh && known->second != body) told_two_ways_ = true;
}

}  // namespace hf::sim
