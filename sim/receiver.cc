// Those who are told the ends of held calls: they lose, refuse, and take what they are told and
// then do not say so, as the upstreams do.
#include <utility>

#include "call/callback.h"
#include "sim/upstream.h"

namespace hf::sim {

using call::Cause;
using call::Evidence;

void SimUpstream::start_callback(ports::AttemptSpec spec) {
  const AttemptId id = spec.id;
  const Field* field = find_field(spec.request->fields, call::kWebhookId);
  const std::string webhook = field == nullptr ? std::string() : field->value;
  const std::string body(view(spec.request->body));
  Live fresh;
  fresh.spec = std::move(spec);
  live_.emplace(std::pair{generation_, id}, std::move(fresh));
  if (down_ || hit(faults_.refuse_connect)) {
    end_later(id, Duration::micros(200), Evidence::nothing_sent, Cause::connect_refused);
    return;
  }
  schedule_.after(Duration::micros(prng_.between(100, 5000)),
                  [this, id, life = generation_, webhook, body] {
                    if (life == generation_) {
                      receive(id, webhook, body);
                    } else if (hit(500)) {
                      take_callback(webhook, body);  // its sender has died meanwhile
                    }
                  });
}

void SimUpstream::receive(AttemptId id, const std::string& webhook, const std::string& body) {
  if (unauthorized_) {
    answer(id, 401, "who are you", {}, false);
  } else if (hit(faults_.too_many)) {
    answer(id, 429, "slow down", {{"Retry-After", "2"}}, false);
  } else if (hit(faults_.reset_before)) {
    end_later(id, Duration::micros(500), Evidence::sent, Cause::reset);
  } else if (hit(faults_.error_before)) {
    answer(id, prng_.chance(1, 2) ? 500 : 404, "not now", {}, false);
  } else {
    take_callback(webhook, body);
    if (hit(faults_.reset_after)) {
      end_later(id, Duration::micros(500), Evidence::sent, Cause::reset);
    } else if (hit(faults_.error_after)) {
      answer(id, 500, "broken after", {}, false);
    } else {
      answer(id, 204, "", {}, false);
    }
  }
}

void SimUpstream::take_callback(const std::string& webhook, const std::string& body) {
  const auto [known, fresh] = told_.emplace(webhook, body);
  if (!fresh && known->second != body) told_two_ways_ = true;
}

}  // namespace hf::sim
