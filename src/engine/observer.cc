#include "engine/observer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "call/classify.h"
#include "call/lifetime.h"
#include "engine/core.h"

namespace hf::engine {
namespace {

constexpr std::array<std::string_view, kWoulds> kWords{
    "doubled", "replay", "join",     "resume", "refuse", "retry",     "verify",
    "unknown", "hold",   "time-out", "wait",   "finish", "resembles", "unseen"};

bool replay_marked(const call::AttemptOutcome& outcome, const call::Idempotency& rules) {
  if (rules.replay_marker.empty()) return false;
  const Field* field = find_field(outcome.head.fields, rules.replay_marker);
  return field != nullptr && same_name(trim_blanks(field->value), "true");
}

bool once_more(call::Ruling ruling) {
  return ruling == call::Ruling::again || ruling == call::Ruling::again_not_before ||
         ruling == call::Ruling::again_later;
}

// What a call that cannot wait for its turn is told (DESIGN section 3).
std::string_view code_of(Hurdle hurdle) {
  switch (hurdle) {
    case Hurdle::paused:
      return call::to_string(call::Code::paused);
    case Hurdle::breaker:
      return call::to_string(call::Code::breaker_open);
    case Hurdle::rate:
    case Hurdle::budget:
      return call::to_string(call::Code::limited);
    default:
      return call::to_string(call::Code::overloaded);
  }
}

int status_of(const call::AttemptOutcome& outcome) {
  return outcome.evidence >= call::Evidence::answer_begun ? outcome.head.status : 0;
}

}  // namespace

std::string_view to_string(Would would) {
  return kWords[static_cast<std::size_t>(would)];
}

std::optional<Would> would_of(std::string_view word) {
  const auto found = std::find(kWords.begin(), kWords.end(), word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<Would>(found - kWords.begin());
}

// A key, and the call that has it.
struct Observer::Known {
  call::Digest owner;
  call::Digest fingerprint;
  Standing standing = Standing::in_flight;
  bool unresolved = false;
  bool derived = false;
  bool body_kept = true;
  call::Mode mode = call::Mode::none;
  std::optional<Duration> lifetime;
  Instant since;    // accepted
  Instant changed;  // its standing
  int attempts = 0;
  int waiting = 0;  // repeats that would wait for its answer now
  // Of the copies that went upstream, in truth.
  bool applied = false;
  bool perhaps = false;
  std::string own_key;
  std::uint64_t turn = 0;
};

// A request on its way.
struct Observer::Open {
  std::shared_ptr<const call::RouteSettings> route;
  std::shared_ptr<const call::UpstreamSettings> upstream;
  call::Idempotency rules;  // as frozen
  std::optional<call::Digest> key;
  bool derived = false;
  std::string own_key;
  call::Digest owner;
  call::Digest fingerprint;
  std::string limit_key;
  bool safe = false;
  bool journaled = false;
  bool may_hold = false;
  bool same_call = false;  // of its key: not one that only carries it
  bool goes = false;       // where Holdfast acts, this request would have made an attempt
  bool joined = false;
  bool held = false;     // from the start: no client waits for its attempts
  bool streams = false;  // its body
  bool replayable = true;
  bool entered = false;  // the gate
  Instant entered_at;
  bool probe = false;
  int attempts = 0;  // of its call before this one
  bool unresolved = false;
  Instant patience_until;

  [[nodiscard]] policy::Lane lane() const { return held ? policy::Lane::held : policy::Lane::live; }
  [[nodiscard]] bool can_try_again(Instant at) const {
    return !held && replayable && route->retry.live_attempts > 1 && at < patience_until;
  }
  // The ways to be asked that section 4 counts on (Core::can_verify).
  [[nodiscard]] bool can_verify() const {
    const bool asks = rules.mode == call::Mode::verify || rules.mode == call::Mode::key;
    return asks && !safe && upstream->lookup.has_value();
  }
};

Observer::Observer(std::shared_ptr<const call::Settings> settings, std::uint64_t seed)
    : settings_(std::move(settings)), prng_(seed) {}
Observer::~Observer() = default;

void Observer::tell(std::vector<Sighting>& out, const Open& open, Would would,
                    std::string_view rule, std::string_view row, int status) {
  out.push_back({would, std::string(rule), row, status, open.key});
}

Gate& Observer::gate_of(const call::UpstreamSettings& upstream) {
  auto& gate = gates_[upstream.name];
  if (!gate) {
    gate = std::make_unique<Gate>(upstream, budget_permille_of(*settings_, upstream.name));
  }
  return *gate;
}

Observer::Known* Observer::known_of(const Open& open) {
  if (!open.key) return nullptr;
  auto* found = known_.find(*open.key);
  return found == nullptr ? nullptr : found->get();
}

Observer::Known& Observer::remember(const Open& open, const Now& now) {
  auto known = std::make_unique<Known>();
  known->owner = open.owner;
  known->fingerprint = open.fingerprint;
  known->derived = open.derived;
  known->mode = open.rules.mode;
  known->lifetime = open.rules.lifetime;
  known->since = now.mono;
  known->changed = now.mono;
  known->own_key = open.own_key;
  known->turn = next_turn_++;
  turns_.emplace_back(*open.key, known->turn);
  auto& place = known_.insert(*open.key);
  place = std::move(known);
  Known& out = *place;  // stays where it is: the map holds a pointer to it
  while (turns_.size() > kObservedKeysMax) {
    auto* oldest = known_.find(turns_.front().first);
    if (oldest != nullptr && (*oldest)->turn == turns_.front().second) {
      known_.erase(turns_.front().first);
      forgotten_ += 1;
    }
    turns_.pop_front();
  }
  return out;
}

void Observer::forget(const Open& open) {
  if (open.key) known_.erase(*open.key);
}

void Observer::settle(const Open& open, Standing standing, bool unresolved, const Now& now) {
  Known* known = known_of(open);
  if (known == nullptr) return;
  known->standing = standing;
  known->unresolved = unresolved;
  known->changed = now.mono;
}

// What time does to a call: a held one comes to its deadline, a key to the end of its lifetime.
void Observer::age(Known& known, const call::RouteSettings& route,
                   const call::UpstreamSettings& upstream, const Now& now) const {
  if (known.standing == Standing::pending && now.mono - known.since >= route.deadline) {
    known.standing = known.unresolved ? Standing::unknown : Standing::open;
  }
  const bool doubt = known.standing == Standing::open && known.unresolved;
  if (doubt && known.mode == call::Mode::key && known.lifetime && !upstream.lookup) {
    const Duration usable = *known.lifetime - call::key_margin(upstream.timeouts, *known.lifetime);
    if (now.mono - known.since >= usable) known.standing = Standing::unknown;
  }
}

void Observer::arrived(ExchangeId id, const call::NewCall& call, std::string_view own_key,
                       const Now& now, std::vector<Sighting>& out) {
  auto made = std::make_unique<Open>();
  Open& open = *made;
  open.route = call.route;
  open.upstream = call.upstream;
  open.rules = *call.frozen();
  open.journaled = call.wants_journal();
  if (open.journaled && call.key) {
    open.key = call.key->identity;
    open.derived = call.key->derived;
  }
  open.own_key = own_key;
  open.owner = call.owner;
  open.fingerprint = call.fingerprint;
  open.limit_key = call.limit_key;
  open.safe = call.safe;
  open.streams = call.streamed && call.has_body;
  open.may_hold = call.may_hold && open.journaled;
  const Duration patience = call.wait ? std::min(*call.wait, call.route->wait) : call.route->wait;
  open.patience_until = now.mono + patience;
  const Met met = meet(open, call, now, out);
  if (met == Met::fresh) {
    open.same_call = true;
    if (open.key) remember(open, now);
    if (call.likeness && call.route->suspect.action != call::OnSuspect::off) {
      const CallId fresh = CallId::make(now.wall, 0, next_turn_++);
      if (suspects_.meet(*call.likeness, fresh, call.key, now.mono, call.route->suspect.window)) {
        tell(out, open, Would::resembles, "same-content-other-key");
      }
    }
  }
  if (met != Met::settled) begin(open, call, now, out);
  HF_CHECK(open_.emplace(id, std::move(made)).second);
}

// The key table of DESIGN section 3.
Observer::Met Observer::meet(Open& open, const call::NewCall& call, const Now& now,
                             std::vector<Sighting>& out) {
  Known* known = known_of(open);
  if (known == nullptr) return Met::fresh;
  age(*known, *open.route, *open.upstream, now);
  const bool ended = known->standing == Standing::answered ||
                     (known->standing == Standing::open && !known->unresolved);
  const Duration retention = settings_->journal.retention.keys;
  const bool retired = ended && now.mono - known->changed > retention;
  const bool buried =
      retired && now.mono - known->changed > retention + settings_->journal.retention.tombstones;
  if (buried) {
    forget(open);
    return Met::fresh;
  }
  const auto refuse = [&](call::Code code) {
    tell(out, open, Would::refuse, call::to_string(code));
    return Met::settled;
  };
  if (known->derived) {
    const bool same = known->owner == open.owner && known->fingerprint == open.fingerprint &&
                      now.mono - known->since <= call.route->key.derive_window;
    // An ended call has left its derived key to the next; one that has not keeps it.
    if (ended) forget(open);
    if (!ended && !same) open.key.reset();
    if (ended || !same) return Met::fresh;
  }
  if (known->owner != open.owner) return refuse(call::Code::key_owned_by_another);
  if (retired) return refuse(call::Code::key_expired);
  if (known->fingerprint != open.fingerprint) return refuse(call::Code::key_reused);
  open.same_call = true;
  switch (known->standing) {
    case Standing::in_flight:
    case Standing::pending: {
      const bool flies = known->standing == Standing::in_flight;
      if (known->waiting + (flies ? 1 : 0) > call.route->limits.waiters) {
        return refuse(call::Code::in_progress);
      }
      tell(out, open, Would::join, flies ? "in-flight" : "not-over");
      known->waiting += 1;
      open.joined = true;
      return Met::settled;
    }
    case Standing::answered:
      if (!known->body_kept) return refuse(call::Code::answer_not_kept);
      tell(out, open, Would::replay, "answered");
      return Met::settled;
    case Standing::unknown:
      return refuse(call::Code::outcome_unknown);
    case Standing::open:
      break;
  }
  tell(out, open, Would::resume, "open");
  open.attempts = known->attempts;
  open.unresolved = known->unresolved;
  known->standing = Standing::in_flight;
  known->changed = now.mono;
  return Met::goes_on;
}

// A new call, or new attempts of one that is open.
void Observer::begin(Open& open, const call::NewCall& call, const Now& now,
                     std::vector<Sighting>& out) {
  open.goes = true;
  hold_at_once(open, call, now, out);
  enter(open, now, out);
  if (Known* known = known_of(open); known != nullptr && open.goes) known->attempts += 1;
}

void Observer::hold_at_once(Open& open, const call::NewCall& call, const Now& now,
                            std::vector<Sighting>& out) {
  if (!open.may_hold) return;
  std::string_view rule;
  if (call.not_before && call.not_before->from(now.wall) > now.wall) rule = "not-before";
  if (call.respond_async) rule = "respond-async";
  if (call.route->hold == call::Hold::always) rule = "hold-always";
  if (rule.empty()) return;
  open.held = true;
  tell(out, open, Would::hold, rule);
}

void Observer::enter(Open& open, const Now& now, std::vector<Sighting>& out) {
  const Entry entry =
      gate_of(*open.upstream).try_enter(open.lane(), open.attempts > 0, open.limit_key, now);
  open.entered = entry.hurdle == Hurdle::none;
  open.entered_at = now.mono;
  open.probe = entry.probe;
  if (open.entered || open.held) return;
  if (entry.not_before && *entry.not_before >= open.patience_until) {
    turned_away(open, entry, out);
    if (open.may_hold) return settle(open, Standing::pending, open.unresolved, now);
    if (open.attempts == 0) return forget(open);
    return settle(open, Standing::open, open.unresolved, now);
  }
  tell(out, open, Would::wait, to_string(entry.hurdle));
}

// The wait would be longer than its client's patience.
void Observer::turned_away(Open& open, const Entry& entry, std::vector<Sighting>& out) {
  open.goes = false;
  if (open.may_hold) {
    tell(out, open, Would::hold, to_string(entry.hurdle));
  } else {
    tell(out, open, Would::refuse, code_of(entry.hurdle));
  }
}

void Observer::ended(ExchangeId id, Ending ending, const Now& now, std::vector<Sighting>& out) {
  auto node = open_.extract(id);
  if (node.empty()) return;
  Open& open = *node.mapped();
  count_effects(open, ending, out);
  if (Known* known = known_of(open); known != nullptr && open.joined) known->waiting -= 1;
  if (!open.goes) return;
  const Duration took = ending.outcome.took;
  open.replayable = !open.streams || ending.request_bytes <= open.route->retry.live_buffer;
  limit(open, ending, out);
  const bool cut_short = ending.outcome.took < took;
  const bool complete = ending.outcome.evidence == call::Evidence::answer_complete;
  if (ending.client_gone && !complete && !cut_short) {
    Gate& gate = gate_of(*open.upstream);
    if (open.entered) gate.leave(open.lane());
    if (open.probe) gate.abandon_probe(now.mono);
    if (!open.journaled) return;
    tell(out, open, Would::finish, "client-left");
    const bool doubt = open.unresolved || ending.outcome.evidence >= call::Evidence::sent;
    return settle(open, Standing::pending, doubt, now);
  }
  Now at = now;
  at.mono = now.mono - (took - ending.outcome.took);
  at.wall = now.wall - (took - ending.outcome.took);
  judge(open, ending, at, out);
}

// What truly became of the copies of one call.
void Observer::count_effects(const Open& open, const Ending& ending, std::vector<Sighting>& out) {
  Known* known = known_of(open);
  if (known == nullptr || !open.same_call) return;
  const call::AttemptOutcome& outcome = ending.outcome;
  const int status = status_of(outcome);
  const call::AnswerRule* rule = call::classify(open.upstream->classify, outcome);
  const call::Row row = call::row_of(outcome, open.rules, false, rule);
  // A 200 that says "error" is no 200.
  const bool good =
      status >= 200 && status < 300 && rule == nullptr && !replay_marked(outcome, open.rules);
  const bool applied = good && row == call::Row::complete;
  const bool perhaps =
      row == call::Row::no_status || row == call::Row::retry_status || row == call::Row::answer_cut;
  // One key of its own in both: the upstream makes one effect of them.
  const bool joined_there =
      open.rules.mode == call::Mode::key && !open.own_key.empty() && open.own_key == known->own_key;
  if (!joined_there && applied && known->applied) {
    tell(out, open, Would::doubled, "answered-twice", {}, status);
  } else if (!joined_there && (applied || perhaps) && (known->applied || known->perhaps)) {
    tell(out, open, Would::doubled, "perhaps", {}, status);
  }
  known->applied = known->applied || applied;
  known->perhaps = known->perhaps || perhaps;
}

// The attempt as the limits of its upstream would have left it.
void Observer::limit(const Open& open, Ending& ending, std::vector<Sighting>& out) {
  const call::Timeouts& limits = open.upstream->timeouts;
  call::AttemptOutcome& outcome = ending.outcome;
  const call::Phases& phases = outcome.phases;
  const Duration dial = phases.resolve + phases.connect + phases.tls;
  const int status = status_of(outcome);
  call::AttemptOutcome cut;
  cut.authority = outcome.authority;
  std::string_view what;
  if (dial > limits.connect) {
    what = "connect";
    cut.cause = call::Cause::connect_timeout;
    cut.took = limits.connect;
  } else if (outcome.evidence >= call::Evidence::sent && ending.head_took > limits.head) {
    what = "head";
    cut.evidence = call::Evidence::sent;
    cut.cause = call::Cause::head_timeout;
    cut.took = outcome.took - phases.body - (ending.head_took - limits.head);
  } else if (outcome.evidence >= call::Evidence::answer_begun && ending.longest_gap > limits.idle) {
    what = "idle";
    cut.evidence = call::Evidence::answer_begun;
    cut.cause = call::Cause::idle_timeout;
    cut.head = outcome.head;
    cut.took = outcome.took - (ending.longest_gap - limits.idle);
  }
  if (what.empty()) return;
  tell(out, open, Would::time_out, what, {}, status);
  cut.took = std::clamp(cut.took, Duration{}, outcome.took - Duration::nanos(1));
  outcome = std::move(cut);
}

void Observer::judge(Open& open, Ending& ending, const Now& now, std::vector<Sighting>& out) {
  call::AttemptOutcome& outcome = ending.outcome;
  call::Evidently known{&open.rules, open.safe, open.held, open.unresolved,
                        open.route->head_is_proof};
  // Its head alone, as the engine sees it before the body (Core::on(AnswerHeadSeen)).
  const bool answered = outcome.evidence >= call::Evidence::answer_begun;
  call::AttemptOutcome head;
  head.evidence = call::Evidence::answer_complete;
  head.head = outcome.head;
  outcome.forwarded = false;
  const auto& classes = open.upstream->classify;
  if (answered) known.rule = call::classify(classes, head);
  const call::Decision by_head = call::decide(answered ? head : outcome, known);
  const bool final_head = by_head.ruling == call::Ruling::final_answer;
  const bool large = ending.event_stream || ending.answer_bytes > open.route->limits.stored_answer;
  if (open.journaled) {
    outcome.forwarded = answered && large && final_head;
  } else if (answered) {
    const bool peek = once_more(by_head.ruling) && open.can_try_again(now.mono) &&
                      !ending.event_stream && ending.answer_bytes <= kRetryPeek;
    // Rules about bodies look at it before anything of it is handed on.
    const bool read = !ending.event_stream && call::wants_body(classes, head.head) &&
                      ending.answer_bytes <= call::kClassifiedBodyMax;
    outcome.forwarded = !peek && !read && !ending.broke_with_head;
  }
  known.rule = call::classify(classes, outcome);
  const call::Decision decision = call::decide(outcome, known);
  const auto paused = feed(open, ending, decision.row, known.rule, now);
  if (!open.journaled && outcome.forwarded) {
    if (by_head.ruling == call::Ruling::unresolved_end) {
      tell(out, open, Would::unknown, by_head.rule, call::to_string(by_head.row),
           status_of(outcome));
    }
    return;
  }
  if (Known* key = known_of(open)) key->body_kept = !outcome.forwarded;
  follow(open, ending, decision, paused, now, out);
}

// What the gate learns (Core::feed_policies, Core::pause_from).
std::optional<Instant> Observer::feed(Open& open, const Ending& ending, call::Row row,
                                      const call::AnswerRule* rule, const Now& now) {
  Gate& gate = gate_of(*open.upstream);
  const call::AttemptOutcome& outcome = ending.outcome;
  if (open.entered) {
    gate.leave(open.lane());
    const bool failed = is_failure(row);
    const bool ours =
        outcome.cause == call::Cause::cancelled || outcome.cause == call::Cause::client_body;
    if (ours && failed && outcome.evidence < call::Evidence::answer_begun) {
      if (open.probe) gate.abandon_probe(now.mono);
    } else {
      gate.learn(outcome, row, open.entered_at, now.mono);
      if (row == call::Row::complete) gate.earn(now.mono);
      gate.record(!failed, open.probe, row != call::Row::refused, open.lane(), now.mono, prng_);
    }
  }
  const auto pause = pause_asked(outcome, rule, open.upstream->max_pause, now.wall);
  if (!pause) return std::nullopt;
  gate.pause(open.limit_key, now.wall + *pause, now);
  return now.mono + *pause;
}

// Core::follow, as far as one attempt shows it.
void Observer::follow(Open& open, const Ending& ending, const call::Decision& decision,
                      std::optional<Instant> paused, const Now& now, std::vector<Sighting>& out) {
  const std::string_view row = call::to_string(decision.row);
  const int status = status_of(ending.outcome);
  switch (decision.ruling) {
    case call::Ruling::final_answer:
    case call::Ruling::answered_by_head:
      return settle(open, Standing::answered, false, now);
    case call::Ruling::pass_on:
      return settle(open, open.held ? Standing::pending : Standing::open, decision.unresolved, now);
    case call::Ruling::again:
    case call::Ruling::again_not_before:
      return again(open, decision, paused, now, out);
    case call::Ruling::again_later: {
      const Instant later = now.mono + Duration::seconds(1);
      return again(open, decision, std::max(later, paused.value_or(later)), now, out);
    }
    case call::Ruling::credentials:
      tell(out, open, Would::hold, decision.rule, row, status);
      return settle(open, Standing::pending, decision.unresolved, now);
    case call::Ruling::cut_off:
      return settle(open, Standing::open, decision.unresolved, now);
    case call::Ruling::verify:
    case call::Ruling::unresolved_end:
      if (open.can_verify()) {
        tell(out, open, Would::verify, decision.rule, row, status);
        return settle(open, Standing::pending, true, now);
      }
      tell(out, open, Would::unknown, decision.rule, row, status);
      return settle(open, Standing::unknown, true, now);
  }
}

// Whether the gate would let another attempt through while its client waits. Takes what that
// attempt would take: a token of the budget, and of the rate.
bool Observer::has_way(const Open& open, const Now& now, std::vector<Sighting>& out) {
  Gate& gate = gate_of(*open.upstream);
  const Entry entry = gate.try_enter(policy::Lane::live, true, open.limit_key, now);
  if (entry.hurdle == Hurdle::none) gate.leave(policy::Lane::live);
  if (entry.probe) gate.abandon_probe(now.mono);
  if (entry.hurdle == Hurdle::none || entry.hurdle == Hurdle::paused) return true;
  if (entry.not_before && *entry.not_before >= open.patience_until) return false;
  tell(out, open, Would::wait, to_string(entry.hurdle));
  return true;
}

// Core::again. The attempts that would follow are taken to come to nothing.
void Observer::again(Open& open, const call::Decision& decision, std::optional<Instant> not_before,
                     const Now& now, std::vector<Sighting>& out) {
  const std::string_view row = call::to_string(decision.row);
  const bool soon = !not_before || *not_before < open.patience_until;
  const bool live = open.can_try_again(now.mono) && soon && has_way(open, now, out);
  if (live || open.held) tell(out, open, Would::retry, decision.rule, row);
  if (open.held) return settle(open, Standing::pending, decision.unresolved, now);
  if (open.may_hold) {
    if (!live) tell(out, open, Would::hold, decision.rule, row);
    return settle(open, Standing::pending, decision.unresolved, now);
  }
  const bool comes_back = !open.derived || decision.unresolved;
  if (!comes_back) return forget(open);
  settle(open, Standing::open, decision.unresolved, now);
}

}  // namespace hf::engine
