#include "review/forecast.h"
#include "review/json_list.h"

namespace hf::review {
namespace {

using call::json_string;
using call::JsonObject;

std::string_view to_string(config::Place::From from) {
  switch (from) {
    case config::Place::From::written:
      return "written";
    case config::Place::From::preset:
      return "preset";
    case config::Place::From::webhook:
      return "webhook";
    case config::Place::From::standard:
      return "default";
  }
  return "?";
}

class Writer {
 public:
  explicit Writer(const config::Places& places) : places_(places) {}

  [[nodiscard]] std::string place(const config::Place& place) const {
    JsonObject out;
    out.text("path", place.path);
    out.text("from", to_string(place.from));
    if (!place.preset.empty()) out.text("preset", place.preset);
    out.text("file", places_.file());
    out.number("line", place.at.line);
    return out.done();
  }

  static std::string part(const PartSeen& seen) {
    JsonObject out;
    out.text("part", text_of(seen.part));
    if (!seen.missing) out.text("value", seen.value);
    return out.done();
  }

  [[nodiscard]] std::string key(const KeyForecast& key) const {
    JsonObject out;
    out.text("kind", review::to_string(key.kind));
    if (!key.why.empty()) out.text("why", key.why);
    out.raw("place", place(key.place));
    out.raw("parts", json_list(key.parts, part));
    out.raw("scope", json_list(key.scope, part));
    out.text("space", key.space);
    out.boolean("stable", key.stable);
    if (!key.sent_field.empty()) {
      out.raw("upstream",
              JsonObject().text("field", key.sent_field).text("value", key.sent_value).done());
    }
    return out.done();
  }

  static std::string told(const Told& told) {
    JsonObject out;
    out.number("status", told.status);
    if (!told.code.empty()) out.text("code", told.code);
    if (!told.effect.empty()) out.text("effect", told.effect);
    out.boolean("safe_to_retry", told.safe_to_retry);
    if (told.cut) out.boolean("cut", true);
    if (!told.detail.empty()) out.text("detail", told.detail);
    out.number("after_ms", told.at.ms());
    return out.done();
  }

  [[nodiscard]] std::string ruled(const Ruled& ruled) const {
    JsonObject out;
    out.text("when", review::to_string(ruled.when));
    out.text("row", call::to_string(ruled.decision.row));
    out.text("ruling", call::to_string(ruled.decision.ruling));
    out.text("rule", ruled.decision.rule);
    out.boolean("unresolved", ruled.decision.unresolved);
    out.raw("because", json_list(ruled.because, [this](const auto& one) { return place(one); }));
    return out.done();
  }

  static std::string course(const Course& course) {
    JsonObject out;
    out.number("live_attempts", course.live_attempts);
    out.number("copies", course.copies);
    out.number("lookups", course.lookups);
    if (course.told) out.raw("told", told(*course.told));
    out.boolean("held", course.held);
    if (course.state) out.text("state", call::to_string(*course.state));
    out.number("ends_after_ms", course.ends.ms());
    out.raw("rules", json_list(course.rules, json_string));
    return out.done();
  }

  [[nodiscard]] std::string outcome(const Outcome& outcome) const {
    JsonObject out;
    out.raw("ends", json_list(outcome.ends, json_string));
    out.raw("ruled", json_list(outcome.ruled, [this](const auto& one) { return ruled(one); }));
    out.raw("every_time", course(outcome.course));
    return out.done();
  }

  [[nodiscard]] std::string setting(const Setting& setting) const {
    JsonObject out;
    out.text("name", setting.name);
    out.text("value", setting.value);
    out.raw("place", place(setting.place));
    return out.done();
  }

  [[nodiscard]] std::string hold(const Forecast& forecast) const {
    JsonObject out;
    out.boolean("may", forecast.may_hold);
    out.boolean("at_once", forecast.held_at_once);
    if (!forecast.hold_why.empty()) out.text("why_not", forecast.hold_why);
    out.raw("place", place(forecast.hold_place));
    return out.done();
  }

 private:
  const config::Places& places_;
};

void add_call(const Forecast& forecast, const Writer& write, JsonObject& out) {
  out.text("sent_target", forecast.sent_target);
  out.raw("key", write.key(forecast.key));
  out.raw("same_request", json_list(forecast.same_request, json_string));
  out.text("mode", call::to_string(forecast.mode));
  out.raw("mode_place", write.place(forecast.mode_place));
  out.boolean("safe_method", forecast.safe);
  out.boolean("streamed", forecast.streamed);
  out.boolean("journaled", forecast.journaled);
  out.raw("hold", write.hold(forecast));
  if (!forecast.order.empty()) out.text("order", forecast.order);
  out.number("urgency", forecast.urgency);
  if (!forecast.callback.empty()) out.text("callback", forecast.callback);
  if (forecast.webhook) out.boolean("signature_checked", false);
  out.raw("settings",
          json_list(forecast.settings, [&](const auto& one) { return write.setting(one); }));
  out.raw("outcomes",
          json_list(forecast.outcomes, [&](const auto& one) { return write.outcome(one); }));
}

}  // namespace

std::string json_of(const Forecast& forecast, const config::Places& places) {
  const Writer write(places);
  JsonObject out;
  out.number("version", 1);
  out.text("method", forecast.method);
  out.text("target", forecast.target);
  if (forecast.route) {
    out.raw("route", JsonObject()
                         .text("path", forecast.route_path)
                         .raw("place", write.place(forecast.route_place))
                         .done());
    out.raw("upstream", JsonObject()
                            .text("name", forecast.upstream)
                            .raw("urls", json_list(forecast.urls, json_string))
                            .raw("place", write.place(forecast.upstream_place))
                            .done());
  }
  if (forecast.refused) {
    out.raw("refused", Writer::told(*forecast.refused));
  } else {
    add_call(forecast, write, out);
  }
  return out.done();
}

}  // namespace hf::review
