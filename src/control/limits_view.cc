#include "control/limits_view.h"

#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {
namespace {

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::string by_json(const std::vector<call::LimitPart>& by) {
  JsonArray out;
  for (const call::LimitPart& part : by) {
    std::string text(to_string(part.kind));
    if (!part.name.empty()) text += ":" + part.name;
    out.add(call::json_string(text));
  }
  return out.done();
}

std::string offenders_json(traffic::Limiter& limiter, std::size_t limit, const Now& now) {
  JsonArray out;
  for (const traffic::Offender& one : limiter.offenders(limit)) {
    call::JsonObject object;
    object.text("client", one.client)
        .number("refused", number(one.refused))
        .number("perhaps_too_many", number(one.at_most_too_many))
        .text("last", format_rfc3339(now.wall - (now.mono - one.last)));
    if (const auto until = limiter.banned_until(one.key, now.mono)) {
      object.text("banned_until", format_rfc3339(now.wall + (*until - now.mono)));
    } else {
      object.null("banned_until");
    }
    out.add(object.done());
  }
  return out.done();
}

}  // namespace

std::string limits_json(traffic::Limiter& limiter, const Now& now) {
  JsonArray list;
  const auto& limits = limiter.settings().limits;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const traffic::LimitCounts& counts = limiter.counts(i);
    call::JsonObject one;
    one.text("name", limits[i].name).text("mode", to_string(limits[i].mode));
    one.raw("by", by_json(limits[i].by));
    if (limits[i].rate) {
      one.text("rate", format_rate(*limits[i].rate)).number("burst", limits[i].burst);
    } else {
      one.null("rate").null("burst");
    }
    one.number("admitted", number(counts.admitted))
        .number("near", number(counts.near))
        .number("exempt", number(counts.exempt))
        .number("quota", number(counts.quota))
        .number("banned", number(counts.banned))
        .number("blocked", number(counts.blocked))
        .number("untracked", number(counts.untracked))
        .number("bans", number(counts.bans))
        .raw("offenders", offenders_json(limiter, i, now));
    list.add(one.done());
  }
  return call::JsonObject()
      .raw("limits", list.done())
      .number("keys", number(limiter.table().size()))
      .number("keys_max", number(limiter.table().keys_max()))
      .done();
}

LimitFacts limit_facts(const traffic::Limiter& limiter) {
  LimitFacts out;
  const auto& limits = limiter.settings().limits;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const traffic::LimitCounts& counts = limiter.counts(i);
    out.limits.push_back({limits[i].name,
                          {{"admitted", counts.admitted},
                           {"exempt", counts.exempt},
                           {"quota", counts.quota},
                           {"banned", counts.banned},
                           {"blocked", counts.blocked},
                           {"untracked", counts.untracked}},
                          counts.near,
                          counts.bans});
  }
  out.keys = limiter.table().size();
  out.bytes = limiter.table().bytes();
  out.evicted = limiter.table().evicted();
  return out;
}

}  // namespace hf::control
