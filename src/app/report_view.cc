#include "app/report_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <vector>

#include "app/json_view.h"

namespace hf::app {
namespace {

namespace json = boost::json;

struct Word {
  std::string_view would;
  std::string_view rule;  // empty: any
  std::string_view means;
};

// In the order in which they are shown.
constexpr std::array<Word, 26> kWords{{
    {"doubled", "answered-twice",
     "repeats of a call that had been applied already: these took effect twice"},
    {"doubled", "perhaps", "repeats of a call that may have been applied: perhaps twice"},
    {"replay", "", "repeats: the stored answer instead of another request"},
    {"join", "in-flight", "repeats while the first was under way: one request for both"},
    {"join", "", "repeats of a call that was not over: they wait for its answer"},
    {"resume", "", "repeats of a call without an answer: tried again as that same call"},
    {"retry", "", "sent again"},
    {"verify", "", "the upstream asked whether it took effect, before anything else"},
    {"finish", "", "the client went away: the call seen through without it"},
    {"hold", "hold-always", "answered 202 and delivered from the journal"},
    {"hold", "respond-async", "answered 202 as the client asked (Prefer: respond-async)"},
    {"hold", "not-before", "kept until the time that the client named"},
    {"hold", "", "kept on disk and delivered later"},
    {"unknown", "", "may have been applied, and nobody can tell: set apart, with an alert"},
    {"time-out", "connect", "ended at `timeouts.connect`"},
    {"time-out", "head", "ended at `timeouts.head`, before its answer came"},
    {"time-out", "idle", "ended at `timeouts.idle`, within its answer"},
    {"wait", "concurrency", "not sent at once: `concurrency` of the upstream was used up"},
    {"wait", "rate", "not sent at once: `rate` of the upstream was used up"},
    {"wait", "budget", "the retry not sent at once: the retry budget was used up"},
    {"wait", "paused", "not sent at once: the upstream had asked for a pause"},
    {"wait", "", "not sent at once: the breaker was open"},
    {"refuse", "", "an error instead of being sent"},
    {"resembles", "", "the content of another call under another key: noted, and nothing else"},
    {"unseen", "", "could not be judged"},
    {"", "", ""},
}};

std::size_t place_of(std::string_view would, std::string_view rule) {
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    const Word& word = kWords[i];
    if (word.would == would && (word.rule.empty() || word.rule == rule)) return i;
  }
  return kWords.size() - 1;
}

// 1204 as "1,204".
std::string grouped(std::int64_t number) {
  std::string out = fmt::format("{}", number);
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<std::size_t>(at), 1, ',');
  return out;
}

// "2026-11-21 20:10:00" of a time as the API writes it.
std::string short_time(const std::string& text) {
  std::string out = safe(text).substr(0, 19);
  if (out.size() > 10 && out[10] == 'T') out[10] = ' ';
  return out;
}

std::string counted_calls(std::int64_t calls) {
  return calls == 1 ? "1 call" : grouped(calls) + " calls";
}

struct Line {
  std::size_t place = 0;
  std::int64_t count = 0;
  std::string would;
  std::string rule;
  std::string row;
  const json::array* samples = nullptr;
};

struct Route {
  std::string name;
  bool observes = false;
  std::int64_t calls = 0;
  std::int64_t clean = 0;
  std::vector<Line> lines;

  [[nodiscard]] std::int64_t of(std::string_view would) const {
    std::int64_t out = 0;
    for (const Line& line : lines)
      out += line.would == would ? line.count : 0;
    return out;
  }
};

Route route_of(const json::object& object) {
  Route out{text_of(object, "route"),
            flag_of(object, "observes"),
            number_of(object, "calls"),
            number_of(object, "clean"),
            {}};
  const json::array* findings = list_of(object, "findings");
  if (findings == nullptr) return out;
  for (const json::value& value : *findings) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    Line line{0,
              number_of(*one, "count"),
              text_of(*one, "would"),
              text_of(*one, "rule"),
              text_of(*one, "row"),
              list_of(*one, "samples")};
    line.place = place_of(line.would, line.rule);
    out.lines.push_back(std::move(line));
  }
  std::sort(out.lines.begin(), out.lines.end(), [](const Line& a, const Line& b) {
    return std::tuple(a.place, -a.count, a.rule, a.row) <
           std::tuple(b.place, -b.count, b.rule, b.row);
  });
  return out;
}

std::string sample_text(const json::object& sample) {
  std::string out = fmt::format("              {}  {} {}", short_time(text_of(sample, "at")),
                                safe(text_of(sample, "method")), safe(text_of(sample, "path")));
  const auto status = number_of(sample, "status");
  if (status != 0) out += fmt::format("  {}", status);
  const std::string key = text_of(sample, "key");
  if (!key.empty()) out += "  key #" + safe(key);
  return out + "\n";
}

std::string line_text(const Line& line) {
  const std::string rule = line.row.empty() ? line.rule : line.row + ", " + line.rule;
  std::string out = fmt::format("{:>10}  {:<9} {}\n{:>23}[{}]\n", grouped(line.count),
                                safe(line.would), kWords[line.place].means, "", safe(rule));
  if (line.samples == nullptr) return out;
  for (const json::value& value : *line.samples) {
    if (const json::object* sample = value.if_object()) out += sample_text(*sample);
  }
  return out;
}

std::string route_text(const Route& route) {
  std::string out = fmt::format("{}   {}, {} of them with nothing to change{}\n", safe(route.name),
                                counted_calls(route.calls), grouped(route.clean),
                                route.observes ? "" : "   (observes no more)");
  for (const Line& line : route.lines)
    out += line_text(line);
  return out + "\n";
}

// What callers would notice as a loss: the fewer for a call, the safer to begin with.
std::int64_t losses(const Route& route) {
  return route.of("refuse") + route.of("time-out") + route.of("wait");
}

// What it is there for.
std::int64_t gains(const Route& route) {
  return route.of("doubled") + route.of("replay") + route.of("join") + route.of("retry");
}

std::string loss_text(const Route& route) {
  const auto refuse = route.of("refuse");
  const auto late = route.of("time-out");
  const auto wait = route.of("wait");
  const auto hold = route.of("hold");
  const auto unseen = route.of("unseen");
  std::string out;
  if (losses(route) == 0) out += "no call would have been refused, cut off or delayed";
  if (refuse > 0) out += fmt::format("{} would have been refused", grouped(refuse));
  if (late > 0) out += fmt::format("{}{} cut off", out.empty() ? "" : ", ", grouped(late));
  if (wait > 0) out += fmt::format("{}{} delayed", out.empty() ? "" : ", ", grouped(wait));
  if (hold > 0)
    out += fmt::format("; {} held: its callers must know a `held` answer", grouped(hold));
  if (unseen > 0) out += fmt::format("; {} could not be judged", grouped(unseen));
  return out;
}

std::string advice(std::vector<Route> routes) {
  std::erase_if(routes, [](const Route& route) { return !route.observes; });
  if (routes.empty()) return "No route observes now.\n";
  std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) {
    if ((a.calls == 0) != (b.calls == 0)) return b.calls == 0;
    const std::int64_t of_a = std::max<std::int64_t>(a.calls, 1);
    const std::int64_t of_b = std::max<std::int64_t>(b.calls, 1);
    return std::tuple(losses(a) * of_b, a.of("hold") * of_b, -gains(a) * of_b) <
           std::tuple(losses(b) * of_a, b.of("hold") * of_a, -gains(b) * of_a);
  });
  std::string out = "To begin, take `mode: observe` off one route at a time, in this order:\n";
  int place = 1;
  for (const Route& route : routes) {
    const std::string why =
        route.calls == 0 ? "no call was seen: wait until it had some" : loss_text(route);
    out += fmt::format("  {}. path: {}   {}\n", place++, safe(route.name), why);
  }
  return out + "docs/observe.md says what to change where calls would have been refused.\n";
}

std::string headline(const std::vector<Route>& routes) {
  std::int64_t twice = 0;
  std::int64_t perhaps = 0;
  for (const Route& route : routes) {
    for (const Line& line : route.lines) {
      if (line.would != "doubled") continue;
      (line.rule == "perhaps" ? perhaps : twice) += line.count;
    }
  }
  std::string out;
  if (twice == 1) {
    out += "1 request was a repeat of a call already applied: it took effect twice.\n";
  } else if (twice > 0) {
    out += fmt::format(
        "{} requests were repeats of a call already applied: these took effect twice.\n",
        grouped(twice));
  }
  if (perhaps == 1) {
    out += "1 was a repeat of a call that may have been applied: perhaps twice.\n";
  } else if (perhaps > 0) {
    out += fmt::format("{} were repeats of a call that may have been applied: perhaps twice.\n",
                       grouped(perhaps));
  }
  return out;
}

}  // namespace

std::string show_report(const json::object& report) {
  std::vector<Route> routes;
  if (const json::array* list = list_of(report, "routes")) {
    for (const json::value& value : *list) {
      if (const json::object* route = value.if_object()) routes.push_back(route_of(*route));
    }
  }
  if (routes.empty()) {
    return fmt::format("Nothing was observed since {}. Put `mode: observe` on a route to begin.\n",
                       short_time(text_of(report, "since")));
  }
  const std::string first = text_of(report, "first_hour");
  std::string out =
      fmt::format("What Holdfast would have done since {} UTC{}. Nothing of it was done.\n",
                  short_time(text_of(report, "since")),
                  first.empty() ? ": nothing was seen"
                                : fmt::format(" (first hour seen: {})", short_time(first)));
  out += headline(routes) + "\n";
  for (const Route& route : routes)
    out += route_text(route);
  const auto forgotten = number_of(report, "forgotten_keys");
  if (forgotten > 0) {
    out += fmt::format(
        "{} keys were let go for want of room: their later repeats are not "
        "counted.\n",
        grouped(forgotten));
  }
  const auto torn = number_of(report, "unreadable_lines");
  if (torn > 0) out += fmt::format("Lines of the files that could not be read: {}\n", torn);
  return out + advice(std::move(routes));
}

}  // namespace hf::app
