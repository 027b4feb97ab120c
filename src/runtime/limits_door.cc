#include "runtime/limits_door.h"

#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "call/routing.h"
#include "traffic/limit_reply.h"

namespace hf::runtime {
namespace {

struct Counted final : ports::Door::Stay {
  traffic::Pass pass;
  bool only_report = false;
  bool doubt = false;
};

Counted& counted(ports::Door::Stay& stay) {
  auto* out = dynamic_cast<Counted*>(&stay);
  HF_CHECK(out != nullptr);
  return *out;
}

// Whether an earlier request may stand under the key that this one has, or would be given.
bool may_repeat(const call::Settings& settings, const call::RouteSettings* route,
                const call::IncomingHead& head) {
  if (route == nullptr || call::safe_method(head.method)) return false;
  const auto upstream = settings.upstreams.find(route->upstream);
  if (upstream == settings.upstreams.end()) return false;
  const call::Idempotency& declared = upstream->second->idempotency;
  return !route->key.from.empty() || !route->key.derive.empty() ||
         (declared.mode == call::Mode::key && find_field(head.fields, declared.header) != nullptr);
}

// Whoever sets the wall clock changes nobody's share.
Instant instant_of(ports::Clock& clock) {
  const Now now = clock.read();
  return HF_BUG("shares-by-the-wall-clock") ? Instant{} + Duration::millis(now.wall.ms) : now.mono;
}

}  // namespace

LimitsDoor::LimitsDoor(std::shared_ptr<const call::Settings> settings, traffic::HashSecret secret,
                       ports::Clock& clock)
    : settings_(std::move(settings)), limiter_(settings_->traffic, secret), clock_(clock) {}

ports::Door::Word LimitsDoor::on_head(const call::IncomingHead& head) {
  const auto route = call::find_route(*settings_, head);
  auto stay = std::make_unique<Counted>();
  stay->only_report = route && route->mode == call::RouteMode::observe;
  stay->doubt = may_repeat(*settings_, route.get(), head);
  auto verdict = limiter_.on_head(head, instant_of(clock_), stay->only_report);
  stay->pass = std::move(verdict.pass);
  Word out;
  if (verdict.refusal) out.refused = traffic::limit_reply(*verdict.refusal, stay->doubt);
  out.stay = std::move(stay);
  return out;
}

std::optional<call::Reply> LimitsDoor::on_body(const call::IncomingHead& head,
                                               std::string_view body, Stay& stay) {
  Counted& mine = counted(stay);
  const auto refusal =
      limiter_.on_body(head, body, mine.pass, instant_of(clock_), mine.only_report);
  if (!refusal) return std::nullopt;
  return traffic::limit_reply(*refusal, mine.doubt);
}

void LimitsDoor::on_answer(Stay& stay, int status, Fields& fields) {
  Counted& mine = counted(stay);
  if (!mine.pass.watches.empty()) limiter_.on_answer(mine.pass, status, instant_of(clock_));
  if (!mine.only_report) traffic::add_quota_fields(fields, mine.pass);
}

}  // namespace hf::runtime
