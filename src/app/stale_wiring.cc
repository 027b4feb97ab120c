#include "app/stale_wiring.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/logging.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

// Of one route and error: an outage must not fill the log.
constexpr Duration kTellEvery = Duration::seconds(10);

}  // namespace

StaleWiring::StaleWiring(const call::Settings& settings, const call::Hasher& hasher,
                         ports::Clock& clock, ports::Clients& server, ports::Upstream& upstream)
    : clock_(clock),
      max_bytes_(settings.stale_cache),
      answers_({&server, nullptr, &clock, hasher, settings.stale_cache,
                [this](const runtime::StaleServed& served) { note(served); }}),
      watch_(settings, hasher, upstream, answers_) {}

control::StaleFacts StaleWiring::facts() const {
  control::StaleFacts out;
  out.served = answers_.counts().served;
  out.missed = answers_.counts().missed;
  out.not_kept = answers_.counts().not_kept;
  out.answers = answers_.store().size();
  out.bytes = answers_.store().bytes();
  out.max_bytes = max_bytes_;
  out.evicted = answers_.store().evicted();
  return out;
}

void StaleWiring::note(const runtime::StaleServed& served) {
  Told& told = told_[served.route + " " + served.reason];
  told.since += 1;
  const Instant now = clock_.read().mono;
  if (told.at && now - *told.at < kTellEvery) return;
  const std::int64_t age = std::max<std::int64_t>(1, served.age.ceil_seconds());
  log_event(adapters::LogLevel::warning, "answered_from_memory",
            fmt::format("route {}: {}; the reader got an answer of the last {}; such answers since "
                        "the last line: {}",
                        served.route, served.reason, format_duration(Duration::seconds(age)),
                        std::exchange(told.since, 0)));
  told.at = now;
}

}  // namespace hf::app
