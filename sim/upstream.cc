#include "sim/upstream.h"

#include <algorithm>
#include <utility>

namespace hf::sim {

using call::Cause;
using call::Evidence;

SimUpstream::SimUpstream(Schedule& schedule, Prng prng, UpstreamFaults faults)
    : schedule_(schedule), prng_(std::move(prng)), faults_(faults) {}

void SimUpstream::forget_attempts() {
  generation_ += 1;
  live_.clear();
}

SimUpstream::Live* SimUpstream::live(AttemptId id) {
  const auto found = live_.find({generation_, id});
  return found == live_.end() ? nullptr : &found->second;
}

std::size_t SimUpstream::effects_of(const std::string& order) const {
  return static_cast<std::size_t>(std::count_if(
      ledger_.begin(), ledger_.end(), [&](const LedgerEntry& e) { return e.order == order; }));
}

void SimUpstream::start(ports::AttemptSpec spec) {
  attempts += 1;
  const AttemptId id = spec.id;
  Live fresh;
  fresh.order = std::string(view(spec.request->body));
  fresh.spec = std::move(spec);
  live_.emplace(std::pair{generation_, id}, std::move(fresh));
  if (down_ || hit(faults_.refuse_connect)) {
    end_later(id, Duration::micros(200), Evidence::nothing_sent, Cause::connect_refused);
    return;
  }
  const Live& attempt = *live(id);
  const call::Idempotency& rules = attempt.spec.upstream->idempotency;
  const Field* field = find_field(attempt.spec.request->fields, rules.header);
  const std::string key = rules.mode == call::Mode::key && !keys_ignored_ && field != nullptr
                              ? field->value
                              : std::string();
  const bool safe = attempt.spec.request->method == "GET";
  schedule_.after(Duration::micros(prng_.between(100, 5000)),
                  [this, id, life = generation_, order = attempt.order, key, safe] {
                    // Bytes that have left arrive whether or not their sender still lives.
                    if (life == generation_) {
                      arrive(id);
                    } else if (!safe && hit(500)) {
                      apply_orphan(order, key);
                    }
                  });
}

void SimUpstream::apply(const std::string& order, const std::string& key, const std::string& target,
                        const std::string& answer) {
  ledger_.push_back({order, key, target, schedule_.now(), answer});
}

void SimUpstream::apply_orphan(const std::string& order, const std::string& key) {
  const std::string receipt = "receipt " + order + " #" + std::to_string(ledger_.size());
  if (!key.empty()) {
    Stored& stored = keys_[key];
    if (stored.running || stored.status != 0) return;
    stored = {false, 200, receipt};
  }
  apply(order, key, "orphan", receipt);
}

void SimUpstream::end_later(AttemptId id, Duration delay, Evidence evidence, Cause cause) {
  schedule_.after(delay, [this, id, life = generation_, evidence, cause] {
    if (life != generation_) return;
    call::AttemptOutcome outcome;
    outcome.evidence = evidence;
    outcome.cause = cause;
    end(id, std::move(outcome));
  });
}

// What the upstream remembers of a key: true when that was the answer.
bool SimUpstream::answered_by_key(AttemptId id, const std::string& key) {
  Stored& stored = keys_[key];
  if (stored.running) {
    answer(id, 409, "in progress", {}, false);
    return true;
  }
  if (stored.status != 0) {
    if (hit(faults_.reset_after)) {
      end_later(id, Duration::micros(500), Evidence::sent, Cause::reset);
    } else {
      answer(id, stored.status, stored.body, {{"Idempotent-Replayed", "true"}}, false);
    }
    return true;
  }
  if (hit(faults_.stored_error)) {
    stored = {false, 500, "stored error"};
    answer(id, 500, "stored error", {}, false);
    return true;
  }
  return false;
}

void SimUpstream::arrive(AttemptId id) {
  Live* attempt = live(id);
  if (attempt == nullptr) return;
  const call::UpstreamSettings& settings = *attempt->spec.upstream;
  const bool keyed = settings.idempotency.mode == call::Mode::key && !keys_ignored_;
  const Field* field = find_field(attempt->spec.request->fields, settings.idempotency.header);
  const std::string key = keyed && field != nullptr ? field->value : std::string();
  const std::string order = attempt->order;
  const std::string target = attempt->spec.request->target;
  const bool safe = attempt->spec.request->method == "GET";
  const std::string receipt = "receipt " + order + " #" + std::to_string(ledger_.size());

  if (hit(faults_.too_many)) {
    answer(id, 429, "slow down", {{"Retry-After", "2"}}, false);
    return;
  }
  if (hit(faults_.reset_before)) {
    end_later(id, Duration::micros(500), Evidence::sent, Cause::reset);
    return;
  }
  if (hit(faults_.error_before) && key.empty()) {
    answer(id, 500, "broken before", {}, false);
    return;
  }
  if (!key.empty() && answered_by_key(id, key)) return;
  const auto perform = [this, order, key, target, receipt, safe] {
    if (!safe) apply(order, key, target, receipt);
    if (!key.empty()) keys_[key] = {false, 200, receipt};
  };
  if (!key.empty()) keys_[key].running = true;
  if (hit(faults_.late_apply)) {
    end_later(id, Duration::micros(800), Evidence::sent, Cause::reset);
    schedule_.after(Duration::millis(prng_.between(1, 4000)), perform);
    return;
  }
  const Duration work =
      Duration::micros(prng_.between(200, hit(faults_.busy_keys) ? 900'000 : 20'000));
  const bool lost = hit(faults_.reset_after);
  const bool hang = hit(faults_.hang);
  const bool cut = hit(faults_.cut);
  const bool fails = hit(faults_.error_after);
  if (hang) {
    end_later(id, settings.timeouts.head, Evidence::sent, Cause::head_timeout);
  }
  schedule_.after(work, [this, id, life = generation_, perform, lost, hang, cut, fails, receipt] {
    perform();
    if (life != generation_ || hang) return;
    if (lost) {
      call::AttemptOutcome outcome;
      outcome.evidence = Evidence::sent;
      outcome.cause = Cause::reset;
      end(id, std::move(outcome));
    } else {
      answer(id, fails ? 500 : 200, fails ? "broken after" : receipt, {}, cut);
    }
  });
}

void SimUpstream::answer(AttemptId id, int status, std::string body, Fields fields, bool cut) {
  Live* attempt = live(id);
  if (attempt == nullptr) return;
  call::AnswerHead head{status, std::move(fields)};
  if (attempt->spec.capture_max == 0) {
    attempt->head = head;
    attempt->body = std::move(body);
    attempt->cut = cut;
    events_->on_answer_head(id, std::move(head), false);
    return;
  }
  call::AttemptOutcome outcome;
  outcome.evidence = cut ? Evidence::answer_begun : Evidence::answer_complete;
  outcome.cause = cut ? Cause::closed : Cause::none;
  outcome.head = std::move(head);
  if (!cut) outcome.body = make_body(std::move(body));
  end(id, std::move(outcome));
}

void SimUpstream::end(AttemptId id, call::AttemptOutcome outcome) {
  auto node = live_.extract({generation_, id});
  if (node.empty()) return;
  outcome.authority = node.mapped().spec.upstream->urls[node.mapped().spec.url].authority();
  events_->on_attempt_done(id, std::move(outcome));
}

void SimUpstream::cancel(AttemptId id) {
  const Live* attempt = live(id);
  if (attempt == nullptr) return;
  call::AttemptOutcome outcome;
  outcome.evidence = attempt->head ? Evidence::answer_begun : Evidence::sent;
  outcome.cause = Cause::cancelled;
  if (attempt->head) outcome.head = *attempt->head;
  schedule_.after(Duration::micros(10), [this, id, life = generation_, outcome] {
    if (life == generation_) end(id, outcome);
  });
}

void SimUpstream::forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) {
  Live* attempt = live(id);
  if (attempt == nullptr) return;
  HF_CHECK(attempt->head.has_value());
  call::AttemptOutcome outcome;
  outcome.evidence = attempt->cut ? Evidence::answer_begun : Evidence::answer_complete;
  outcome.cause = attempt->cut ? Cause::closed : Cause::none;
  outcome.head = *attempt->head;
  outcome.forwarded = true;
  const std::string piece = attempt->cut ? attempt->body.substr(0, 1) : attempt->body;
  sink->write(piece, [this, id, life = generation_, outcome](bool alive) {
    call::AttemptOutcome ended = outcome;
    if (!alive) ended.cause = Cause::cancelled;
    schedule_.after(Duration::micros(10), [this, id, life, ended] {
      if (life == generation_) end(id, ended);
    });
  });
}

void SimUpstream::capture(AttemptId id, std::uint64_t) {
  Live* attempt = live(id);
  if (attempt == nullptr) return;
  HF_CHECK(attempt->head.has_value());
  call::AttemptOutcome outcome;
  outcome.evidence = attempt->cut ? Evidence::answer_begun : Evidence::answer_complete;
  outcome.cause = attempt->cut ? Cause::closed : Cause::none;
  outcome.head = *attempt->head;
  if (!attempt->cut) outcome.body = make_body(attempt->body);
  schedule_.after(Duration::micros(10), [this, id, life = generation_, outcome] {
    if (life == generation_) end(id, outcome);
  });
}

}  // namespace hf::sim
