#include "sim/witness.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "call/callback.h"
#include "policy/budget.h"
#include "policy/concurrency.h"
#include "policy/rate.h"

namespace hf::sim {
namespace {

using call::Evidence;

// Of the design: no attempt starts so shortly before its key's end.
constexpr Duration kKeyMargin = Duration::seconds(10);
constexpr Duration kPauseEdge = Duration::millis(600);

std::uint64_t mix(std::uint64_t sum, std::string_view text) {
  for (const char c : text)
    sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return (sum ^ 0xFF) * 1099511628211ULL;
}

// All that must be the same in every copy under one key: method, target, body, and every field that
// is not of one attempt only.
std::uint64_t bytes_of(const ports::AttemptSpec& spec, const std::string& body) {
  const call::Request& request = *spec.request;
  std::uint64_t sum = mix(mix(mix(1469598103934665603ULL, request.method), request.target), body);
  for (const Field& field : request.fields)
    sum = mix(mix(sum, field.name), field.value);
  for (const Field& field : spec.per_attempt) {
    const bool own = same_name(field.name, "traceparent") || same_name(field.name, "tracestate") ||
                     same_name(field.name, "Via") || same_name(field.name, "Forwarded");
    if (!own) sum = mix(mix(sum, field.name), field.value);
  }
  return sum;
}

std::string owner_of(const call::Request& request) {
  const Field* field = find_field(request.fields, "Authorization");
  return field == nullptr ? std::string() : field->value;
}

bool among(const std::vector<int>& statuses, int status) {
  return std::find(statuses.begin(), statuses.end(), status) != statuses.end();
}

}  // namespace

bool Copy::proven() const {
  return ended && (outcome.evidence == Evidence::nothing_sent || refusal);
}

bool Copy::final() const {
  if (!ended || outcome.evidence != Evidence::answer_complete || refusal) return false;
  const int status = outcome.head.status;
  return status < 500 && status != 408 && status != 409 && status != 401;
}

Witness::Witness(ports::Upstream& below, World world) : below_(below), world_(std::move(world)) {}

void Witness::attach(ports::UpstreamEvents* above, std::uint64_t life) {
  above_ = above;
  for (auto& [whose, pause] : paused_) {
    // Short ones are not written.
    const bool old = world_.true_now() - pause.from > Duration::seconds(2);
    if (above == nullptr && pause.life == life_) {
      pause.written =
          old && pause.until - pause.from > Duration::seconds(5) && !world_.lagged(pause.from);
    }
  }
  life_ = life;
  born_ = world_.now().mono;
  true_born_ = world_.true_now();
  if (above != nullptr) births_.emplace(life, world_.now());
  under_way_.clear();
  upstreams_.clear();
}

const std::vector<Copy>& Witness::copies_of(const std::string& order) const {
  static const std::vector<Copy> none;
  const auto found = copies_.find(order);
  return found == copies_.end() ? none : found->second;
}

bool Witness::ambiguous(const std::string& order) const {
  const auto& all = copies_of(order);
  return std::any_of(all.begin(), all.end(), [](const Copy& copy) { return !copy.proven(); });
}

void Witness::start(ports::AttemptSpec spec) {
  judge_limits(spec);
  const std::string owner = owner_of(*spec.request);
  judge_pause(spec.upstream->name, owner);
  UnderWay under_way;
  under_way.owner = owner;
  under_way.max_pause = spec.upstream->max_pause;
  under_way.upstream = spec.upstream->name;
  under_way.authority = spec.upstream->urls[spec.url].authority();
  under_way.begun = world_.true_now();
  under_way.settings = spec.upstream;
  under_way.refused = spec.upstream->idempotency.refused;
  const std::string& target = spec.request->target;
  if (spec.request->method == "GET" && target.starts_with("/find")) {
    LookupSeen seen;
    constexpr std::string_view kByKey = "/find?key=";
    seen.about = target.substr(target.starts_with(kByKey) ? kByKey.size() : target.rfind('/') + 1);
    seen.life = life_;
    seen.asked = world_.now();
    under_way.lookup = lookups_.size();
    lookups_about_[seen.about].push_back(lookups_.size());
    if (world_.trace) world_.trace(fmt::format("lookup {} of {}", raw(spec.id), seen.about));
    lookups_.push_back(std::move(seen));
  }
  under_way_[spec.id] = std::move(under_way);
  if (spec.upstream->urls.size() > 1) {
    upstreams_[spec.upstream->name].places[spec.upstream->urls[spec.url].authority()].running += 1;
  }
  below_.start(std::move(spec));
}

void Witness::arrived(const ports::AttemptSpec& spec, const std::string& order) {
  Copy fresh;
  fresh.attempt = spec.id;
  fresh.call = world_.handling().value_or(CallId{});
  fresh.upstream = spec.upstream->name;
  fresh.authority = spec.upstream->urls[spec.url].authority();
  fresh.mode = spec.upstream->idempotency.mode;
  fresh.safe = spec.request->method == "GET" || fresh.mode == call::Mode::repeatable;
  const Field* key = find_field(spec.request->fields, spec.upstream->idempotency.header);
  if (fresh.mode == call::Mode::key && key != nullptr) fresh.key = key->value;
  fresh.bytes = bytes_of(spec, order);
  fresh.owner = owner_of(*spec.request);
  fresh.life = life_;
  fresh.at = world_.now();
  fresh.true_at = world_.true_now();
  judge_again(spec, order, fresh);
  judge_address(spec, order, fresh);
  auto& all = copies_[order];
  judge_lane(spec);
  if (const auto found = under_way_.find(spec.id); found != under_way_.end()) {
    found->second.order = order;
    found->second.copy = all.size();
  }
  all.push_back(std::move(fresh));
}

void Witness::on_attempt_done(AttemptId id, call::AttemptOutcome outcome) {
  if (auto node = under_way_.extract(id); !node.empty()) {
    const UnderWay& over = node.mapped();
    if (world_.trace) {
      world_.trace(fmt::format(
          "ended {} {}: {} {} status {}{}", raw(id),
          over.lookup ? "lookup of " + lookups_[*over.lookup].about : "'" + over.order + "'",
          to_string(outcome.evidence), to_string(outcome.cause), outcome.head.status,
          outcome.forwarded ? " forwarded" : ""));
    }
    Upstream& upstream = upstreams_[over.upstream];
    upstream.running -= 1;
    if (over.held) upstream.running_held -= 1;
    const bool complete = outcome.evidence == Evidence::answer_complete;
    if (complete && outcome.head.status < 500) upstream.successes.push_back(world_.now().mono);
    note_pause(over, outcome);
    note_health(over, outcome);
    if (over.lookup) {
      LookupSeen& seen = lookups_[*over.lookup];
      if (complete && outcome.head.status == 200) {
        const std::string_view body = view(outcome.body);
        if (body == R"({"data":[]})") seen.absent = true;
        if (body.starts_with(R"({"data":[{"status":"succeeded")")) seen.absent = false;
      }
    } else if (!over.order.empty()) {
      Copy& copy = copies_[over.order][over.copy];
      copy.ended = world_.now();
      copy.outcome = outcome;
      copy.outcome.body = nullptr;
      copy.refusal =
          outcome.evidence >= Evidence::answer_begun && among(over.refused, outcome.head.status);
    }
  }
  above_->on_attempt_done(id, std::move(outcome));
}

void Witness::judge_again(const ports::AttemptSpec& spec, const std::string& order,
                          const Copy& fresh) {
  const auto& before = copies_of(order);
  if (!before.empty()) judge_budget(spec, before.back().call == fresh.call);
  if (fresh.safe || before.empty()) return;
  const std::string why = why_not(spec, order, fresh);
  if (!why.empty()) {
    world_.violation(
        fmt::format("send-again: {} was sent a {}. time, and {}", order, before.size() + 1, why));
  }
}

// The table of section 4, read from what the transport told of the earlier copies.
std::string Witness::why_not(const ports::AttemptSpec& spec, const std::string& order,
                             const Copy& fresh) {
  std::vector<Copy> doubtful;
  // Holdfast may not have taken the lookups' word, where the key allows it to go on.
  bool unsure = cut_.contains(fresh.call) || denied_.contains(order);
  const auto proved = proved_.find(order);
  std::size_t by_person = proved == proved_.end() ? 0 : proved->second;
  for (const Copy& copy : copies_of(order)) {
    if (by_person > 0 && by_person-- > 0) continue;
    if (copy.life == life_ && !copy.ended) return "a copy before it is still under way";
    // What a dead process was told is lost with it, if it was not written.
    unsure = unsure || copy.life != life_;
    if (copy.proven()) continue;
    // A held call waits for credentials; and a 409 tells of another request under the key.
    const int status = copy.ended ? copy.outcome.head.status : 0;
    if (status == 401 || (status == 409 && copy.mode == call::Mode::key)) {
      unsure = unsure || copy.outcome.evidence != Evidence::answer_complete;
      continue;
    }
    const bool settles = (copy.mode == call::Mode::key && status < 300) ||
                         copy.mode == call::Mode::none || (doubtful.empty() && !unsure);
    if (copy.final() && copy.life == life_ && settles) {
      return fmt::format("an earlier copy had the final answer {}", status);
    }
    doubtful.push_back(copy);
  }
  if (doubtful.empty()) return {};
  if (verified_absent(spec, order, doubtful.back())) {
    proved_[order] = copies_of(order).size();
    denied_.insert(order);
    return {};
  }
  switch (fresh.mode) {
    case call::Mode::repeatable:
      return {};
    case call::Mode::key:
      return why_not_key(spec, fresh, doubtful);
    case call::Mode::verify:
      return "an earlier copy may have applied, which no two lookups have denied";
    case call::Mode::none:
      break;
  }
  return "an earlier copy may have applied";
}

std::string Witness::why_not_key(const ports::AttemptSpec& spec, const Copy& fresh,
                                 const std::vector<Copy>& doubtful) const {
  const Copy& first = doubtful.front();
  if (fresh.key.empty() || fresh.key != first.key) return "under another key";
  if (fresh.bytes != first.bytes) return "with other bytes under the same key";
  if (fresh.authority != first.authority && !spec.upstream->one_key_store) {
    return "to another authority, which does not know the key";
  }
  const Duration lifetime = spec.upstream->idempotency.lifetime.value_or(Duration::max());
  // It counts from the first byte, which follows the start; and after a reboot the wall clock may
  // be behind by what the margin covers.
  const bool same_boot = fresh.at.boot == first.at.boot;
  const Duration age = fresh.true_at - first.true_at;
  const Duration margin = same_boot ? spec.upstream->timeouts.head + kKeyMargin : Duration{};
  if (lifetime != Duration::max() && age + margin > lifetime) {
    return fmt::format("{} ms after the first, with a key that lives {} ms", age.ms(),
                       lifetime.ms());
  }
  return {};
}

// Two questions of one boot, both after the attempt's end, found nothing, and a settle lies between
// that end (or the boot) and the second.
bool Witness::verified_absent(const ports::AttemptSpec& spec, const std::string& order,
                              const Copy& last) const {
  const Duration settle = spec.upstream->idempotency.settle;
  // The end of an attempt cut by a crash is the moment of recovery.
  const Now since = last.ended.value_or(births_.upper_bound(last.life)->second);
  std::vector<const LookupSeen*> asked;
  for (const std::string& about : {order, last.key}) {
    const auto found = lookups_about_.find(about);
    if (about.empty() || found == lookups_about_.end()) continue;
    for (const std::size_t i : found->second)
      asked.push_back(&lookups_[i]);
  }
  std::optional<Now> first;
  for (const LookupSeen* lookup : asked) {
    const Now& at = lookup->asked;
    if (at.boot == since.boot && at.mono < since.mono) continue;
    if (lookup->absent == false) return false;
    if (!lookup->absent) continue;
    if (first && first->boot == at.boot) {
      // After a reboot nothing is known but how long this boot has lasted. (A question counts from
      // when it was decided, and leaves when that is written, which may be much later.)
      const Instant from = since.boot == at.boot ? since.mono : Instant{};
      if (at.mono - from >= settle) return true;
    } else {
      first = at;
    }
  }
  return false;
}

// Concurrency and rate, as the upstream sees them.
void Witness::judge_limits(const ports::AttemptSpec& spec) {
  const call::UpstreamSettings& settings = *spec.upstream;
  Upstream& upstream = upstreams_[settings.name];
  upstream.running += 1;
  if (upstream.running > settings.concurrency) {
    world_.violation(fmt::format("bounds: {} attempts at once at {}, of at most {}",
                                 upstream.running, settings.name, settings.concurrency));
  }
  if (!settings.rate) return;
  // They go out when their intent is written: a slow journal lets several go at once, by as much as
  // it is behind.
  constexpr std::int64_t kWindows = 10;
  constexpr std::int64_t kBehind = 5;
  const Instant now = world_.now().mono;
  upstream.starts.push_back(now);
  const Duration window = settings.rate->per * kWindows;
  if (world_.lagged(world_.true_now() - window * 2)) return;
  std::erase_if(upstream.starts, [&](Instant at) { return now - at >= window; });
  const auto most =
      settings.rate->count * (kWindows + kBehind) + policy::RateLimit(settings.rate).burst();
  if (static_cast<std::int64_t>(upstream.starts.size()) > most) {
    world_.violation(fmt::format("bounds: {} attempts at {} within {} ms, of at most {}",
                                 upstream.starts.size(), settings.name, window.ms(), most));
  }
}

// Held attempts leave the live ones their share, whatever there is to do.
void Witness::judge_lane(const ports::AttemptSpec& spec) {
  const auto call = world_.handling();
  if (!call || !world_.held(*call)) return;
  Upstream& upstream = upstreams_[spec.upstream->name];
  under_way_.at(spec.id).held = true;
  upstream.running_held += 1;
  const int limit = spec.upstream->concurrency;
  const int most = limit - policy::Concurrency(limit).reserve();
  if (upstream.running_held > most) {
    world_.violation(
        fmt::format("fair-share: {} held attempts at once at {}, where {} of {} are "
                    "kept for live ones",
                    upstream.running_held, spec.upstream->name, limit - most, limit));
  }
}

// Second and later attempts are paid for by successes, and a floor.
void Witness::judge_budget(const ports::AttemptSpec& spec, bool again) {
  if (!again) return;
  Upstream& upstream = upstreams_[spec.upstream->name];
  const Instant now = world_.now().mono;
  const policy::BudgetConfig config;
  upstream.again.push_back(now);
  std::erase_if(upstream.again, [&](Instant at) { return now - at > Duration::seconds(5); });
  const Duration credit = config.credit_life * 2 + Duration::seconds(5);
  std::erase_if(upstream.successes, [&](Instant at) { return now - at > credit; });
  const auto earned =
      static_cast<std::int64_t>(upstream.successes.size()) * world_.budget_permille / 1000 + 1;
  for (const Duration window :
       {Duration::millis(200), Duration::seconds(1), Duration::seconds(5)}) {
    if (world_.lagged(world_.true_now() - window - Duration::seconds(2))) continue;
    const auto within = std::count_if(upstream.again.begin(), upstream.again.end(),
                                      [&](Instant at) { return now - at <= window; });
    const std::int64_t most =
        config.floor.count + earned + config.floor.count * window.ms() / config.floor.per.ms();
    if (within > most) {
      world_.violation(fmt::format("budget: {} repeats at {} within {} ms, of at most {}", within,
                                   spec.upstream->name, window.ms(), most));
    }
  }
}

// A 429, or any answer that says when to come back, asks everybody with that credential to wait.
void Witness::note_pause(const UnderWay& over, const call::AttemptOutcome& outcome) {
  if (outcome.evidence < Evidence::answer_begun) return;
  const Field* asked = find_field(outcome.head.fields, "Retry-After");
  if (asked == nullptr && outcome.head.status != 429) return;
  const Instant now = world_.true_now();
  Pause& pause = paused_[{over.upstream, over.owner}];
  if (asked == nullptr) return;  // a moment, at Holdfast's discretion
  const Instant until = now + std::min(Duration::seconds(std::stoll(asked->value)), over.max_pause);
  if (until <= pause.until) return;
  const Now clocks = world_.now();
  const Duration ahead = Duration::millis(clocks.wall.ms) - Duration{clocks.mono.ns};
  pause = {now, until, life_, ahead, clocks.boot, false};
}

void Witness::operator_resumed(const std::string& upstream) {
  for (auto& [whose, pause] : paused_) {
    if (whose.first == upstream) pause.until = world_.true_now();
  }
}

void Witness::judge_pause(const std::string& upstream, const std::string& owner) {
  const auto found = paused_.find({upstream, owner});
  if (found == paused_.end()) return;
  const Pause& pause = found->second;
  const Instant now = world_.true_now();
  // What was decided before it may leave a little later, or much later where the journal is slow.
  if (now >= pause.until - kPauseEdge || now < pause.from + kPauseEdge) return;
  const bool here = pause.life == life_;
  if (world_.lagged(here ? pause.from - kPauseEdge : true_born_ + kPauseEdge)) return;
  // Over a restart it counts by the wall clock; what was told to a dying process is lost.
  const Now clocks = world_.now();
  const Duration ahead = Duration::millis(clocks.wall.ms) - Duration{clocks.mono.ns};
  const bool same_clocks = clocks.boot == pause.boot && ahead - pause.wall_ahead < kPauseEdge / 2;
  if (!here && (!pause.written || !same_clocks)) return;
  world_.violation(
      fmt::format("pause: {} was sent to {} ms after it had asked for a pause of {} ms", upstream,
                  (now - pause.from).ms(), (pause.until - pause.from).ms()));
}

}  // namespace hf::sim
