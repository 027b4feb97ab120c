// What a world consists of, put together.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/shell.h"
#include "sim/world.h"

namespace hf::sim {
namespace {

// Equal worlds have equal bytes.
call::Sealer counting_sealer() {
  call::Sealer::Key key{};
  key[0] = 7;
  return call::Sealer(key, [counter = std::uint64_t{0}]() mutable {
    call::Sealer::Nonce nonce{};
    ++counter;
    for (std::size_t i = 0; i < 8; ++i)
      nonce[i] = static_cast<unsigned char>(counter >> (8 * i));
    return nonce;
  });
}

}  // namespace

World::World(WorldOptions options)
    : seed_(options.seed),
      trace_(std::move(options.trace)),
      audit_(options.audit),
      edition_(options.edition),
      asking_(options.edition != Edition::plain),
      only_(std::move(options.only)),
      prng_(options.seed),
      poison_prng_(prng_.fork("poison")),
      journal_prng_(prng_.fork("journal")),
      callers_prng_(prng_.fork("callers")) {
  Prng plan = prng_.fork("plan");
  plan_ = FaultPlan::draw(plan, edition_);
  const bool weak_journal = edition_ == Edition::full;
  if (weak_journal) draw_journal_faults(journal_prng_.fork("faults"), plan_.journal);
  for (const std::string& name : options.without)
    plan_.leave_out(name);
  poison_left_ = plan_.poison;
  Prng set_up = prng_.fork("settings");
  declared_ = draw_settings(set_up, edition_, options.settle_too_short);
  if (plan_.limits) declared_ = with_limits(set_up.fork("shares"), *declared_);
  settings_ = declared_;
  call::Sealer sealer = counting_sealer();
  hasher_.emplace(sealer.hash_secret());
  intake_ = std::make_unique<call::Intake>(settings_, *hasher_);
  // The journal of the early editions drew from the world's own stream.
  journal_ = std::make_unique<SimJournal>(
      schedule_, weak_journal ? journal_prng_ : prng_, plan_.journal, std::move(sealer),
      [this] { return now(); }, settings_->journal.retention);
  mortality_ = std::make_unique<Mortality>(plan_.journal.deaths, [this] { die(); });
  make_upstream();
  if (options.keys_ignored) upstream_->ignore_keys();
  make_clients();
  if (plan_.limits) make_door();
  if (options.asks_unsent) clients_->forget_to_ask();
  operator_ =
      std::make_unique<SimOperator>(prng_.fork("operator"), *upstream_, *witness_, *clients_,
                                    [this](std::string what) { violation(std::move(what)); });
}

World::~World() = default;

void World::make_upstream() {
  upstream_ = std::make_unique<SimUpstream>(
      schedule_, prng_.fork("upstream"), plan_.upstream,
      [this](const ports::AttemptSpec& spec, const std::string& body) {
        if (trace_) {
          trace(fmt::format("attempt {} at {} '{}' {}", raw(spec.id),
                            spec.upstream->urls[spec.url].authority(), body,
                            handling_ ? handling_->text() : "-"));
        }
        digest(spec.request->target + body);
        witness_->arrived(spec, body);
        if (spec.request->method != "POST") return;
        judge_intent(spec, body);
        clients_->note_turn(body);
        const std::string why = clients_->forbidden(body);
        if (!why.empty()) violation("sent: " + why);
        clients_->note_sent(body);
      });
  Witness::World seen;
  seen.now = [this] { return now(); };
  seen.true_now = [this] { return schedule_.now(); };
  seen.violation = [this](std::string what) { violation(std::move(what)); };
  seen.handling = [this] { return handling_; };
  seen.budget_permille = settings_->routes.front()->retry.budget_permille;
  seen.lagged = [this](Instant since) { return journal_->lagged(since); };
  seen.held = [this](const CallId& id) {
    const auto call = journal_->durable_call(id);
    return call && call->held;
  };
  if (trace_) seen.trace = [this](const std::string& line) { trace(line); };
  witness_ = std::make_unique<Witness>(*upstream_, std::move(seen));
}

void World::make_clients() {
  clients_ = std::make_unique<SimClients>(
      schedule_, prng_.fork("clients"), *intake_,
      [this](std::string what) { violation(std::move(what)); },
      [this](const std::string& order) { return upstream_->effects_of(order); },
      [this] { return now().wall; });
  SimClients::Questions questions;
  questions.well_since = [this](Instant since) { return well_since(since); };
  questions.not_durable = [this](const CallId& id, const std::string& code, int status) {
    return not_durable(id, code, status);
  };
  questions.pause_asked = [this](const Order& order) {
    const std::string upstream = upstream_of_target(order.target);
    return operator_->paused(upstream) || witness_->paused_once(upstream, "Bearer " + order.owner);
  };
  questions.rejected = [this](const std::string& body) {
    const auto& copies = witness_->copies_of(body);
    return std::any_of(copies.begin(), copies.end(),
                       [](const Copy& copy) { return copy.outcome.head.status >= 300; });
  };
  questions.forgot = [this](const std::string& order) { return upstream_->forgot(order); };
  questions.heard = [this](std::string_view what) { digest(what); };
  questions.waiters_max = settings_->routes.front()->limits.waiters;
  clients_->ask_of(std::move(questions));
  if (trace_) clients_->trace_to([this](const std::string& line) { trace(line); });
  // An event stream is not kept.
  if (settings_->journal.retention.bodies < Duration::hours(24) || plan_.upstream.streamed > 0) {
    clients_->expect_retired();
  }
}

void World::make_door() {
  DoorWitness::World seen;
  seen.now = [this] { return schedule_.now(); };
  seen.violation = [this](std::string what) { violation(std::move(what)); };
  if (trace_) seen.trace = [this](const std::string& line) { trace(line); };
  door_ = std::make_unique<DoorWitness>(std::move(seen));
}

}  // namespace hf::sim
