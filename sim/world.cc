#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hf::sim {
namespace {

constexpr WallTime kEpoch{1'790'000'000'000};
constexpr std::uint64_t kEventsMax = 3'000'000;  // a world that does not end is a violation

std::shared_ptr<const call::Settings> make_settings() {
  auto settings = std::make_shared<call::Settings>();
  const auto upstream = [&](std::string name, call::Mode mode) {
    auto made = std::make_shared<call::UpstreamSettings>();
    made->name = name;
    made->urls = {{false, name + ".test", 80, ""}};
    made->idempotency.mode = mode;
    made->credentials_stored = true;
    made->account = "main";
    made->concurrency = 8;
    if (mode == call::Mode::key) {
      made->idempotency.lifetime = Duration::hours(24);
      made->idempotency.in_progress = {409};
      made->idempotency.replay_marker = "Idempotent-Replayed";
    }
    settings->upstreams.emplace(std::move(name), std::move(made));
  };
  upstream("keyed", call::Mode::key);
  upstream("plain", call::Mode::none);
  const auto route = [&](std::string path, std::string to, call::Hold hold, bool business) {
    auto made = std::make_shared<call::RouteSettings>();
    made->path = std::move(path);
    made->upstream = std::move(to);
    made->hold = hold;
    made->key.stable = true;
    made->key.from = {{call::Part::Kind::header, business ? "X-Order" : "Idempotency-Key"}};
    if (business) made->key.from.push_back({call::Part::Kind::header, "Host"});
    made->wait = Duration::seconds(10);
    settings->routes.push_back(std::move(made));
  };
  route("/pay/", "keyed", call::Hold::on_failure, true);
  route("/live/", "keyed", call::Hold::never, false);
  route("/plain/", "plain", call::Hold::on_failure, true);
  route("/plain-live/", "plain", call::Hold::never, false);
  route("/async/", "keyed", call::Hold::always, true);
  return settings;
}

int draw_permille(Prng& prng, int most) {
  // A fault is off in half of the worlds, else anything up to its most.
  return prng.chance(1, 2) ? 0 : static_cast<int>(prng.between(1, most));
}

}  // namespace

FaultPlan FaultPlan::draw(Prng& prng) {
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
  plan.crashes = static_cast<int>(prng.between(0, 4));
  plan.commit_delay_us = static_cast<int>(prng.between(50, prng.chance(1, 5) ? 50'000 : 2'000));
  plan.commit_trouble_permille = prng.chance(1, 4) ? static_cast<int>(prng.between(1, 8)) : 0;
  plan.client_gone_permille = draw_permille(prng, 200);
  plan.duplicate_permille = draw_permille(prng, 400);
  return plan;
}

std::string FaultPlan::text() const {
  const UpstreamFaults& up = upstream;
  return fmt::format(
      "refuse={} reset_before={} reset_after={} late={} hang={} cut={} error_before={} "
      "error_after={} stored_error={} 429={} busy={} crashes={} commit_delay_us={} "
      "commit_trouble={} gone={} twins={}",
      up.refuse_connect, up.reset_before, up.reset_after, up.late_apply, up.hang, up.cut,
      up.error_before, up.error_after, up.stored_error, up.too_many, up.busy_keys, crashes,
      commit_delay_us, commit_trouble_permille, client_gone_permille, duplicate_permille);
}

struct World::Shell final : ports::Clock, ports::WakeTimer {
  Shell(World& world, std::uint64_t life) : world_(world), life_(life) {
    engine::EngineOptions options;
    options.settings = world.settings_;
    options.seed = world.seed_ * 31 + life;
    runtime::Hooks hooks;
    hooks.random = [&world] { return runtime::Random128{world.prng_.next(), world.prng_.next()}; };
    hooks.note = [&world](const engine::Note& note) {
      if (note.what == "call_unknown") world.verdict_.unknown += 1;
      if (world.trace_) {
        world.trace(fmt::format("note {} {} {} attempts={}", note.what,
                                note.call ? note.call->text() : "-", note.rule, note.attempts));
      }
    };
    hooks.on_broken = [&world, life](std::string why) {
      world.trace("driver stopped: " + why);
      world.schedule_.after(Duration::micros(1), [&world, life] {
        if (world.life_ == life) world.crash();
      });
    };
    driver = std::make_unique<runtime::Driver>(std::move(options), world.journal_.get(),
                                               *world.upstream_, *world.clients_, *this, *this,
                                               std::move(hooks));
  }

  Now read() noexcept override {
    const Instant mono = world_.schedule_.now();
    return {mono, {kEpoch.ms + mono.ns / 1'000'000}, BootId{1}};
  }

  void wake_at(std::optional<Instant> when) override {
    wish_ += 1;
    if (!when) return;
    const Instant at = std::max(*when, world_.schedule_.now() + Duration::micros(1));
    world_.schedule_.at(at, [&world = world_, life = life_, wish = wish_] {
      if (world.life_ == life && world.shell_ && world.shell_->wish_ == wish) {
        world.shell_->driver->on_wake();
      }
    });
  }

  World& world_;
  std::uint64_t life_;
  std::uint64_t wish_ = 0;
  std::unique_ptr<runtime::Driver> driver;
};

World::World(WorldOptions options)
    : seed_(options.seed), trace_(options.trace), prng_(options.seed), settings_(make_settings()) {
  Prng plan = prng_.fork("plan");
  plan_ = FaultPlan::draw(plan);
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
  intake_ = std::make_unique<call::Intake>(settings_, call::Hasher(sealer.hash_secret()));
  journal_ = std::make_unique<adapters::MemoryJournal>(std::move(sealer), [this] {
    const Instant mono = schedule_.now();
    return Now{mono, {kEpoch.ms + mono.ns / 1'000'000}, BootId{1}};
  });
  upstream_ = std::make_unique<SimUpstream>(schedule_, prng_.fork("upstream"), plan_.upstream);
  if (options.keys_ignored) upstream_->ignore_keys();
  clients_ = std::make_unique<SimClients>(
      schedule_, prng_.fork("clients"), *intake_, [this](std::string what) { violation(what); },
      [this](const std::string& order) { return upstream_->effects_of(order); });
}

World::~World() = default;

void World::violation(std::string what) {
  trace("VIOLATION " + what);
  if (verdict_.violations.size() < 20) verdict_.violations.push_back(std::move(what));
}

void World::trace(const std::string& line) {
  if (!trace_) return;
  fmt::print("{:>14.6f} {}\n", static_cast<double>(schedule_.now().ns) / 1e9, line);
}

void World::boot() {
  life_ += 1;
  auto recovered = journal_->open();
  HF_CHECK(recovered.ok());
  shell_ = std::make_unique<Shell>(*this, life_);
  journal_->attach(*shell_->driver);
  upstream_->attach(shell_->driver.get());
  clients_->attach(shell_->driver.get());
  trace(fmt::format("boot {} with {} cut calls", life_, recovered->sending.size()));
  shell_->driver->start(*recovered);
  pump_journal();
}

void World::crash() {
  verdict_.crashes += 1;
  const std::size_t pending = journal_->pending_commits();
  const std::size_t keep = prng_.below(pending + 1);
  trace(fmt::format("crash: {} commits under way, {} survive", pending, keep));
  life_ += 1;
  journal_->crash(keep);
  upstream_->forget_attempts();
  clients_->cut_all();
  shell_.reset();
  schedule_.after(Duration::millis(prng_.between(1, 2000)), [this] { boot(); });
}

// Lets the journal do one thing after another, each after a while.
void World::pump_journal() {
  if (pumping_) return;
  pumping_ = true;
  schedule_.after(Duration::micros(prng_.between(10, plan_.commit_delay_us)), [this, life = life_] {
    pumping_ = false;
    if (life != life_ || !shell_) return;
    auto fate = adapters::CommitFate::as_it_should;
    if (!healed_ && journal_->pending_commits() > 0 &&
        prng_.chance(static_cast<std::uint64_t>(plan_.commit_trouble_permille), 1000)) {
      constexpr adapters::CommitFate kTroubles[] = {
          adapters::CommitFate::conflict, adapters::CommitFate::failed,
          adapters::CommitFate::unknown_written, adapters::CommitFate::unknown_lost};
      fate = kTroubles[prng_.below(4)];
    }
    journal_->pump_one(fate);
  });
}

Verdict World::run() {
  trace("plan " + plan_.text());
  boot();
  Prng orders = prng_.fork("orders");
  const int count = static_cast<int>(orders.between(20, 60));
  constexpr const char* kRoutes[] = {"/pay/",        "/live/",  "/plain/",
                                     "/plain-live/", "/async/", "/pay/"};
  for (int i = 0; i < count; ++i) {
    Order order;
    order.name = "order-" + std::to_string(i);
    const std::size_t route = orders.below(6);
    order.target = std::string(kRoutes[route]) + "charges";
    if (route == 1 || route == 3) {
      order.header_key = "key-" + order.name;
    } else {
      order.fresh_keys = true;  // the business key replaces what the SDK invents
    }
    if (orders.chance(1, 12)) order.method = "GET";
    order.async = route == 0 && orders.chance(1, 4);
    order.gone_permille = plan_.client_gone_permille;
    order.twin_permille = plan_.duplicate_permille;
    clients_->add(std::move(order), Duration::millis(orders.between(0, 60'000)));
  }
  for (int i = 0; i < plan_.crashes; ++i) {
    schedule_.after(Duration::micros(orders.between(1'000, 90'000'000)), [this] {
      if (shell_ && !healed_) crash();
    });
  }
  if (orders.chance(1, 3)) {
    const std::int64_t from = orders.between(1'000, 60'000);
    schedule_.after(Duration::millis(from), [this] { upstream_->set_down(true); });
    schedule_.after(Duration::millis(from + orders.between(500, 40'000)),
                    [this] { upstream_->set_down(false); });
  }
  schedule_.after(Duration::seconds(120), [this] {
    trace("healed");
    healed_ = true;
    upstream_->heal();
    upstream_->set_down(false);
    clients_->stop_leaving();
  });
  const Instant end = schedule_.now() + Duration::hours(26);
  while (verdict_.violations.empty() && schedule_.ran() < kEventsMax) {
    const auto next = schedule_.next();
    if (!next || *next > end) break;
    if (healed_ && clients_->all_done() && schedule_.now() > Instant{} + Duration::hours(25)) break;
    if (!schedule_.step()) break;
    verdict_.digest = verdict_.digest * 1099511628211ULL ^
                      static_cast<std::uint64_t>(schedule_.now().ns) ^ (schedule_.ran() << 7) ^
                      (upstream_->attempts << 32);
    if (shell_ && journal_->pending() > 0) pump_journal();
  }
  judge();
  verdict_.events = schedule_.ran();
  verdict_.calls = static_cast<std::uint64_t>(count);
  verdict_.effects = upstream_->ledger().size();
  verdict_.took = schedule_.now() - Instant{};
  return verdict_;
}

void World::judge() {
  if (schedule_.ran() >= kEventsMax) violation("convergence: the world does not come to rest");
  for (const Order& order : clients_->orders()) {
    const std::size_t effects = upstream_->effects_of(order.name);
    if (effects > 1) {
      violation(fmt::format("never-doubled: {} took effect {} times", order.name, effects));
    }
    if (order.open_exchanges != 0 && verdict_.violations.empty()) {
      violation(fmt::format("one-reply: {} still waits for an answer", order.name));
    }
    if (!order.done && verdict_.violations.empty()) {
      violation(fmt::format("convergence: {} is not done after {} tries", order.name, order.tries));
    }
    if (order.last_told_none && effects > 0) {
      violation(fmt::format("attribution: {} was last told effect none, and has one", order.name));
    }
  }
  if (!verdict_.violations.empty() || !shell_) return;
  for (const CallId& id : clients_->acknowledged()) {
    bool answered = false;
    shell_->driver->detail(id, [&](Result<ports::CallDetail> detail) {
      answered = true;
      if (!detail.ok() || !detail->call) {
        violation("never-lost: " + id.text() + " was acknowledged and is not in the journal");
        return;
      }
      const call::State state = detail->call->state;
      if (!call::terminal(state) && state != call::State::unknown) {
        violation(fmt::format("never-lost: {} was acknowledged and stands in {} ({}) at the end",
                              id.text(), call::to_string(state),
                              call::to_string(detail->call->reason)));
      }
    });
    journal_->pump();
    if (!answered) violation("the journal does not answer");
  }
}

}  // namespace hf::sim
