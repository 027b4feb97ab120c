#include "sim/plan.h"

#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "call/callback.h"
#include "sim/clients.h"

namespace hf::sim {
namespace {

int draw_permille(Prng& prng, int most) {
  // A fault is off in half of the worlds, else anything up to its most.
  return prng.chance(1, 2) ? 0 : static_cast<int>(prng.between(1, most));
}

void give_lookup(Prng& prng, call::UpstreamSettings& upstream, std::string get) {
  call::Lookup lookup;
  lookup.get = std::move(get);
  lookup.found = "/data/0";
  lookup.where = {{"/status", {"succeeded"}}};
  if (prng.chance(2, 3)) lookup.answer = prng.chance(1, 2) ? "/data/0" : "/data/0/receipt";
  upstream.lookup = std::move(lookup);
  // Often no longer than it must be.
  upstream.idempotency.settle = kLatestEffect + kLongestLag +
                                Duration::millis(prng.chance(1, 2) ? 1 : prng.between(1, 30'000));
}

std::shared_ptr<call::UpstreamSettings> draw_upstream(Prng& prng, std::string name,
                                                      call::Mode mode) {
  auto made = std::make_shared<call::UpstreamSettings>();
  made->name = std::move(name);
  made->urls = {{false, made->name + ".test", 80, ""}};
  made->idempotency.mode = mode;
  made->credentials_stored = true;
  made->account = "main";
  made->concurrency = static_cast<int>(prng.between(1, 8));
  if (prng.chance(1, 4)) made->rate = Rate{prng.between(1, 20), Duration::seconds(1)};
  if (mode != call::Mode::key) return made;
  made->idempotency.lifetime =
      prng.chance(1, 3) ? Duration::seconds(prng.between(90, 900)) : Duration::hours(24);
  made->idempotency.in_progress = {409};
  made->idempotency.replay_marker = "Idempotent-Replayed";
  if (prng.chance(1, 3)) {
    made->urls.push_back({false, "other-" + made->name + ".test", 80, ""});
  }
  return made;
}

}  // namespace

namespace {

// What the newest edition adds. A world has at least one crash.
void draw_full(Prng prng, FaultPlan& plan) {
  plan.crashes = static_cast<int>(prng.between(1, 5));
  plan.big_step_back = prng.chance(1, 5);
  plan.wall_steps = static_cast<int>(prng.chance(1, 2) ? 0 : prng.between(1, 3));
  plan.drift_ppm = static_cast<int>(prng.chance(1, 2) ? 0 : prng.between(-500, 500));
  plan.reload_permille = draw_permille(prng, 800);
  draw_wire_faults(prng.fork("wire"), plan.upstream);
  plan.upstream.misrouted = draw_permille(prng, 60);
  plan.upstream.forgets = prng.chance(1, 8) ? static_cast<int>(prng.between(1, 50)) : 0;
  plan.upstream.large_errors = draw_permille(prng, 100);
  plan.poison = prng.chance(1, 3) ? static_cast<int>(prng.between(2, 6)) : 0;
  Prng ill = prng.fork("ill");
  plan.upstream.ill = draw_permille(ill, 900);
  plan.limits = prng.fork("limits").chance(1, 3);
}

}  // namespace

void draw_journal_faults(Prng prng, JournalFaults& faults) {
  faults = {};
  faults.group_max = prng.chance(1, 4) ? static_cast<std::size_t>(prng.between(2, 8)) : 4096;
  faults.pickup_us = prng.between(20, 200);
  faults.sync_us = prng.between(100, prng.chance(1, 5) ? 50'000 : 3'000);
  faults.read_us = prng.between(10, 200);
  faults.trouble_permille = prng.chance(1, 4) ? static_cast<int>(prng.between(1, 8)) : 0;
  faults.failed_written = true;
  faults.hang_permille = prng.chance(1, 4) ? static_cast<int>(prng.between(1, 4)) : 0;
  faults.sweeps_unsynced = true;
  const auto spell = [&prng](std::uint64_t one_in, std::int64_t most_ms) {
    if (!prng.chance(1, one_in)) return Spell{};
    const Instant from = Instant{} + Duration::millis(prng.between(1'000, 80'000));
    return Spell{from, from + Duration::millis(prng.between(500, most_ms))};
  };
  faults.slow = spell(4, 30'000);
  faults.refusing = spell(4, 30'000);
  faults.full = spell(6, 20'000);
  faults.read_only = spell(6, 20'000);
  const auto deaths = prng.chance(1, 2) ? prng.between(1, 4) : 0;
  for (std::int64_t i = 0; i < deaths; ++i)
    faults.deaths.push_back(1 + prng.below(prng.chance(1, 3) ? 20 : 400));
  faults.bodies_apart = prng.chance(1, 2);
}

FaultPlan FaultPlan::draw(Prng& prng, Edition edition) {
  FaultPlan plan;
  UpstreamFaults& up = plan.upstream;
  up.refuse_connect = draw_permille(prng, 300);
  up.reset_before = draw_permille(prng, 200);
  up.reset_after = draw_permille(prng, 300);
  up.late_apply = draw_permille(prng, 150);
  up.hang = draw_permille(prng, 50);
  up.cut = draw_permille(prng, 100);
  up.error_before = draw_permille(prng, 200);
  up.error_after = draw_permille(prng, 150);
  up.stored_error = draw_permille(prng, 60);
  up.too_many = draw_permille(prng, 150);
  up.busy_keys = draw_permille(prng, 300);
  up.elsewhere = draw_permille(prng, 80);
  up.unavailable_after = draw_permille(prng, 100);
  up.rejects = draw_permille(prng, 80);
  plan.crashes = static_cast<int>(prng.between(0, 4));
  plan.drain_permille = draw_permille(prng, 500);
  plan.reboot_permille = draw_permille(prng, 600);
  plan.big_step_back = prng.chance(1, 10);
  plan.journal.pickup_us = prng.between(50, prng.chance(1, 5) ? 50'000 : 2'000);
  plan.journal.trouble_permille = prng.chance(1, 4) ? static_cast<int>(prng.between(1, 8)) : 0;
  plan.slow_journal = prng.chance(1, 4);
  plan.refusing_journal = prng.chance(1, 4);
  plan.unauthorized = prng.chance(1, 4);
  plan.client_gone_permille = draw_permille(prng, 200);
  plan.duplicate_permille = draw_permille(prng, 400);
  plan.nosy_permille = draw_permille(prng, 600);
  plan.operator_permille = draw_permille(prng, 800);
  if (edition == Edition::plain) return plan;
  Prng more = prng.fork("asking");
  up.listed_failed = more.chance(1, 3) ? static_cast<int>(more.between(1, 60)) : 0;
  up.listed_pending = draw_permille(more, 800);
  up.latest = draw_permille(more, 600);
  up.lookup_fails = draw_permille(more, 600);
  up.lookup_slow = draw_permille(more, 500);
  up.lookup_lags = more.chance(1, 2);
  plan.line_permille = draw_permille(more, 700);
  plan.timed_permille = draw_permille(more, 300);
  if (edition == Edition::full) draw_full(prng.fork("full"), plan);
  return plan;
}

void draw_wire_faults(Prng prng, UpstreamFaults& faults) {
  faults.connections = true;
  faults.slow_dial = draw_permille(prng, 200);
  faults.silent_dial = draw_permille(prng, 80);
  faults.failed_dial = draw_permille(prng, 100);
  faults.closing_reused = draw_permille(prng, 200);
  faults.early = draw_permille(prng, 100);
  faults.closes = draw_permille(prng, 800);
  faults.interims = draw_permille(prng, 400);
  faults.foreign = draw_permille(prng, 60);
  faults.half_head = draw_permille(prng, 60);
  faults.broken_head = draw_permille(prng, 60);
  faults.broken_framing = draw_permille(prng, 60);
  faults.stalled = draw_permille(prng, 80);
  faults.streamed = draw_permille(prng, 100);
  faults.chunked = draw_permille(prng, 700);
  faults.given_up_arrives = draw_permille(prng, 800);
}

std::string text_of_wire(const UpstreamFaults& faults) {
  return fmt::format(
      "connections={} slow_dial={} silent_dial={} failed_dial={} closing_reused={} early={} "
      "closes={} interims={} foreign={} half_head={} broken_head={} broken_framing={} stalled={} "
      "streamed={} chunked={} given_up_arrives={}",
      faults.connections, faults.slow_dial, faults.silent_dial, faults.failed_dial,
      faults.closing_reused, faults.early, faults.closes, faults.interims, faults.foreign,
      faults.half_head, faults.broken_head, faults.broken_framing, faults.stalled, faults.streamed,
      faults.chunked, faults.given_up_arrives);
}

namespace {

// The application's faults stay, the wire's go.
UpstreamFaults without_wire(UpstreamFaults faults) {
  faults.slow_dial = faults.silent_dial = faults.failed_dial = faults.closing_reused = 0;
  faults.early = faults.closes = faults.interims = faults.foreign = faults.half_head = 0;
  faults.broken_head = faults.broken_framing = faults.stalled = faults.streamed = 0;
  faults.chunked = faults.given_up_arrives = 0;
  return faults;
}

using LeaveOut = void (*)(FaultPlan&);

const std::map<std::string, LeaveOut>& leave_outs() {
  static const std::map<std::string, LeaveOut> all = {
      {"crashes", [](FaultPlan& plan) { plan.crashes = 0; }},
      {"deaths", [](FaultPlan& plan) { plan.journal.deaths.clear(); }},
      {"reboots", [](FaultPlan& plan) { plan.reboot_permille = 0; }},
      {"clock", [](FaultPlan& plan) { plan.wall_steps = plan.drift_ppm = 0; }},
      {"reloads", [](FaultPlan& plan) { plan.reload_permille = 0; }},
      {"operator", [](FaultPlan& plan) { plan.operator_permille = 0; }},
      {"nosy", [](FaultPlan& plan) { plan.nosy_permille = 0; }},
      {"twins", [](FaultPlan& plan) { plan.duplicate_permille = 0; }},
      {"leaving", [](FaultPlan& plan) { plan.client_gone_permille = 0; }},
      {"journal",
       [](FaultPlan& plan) {
         const JournalFaults drawn = plan.journal;
         plan.journal = {};
         plan.journal.group_max = drawn.group_max;
         plan.journal.deaths = drawn.deaths;
       }},
      {"wire", [](FaultPlan& plan) { plan.upstream = without_wire(plan.upstream); }},
      {"poison", [](FaultPlan& plan) { plan.poison = 0; }},
      {"illness", [](FaultPlan& plan) { plan.upstream.ill = 0; }},
      {"unauthorized", [](FaultPlan& plan) { plan.unauthorized = false; }},
      {"lines", [](FaultPlan& plan) { plan.line_permille = 0; }},
      {"times", [](FaultPlan& plan) { plan.timed_permille = 0; }},
      {"limits", [](FaultPlan& plan) { plan.limits = false; }},
  };
  return all;
}

}  // namespace

const std::vector<std::string>& FaultPlan::groups() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& [name, leave] : leave_outs())
      out.push_back(name);
    return out;
  }();
  return names;
}

void FaultPlan::leave_out(const std::string& group) {
  const auto found = leave_outs().find(group);
  HF_CHECK_MSG(found != leave_outs().end(), group);
  found->second(*this);
}

std::string FaultPlan::text() const {
  const UpstreamFaults& up = upstream;
  return fmt::format(
             "refuse={} reset_before={} reset_after={} late={} hang={} cut={} error_before={} "
             "error_after={} stored_error={} 429={} busy={} elsewhere={} 503_after={} rejects={} "
             "crashes={} drains={} reboots={} big_step_back={} "
             "slow_journal={} refusing_journal={} unauthorized={} gone={} twins={} nosy={} "
             "operator={} "
             "listed_failed={} listed_pending={} latest={} lookup_fails={} lookup_slow={} "
             "lookup_lags={} "
             "lines={} "
             "timed={} wall_steps={} drift_ppm={} reloads={} misrouted={} forgets={} "
             "large_errors={} ill={} "
             "poison={} limits={}",
             up.refuse_connect, up.reset_before, up.reset_after, up.late_apply, up.hang, up.cut,
             up.error_before, up.error_after, up.stored_error, up.too_many, up.busy_keys,
             up.elsewhere, up.unavailable_after, up.rejects, crashes, drain_permille,
             reboot_permille, big_step_back, slow_journal, refusing_journal, unauthorized,
             client_gone_permille, duplicate_permille, nosy_permille, operator_permille,
             up.listed_failed, up.listed_pending, up.latest, up.lookup_fails, up.lookup_slow,
             up.lookup_lags, line_permille, timed_permille, wall_steps, drift_ppm, reload_permille,
             up.misrouted, up.forgets, up.large_errors, up.ill, poison, limits) +
         " " + text_of_wire(up) + " journal: " + journal.text();
}

namespace {

// Of every second world the routes that hold tell their ends, to receivers of their own.
void draw_callbacks(Prng prng, call::Settings& settings) {
  if (prng.chance(1, 2)) return;
  settings.callbacks.allow = {"https://app.test/hooks", "https://other.test"};
  settings.callbacks.secrets = {"secret"};
  settings.upstreams.merge(call::callback_upstreams(settings.callbacks));
  for (auto& route : settings.routes) {
    if (route->hold == call::Hold::never) continue;
    auto told = std::make_shared<call::RouteSettings>(*route);
    told->callback = prng.chance(1, 2) ? "https://app.test/hooks/x" : "https://other.test/";
    route = told;
  }
}

// Limits so small that worlds of this size reach them.
void draw_limits(Prng prng, call::Settings& settings) {
  // Longer than anybody in these worlds comes back after the end.
  settings.journal.retention.tombstones = Duration::hours(3);
  if (prng.chance(1, 3)) {
    const auto waiters = static_cast<int>(prng.between(0, 2));
    for (auto& route : settings.routes) {
      auto narrow = std::make_shared<call::RouteSettings>(*route);
      narrow->limits.waiters = waiters;
      route = narrow;
    }
  }
  if (prng.chance(1, 3)) {
    const Duration longest = Duration::seconds(prng.between(1, 10));
    for (auto& [name, upstream] : settings.upstreams) {
      auto brisk = std::make_shared<call::UpstreamSettings>(*upstream);
      brisk->max_pause = longest;
      upstream = brisk;
    }
  }
}

// Of every second upstream there are several addresses, some with one memory of keys, and who fails
// is left out for so short that it comes back within the world's troubles.
void draw_addresses(Prng prng, call::Settings& settings) {
  for (auto& [name, upstream] : settings.upstreams) {
    if (name == kCalm || name == kCrowded) continue;
    auto wide = std::make_shared<call::UpstreamSettings>(*upstream);
    if (prng.chance(1, 2)) {
      const auto more = prng.between(1, 2);
      for (std::int64_t i = 0; i < more; ++i)
        wide->urls.push_back({false, fmt::format("too{}-{}.test", i, name), 80, ""});
    }
    wide->one_key_store = prng.chance(1, 5);
    wide->ejection.consecutive = static_cast<int>(prng.between(2, 5));
    wide->ejection.out.low = Duration::millis(prng.between(500, 5000));
    wide->ejection.out.high = wide->ejection.out.low * prng.between(1, 4);
    wide->ejection.most_permille = prng.chance(1, 5) ? 0 : prng.chance(1, 2) ? 500 : 1000;
    upstream = wide;
  }
}

}  // namespace

namespace {

// A few at a time, as many as are declared or learnt; what a request says of its class counts.
void add_crowded(Prng prng, call::Settings& settings) {
  auto upstream = std::make_shared<call::UpstreamSettings>();
  upstream->name = std::string(kCrowded);
  upstream->urls = {{false, upstream->name + ".test", 80, ""}};
  upstream->idempotency.mode = call::Mode::repeatable;
  upstream->concurrency = static_cast<int>(prng.between(2, 8));
  if (prng.chance(1, 2)) upstream->adaptive = call::AdaptiveSettings{1, 2};
  upstream->overload.emplace();
  upstream->overload->target = Duration::millis(prng.between(5, 100));
  settings.upstreams.emplace(upstream->name, std::move(upstream));
  auto route = std::make_shared<call::RouteSettings>();
  route->path = "/crowd/";
  route->upstream = std::string(kCrowded);
  route->wait = Duration::seconds(prng.between(2, 10));
  route->importance.at_most = call::CallClass::critical;
  using call::CallClass;
  for (const CallClass lower : {CallClass::optional, CallClass::low, CallClass::normal}) {
    route->importance.match.push_back({"X-Class", {std::string(call::to_string(lower))}, lower});
  }
  settings.routes.push_back(std::move(route));
}

void draw_narrows(const Prng& prng, call::Settings& settings) {
  draw_limits(prng.fork("limits"), settings);
  draw_addresses(prng.fork("addresses"), settings);
  add_crowded(prng.fork("crowded"), settings);
}

}  // namespace

std::shared_ptr<const call::Settings> draw_settings(Prng& prng, Edition edition,
                                                    bool settle_too_short) {
  auto settings = std::make_shared<call::Settings>();
  const bool asking = edition != Edition::plain;
  Prng more = prng.fork("asking");
  auto keyed = draw_upstream(prng, "keyed", call::Mode::key);
  if (asking && more.chance(1, 3)) give_lookup(more, *keyed, "/find?key={key}");
  settings->upstreams.emplace("keyed", std::move(keyed));
  settings->upstreams.emplace("plain", draw_upstream(prng, "plain", call::Mode::none));
  if (asking) {
    auto asked = draw_upstream(more, "asked", call::Mode::verify);
    give_lookup(more, *asked, "/find{path}");
    if (settle_too_short) asked->idempotency.settle = Duration::seconds(1);
    settings->upstreams.emplace("asked", std::move(asked));
  }
  settings->upstreams.emplace("llm", draw_upstream(prng, "llm", call::Mode::repeatable));
  // Ages after which keys become tombstones and bodies go; heads stay, so that the judge sees them.
  if (prng.chance(1, 3)) {
    const std::int64_t least = kKeptAtLeast.ceil_seconds();
    settings->journal.retention.keys = Duration::seconds(prng.between(least, 1800));
    settings->journal.retention.bodies = Duration::seconds(prng.between(least, 1800));
  }
  const Duration wait = Duration::seconds(prng.chance(1, 3) ? prng.between(0, 3) : 10);
  const Duration deadline =
      prng.chance(1, 3) ? Duration::seconds(prng.between(60, 1800)) : Duration::hours(23);
  const int budget = static_cast<int>(prng.chance(1, 3) ? prng.between(1, 100) : 200);
  const bool accepted = prng.chance(1, 6);
  const auto route = [&](std::string path, std::string to, call::Hold hold) {
    auto made = std::make_shared<call::RouteSettings>();
    made->path = std::move(path);
    made->upstream = std::move(to);
    made->hold = hold;
    made->wait = wait;
    made->deadline = deadline;
    made->retry.budget_permille = budget;
    if (accepted) made->held_answer = call::HeldAnswer::accepted;
    settings->routes.push_back(made);
    return made;
  };
  const std::vector<call::Part> business = {{call::Part::Kind::header, "X-Order"},
                                            {call::Part::Kind::header, "Host"}};
  const std::vector<call::Part> header = {{call::Part::Kind::header, "Idempotency-Key"}};
  route("/pay/", "keyed", call::Hold::on_failure)->key.from = business;
  route("/async/", "keyed", call::Hold::always)->key.from = business;
  route("/live/", "keyed", call::Hold::never)->key.from = header;
  // Holds only what agreed to a 202: all else ends live, open, until its key comes back.
  route("/unstable/", "keyed", call::Hold::on_failure)->key.from = header;
  route("/made/", "keyed", call::Hold::never);
  route("/plain/", "plain", call::Hold::on_failure)->key.from = business;
  auto plain_live = route("/plain-live/", "plain", call::Hold::never);
  plain_live->key.from = header;
  plain_live->key.stable = true;
  if (asking) {
    route("/asked/", "asked", call::Hold::on_failure)->key.from = business;
    route("/asked-live/", "asked", call::Hold::never)->key.from = business;
  }
  route("/stream/", "plain", call::Hold::never);
  route("/llm/", "llm", call::Hold::never);
  if (edition == Edition::full) {
    // Well at all times: nothing that happens elsewhere is felt here.
    auto calm = std::make_shared<call::UpstreamSettings>();
    calm->name = std::string(kCalm);
    calm->urls = {{false, calm->name + ".test", 80, ""}};
    settings->upstreams.emplace(calm->name, std::move(calm));
    route("/calm/", std::string(kCalm), call::Hold::never)->key.from = business;
    draw_narrows(prng, *settings);
  }
  draw_callbacks(prng.fork("callbacks"), *settings);
  return settings;
}

std::shared_ptr<const call::Settings> draw_change(Prng& prng, const call::Settings& declared) {
  auto changed = std::make_shared<call::Settings>(declared);
  for (auto& [name, upstream] : changed->upstreams) {
    const bool kept = name == kCalm || name == kCrowded || call::is_callback_upstream(name);
    if (kept) continue;
    auto other = std::make_shared<call::UpstreamSettings>(*upstream);
    if (prng.chance(1, 3)) other->urls.front().host = "moved-" + other->urls.front().host;
    if (prng.chance(1, 6)) other->urls.push_back({false, "more-" + name + ".test", 80, ""});
    if (prng.chance(1, 4)) other->account = "other";
    if (prng.chance(1, 3)) other->concurrency = static_cast<int>(prng.between(1, 8));
    if (prng.chance(1, 4)) other->rate = Rate{prng.between(5, 20), Duration::seconds(1)};
    if (prng.chance(1, 10)) other->idempotency.header = "X-Key";
    if (name == "keyed" && prng.chance(1, 4)) other->lookup.reset();
    upstream = other;
  }
  for (auto& route : changed->routes) {
    const bool kept = route->upstream == kCalm || route->upstream == kCrowded;
    if (kept || !prng.chance(1, 3)) continue;
    auto other = std::make_shared<call::RouteSettings>(*route);
    if (other->hold == call::Hold::on_failure && prng.chance(1, 2)) other->hold = call::Hold::never;
    other->wait = Duration::seconds(prng.between(0, 10));
    other->deadline = Duration::seconds(prng.between(60, 3600));
    other->retry.live_attempts = static_cast<int>(prng.between(1, 4));
    route = other;
  }
  return changed;
}

std::string text_of(const call::Settings& settings) {
  std::string out;
  for (const auto& [name, upstream] : settings.upstreams) {
    out += fmt::format("{}: {} {} {} concurrency={} rate={}/s urls={} lifetime={}s settle={}; ",
                       name, upstream->urls.front().host, upstream->account,
                       upstream->idempotency.header, upstream->concurrency,
                       upstream->rate ? upstream->rate->count : 0, upstream->urls.size(),
                       upstream->idempotency.lifetime.value_or(Duration{}).ceil_seconds(),
                       upstream->lookup ? upstream->idempotency.settle.ms() : 0);
  }
  const call::RouteSettings& route = *settings.routes.front();
  return out + fmt::format("wait={}s deadline={}s budget={} keys={}s bodies={}s",
                           route.wait.ceil_seconds(), route.deadline.ceil_seconds(),
                           route.retry.budget_permille,
                           settings.journal.retention.keys.ceil_seconds(),
                           settings.journal.retention.bodies.ceil_seconds());
}

}  // namespace hf::sim
