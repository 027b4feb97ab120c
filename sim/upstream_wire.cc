// Where the simulated upstreams meet the wire: how requests get to them, and what becomes of their
// answers on the way back.
#include <algorithm>
#include <utility>

#include "call/callback.h"
#include "sim/upstream.h"

namespace hf::sim {
namespace {

constexpr int kInterims = 2;
constexpr std::size_t kLarge = 1024 * 1024;  // no route here keeps more of an answer

bool is_lookup(const ports::AttemptSpec& spec) {
  return spec.request->method == "GET" && spec.request->target.starts_with("/find");
}

bool is_callback(const ports::AttemptSpec& spec) {
  return call::is_callback_upstream(spec.upstream->name);
}

}  // namespace

void SimUpstream::start(ports::AttemptSpec spec) {
  if (is_lookup(spec)) {
    lookups += 1;
  } else {
    attempts += 1;
  }
  wire_.start(std::move(spec));
}

std::shared_ptr<void> SimUpstream::begin(const std::string& order) {
  starts_[order] += 1;
  std::weak_ptr<void>& under_way = under_way_[order];
  std::shared_ptr<void> token = under_way.lock();
  if (!token) under_way = token = std::make_shared<int>(0);
  return token;
}

// Who remembers the keys that are sent there.
std::string SimUpstream::store_of(const ports::AttemptSpec& spec) {
  return spec.upstream->one_key_store ? spec.upstream->name
                                      : spec.upstream->urls[spec.url].authority();
}

// In each spell at most one address of an upstream is ill: whoever asks elsewhere is answered.
SimUpstream::Illness SimUpstream::illness_of(const ports::AttemptSpec& spec) const {
  constexpr Duration kSpell = Duration::seconds(20);
  const std::size_t count = spec.upstream->urls.size();
  if (faults_.ill == 0 || count < 2) return Illness::none;
  Prng spell = ill_prng_.fork(spec.upstream->name +
                              std::to_string((schedule_.now() - Instant{}).ns / kSpell.ns));
  const bool someone = spell.chance(static_cast<std::uint64_t>(faults_.ill), 1000);
  const auto who = spell.below(count);
  constexpr Illness kKinds[] = {Illness::refuses, Illness::refuses, Illness::resets,
                                Illness::errors};
  const Illness kind = kKinds[spell.below(4)];
  return someone && who == spec.url ? kind : Illness::none;
}

// Nothing takes effect.
bool SimUpstream::met_by_illness(const Arrived& request) {
  if (request.illness == Illness::resets) {
    die_later(request.exchange, Duration::micros(500));
  } else if (request.illness == Illness::errors) {
    answer(request, 500, "ill", {}, false);
  } else {
    return false;
  }
  return true;
}

Passage SimUpstream::pass(const ports::AttemptSpec& spec) {
  Passage passage;
  const bool order = !is_lookup(spec) && !is_callback(spec);
  // The name of a streamed one is known when it is there.
  if (order && !spec.body) {
    const std::string name(view(spec.request->body));
    passage.token = begin(name);
    watch_(spec, name);
  }
  const bool calm = spec.upstream->name == kCalm || spec.upstream->name == kCrowded;
  const bool refuses = illness_of(spec) == Illness::refuses;
  if (!calm && (down_ || refuses || hit(faults_.refuse_connect))) {
    passage.door = Passage::Door::refuses;
    passage.dial = Duration::micros(200);
    return passage;
  }
  passage.way = Duration::micros(prng_.between(100, 5000));
  if (!calm && faults_.connections) pass_by_connection(spec, passage);
  return passage;
}

void SimUpstream::pass_by_connection(const ports::AttemptSpec& spec, Passage& passage) {
  const bool slow = sometimes(faults_.slow_dial);
  passage.dial = Duration::micros(prng_.between(50, slow ? 3'500'000 : 3'000));
  if (sometimes(faults_.silent_dial)) passage.door = Passage::Door::silent;
  if (sometimes(faults_.failed_dial)) passage.door = Passage::Door::fails;
  // The peers here keep a connection for longer than the careful wait, so only others meet its end.
  if (!spec.careful_reuse) passage.meets_the_end = sometimes(faults_.closing_reused);
  const bool body = spec.body || !view(spec.request->body).empty();
  if (!body || !sometimes(faults_.early)) return;
  PeerAct early;
  early.reads = prng_.chance(1, 2) ? PeerAct::Reads::head : PeerAct::Reads::nothing;
  early.then = PeerAct::Then::resets;
  early.head = PeerAct::Head::none;
  if (early.reads == PeerAct::Reads::head && prng_.chance(1, 2)) {
    early.head = PeerAct::Head::whole;
    early.answer.status = 503;
    early.body = "too busy to read it";
  }
  passage.early = std::move(early);
}

SimUpstream::Arrived SimUpstream::arrived(const Arrival& arrival) {
  const ports::AttemptSpec& spec = *arrival.spec;
  Arrived request;
  request.exchange = arrival.exchange;
  request.order = *arrival.body;
  request.safe = spec.request->method == "GET";
  request.patience = spec.upstream->timeouts.head;
  request.whole_if_ready = spec.whole_if_ready;
  request.token = arrival.token;
  request.illness = illness_of(spec);
  if (is_lookup(spec) || is_callback(spec)) return request;
  const call::Idempotency& rules = spec.upstream->idempotency;
  request.key.first = store_of(spec);
  const Field* field = find_field(spec.request->fields, rules.header);
  if (rules.mode == call::Mode::key && !keys_ignored_ && !request.safe && field != nullptr) {
    request.key.second = field->value;
  }
  if (rules.lifetime) request.lifetime = *rules.lifetime;
  if (!spec.body) return request;
  request.token = begin(request.order);
  watch_(spec, request.order);
  return request;
}

void SimUpstream::on_request(const Arrival& arrival) {
  using Sender = Arrival::Sender;
  if (arrival.spec->upstream->name == kCalm) return serve_calm(arrival);
  if (arrival.spec->upstream->name == kCrowded) return serve_crowded(arrival);
  const Arrived request = arrived(arrival);
  const ports::AttemptSpec& spec = *arrival.spec;
  if (is_lookup(spec)) {
    if (arrival.sender == Sender::waits) arrive_lookup(request, question_of(spec));
  } else if (is_callback(spec)) {
    const Field* field = find_field(spec.request->fields, call::kWebhookId);
    const std::string webhook = field == nullptr ? std::string() : field->value;
    if (arrival.sender != Sender::died) {
      receive(request, webhook);
    } else if (hit(500)) {
      take_callback(webhook, request.order);
    }
  } else if (arrival.sender == Sender::waits) {
    arrive(request);
  } else if (!request.safe) {
    const bool died = arrival.sender == Sender::died;
    if (died ? hit(500) : sometimes(faults_.given_up_arrives)) apply_orphan(request);
  }
}

// Its sender waits for as long as it can; what is said after that is read by nobody, unless the
// connection is used all the same.
void SimUpstream::say_nothing(const Arrived& request, const std::string& receipt) {
  if (!faults_.connections) {
    wire_.act(request.exchange, {.head = PeerAct::Head::none, .then = PeerAct::Then::silent});
    return;
  }
  schedule_.after(request.patience + Duration::millis(prng_.between(1, 10'000)),
                  [this, request, receipt] { answer(request, 200, receipt, {}, false); });
}

void SimUpstream::die(ExchangeNumber number) {
  PeerAct act;
  act.head = PeerAct::Head::none;
  act.then = sometimes(faults_.closes) ? PeerAct::Then::closes : PeerAct::Then::resets;
  if (sometimes(faults_.interims)) act.interims = kInterims;
  wire_.act(number, std::move(act));
}

void SimUpstream::die_later(ExchangeNumber number, Duration delay) {
  schedule_.after(delay, [this, number] { die(number); });
}

void SimUpstream::answer(const Arrived& request, int status, std::string body, Fields fields,
                         bool cut) {
  if (!wire_.waits(request.exchange)) return;
  PeerAct act;
  act.answer = {status, std::move(fields)};
  act.body = std::move(body);
  act.at_once = request.whole_if_ready && !cut && hit(500);
  if (cut) {
    act.sends = 1;
    act.then = PeerAct::Then::closes;
  } else {
    spoil(act);
  }
  if (status >= 500 && !cut && sometimes(faults_.large_errors)) act.body.append(kLarge, '.');
  if (faults_.connections) keep(act);
  wire_.act(request.exchange, std::move(act));
}

// What may become of an answer that is already decided, and its effect with it.
void SimUpstream::spoil(PeerAct& act) {
  using Then = PeerAct::Then;
  if (sometimes(faults_.interims)) act.interims = kInterims;
  if (sometimes(faults_.chunked)) {
    act.framing = prng_.chance(1, 2) ? PeerAct::Framing::chunked : PeerAct::Framing::until_close;
    if (act.framing == PeerAct::Framing::until_close) act.then = Then::closes;
  }
  // Only what took effect: a refusal that was not kept is told as applied when it is asked for
  // again.
  if (act.answer.status / 100 == 2 && sometimes(faults_.streamed)) {
    std::erase_if(act.answer.fields,
                  [](const Field& field) { return same_name(field.name, "content-type"); });
    act.answer.fields.push_back({"Content-Type", "text/event-stream"});
  }
  if (sometimes(faults_.foreign)) {
    act.head = PeerAct::Head::foreign;
  } else if (sometimes(faults_.broken_head)) {
    act.head = PeerAct::Head::broken;
  } else if (sometimes(faults_.half_head)) {
    constexpr Then kEnds[] = {Then::closes, Then::resets, Then::silent};
    act.head = PeerAct::Head::half;
    act.then = kEnds[prng_.below(3)];
  } else if (sometimes(faults_.broken_framing)) {
    act.framing = PeerAct::Framing::chunked;
    act.sends = prng_.below(act.body.size() + 1);
    act.spoils_framing = true;
  } else if (!act.body.empty() && sometimes(faults_.stalled)) {
    act.framing = PeerAct::Framing::chunked;
    act.sends = prng_.below(act.body.size());
    act.then = prng_.chance(1, 2) ? Then::silent : Then::resets;
  }
}

// For how long the connection is kept then, and whether that is said.
void SimUpstream::keep(PeerAct& act) {
  act.last = prng_.chance(1, 10);
  const std::int64_t seconds = prng_.between(2, 70);
  act.keeps_for = Duration::seconds(seconds);
  if (prng_.chance(1, 3)) act.keep_alive = act.keeps_for;
  act.end_seen_after = Duration::micros(prng_.between(50, prng_.chance(1, 8) ? 500'000 : 5'000));
}

}  // namespace hf::sim
