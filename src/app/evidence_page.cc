// The page that `holdfast explain --evidence` writes: made to be attached to a dispute and read
// years later, without Holdfast and without a network.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <optional>
#include <vector>

#include "app/calls_view.h"
#include "app/explain_view.h"
#include "app/json_view.h"
#include "base/html.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1c2430;
  max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; background: #fff; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #d8dde5;
  padding-bottom: .3rem; }
.verdict { border-left: 6px solid; padding: .7rem 1rem; font-size: 1.15rem; font-weight: 600;
  margin: 1rem 0; }
.doubled { border-color: #b3261e; background: #fdeceb; }
.same_content, .not_known { border-color: #b26a00; background: #fff5e5; }
.nothing_doubled { border-color: #1b7f3b; background: #eaf7ee; }
.small { color: #5a6575; font-size: .88rem; }
code, td.m, .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .86em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid #eceff3; }
th { font-weight: 600; color: #5a6575; font-size: .85rem; }
td.m { white-space: nowrap; }
ol.says > li { margin: 0 0 1rem; padding: .1rem 0 .1rem .9rem; border-left-width: 4px;
  border-left-style: solid; }
.badge { display: inline-block; min-width: 1.5em; text-align: center; border-radius: .3em;
  background: #e6ebf2; padding: 0 .35em; }
svg { width: 100%; height: auto; border: 1px solid #e3e7ed; background: #fbfcfd; }
svg text { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; fill: #1c2430; }
@media print { body { margin: 0; max-width: none; } }
)css";

// JSON inside a script element: nothing in it may end the element. The data stay the same JSON.
std::string embedded(std::string_view data) {
  std::string out;
  for (const char c : data) {
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<const json::object*> objects(const json::object& answer, std::string_view name) {
  std::vector<const json::object*> out;
  if (const json::array* list = list_of(answer, name)) {
    for (const json::value& value : *list) {
      if (const auto* object = value.if_object()) out.push_back(object);
    }
  }
  return out;
}

std::string event_name(const json::object& event) {
  return text_of(event, "call") + text_of(event, "event");
}

// --- the drawing: a lane a call, time from left to right ---

struct Lane {
  std::string label;
  std::vector<const json::object*> events;
};

constexpr int kDrawn = 1000;  // units across
constexpr int kLeft = 60;
constexpr int kLaneHigh = 64;
constexpr std::size_t kLanesMax = 50;

std::string_view paint_of(const json::object& event) {
  const std::string what = text_of(event, "what");
  const std::string who = text_of(event, "who");
  if (what == "unknown" || what == "dead") return "#b3261e";
  if (what == "answered") return "#1b7f3b";
  if (what == "resembles" || what == "key_mismatch") return "#b26a00";
  if (who == "client") return "#2457a6";
  if (who == "operator") return "#7a2fa0";
  return "#6b7686";
}

class Drawing {
 public:
  explicit Drawing(const std::vector<const json::object*>& timeline) {
    for (const json::object* event : timeline) {
      const auto at = parse_rfc3339(text_of(*event, "at"));
      if (!at.ok()) continue;
      if (!first_) first_ = *at;
      last_ = *at;
      add(*event);
    }
  }

  [[nodiscard]] std::string svg() const {
    if (!first_) return {};
    const int high = static_cast<int>(lanes_.size()) * kLaneHigh + 34;
    std::string out = fmt::format(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"The calls on one timeline\">\n",
        kDrawn, high);
    int y = 12;
    for (const Lane& lane : lanes_) {
      out += lane_svg(lane, y);
      y += kLaneHigh;
    }
    const std::string from = format_clock(*first_);
    out += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kLeft, high - 8, html_escaped(from));
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kDrawn - 16,
                       high - 8, html_escaped(format_clock(*last_)));
    return out + "</svg>\n";
  }

 private:
  void add(const json::object& event) {
    const std::string label = text_of(event, "call");
    auto found = std::find_if(lanes_.begin(), lanes_.end(),
                              [&](const Lane& lane) { return lane.label == label; });
    if (found == lanes_.end()) {
      if (lanes_.size() == kLanesMax) return;
      lanes_.push_back({label, {}});
      found = std::prev(lanes_.end());
    }
    found->events.push_back(&event);
  }

  static std::string format_clock(WallTime at) {
    const std::int64_t day = ((at.ms % 86'400'000) + 86'400'000) % 86'400'000;
    return fmt::format("{:02}:{:02}:{:02}.{:03}", day / 3'600'000, day / 60'000 % 60,
                       day / 1000 % 60, day % 1000);
  }

  [[nodiscard]] int x_of(const json::object& event) const {
    const auto at = parse_rfc3339(text_of(event, "at"));
    const std::int64_t span = std::max<std::int64_t>(last_->ms - first_->ms, 1);
    const std::int64_t along = at.ok() ? at->ms - first_->ms : 0;
    return kLeft + static_cast<int>(along * (kDrawn - kLeft - 30) / span);
  }

  // Attempts as bars from start to end, everything else as a mark; names where there is room.
  [[nodiscard]] std::string lane_svg(const Lane& lane, int top) const {
    const int line = top + 34;
    std::string out = fmt::format(
        "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#c6ccd6\"/>\n"
        "<text x=\"14\" y=\"{}\" font-weight=\"bold\">{}</text>\n",
        kLeft, line, kDrawn - 16, line, line + 4, html_escaped(lane.label));
    std::map<std::string, int> began;
    int written_to = 0;
    for (const json::object* event : lane.events) {
      const std::string what = text_of(*event, "what");
      const int x = x_of(*event);
      const std::string tip =
          fmt::format("{} {} {}", event_name(*event), what, happening_of(*event));
      if (what == "attempt_started") {
        began[text_of(*event, "attempt")] = x;
        out += fmt::format(
            "<line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" stroke=\"#6b7686\" "
            "stroke-width=\"2\"/>\n",
            x, line - 9, line + 9);
        continue;
      }
      const auto start = began.find(text_of(*event, "attempt"));
      if ((what == "attempt_ended" || what == "recovered") && start != began.end()) {
        const bool answered = number_of(*event, "status") / 100 == 2;
        out += fmt::format(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" rx=\"3\" fill=\"{}\" "
            "fill-opacity=\"0.75\"><title>{}</title></rect>\n",
            start->second, line - 7, std::max(x - start->second, 4),
            answered ? "#8fcfa3" : "#e8b1ad", html_escaped(tip));
      } else {
        out += fmt::format(
            "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{}\"><title>{}</title>"
            "</circle>\n",
            x, line, paint_of(*event), html_escaped(tip));
      }
      if (x >= written_to) {
        out += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", x, line - 14,
                           html_escaped(event_name(*event)));
        written_to = x + 30;
      }
    }
    return out;
  }

  std::vector<Lane> lanes_;
  std::optional<WallTime> first_;
  std::optional<WallTime> last_;
};

// --- the tables ---

std::string row(const std::vector<std::pair<std::string, bool>>& cells) {
  std::string out = "<tr>";
  for (const auto& [text, mono] : cells)
    out += (mono ? "<td class=\"m\">" : "<td>") + html_escaped(text) + "</td>";
  return out + "</tr>\n";
}

std::string head_row(std::initializer_list<std::string_view> names) {
  std::string out = "<tr>";
  for (const auto name : names)
    out += "<th>" + html_escaped(name) + "</th>";
  return out + "</tr>\n";
}

std::string calls_table(const std::vector<const json::object*>& calls) {
  std::string out =
      "<table>\n" + head_row({"", "Call", "Request", "State", "Answer", "Key", "Owner", "Fields"});
  for (const json::object* call : calls) {
    const auto* key = object_of(*call, "key");
    const auto* answer = object_of(*call, "answer");
    out += row({{text_of(*call, "label"), true},
                {text_of(*call, "call"), true},
                {request_of(*call) + " to " + text_of(*call, "upstream"), false},
                {text_of(*call, "state"), false},
                {answer == nullptr ? "" : text_of(*answer, "status"), true},
                {key == nullptr ? "none" : "#" + text_of(*key, "hash"), true},
                {"#" + text_of(*call, "owner"), true},
                {fields_of(*call), false}});
  }
  return out + "</table>\n";
}

std::string sentences_list(const std::vector<const json::object*>& sentences) {
  std::string out = "<ol class=\"says\">\n";
  for (const json::object* sentence : sentences) {
    std::string refs;
    for (const json::object* ref : objects(*sentence, "evidence"))
      refs += " <span class=\"badge mono\">" + html_escaped(event_name(*ref)) + "</span>";
    std::string weight = text_of(*sentence, "weight");
    if (weight != "doubled" && weight != "same_content" && weight != "not_known") {
      weight = "nothing_doubled";
    }
    out += fmt::format(
        "<li class=\"{}\" style=\"background:none\">{}<br><span class=\"small\">Evidence:{} "
        "&middot; rule <code>{}</code><br>Not proved: {}</span></li>\n",
        weight, html_escaped(text_of(*sentence, "text")),
        refs.empty() ? " the call's record" : refs, html_escaped(text_of(*sentence, "rule")),
        html_escaped(text_of(*sentence, "unproved")));
  }
  return out + "</ol>\n";
}

std::string timeline_table(const std::vector<const json::object*>& timeline) {
  std::string out =
      "<table>\n" + head_row({"Event", "Time (UTC)", "Who", "Attempt", "What", "Detail"});
  for (const json::object* event : timeline) {
    out += row({{event_name(*event), true},
                {text_of(*event, "at"), true},
                {text_of(*event, "who"), false},
                {text_of(*event, "attempt"), true},
                {text_of(*event, "what"), false},
                {happening_of(*event), false}});
  }
  return out + "</table>\n";
}

}  // namespace

std::string evidence_page(const json::object& answer, std::string_view data) {
  const auto timeline = objects(answer, "timeline");
  std::string verdict = text_of(answer, "verdict");
  if (verdict != "doubled" && verdict != "same_content" && verdict != "not_known") {
    verdict = "nothing_doubled";
  }
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<title>Holdfast: what the records show</title>\n<style>";
  out += kStyle;
  out += "</style>\n</head>\n<body>\n<h1>What the records show</h1>\n";
  out += fmt::format("<p class=\"small\">Written by Holdfast from its journal at {}.</p>\n",
                     html_escaped(text_of(answer, "at")));
  out += fmt::format("<div class=\"verdict {}\">{}</div>\n", verdict,
                     html_escaped(text_of(answer, "headline")));
  out += sentences_list(objects(answer, "sentences"));
  out += "<h2>The calls</h2>\n" + calls_table(objects(answer, "calls"));
  out += "<h2>On one timeline</h2>\n" + Drawing(timeline).svg() +
         "<p class=\"small\">Bars are attempts at the upstream: green was answered with success, "
         "red was not. Marks: blue the client, grey Holdfast, violet an operator, green an answer, "
         "amber a likeness or a refusal, red an end without one.</p>\n" +
         timeline_table(timeline);
  out +=
      "<h2>How to read it</h2>\n<p class=\"small\">A value behind # is the beginning of a keyed "
      "hash "
      "(HMAC-SHA-256 under a key of this installation): equal hashes show equal values, and "
      "nothing else of them. Bodies, keys and credentials are not in this page. Times are the wall "
      "clock of the machine that Holdfast ran on. The records were sealed when they were written; "
      "this page is a copy, and its data follow in full for tools (element <code>#data</code>, "
      "JSON).</p>\n";
  out += "<script type=\"application/json\" id=\"data\">" + embedded(data) +
         "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace hf::app
