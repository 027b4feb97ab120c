#include "app/limits_wiring.h"

#include <fmt/format.h>

#include <utility>

#include "adapters/system/clock.h"
#include "app/logging.h"
#include "control/limits_view.h"
#include "traffic/limit_reply.h"

namespace hf::app {
namespace {

// The log bounds its repeats by limit and reason: whoever is refused a thousand times a second must
// not fill it.
void note(const traffic::Refusal& refusal, bool acted) {
  adapters::LogLine line;
  line.level = adapters::LogLevel::warning;
  line.what = acted ? "refused_by_limit" : "would_refuse_by_limit";
  line.rule = fmt::format("{}/{}", refusal.limit->name, to_string(refusal.why));
  line.detail = fmt::format("{}; client {}", traffic::in_words(refusal), refusal.client);
  the_log().write(line);
}

}  // namespace

LimitsWiring::LimitsWiring(std::shared_ptr<const call::Settings> settings, ports::Clock& clock)
    : clock_(clock),
      door_(std::move(settings), adapters::random_bytes<traffic::HashSecret>(), clock) {
  limiter().tell(note);
}

std::string LimitsWiring::json() {
  return control::limits_json(limiter(), clock_.read());
}

}  // namespace hf::app
