#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sim/shell.h"
#include "sim/world.h"

namespace hf::sim {
namespace {

constexpr WallTime kEpoch{1'790'000'000'000};

}  // namespace

World::Shell::Shell(World& world, std::uint64_t life)
    : world_(world),
      life_(life),
      journal_(*world.journal_, *world.mortality_),
      upstream_(*world.witness_, *world.mortality_),
      clients_(*world.clients_, *world.mortality_) {
  engine::EngineOptions options;
  options.settings = world.settings_;
  options.seed = world.seed_ * 31 + life;
  options.hasher = world.hasher_;
  options.crashed_on = std::exchange(world.blamed_, std::nullopt);
  runtime::Hooks hooks;
  hooks.random = [&world] { return runtime::Random128{world.prng_.next(), world.prng_.next()}; };
  hooks.note = [&world](const engine::Note& note) {
    if (world.mortality_->dead()) return;
    world.digest(note.what + std::string(note.rule));
    if (note.what == "call_unknown") world.verdict_.unknown += 1;
    if (note.what == "call_unknown" && note.call) world.clients_->note_alert(*note.call);
    if (note.rule == "lookup-inconclusive" && note.call) world.inconclusive_.insert(*note.call);
    if (note.what == "call_unknown" && note.rule.empty()) {
      world.violation("unknown-has-a-cause: " + note.call->text());
    }
    if (world.trace_) {
      world.trace(fmt::format("note {} {} {} attempts={} {}", note.what,
                              note.call ? note.call->text() : "-", note.rule, note.attempts,
                              note.detail));
    }
  };
  hooks.on_broken = [&world, life](std::string why) {
    if (world.mortality_->dead()) return;
    world.trace("driver stopped: " + why);
    if (!world.journal_->made_to_fail())
      world.violation("journal: nobody made it fail, and " + why);
    world.schedule_.after(Duration::micros(1), [&world, life] {
      if (world.life_ == life) world.crash();
    });
  };
  hooks.handling = [&world](const CallId* call) {
    world.handling_ = call == nullptr ? std::nullopt : std::optional(*call);
    if (call != nullptr) world.poison(*call);
  };
  driver = std::make_unique<runtime::Driver>(std::move(options), &journal_, upstream_, clients_,
                                             *this, *this, std::move(hooks));
  if (!world.door_) return;
  Prng secret(world.seed_ * 31 + life);
  std::array<unsigned char, 16> bytes{};
  for (unsigned char& byte : bytes)
    byte = static_cast<unsigned char>(secret.next());
  door.emplace(world.settings_, bytes, *this);
}

Now World::Shell::read() noexcept {
  return world_.now();
}

void World::Shell::wake_at(std::optional<Instant> when) {
  wish_ += 1;
  if (!when) return;
  const Instant at = std::max(world_.schedule_.now() + (*when - world_.now().mono),
                              world_.schedule_.now() + Duration::micros(1));
  world_.schedule_.at(at, [&world = world_, life = life_, wish = wish_] {
    if (world.life_ == life && world.shell_ && world.shell_->wish_ == wish) {
      world.shell_->driver->on_wake();
    }
  });
}

Now World::now() const {
  const Instant at = schedule_.now();
  const Duration up = at - booted_at_;
  return {Instant{} + Duration::millis(1) + up,
          WallTime{kEpoch.ms + at.ns / 1'000'000} + wall_offset_ + drift(at), boot_};
}

// How far the wall clock has drifted from true time.
Duration World::drift(Instant at) const {
  return Duration::micros(at.ns / 1'000'000 * plan_.drift_ppm / 1000);
}

// Somebody, or NTP, sets the clock while a process lives: ahead as far as it likes, and back no
// further than the margins cover (see step_clock).
void World::step_wall() {
  if (healed_ || no_restarts_) return;
  const bool back = prng_.chance(1, 3);
  wall_offset_ = back ? wall_offset_ - Duration::millis(prng_.between(1, 4000))
                      : wall_offset_ + Duration::millis(prng_.between(1, 1'200'000));
  wall_stepped_ = true;
  trace(fmt::format("the wall clock is set, and off by {} ms", wall_offset_.ms()));
  clients_->wall_set();
}

// A start with the configuration that is wanted now. Once all is well, with what was declared.
void World::reconfigure() {
  if (plan_.reload_permille == 0 || life_ <= 1) return;
  if (healed_) {
    if (settings_ != declared_) use_settings(declared_);
    return;
  }
  if (!prng_.chance(static_cast<std::uint64_t>(plan_.reload_permille), 1000)) return;
  use_settings(prng_.chance(1, 4) ? declared_ : draw_change(prng_, *declared_));
}

void World::use_settings(std::shared_ptr<const call::Settings> settings) {
  reconfigured_ += 1;
  settings_ = std::move(settings);
  retired_intakes_.push_back(std::move(intake_));
  intake_ = std::make_unique<call::Intake>(settings_, *hasher_);
  clients_->use(*intake_);
  trace("another configuration: " + text_of(*settings_));
}

void World::boot() {
  life_ += 1;
  reconfigure();
  auto recovered = journal_->open();
  if (!recovered.ok()) {
    verdict_.failed_boots += 1;
    trace("boot: " + recovered.error().context);
    schedule_.after(Duration::millis(prng_.between(1'000, 10'000)), [this] { boot(); });
    return;
  }
  mortality_->begin_anew();
  disturbed_ = schedule_.now();
  shell_ = std::make_unique<Shell>(*this, life_);
  journal_->attach(*shell_->driver);
  upstream_->attach(witness_.get());
  witness_->attach(shell_->driver.get(), life_);
  if (door_) door_->attach(*shell_->door, settings_);
  clients_->attach(shell_->driver.get(), door_.get());
  trace(fmt::format("boot {} with {} cut calls", life_, recovered->sending.size()));
  for (const auto& call : recovered->sending)
    witness_->cut(call->id);
  shell_->driver->start(*recovered);
  if (refusing_) journal_->set_health({false, "the disk is full"});
  journal_->wake(true);
}

// A planned end: by kill -9, or by a drain that is killed after a while.
void World::fall(bool drained) {
  if (!shell_ || healed_ || no_restarts_) return;
  if (!drained) {
    crash();
    return;
  }
  trace("drain");
  draining_ = true;
  shell_->driver->drain();
  schedule_.after(Duration::millis(prng_.between(1, 20'000)), [this, life = life_] {
    if (life == life_ && shell_) crash();
  });
}

void World::crash() {
  disturbed_ = schedule_.now();
  draining_ = false;
  crashed_at_.push_back(now().wall);
  verdict_.crashes += 1;
  witness_->attach(nullptr, life_);
  const SimJournal::Crash cut = journal_->crash();
  trace(fmt::format("crash: {} commits under way, {} survive", cut.under_way, cut.survived));
  life_ += 1;
  upstream_->forget_attempts();
  clients_->cut_all();
  operator_->forget();
  shell_.reset();
  const Duration down = Duration::millis(prng_.between(1, 2000));
  schedule_.after(down, [this] {
    step_clock();
    boot();
  });
}

// Perhaps the machine itself went down: monotonic time begins anew, the wall clock may have
// stepped. A small step back is one that the lifetimes' margin covers; a big one falls behind
// everything the journal has seen. After that the world has no further restart: a process that
// starts once the wall clock has passed the journal's newest entry again cannot know how long that
// took.
void World::step_clock() {
  if (no_restarts_ || !prng_.chance(static_cast<std::uint64_t>(plan_.reboot_permille), 1000))
    return;
  verdict_.reboots += 1;
  boot_.value += 1;
  booted_at_ = schedule_.now();
  if (plan_.big_step_back && !healed_) {
    wall_offset_ = wall_offset_ - Duration::seconds(prng_.between(600, 3600));
    no_restarts_ = true;
    journal_->stop_failing();
    mortality_->spare();
  } else if (prng_.chance(1, 4)) {
    wall_offset_ = wall_offset_ - Duration::millis(prng_.between(1, 4000));
  } else if (prng_.chance(1, 4)) {
    wall_offset_ = wall_offset_ + Duration::millis(prng_.between(1, 1'200'000));
  }
  trace(fmt::format("boot of the machine, the wall clock is off by {} ms", wall_offset_.ms()));
  clients_->wall_set();
}

// In the midst of what it does: buried when the action is over, and nobody hears of the rest.
// One call of some worlds ends the process every second time that it is handled.
void World::poison(const CallId& call) {
  if (poison_left_ == 0 || healed_ || mortality_->dead()) return;
  if (!poisoned_ && poison_prng_.chance(1, 40)) poisoned_ = call;
  if (poisoned_ != call || !poison_prng_.chance(1, 2)) return;
  poison_left_ -= 1;
  mortality_->die();
}

void World::die() {
  verdict_.deaths += 1;
  trace("death");
  blamed_ = handling_;
  operator_->hang_up();
}

runtime::Driver& World::driver() {
  return *shell_->driver;
}

bool World::serving() const {
  return shell_ && !shell_->driver->broken();
}

}  // namespace hf::sim
