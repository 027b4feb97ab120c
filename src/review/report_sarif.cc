// SARIF 2.1.0 (OASIS standard, sections as cited), in the part that code scanning reads:
// https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
#include <fmt/format.h>

#include "base/bytes.h"
#include "call/hasher.h"
#include "review/json_list.h"
#include "review/report.h"

namespace hf::review {
namespace {

using call::json_string;
using call::JsonObject;

std::string message_json(std::string_view text) {
  return JsonObject().text("text", text).done();
}

// "KeyOptional": names are for people and begin with a capital (section 3.49.7).
std::string name_of(std::string_view id) {
  std::string out;
  bool upper = true;
  for (const char c : id) {
    if (c == '-') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return out;
}

std::string markdown_of(const RuleRow& row) {
  return fmt::format(
      "**{}**\n\n{}\n\nAccept it where it is meant to be so: `review: {{ accept: "
      "{{ {}: \"why\" }} }}` at the route, the upstream or the service.",
      row.title, row.help, row.id);
}

std::string rule_json(const RuleRow& row) {
  JsonObject help;
  help.text("text", row.help);
  help.text("markdown", markdown_of(row));
  const std::string_view tag = row.question ? to_string(*row.question) : "less";
  JsonObject properties;
  properties.raw("tags", fmt::format("[\"reliability\",{}]", json_string(tag)));
  properties.text("precision", "very-high");
  properties.text("problem.severity",
                  row.level == Level::note ? "recommendation" : to_string(row.level));
  JsonObject out;
  out.text("id", row.id);
  out.text("name", name_of(row.id));
  out.raw("shortDescription", message_json(row.title));
  out.raw("fullDescription", message_json(row.help));
  out.raw("help", help.done());
  out.raw("defaultConfiguration", JsonObject().text("level", to_string(row.level)).done());
  out.raw("properties", properties.done());
  return out.done();
}

// A URI reference (section 3.4.3): what a path may hold and a URI may not, percent-encoded.
std::string uri_of(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/._-~").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string artifact_json(std::string_view file) {
  JsonObject out;
  if (file.starts_with('/')) {
    out.text("uri", "file://" + uri_of(file));
    return out.done();
  }
  while (file.starts_with("./"))
    file.remove_prefix(2);
  out.text("uri", uri_of(file));
  out.text("uriBaseId", "%SRCROOT%");  // where the repository is (section 3.14.14)
  return out.done();
}

std::string location_json(const Report& report, const config::Place& place) {
  JsonObject region;
  const int line = std::max(1, place.at.line);
  const int column = std::max(1, place.at.column);
  region.number("startLine", line);
  region.number("startColumn", column);
  region.number("endLine", line);
  region.number("endColumn", column + 1);
  JsonObject physical;
  physical.raw("artifactLocation", artifact_json(report.file));
  physical.raw("region", region.done());
  JsonObject logical;
  logical.text("fullyQualifiedName", place.path);
  logical.text("kind", "member");
  JsonObject out;
  out.raw("physicalLocation", physical.done());
  if (!place.path.empty()) out.raw("logicalLocations", "[" + logical.done() + "]");
  return out.done();
}

std::string text_of(const Report& report, const Finding& finding) {
  std::string out = finding.subject.empty() ? "" : finding.subject + ": ";
  out += finding.message + ".";
  for (std::size_t i = 0; i < finding.story.size(); ++i)
    out += fmt::format("\n{}. {}.", i + 1, finding.story[i]);
  return out + fmt::format("\nChange {}: {}", report.places.line(finding.change.place),
                           finding.change.text);
}

std::string result_json(const Report& report, const Finding& finding) {
  const RuleRow& row = row_of(finding.rule);
  // The same finding on another line is the same one (section 3.27.17).
  const std::string what = fmt::format("{}\n{}", row.id, finding.place.path);
  const std::string print = to_hex(call::sha256(what)).substr(0, 32);
  JsonObject out;
  out.text("ruleId", row.id);
  out.number("ruleIndex", static_cast<std::int64_t>(row.rule));
  out.text("level", to_string(row.level));
  out.raw("message", message_json(text_of(report, finding)));
  out.raw("locations", "[" + location_json(report, finding.place) + "]");
  out.raw("partialFingerprints", JsonObject().text("holdfastReview/v1", print).done());
  return out.done();
}

}  // namespace

std::string sarif_of(const Report& report, std::string_view version) {
  JsonObject driver;
  driver.text("name", "holdfast review");
  driver.text("semanticVersion", version);
  driver.raw("rules", json_list(rules(), rule_json));
  JsonObject run;
  run.raw("tool", JsonObject().raw("driver", driver.done()).done());
  run.text("columnKind", "utf16CodeUnits");
  run.raw("results", json_list(report.findings, [&](const Finding& finding) {
            return result_json(report, finding);
          }));
  JsonObject out;
  out.text("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
  out.text("version", "2.1.0");
  out.raw("runs", "[" + run.done() + "]");
  return out.done();
}

}  // namespace hf::review
