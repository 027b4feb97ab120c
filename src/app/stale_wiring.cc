#include "app/stale_wiring.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/logging.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

// The log bounds its repeats by route and error: an outage must not fill it.
void note(const runtime::StaleServed& served) {
  const std::int64_t age = std::max<std::int64_t>(1, served.age.ceil_seconds());
  adapters::LogLine line;
  line.level = adapters::LogLevel::warning;
  line.what = "answered_from_memory";
  line.route = served.route;
  line.rule = "stale-if-error";
  line.cause = served.reason;
  line.detail = fmt::format("the reader got an answer of the last {}",
                            format_duration(Duration::seconds(age)));
  the_log().write(line);
}

}  // namespace

StaleWiring::StaleWiring(const call::Settings& settings, const call::Hasher& hasher,
                         ports::Clock& clock, ports::Clients& server, ports::Upstream& upstream)
    : max_bytes_(settings.stale_cache),
      answers_({&server, nullptr, &clock, hasher, settings.stale_cache, note}),
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

}  // namespace hf::app
