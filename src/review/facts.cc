#include "review/facts.h"

#include "call/routing.h"

namespace hf::review {
namespace {

// The first method that gets here, one that changes something before any other.
void find_method(const Rehearsal& rehearsal, RouteFacts& out) {
  for (const auto& method : methods_of(*out.route)) {
    SampleAsk ask;
    ask.method = method;
    if (!rehearsal.reaches(ask)) continue;
    const bool safe = call::safe_method(method);
    if (!out.reached) out.ask = ask;
    out.reached = true;
    out.changing = out.changing || !safe;
    out.safe_too = out.safe_too || safe;
  }
}

void rehearse_keys(const Rehearsal& rehearsal, RouteFacts& out) {
  const auto& key = out.route->key;
  SampleAsk bare = out.ask;
  bare.keyed = false;
  if (out.keyed) out.stranger = rehearsal.stranger(out.ask);
  if (out.keyed && !key.business() && !out.route->webhook) {
    SampleAsk other = out.ask;
    other.value = "sample-2";
    out.fresh_key = rehearsal.lost_and_repeated(out.ask, other);
  }
  if (!rehearsal.take(bare)) return;
  if (out.keyed) out.bare_repeated = rehearsal.lost_and_repeated(bare, bare);
  if (!key.derive.empty() && key.derive_window < out.upstream->timeouts.head) {
    out.window_over = rehearsal.slow_and_repeated(bare, key.derive_window + Duration::seconds(1));
  }
}

}  // namespace

bool RouteFacts::holds() const {
  return answer_lost.held || down.held || limited.held;
}

const Scene* RouteFacts::bad_end() const {
  for (const Scene* scene : {&down, &all_lost}) {
    if (!scene->errors.empty()) return scene;
  }
  return nullptr;
}

bool RouteFacts::ends_untold() const {
  return bad_end() != nullptr && !bad_end()->callback_made;
}

void RouteFacts::forget_moments() {
  for (Scene* scene : {&answer_lost, &repeated, &all_lost, &request_lost, &declined, &down, &crash,
                       &limited, &full}) {
    scene->moments.clear();
  }
  for (auto* scene : {&fresh_key, &stranger, &bare_repeated, &window_over})
    scene->reset();
}

RouteFacts gather(const call::Settings& settings, std::size_t route) {
  const Rehearsal rehearsal(settings, route);
  RouteFacts out;
  out.index = route;
  out.route = settings.routes[route].get();
  out.upstream = settings.upstreams.at(out.route->upstream).get();
  find_method(rehearsal, out);
  out.names_key = !key_parts(*out.route, *out.upstream).empty();
  if (!out.reached) return out;
  auto taken = rehearsal.take(out.ask);
  out.keyed = out.changing && taken && taken->key && !taken->key->derived;
  if (!out.keyed) {
    out.ask.keyed = false;
    taken = rehearsal.take(out.ask);
  }
  if (!taken) return out;
  out.streamed = taken->streamed;
  out.mode = taken->frozen()->mode;
  out.column = call::column_of(out.mode, taken->safe);
  out.answer_lost = rehearsal.answer_lost(out.ask);
  out.repeated = rehearsal.lost_and_repeated(out.ask, out.ask);
  out.all_lost = rehearsal.all_answers_lost(out.ask);
  out.request_lost = rehearsal.request_lost(out.ask);
  out.declined = rehearsal.lost_then_declined(out.ask);
  out.down = rehearsal.upstream_down(out.ask);
  out.crash = rehearsal.crash(out.ask);
  out.limited = rehearsal.limited(out.ask);
  out.full = rehearsal.journal_full(out.ask);
  out.flood = rehearsal.flood(out.ask);
  rehearse_keys(rehearsal, out);
  return out;
}

}  // namespace hf::review
