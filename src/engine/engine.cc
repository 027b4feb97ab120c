#include "engine/engine.h"

#include <utility>

#include "engine/core.h"

namespace hf::engine {

Engine::Engine(EngineOptions options, const call::Recovered& recovered, const Now& now,
               Effects& effects)
    : core_(std::make_unique<Core>(std::move(options), recovered)) {
  core_->begin(now, effects);
  core_->recover(recovered);
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

void Engine::step(Event&& event, const Now& now, Effects& effects) noexcept {
  core_->begin(now, effects);
  std::visit([this](auto&& fact) { core_->on(std::move(fact)); }, std::move(event));
  core_->run_turns();
}

std::optional<Instant> Engine::next_wake() const {
  return core_->next_wake();
}
const Stats& Engine::stats(const Now& now) {
  return core_->refresh_stats(now);
}
bool Engine::quiet() const {
  return core_->quiet();
}

}  // namespace hf::engine
