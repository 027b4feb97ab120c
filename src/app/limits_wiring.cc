#include "app/limits_wiring.h"

#include <fmt/format.h>

#include <utility>

#include "adapters/system/clock.h"
#include "app/logging.h"
#include "control/limits_view.h"
#include "traffic/limit_reply.h"

namespace hf::app {
namespace {

// Of one limit and reason: whoever is refused a thousand times a second must not fill the log.
constexpr Duration kTellEvery = Duration::seconds(10);

traffic::HashSecret random_secret() {
  traffic::HashSecret out{};
  for (std::size_t i = 0; i < out.size(); i += 8) {
    const std::uint64_t word = adapters::random_u64();
    for (std::size_t b = 0; b < 8; ++b)
      out[i + b] = static_cast<unsigned char>(word >> (8 * b));
  }
  return out;
}

}  // namespace

LimitsWiring::LimitsWiring(std::shared_ptr<const call::Settings> settings, ports::Clock& clock)
    : clock_(clock), door_(std::move(settings), random_secret(), clock) {
  limiter().tell([this](const traffic::Refusal& refusal, bool acted) { note(refusal, acted); });
}

std::string LimitsWiring::json() {
  return control::limits_json(limiter(), clock_.read());
}

void LimitsWiring::note(const traffic::Refusal& refusal, bool acted) {
  const std::string key =
      fmt::format("{} {} {}", refusal.limit->name, to_string(refusal.why), acted);
  Told& told = told_[key];
  told.since += 1;
  const Instant now = clock_.read().mono;
  if (told.at && now - *told.at < kTellEvery) return;
  log_event(adapters::LogLevel::warning, acted ? "refused_by_limit" : "would_refuse_by_limit",
            fmt::format("{}; client {}; refused since the last line: {}",
                        traffic::in_words(refusal), refusal.client, std::exchange(told.since, 0)));
  told.at = now;
}

}  // namespace hf::app
