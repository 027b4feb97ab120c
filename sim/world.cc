#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/shell.h"

namespace hf::sim {
namespace {

constexpr std::uint64_t kEventsMax = 3'000'000;  // a world that does not end is a violation
constexpr Duration kLasts = Duration::hours(27);

}  // namespace

World::World(WorldOptions options)
    : seed_(options.seed),
      trace_(std::move(options.trace)),
      audit_(options.audit),
      edition_(options.edition),
      asking_(options.edition != Edition::plain),
      prng_(options.seed),
      journal_prng_(prng_.fork("journal")) {
  Prng plan = prng_.fork("plan");
  plan_ = FaultPlan::draw(plan, edition_);
  const bool weak_journal = edition_ == Edition::full;
  if (weak_journal) draw_journal_faults(journal_prng_.fork("faults"), plan_.journal);
  Prng set_up = prng_.fork("settings");
  declared_ = draw_settings(set_up, edition_, options.settle_too_short);
  settings_ = declared_;
  call::Sealer::Key key{};
  key[0] = 7;
  auto nonces = [counter = std::uint64_t{0}]() mutable {
    call::Sealer::Nonce nonce{};
    ++counter;
    for (std::size_t i = 0; i < 8; ++i) {
      nonce[i] = static_cast<unsigned char>(counter >> (8 * i));
    }
    return nonce;
  };
  call::Sealer sealer(key, nonces);
  hasher_.emplace(sealer.hash_secret());
  intake_ = std::make_unique<call::Intake>(settings_, *hasher_);
  // The journal of the early editions drew from the world's own stream.
  journal_ = std::make_unique<SimJournal>(
      schedule_, weak_journal ? journal_prng_ : prng_, plan_.journal, std::move(sealer),
      [this] { return now(); }, settings_->journal.retention);
  mortality_ = std::make_unique<Mortality>(plan_.journal.deaths, [this] { die(); });
  upstream_ = std::make_unique<SimUpstream>(
      schedule_, prng_.fork("upstream"), plan_.upstream,
      [this](const ports::AttemptSpec& spec, const std::string& body) {
        if (trace_) trace(fmt::format("attempt {} {} '{}'", raw(spec.id), spec.url, body));
        witness_->arrived(spec, body);
        if (spec.request->method != "POST") return;
        judge_intent(spec, body);
        clients_->note_turn(body);
        const std::string why = clients_->forbidden(body);
        if (!why.empty()) violation("sent: " + why);
        clients_->note_sent(body);
      });
  if (options.keys_ignored) upstream_->ignore_keys();
  const auto tell = [this](std::string what) { violation(std::move(what)); };
  witness_ = std::make_unique<Witness>(
      *upstream_, Witness::World{[this] { return now(); },
                                 [this] { return schedule_.now(); },
                                 tell,
                                 [this] { return handling_; },
                                 settings_->routes.front()->retry.budget_permille,
                                 [this](Instant since) { return journal_->lagged(since); },
                                 [this](const CallId& id) {
                                   const auto call = journal_->durable_call(id);
                                   return call && call->held;
                                 },
                                 {}});
  if (trace_) witness_->trace_to([this](const std::string& line) { trace(line); });
  clients_ = std::make_unique<SimClients>(
      schedule_, prng_.fork("clients"), *intake_, tell,
      [this](const std::string& order) { return upstream_->effects_of(order); },
      [this] { return now().wall; });
  clients_->ask_of({[this](Instant since) { return well_since(since); },
                    [this](const CallId& id, const std::string& code, int status) {
                      return not_durable(id, code, status);
                    },
                    [this](const Order& order) {
                      const std::string upstream = upstream_of_target(order.target);
                      return operator_->paused(upstream) ||
                             witness_->paused_once(upstream, "Bearer " + order.owner);
                    },
                    [this](const std::string& body) {
                      const auto& copies = witness_->copies_of(body);
                      return std::any_of(copies.begin(), copies.end(), [](const Copy& copy) {
                        return copy.outcome.head.status >= 300;
                      });
                    },
                    settings_->routes.front()->limits.waiters});
  if (trace_) clients_->trace_to([this](const std::string& line) { trace(line); });
  // An event stream is not kept.
  if (settings_->journal.retention.bodies < Duration::hours(24) || plan_.upstream.streamed > 0) {
    clients_->expect_retired();
  }
  if (options.asks_unsent) clients_->forget_to_ask();
  operator_ =
      std::make_unique<SimOperator>(prng_.fork("operator"), *upstream_, *witness_, *clients_, tell);
}

void World::violation(std::string what) {
  trace("VIOLATION " + what);
  if (verdict_.violations.size() < 20) verdict_.violations.push_back(std::move(what));
}

void World::trace(const std::string& line) {
  if (trace_) trace_(schedule_.now(), line);
}

// A spell: on for a while somewhere in the first minute and a half.
void World::during(Prng& prng, std::int64_t most_ms, const std::function<void(bool)>& set) {
  const std::int64_t from = prng.between(1, 60'000);
  schedule_.after(Duration::millis(from), [set] { set(true); });
  schedule_.after(Duration::millis(from + prng.between(500, most_ms)), [set] { set(false); });
}

void World::plan_troubles(Prng& prng) {
  for (int i = 0; i < plan_.crashes; ++i) {
    const bool drained = prng.chance(static_cast<std::uint64_t>(plan_.drain_permille), 1000);
    schedule_.after(Duration::micros(prng.between(1'000, 90'000'000)),
                    [this, drained] { fall(drained); });
  }
  if (prng.chance(1, 3)) during(prng, 40'000, [this](bool on) { upstream_->set_down(on); });
  if (plan_.unauthorized) {
    during(prng, 40'000, [this](bool on) { upstream_->set_unauthorized(on); });
  }
  if (plan_.slow_journal) during(prng, 30'000, [this](bool on) { journal_->set_slow(on); });
  if (plan_.refusing_journal) {
    during(prng, 30'000, [this](bool on) {
      refusing_ = on;
      if (serving()) journal_->set_health({!on, on ? "full" : ""});
    });
  }
  for (int i = 0; i < plan_.wall_steps; ++i) {
    schedule_.after(Duration::millis(prng.between(1, 100'000)), [this] { step_wall(); });
  }
  schedule_.after(Duration::seconds(120), [this] { heal(); });
  if (plan_.operator_permille > 0) operators_turn();
  if (settings_->journal.retention.keys < Duration::hours(24)) sweep_turn();
}

void World::heal() {
  trace("healed");
  healed_ = true;
  upstream_->heal();
  journal_->heal();
  mortality_->spare();
  clients_->stop_leaving();
}

void World::operators_turn() {
  const bool early = schedule_.now() < Instant{} + Duration::minutes(20);
  schedule_.after(Duration::millis(early ? prng_.between(100, 8000) : prng_.between(1, 3'600'000)),
                  [this] {
                    const auto chance = static_cast<std::uint64_t>(plan_.operator_permille);
                    if (serving() && prng_.chance(chance, 1000)) {
                      operator_->look(driver());
                    }
                    operators_turn();
                  });
}

void World::sweep_turn() {
  const bool early = schedule_.now() < Instant{} + Duration::hours(1);
  schedule_.after(early ? Duration::seconds(30) : Duration::minutes(30), [this] {
    if (serving()) {
      const auto retired = journal_->sweep();
      HF_CHECK(retired.ok());
      verdict_.retired += *retired;
    }
    sweep_turn();
  });
}

Verdict World::run() {
  trace("plan " + plan_.text());
  trace("settings " + text_of(*settings_));
  boot();
  Prng orders = prng_.fork("orders");
  place_orders(orders);
  plan_troubles(orders);
  const Instant end = schedule_.now() + kLasts;
  while (verdict_.violations.empty() && schedule_.ran() < kEventsMax) {
    const auto next = schedule_.next();
    if (!next || *next > end) break;
    if (!schedule_.step()) break;
    verdict_.digest = verdict_.digest * 1099511628211ULL ^
                      static_cast<std::uint64_t>(schedule_.now().ns) ^ (schedule_.ran() << 7) ^
                      (upstream_->attempts << 32);
    if (audit_) verdict_.digests.push_back(verdict_.digest);
    if (mortality_->dead() && shell_) crash();
    journal_->wake();
  }
  if (schedule_.ran() >= kEventsMax) violation("convergence: the world does not come to rest");
  judge();
  verdict_.worlds = 1;
  verdict_.events = schedule_.ran();
  verdict_.effects = upstream_->ledger().size();
  verdict_.told = upstream_->told().size();
  verdict_.asides = clients_->asides();
  verdict_.lookups = upstream_->lookups;
  verdict_.found = clients_->found();
  verdict_.commands = operator_->done();
  verdict_.reconfigured = reconfigured_;
  verdict_.took = schedule_.now() - Instant{};
  return verdict_;
}

}  // namespace hf::sim
