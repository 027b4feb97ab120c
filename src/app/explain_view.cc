#include "app/explain_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>
#include <vector>

#include "app/calls_view.h"
#include "app/json_view.h"
#include "review/wrap.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kWidth = 96;

std::string wrapped(std::string_view text, std::string_view lead, std::string_view indent) {
  return review::wrapped(text, lead, indent, kWidth);
}

std::string_view colour_of_verdict(std::string_view verdict) {
  if (verdict == "nothing_doubled") return "\033[1;32m";
  if (verdict == "doubled") return "\033[1;31m";
  return "\033[1;33m";
}

// "A1 B2": events as the timeline numbers them.
std::string evidence_of(const json::object& sentence) {
  std::string out;
  const json::array* evidence = list_of(sentence, "evidence");
  if (evidence == nullptr) return out;
  for (const json::value& value : *evidence) {
    const json::object* ref = value.if_object();
    if (ref == nullptr) continue;
    if (!out.empty()) out += ' ';
    out += text_of(*ref, "call") + text_of(*ref, "event");
  }
  return out;
}

std::string standing_of(const json::object& call) {
  const std::string state = text_of(call, "state");
  const auto* answer = object_of(call, "answer");
  if (state == "answered" && answer != nullptr) return "answered " + text_of(*answer, "status");
  return state;
}

std::string key_of(const json::object& call) {
  const auto* key = object_of(call, "key");
  if (key == nullptr) return "no key";
  if (flag_of(*key, "made")) return "no key of the client's";
  return (flag_of(*key, "derived") ? "derived key #" : "key #") + text_of(*key, "hash");
}

std::string clock_of(const json::object& event) {
  const std::string at = text_of(event, "at");
  return at.size() >= 23 ? at.substr(11, 12) : at;
}
std::string date_of(const json::object& event) {
  return text_of(event, "at").substr(0, 10);
}

std::string calls_part(const json::array& calls) {
  std::string out;
  for (const json::value& value : calls) {
    const json::object* call = value.if_object();
    if (call == nullptr) continue;
    const std::string fields = fields_of(*call);
    out += fmt::format("  {}  {}  {}  {}\n     {}, {}, owner #{}{}\n", text_of(*call, "label"),
                       text_of(*call, "call"), request_of(*call), standing_of(*call), key_of(*call),
                       "upstream " + text_of(*call, "upstream"), text_of(*call, "owner"),
                       fields.empty() ? "" : ", " + fields);
  }
  return out;
}

std::string sentences_part(const json::array& sentences) {
  std::string out;
  int n = 0;
  std::vector<std::pair<std::string, std::string>> unproved;  // each once, with its sentences
  for (const json::value& value : sentences) {
    const json::object* sentence = value.if_object();
    if (sentence == nullptr) continue;
    out += wrapped(text_of(*sentence, "text"), fmt::format("{:>3}. ", ++n), "     ");
    const std::string evidence = evidence_of(*sentence);
    out += fmt::format("     [{}{}]\n", evidence.empty() ? "" : evidence + "; ",
                       text_of(*sentence, "rule"));
    const std::string open = text_of(*sentence, "unproved");
    const auto found = std::find_if(unproved.begin(), unproved.end(),
                                    [&](const auto& one) { return one.first == open; });
    if (found == unproved.end()) {
      unproved.emplace_back(open, std::to_string(n));
    } else {
      found->second += ", " + std::to_string(n);
    }
  }
  out += "\nWhat they do not prove\n";
  for (const auto& [text, of] : unproved)
    out += wrapped(text, fmt::format("  of {}: ", of), "     ");
  return out;
}

std::string timeline_part(const json::array& timeline) {
  Table table({"EVENT", "TIME", "WHO", "TRY", "WHAT", "DETAIL"});
  std::string date;
  for (const json::value& value : timeline) {
    const json::object* event = value.if_object();
    if (event == nullptr) continue;
    if (const std::string day = date_of(*event); day != date) {
      if (!date.empty()) table.add({"", day, "", "", "", ""});
      date = day;
    }
    table.add({text_of(*event, "call") + text_of(*event, "event"), clock_of(*event),
               text_of(*event, "who"), text_of(*event, "attempt"), text_of(*event, "what"),
               happening_of(*event)});
  }
  return table.text(false, 0);
}

}  // namespace

std::string show_explanation(const json::object& answer, bool colour) {
  std::string headline = text_of(answer, "headline");
  if (colour) {
    headline =
        std::string(colour_of_verdict(text_of(answer, "verdict"))) + headline + std::string(kReset);
  }
  std::string out = headline + "\n";
  const json::array* calls = list_of(answer, "calls");
  const json::array* sentences = list_of(answer, "sentences");
  const json::array* timeline = list_of(answer, "timeline");
  if (calls != nullptr && !calls->empty()) out += "\n" + calls_part(*calls);
  if (sentences != nullptr && !sentences->empty()) {
    out += "\nWhat the records show\n" + sentences_part(*sentences);
  }
  if (timeline != nullptr && !timeline->empty()) {
    const json::object* first = timeline->front().if_object();
    out += fmt::format("\nTimeline, {} UTC\n", first == nullptr ? "" : date_of(*first)) +
           timeline_part(*timeline);
  }
  if (const json::array* looked = list_of(answer, "looked"); looked != nullptr) {
    out += "\nLooked for\n";
    for (const json::value& value : *looked) {
      if (const auto* line = value.if_string()) {
        out += wrapped(safe({line->data(), line->size()}), "  ", "    ");
      }
    }
  }
  return out;
}

std::string show_duplicates(const json::object& answer) {
  const json::array* callers = list_of(answer, "callers");
  const std::int64_t calls = number_of(answer, "calls");
  if (callers == nullptr || callers->empty()) {
    return fmt::format(
        "No call since {} repeats the content of another under a new key within {} (of {} "
        "calls that could be compared).\n",
        text_of(answer, "since"), text_of(answer, "window"), calls);
  }
  std::string out = fmt::format(
      "{} of {} calls since {} repeat the content of another under a new key within {}.\n\n",
      number_of(answer, "repeats"), calls, text_of(answer, "since"), text_of(answer, "window"));
  Table table({"ROUTE", "OWNER", "AGENT", "CALLS", "REPEATS", "LOAD", "LATEST PAIR", "APART"});
  for (const json::value& value : *callers) {
    const json::object* caller = value.if_object();
    if (caller == nullptr) continue;
    const json::object* latest = object_of(*caller, "latest");
    const std::int64_t load = number_of(*caller, "load_percent");
    const std::int64_t apart = latest == nullptr ? 0 : number_of(*latest, "apart_ms");
    table.add({text_of(*caller, "route"), "#" + text_of(*caller, "owner"),
               text_of(*caller, "agent").substr(0, 32), text_of(*caller, "calls"),
               text_of(*caller, "repeats"), fmt::format("x{}.{:02}", load / 100, load % 100),
               latest == nullptr ? std::string() : text_of(*latest, "later"),
               fmt::format("{}.{:03} s", apart / 1000, apart % 1000)});
  }
  out += table.text(false, 0);
  out +=
      "\nLOAD is how many calls were sent for each one that was meant, if every repeat was a "
      "retry.\nSee one: holdfast explain CALL. Give the retry the first call's key, or let one "
      "layer retry.\n";
  if (!flag_of(answer, "complete")) out += "There are more than are shown here.\n";
  return out;
}

}  // namespace hf::app
