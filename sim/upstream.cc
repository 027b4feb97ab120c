#include "sim/upstream.h"

#include <utility>

namespace hf::sim {

SimUpstream::SimUpstream(Schedule& schedule, Prng prng, UpstreamFaults faults, Watch watch)
    : schedule_(schedule),
      prng_(prng),
      ill_prng_(prng.fork("ill")),
      crowd_prng_(prng.fork("crowd")),
      faults_(faults),
      watch_(std::move(watch)),
      wire_(schedule, *this, {.reuses = faults.connections, .timers = faults.connections}) {}

void SimUpstream::set_down(bool down) {
  down_ = down;
  if (down) wire_.spoil_idle();
}

void SimUpstream::heal() {
  faults_ = {};
  down_ = false;
  unauthorized_ = false;
}

std::size_t SimUpstream::effects_of(const std::string& order) const {
  const auto found = entries_.find(order);
  return found == entries_.end() ? 0 : found->second.size();
}

const LedgerEntry* SimUpstream::entry_of(const std::string& order) const {
  const auto found = entries_.find(order);
  return found == entries_.end() ? nullptr : &ledger_[found->second.back()];
}

std::size_t SimUpstream::starts_of(const std::string& order) const {
  const auto found = starts_.find(order);
  return found == starts_.end() ? 0 : found->second;
}

bool SimUpstream::settled(const std::string& order) const {
  const auto found = under_way_.find(order);
  return found == under_way_.end() || found->second.expired();
}

bool SimUpstream::listed_failed(const std::string& order) const {
  return failed_.contains(order);
}

SimUpstream::Stored& SimUpstream::memory_of(const Arrived& request) {
  Stored& stored = keys_[request.key];
  const bool known = stored.running || stored.status != 0;
  if (known && !stored.running && schedule_.now() - stored.born >= request.lifetime) stored = {};
  if (stored.status != 0 && sometimes(faults_.forgets)) {
    stored = {};
    forgot_.insert(request.order);
  }
  return stored;
}

std::string SimUpstream::receipt_of(const Arrived& request) const {
  return "receipt " + request.order + " #" + std::to_string(ledger_.size());
}

void SimUpstream::apply(const Arrived& request, const std::string& answer) {
  entries_[request.order].push_back(ledger_.size());
  ledger_.push_back(
      {request.order, request.key.second, request.key.first, schedule_.now(), answer});
}

void SimUpstream::apply_orphan(const Arrived& request) {
  const std::string receipt = receipt_of(request);
  if (!request.key.second.empty()) {
    Stored& stored = memory_of(request);
    if (stored.running || stored.status != 0) return;
    stored = {false, 200, receipt, schedule_.now()};
  }
  apply(request, receipt);
}

// What the upstream remembers of a key: true when that was the answer.
bool SimUpstream::answered_by_key(const Arrived& request) {
  if (request.key.second.empty()) return false;
  Stored& stored = memory_of(request);
  if (stored.running) {
    answer(request, 409, "in progress", {}, false);
    return true;
  }
  if (stored.status != 0) {
    if (hit(faults_.reset_after)) {
      die_later(request.exchange, Duration::micros(500));
    } else {
      answer(request, stored.status, stored.body, {{"Idempotent-Replayed", "true"}}, false);
    }
    return true;
  }
  if (hit(faults_.stored_error)) {
    stored = {false, 500, "stored error", schedule_.now()};
    answer(request, 500, "stored error", {}, false);
    return true;
  }
  return false;
}

// Refusals and losses before the request means anything.
bool SimUpstream::answered_at_the_door(const Arrived& request) {
  if (unauthorized_) {
    answer(request, 401, "who are you", {}, false);
  } else if (faults_.misrouted > 0 && hit(faults_.misrouted)) {
    answer(request, 404, "no such host", {}, false);
  } else if (hit(faults_.too_many)) {
    answer(request, 429, "slow down", {{"Retry-After", "2"}}, false);
  } else if (hit(faults_.reset_before)) {
    die_later(request.exchange, Duration::micros(500));
  } else if (!request.key.second.empty() && hit(faults_.elsewhere)) {
    answer(request, 409, "in progress elsewhere", {}, false);
  } else if (request.key.second.empty() && hit(faults_.error_before)) {
    answer(request, 500, "broken before", {}, false);
  } else {
    return false;
  }
  return true;
}

void SimUpstream::arrive(const Arrived& request) {
  if (met_by_illness(request) || answered_at_the_door(request) || answered_by_key(request)) return;
  if (hit(faults_.rejects)) {
    if (!request.key.second.empty()) {
      memory_of(request) = {false, 400, "not like this", schedule_.now()};
    }
    answer(request, 400, "not like this", {}, false);
    return;
  }
  work(request);
}

void SimUpstream::work(const Arrived& request) {
  const std::string receipt = receipt_of(request);
  const auto perform = [this, request, receipt] {
    if (!request.safe) apply(request, receipt);
    if (request.key.second.empty()) return;
    Stored& stored = keys_[request.key];
    stored = {false, 200, receipt, stored.born};
  };
  if (!request.key.second.empty()) {
    Stored& stored = memory_of(request);
    stored.running = true;
    stored.born = schedule_.now();
  }
  if (request.key.second.empty() && !request.safe && sometimes(faults_.listed_failed)) {
    failed_[request.order] += 1;
    die_later(request.exchange, Duration::micros(800));
    return;
  }
  if (hit(faults_.late_apply)) {
    const std::int64_t late = sometimes(faults_.latest) ? 4000 : prng_.between(1, 4000);
    const bool pending = sometimes(faults_.listed_pending);
    if (pending) pending_[request.order] += 1;
    die_later(request.exchange, Duration::micros(800));
    schedule_.after(Duration::millis(late), [this, perform, pending, order = request.order] {
      perform();
      if (pending && --pending_[order] == 0) pending_.erase(order);
    });
    return;
  }
  const Duration took =
      Duration::micros(prng_.between(200, hit(faults_.busy_keys) ? 900'000 : 20'000));
  const bool lost = hit(faults_.reset_after);
  const bool hang = hit(faults_.hang);
  const bool cut = hit(faults_.cut);
  const bool fails = hit(faults_.error_after);
  const bool unavailable = hit(faults_.unavailable_after);
  const auto pause = std::to_string(prng_.between(1, 30));
  if (hang) say_nothing(request, receipt);
  schedule_.after(took, [=, this] {
    perform();
    if (hang) return;
    if (lost) {
      die(request.exchange);
    } else if (unavailable) {
      answer(request, 503, "come back later", {{"Retry-After", pause}}, false);
    } else {
      answer(request, fails ? 500 : 200, fails ? "broken after" : receipt, {}, cut);
    }
  });
}

}  // namespace hf::sim
