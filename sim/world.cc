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

void World::violation(std::string what) {
  trace("VIOLATION " + what);
  if (verdict_.violations.size() < 20) verdict_.violations.push_back(std::move(what));
}

// What was sent, told and noted is a part of what must be the same the second time.
void World::digest(std::string_view what) {
  for (const char c : what)
    verdict_.digest = (verdict_.digest ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
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
  // What an operator has tried again gets its whole deadline anew, and must have it before the end.
  if (edition_ == Edition::full && schedule_.now() > Instant{} + Duration::hours(2)) return;
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
  if (door_) verdict_.refused = door_->refused();
  if (door_) verdict_.waited = door_->waited();
  verdict_.took = schedule_.now() - Instant{};
  return verdict_;
}

}  // namespace hf::sim
