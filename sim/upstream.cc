#include "sim/upstream.h"

#include <algorithm>
#include <utility>

#include "call/callback.h"

namespace hf::sim {

using call::Cause;
using call::Evidence;

namespace {

// False: the client's body broke off.
bool read_all(ports::BodySource& source, std::string& out) {
  bool whole = false;
  bool more = true;
  while (more) {
    more = false;
    source.read([&](ports::BodySource::What what, std::string bytes) {
      out += bytes;
      more = what == ports::BodySource::What::data;
      whole = what == ports::BodySource::What::end;
    });
  }
  return whole;
}

}  // namespace

SimUpstream::SimUpstream(Schedule& schedule, Prng prng, UpstreamFaults faults, Watch watch)
    : schedule_(schedule), prng_(std::move(prng)), faults_(faults), watch_(std::move(watch)) {}

void SimUpstream::forget_attempts() {
  generation_ += 1;
  live_.clear();
}

void SimUpstream::heal() {
  faults_ = {};
  down_ = false;
  unauthorized_ = false;
}

SimUpstream::Live* SimUpstream::live(AttemptId id) {
  const auto found = live_.find({generation_, id});
  return found == live_.end() ? nullptr : &found->second;
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

void SimUpstream::start(ports::AttemptSpec spec) {
  if (start_lookup(spec)) return;
  attempts += 1;
  if (call::is_callback_upstream(spec.upstream->name)) {
    start_callback(std::move(spec));
    return;
  }
  if (spec.upstream->name == kCalm) {
    start_calm(std::move(spec));
    return;
  }
  const AttemptId id = spec.id;
  Live fresh;
  Arrived& request = fresh.request;
  request.safe = spec.request->method == "GET";
  bool broken_off = false;
  if (spec.body) {
    broken_off = !read_all(*spec.body, request.order);
  } else {
    request.order = std::string(view(spec.request->body));
  }
  if (!broken_off) watch_(spec, request.order);
  const call::Idempotency& rules = spec.upstream->idempotency;
  request.key.first = spec.upstream->urls[spec.url].authority();
  const Field* field = find_field(spec.request->fields, rules.header);
  if (rules.mode == call::Mode::key && !keys_ignored_ && !request.safe && field != nullptr) {
    request.key.second = field->value;
  }
  if (rules.lifetime) request.lifetime = *rules.lifetime;
  std::weak_ptr<int>& under_way = under_way_[request.order];
  request.token = under_way.lock();
  if (!request.token) under_way = request.token = std::make_shared<int>(0);
  starts_[request.order] += 1;
  fresh.spec = std::move(spec);
  const Arrived arrived = request;
  live_.emplace(std::pair{generation_, id}, std::move(fresh));
  if (broken_off) {
    end_later(id, Duration::micros(100), Evidence::sent, Cause::client_body);
    return;
  }
  if (down_ || hit(faults_.refuse_connect)) {
    end_later(id, Duration::micros(200), Evidence::nothing_sent, Cause::connect_refused);
    return;
  }
  schedule_.after(Duration::micros(prng_.between(100, 5000)),
                  [this, id, life = generation_, arrived] {
                    // Bytes that have left arrive whether or not their sender still lives.
                    if (life == generation_) {
                      arrive(id);
                    } else if (!arrived.safe && hit(500)) {
                      apply_orphan(arrived);
                    }
                  });
}

SimUpstream::Stored& SimUpstream::memory_of(const Arrived& request) {
  Stored& stored = keys_[request.key];
  const bool known = stored.running || stored.status != 0;
  if (known && !stored.running && schedule_.now() - stored.born >= request.lifetime) stored = {};
  if (stored.status != 0 && faults_.forgets > 0 && hit(faults_.forgets)) {
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
bool SimUpstream::answered_by_key(AttemptId id, const Arrived& request) {
  if (request.key.second.empty()) return false;
  Stored& stored = memory_of(request);
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
    stored = {false, 500, "stored error", schedule_.now()};
    answer(id, 500, "stored error", {}, false);
    return true;
  }
  return false;
}

// Refusals and losses before the request means anything.
bool SimUpstream::answered_at_the_door(AttemptId id, const Arrived& request) {
  if (unauthorized_) {
    answer(id, 401, "who are you", {}, false);
  } else if (hit(faults_.too_many)) {
    answer(id, 429, "slow down", {{"Retry-After", "2"}}, false);
  } else if (hit(faults_.reset_before)) {
    end_later(id, Duration::micros(500), Evidence::sent, Cause::reset);
  } else if (!request.key.second.empty() && hit(faults_.elsewhere)) {
    answer(id, 409, "in progress elsewhere", {}, false);
  } else if (request.key.second.empty() && hit(faults_.error_before)) {
    answer(id, 500, "broken before", {}, false);
  } else {
    return false;
  }
  return true;
}

// GET /find?key=K or /find/ROUTE/ORDER: what the lookups of sim/plan.cc ask.
bool SimUpstream::start_lookup(ports::AttemptSpec& spec) {
  const std::string& target = spec.request->target;
  if (spec.request->method != "GET" || !target.starts_with("/find")) return false;
  lookups += 1;
  Question question;
  constexpr std::string_view kByKey = "/find?key=";
  if (target.starts_with(kByKey)) {
    question.key = {spec.upstream->urls[spec.url].authority(), target.substr(kByKey.size())};
  } else {
    question.order = target.substr(target.rfind('/') + 1);
  }
  const AttemptId id = spec.id;
  Live fresh;
  fresh.spec = std::move(spec);
  live_.emplace(std::pair{generation_, id}, std::move(fresh));
  if (down_ || hit(faults_.refuse_connect)) {
    end_later(id, Duration::micros(200), Evidence::nothing_sent, Cause::connect_refused);
    return true;
  }
  schedule_.after(Duration::micros(prng_.between(100, 5000)),
                  [this, id, life = generation_, question] {
                    if (life == generation_) arrive_lookup(id, question);
                  });
  return true;
}

// The collection as JSON, as it was a while ago.
std::string SimUpstream::found_of(const Question& question) {
  Duration lag;
  if (faults_.lookup_lags) {
    lag = hit(500) ? kLongestLag : Duration::millis(prng_.between(0, kLongestLag.ms()));
  }
  std::string out;
  const auto list = [&out](const char* status, const std::string& answer) {
    if (!out.empty()) out += ',';
    out += std::string(R"({"status":")") + status + R"(","receipt":")" + answer + R"("})";
  };
  if (failed_.contains(question.order)) list("failed", "none");
  for (const LedgerEntry& entry : ledger_) {
    const bool meant = question.order.empty()
                           ? entry.key == question.key.second && entry.store == question.key.first
                           : entry.order == question.order;
    if (meant && schedule_.now() - entry.at >= lag) list("succeeded", entry.answer);
  }
  if (out.empty() && pending_.contains(question.order)) list("pending", "none");
  return R"({"data":[)" + out + "]}";
}

void SimUpstream::arrive_lookup(AttemptId id, const Question& question) {
  if (live(id) == nullptr || lookup_failed(id)) return;
  const std::string found = found_of(question);
  const bool slow = hit(faults_.lookup_slow);
  // It tells of the moment at which it was asked, however long the answer takes.
  schedule_.after(Duration::micros(prng_.between(100, slow ? 8'000'000 : 20'000)),
                  [this, id, life = generation_, found] {
                    if (life == generation_) {
                      answer(id, 200, found, {{"Content-Type", "application/json"}}, false);
                    }
                  });
}

bool SimUpstream::lookup_failed(AttemptId id) {
  if (unauthorized_) {
    answer(id, 401, "who are you", {}, false);
    return true;
  }
  if (!hit(faults_.lookup_fails)) return false;
  switch (prng_.below(9)) {
    case 0:
      answer(id, 500, R"({"data":[]})", {}, false);
      break;
    case 1:
      answer(id, 503, "come back later", {{"Retry-After", "3"}}, false);
      break;
    case 2:
      answer(id, 429, R"({"data":[]})", {{"Retry-After", "2"}}, false);
      break;
    case 3:
      answer(id, 200, "<!doctype html><p>[]", {{"Content-Type", "text/html"}}, false);
      break;
    case 4:
      answer(id, 200, R"({"data":{"0":{"status":"succeeded"}}})", {}, false);
      break;
    case 5:
      answer(id, 200, R"({"data":[)", {}, false);
      break;
    case 6:
      answer(id, 200, R"({"data":[]})", {}, true);
      break;
    case 7:
      answer(id, 403, R"({"data":[]})", {}, false);
      break;
    default:
      end_later(id, Duration::micros(500), Evidence::sent, Cause::reset);
  }
  return true;
}

void SimUpstream::arrive(AttemptId id) {
  Live* attempt = live(id);
  if (attempt == nullptr) return;
  const Arrived request = attempt->request;
  if (answered_at_the_door(id, request) || answered_by_key(id, request)) return;
  if (hit(faults_.rejects)) {
    if (!request.key.second.empty()) {
      memory_of(request) = {false, 400, "not like this", schedule_.now()};
    }
    answer(id, 400, "not like this", {}, false);
    return;
  }
  work(id, request);
}

void SimUpstream::work(AttemptId id, const Arrived& request) {
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
  const auto sometimes = [this](int permille) { return permille > 0 && hit(permille); };
  if (request.key.second.empty() && !request.safe && sometimes(faults_.listed_failed)) {
    failed_[request.order] += 1;
    end_later(id, Duration::micros(800), Evidence::sent, Cause::reset);
    return;
  }
  if (hit(faults_.late_apply)) {
    const std::int64_t late = sometimes(faults_.latest) ? 4000 : prng_.between(1, 4000);
    const bool pending = sometimes(faults_.listed_pending);
    if (pending) pending_[request.order] += 1;
    end_later(id, Duration::micros(800), Evidence::sent, Cause::reset);
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
  if (hang) {
    end_later(id, live(id)->spec.upstream->timeouts.head, Evidence::sent, Cause::head_timeout);
  }
  schedule_.after(took, [=, this, life = generation_] {
    perform();
    if (life != generation_ || hang) return;
    if (lost) {
      call::AttemptOutcome outcome;
      outcome.evidence = Evidence::sent;
      outcome.cause = Cause::reset;
      end(id, std::move(outcome));
    } else if (unavailable) {
      answer(id, 503, "come back later", {{"Retry-After", pause}}, false);
    } else {
      answer(id, fails ? 500 : 200, fails ? "broken after" : receipt, {}, cut);
    }
  });
}

void SimUpstream::answer(AttemptId id, int status, std::string body, Fields fields, bool cut) {
  Live* attempt = live(id);
  if (attempt == nullptr) return;
  call::AnswerHead head{status, std::move(fields)};
  const bool at_once = attempt->spec.whole_if_ready && !cut && hit(500);
  if (attempt->spec.capture_max == 0 && !at_once) {
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
