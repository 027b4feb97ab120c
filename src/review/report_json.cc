#include "review/json_list.h"
#include "review/report.h"

namespace hf::review {
namespace {

using call::json_string;
using call::JsonObject;

std::string place_json(const config::Places& places, const config::Place& place) {
  JsonObject out;
  out.text("file", places.file());
  out.number("line", place.at.line);
  out.number("column", place.at.column);
  out.text("path", place.path);
  return out.done();
}

std::string answer_json(const Answer& answer) {
  JsonObject out;
  out.text("question", to_string(answer.question));
  out.text("verdict", to_string(answer.verdict));
  out.text("why", answer.why);
  return out.done();
}

std::string finding_json(const config::Places& places, const Finding& finding) {
  const RuleRow& row = row_of(finding.rule);
  JsonObject out;
  out.text("rule", row.id);
  out.text("level", to_string(row.level));
  if (row.question) out.text("question", to_string(*row.question));
  out.raw("place", place_json(places, finding.place));
  out.text("subject", finding.subject);
  out.text("message", finding.message);
  out.raw("story", json_list(finding.story, json_string));
  JsonObject change;
  change.raw("place", place_json(places, finding.change.place));
  change.text("text", finding.change.text);
  out.raw("change", change.done());
  if (!finding.accepted.empty()) out.text("accepted", finding.accepted);
  return out.done();
}

}  // namespace

std::string json_of(const Report& report, std::optional<Level> fail_on) {
  const auto findings = [&](const std::vector<Finding>& all) {
    return json_list(all, [&](const Finding& one) { return finding_json(report.places, one); });
  };
  JsonObject counts;
  for (const Level level : {Level::error, Level::warning, Level::note})
    counts.number(to_string(level), static_cast<std::int64_t>(report.count(level)));
  JsonObject out;
  out.number("version", 1);
  out.text("file", report.file);
  out.text("fail_on", fail_on ? to_string(*fail_on) : "never");
  out.boolean("failed", fail_on && report.any(*fail_on));
  out.raw("counts", counts.done());
  out.raw("routes", json_list(report.routes, [&](const RouteReview& route) {
            JsonObject one;
            one.text("route", route.name);
            one.text("upstream", route.upstream);
            one.raw("place", place_json(report.places, route.place));
            one.raw("answers", json_list(route.answers, answer_json));
            return one.done();
          }));
  out.raw("findings", findings(report.findings));
  out.raw("accepted", findings(report.accepted));
  return out.done();
}

}  // namespace hf::review
