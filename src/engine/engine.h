// The engine decides. It holds no socket, file, clock or random device: facts come in as events
// with the time at which they are judged, and what it wants done goes out as effects. The same
// object runs in production and in the simulator. One thread.
//
// Duties that callers rely on: every exchange of a CallArrived or CallAsked gets exactly one
// SendReply, or one ForwardAnswer and one FinishAnswer, unless ClientGone came first; every
// StartAttempt is answered by the shell with exactly one AttemptEnded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "call/batch.h"
#include "call/hasher.h"
#include "call/settings.h"
#include "engine/effect.h"
#include "engine/event.h"
#include "engine/stats.h"

namespace hf::engine {

class Core;

struct EngineOptions {
  std::shared_ptr<const call::Settings> settings;
  std::uint64_t seed = 0;  // jitter only
  bool journal = true;     // false: no route needs one, and none is open
  std::optional<CallId> crashed_on =
      std::nullopt;  // what the last process was handling when it crashed
  // Of the journal's seal key: digests of answers, and the ids of calls that the engine makes
  // itself, which must not be guessable and must replay from a seed. None: neither is made.
  std::optional<call::Hasher> hasher = std::nullopt;
  std::size_t calls_max = 200'000;  // in memory; one more is refused (invariant 7)
};

class Engine {
 public:
  // `recovered` is what the journal found; calls cut by the last process are judged at once, which
  // is what `effects` holds afterwards.
  Engine(EngineOptions options, const call::Recovered& recovered, const Now& now, Effects& effects);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) = delete;

  void step(Event&& event, const Now& now, Effects& effects) noexcept;
  // When `Woke` is wanted next; the driver arms one timer.
  [[nodiscard]] std::optional<Instant> next_wake() const;
  [[nodiscard]] const Stats& stats(const Now& now);
  // No client waits and no attempt runs: a drain may end.
  [[nodiscard]] bool quiet() const;

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace hf::engine
