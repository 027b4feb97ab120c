// The screen of `holdfast top`.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "app/json_view.h"
#include "app/progress.h"
#include "app/top_command.h"
#include "base/quantity.h"

namespace hf::app {
namespace {

namespace json = boost::json;

constexpr std::size_t kRows = 10;  // of one table

// What happened between two answers.
class Between {
 public:
  Between(const json::object& before, const json::object& now) : before_(before), now_(now) {
    const auto from = parse_rfc3339(text_of(before, "at"));
    const auto to = parse_rfc3339(text_of(now, "at"));
    if (from.ok() && to.ok()) time_ = *to - *from;
  }
  // "1,240"; with a decimal below ten; "-" where nothing can be said: it has been restarted.
  [[nodiscard]] std::string rate(std::int64_t before, std::int64_t now) const {
    if (time_.ms() <= 0 || now < before) return "-";
    const std::int64_t tenths = (now - before) * 10'000 / time_.ms();
    if (tenths == 0) return "0";
    if (tenths < 100) return fmt::format("{}.{}", tenths / 10, tenths % 10);
    return grouped(static_cast<std::uint64_t>(tenths / 10));
  }
  [[nodiscard]] std::string rate_of(std::string_view group, std::string_view name) const {
    const json::object* was = object_of(before_, group);
    const json::object* is = object_of(now_, group);
    return rate(was == nullptr ? 0 : number_of(*was, name),
                is == nullptr ? 0 : number_of(*is, name));
  }
  [[nodiscard]] Duration time() const { return time_; }
  [[nodiscard]] const json::object& now() const { return now_; }
  [[nodiscard]] const json::object& before() const { return before_; }

 private:
  const json::object& before_;
  const json::object& now_;
  Duration time_;
};

// The one of that name in a list of objects.
const json::object* named(const json::array* list, const std::string& name) {
  if (list == nullptr) return nullptr;
  for (const json::value& value : *list) {
    const json::object* one = value.if_object();
    if (one != nullptr && text_of(*one, "name") == name) return one;
  }
  return nullptr;
}

std::string title(const Between& between, const ViewOptions& options) {
  const json::object& now = between.now();
  const auto started = parse_rfc3339(text_of(now, "started"));
  const std::string at = text_of(now, "at");
  const auto cpu = number_of(now, "cpu_us") - number_of(between.before(), "cpu_us");
  const std::int64_t wall_us = std::max<std::int64_t>(1, between.time().ns / 1000);
  return fmt::format(
      "holdfast {}   up {}   cpu {} %   {} MiB   {}\n"
      "requests {}/s   answers {}/s   connections {}   calls in memory {}   clients gone {}/s\n",
      safe(text_of(now, "version")), started.ok() ? shortly(options.now - *started) : "?",
      std::max<std::int64_t>(0, cpu) * 100 / wall_us, number_of(now, "resident_bytes") >> 20,
      at.size() < 19 ? "" : at.substr(11, 8), between.rate_of("server", "requests"),
      between.rate_of("server", "answers"),
      object_of(now, "server") == nullptr ? "" : text_of(*object_of(now, "server"), "connections"),
      text_of(now, "active_calls"), between.rate_of("server", "gone"));
}

// Names with totals that rise, the busiest first.
std::string risers(const Between& between, std::string_view group, std::string_view head) {
  const json::object* now = object_of(between.now(), group);
  if (now == nullptr || now->empty()) return "";
  const json::object* before = object_of(between.before(), group);
  struct Row {
    std::string name;
    std::int64_t rise = 0;
    std::int64_t total = 0;
  };
  std::vector<Row> rows;
  for (const auto& member : *now) {
    const std::string name(member.key());
    const std::int64_t total = number_of(*now, name);
    const std::int64_t was = before == nullptr ? 0 : number_of(*before, name);
    rows.push_back({name, total - was, total});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.rise > b.rise; });
  Table table({std::string(head), "A SECOND", "TOTAL"});
  for (std::size_t i = 0; i < std::min(kRows, rows.size()); ++i) {
    table.add({safe(rows[i].name), between.rate(rows[i].total - rows[i].rise, rows[i].total),
               grouped(static_cast<std::uint64_t>(rows[i].total))});
  }
  return "\n" + table.text(false, 0);
}

std::int64_t shed_of(const json::object* upstream) {
  const json::object* load = upstream == nullptr ? nullptr : object_of(*upstream, "load");
  const json::object* shed = load == nullptr ? nullptr : object_of(*load, "shed");
  if (shed == nullptr) return 0;
  std::int64_t out = 0;
  for (const auto& member : *shed) {
    const json::object* rules = member.value().if_object();
    if (rules == nullptr) continue;
    for (const auto& rule : *rules)
      out += number_of(*rules, std::string_view(rule.key()));
  }
  return out;
}

std::string ratio_of(const json::object* demand) {
  const json::value* ratio = demand == nullptr ? nullptr : demand->if_contains("demand");
  if (ratio == nullptr || !ratio->is_number()) return "";
  boost::system::error_code bad;
  return fmt::format("{:.2f}", ratio->to_number<double>(bad));
}

std::string learnt_of(const json::object& load) {
  const json::object* learnt = object_of(load, "learnt");
  return learnt == nullptr ? "" : text_of(*learnt, "lesson");
}

std::string upstreams(const Between& between) {
  const json::array* list = list_of(between.now(), "upstreams");
  if (list == nullptr || list->empty()) return "";
  const json::object* autoscale = object_of(between.now(), "autoscale");
  const json::object* demands = autoscale == nullptr ? nullptr : object_of(*autoscale, "upstreams");
  Table table({"UPSTREAM", "BREAKER", "IN FLIGHT", "LIMIT", "LEARNT BY", "WAITING", "QUEUE MS",
               "TARGET MS", "DEMAND", "TRIES/S", "SENT AWAY/S", "REFUSED NOW"});
  for (const json::value& value : *list) {
    const json::object* one = value.if_object();
    const json::object* load = one == nullptr ? nullptr : object_of(*one, "load");
    if (load == nullptr) continue;
    const std::string name = text_of(*one, "name");
    const json::object* was = named(list_of(between.before(), "upstreams"), name);
    const json::object* demand = demands == nullptr ? nullptr : object_of(*demands, name);
    const std::string below = text_of(*load, "shed_below");
    table.add({safe(name), text_of(*one, "breaker"), text_of(*load, "in_flight"),
               text_of(*load, "limit"), learnt_of(*load), text_of(*load, "waiting"),
               text_of(*load, "queue_delay_ms"), text_of(*load, "threshold_ms"), ratio_of(demand),
               between.rate(was == nullptr ? 0 : number_of(*was, "attempts"),
                            number_of(*one, "attempts")),
               between.rate(shed_of(was), shed_of(one)),
               below.empty() || below == "null" ? "" : "below " + below});
  }
  return "\n" + table.text(false, 0);
}

// The busiest of the last seconds, by what was counted in them.
std::string clients(const Between& between) {
  const json::object* now = object_of(between.now(), "clients");
  const json::array* list = now == nullptr ? nullptr : list_of(*now, "busiest");
  if (list == nullptr || list->empty()) return "";
  const std::int64_t over = std::max<std::int64_t>(1, number_of(*now, "over_ms"));
  const auto a_second = [&](const json::object& one, std::string_view name) {
    return fmt::format(
        "{:.1f}", static_cast<double>(number_of(one, name)) * 1000 / static_cast<double>(over));
  };
  Table table({"CLIENT", "A SECOND", "REFUSED/S"});
  for (std::size_t i = 0; i < std::min(kRows, list->size()); ++i) {
    const json::object* one = (*list)[i].if_object();
    if (one == nullptr) continue;
    table.add({safe(text_of(*one, "client")), a_second(*one, "asked"), a_second(*one, "refused")});
  }
  return "\n" + table.text(false, 0);
}

std::int64_t refused_by(const json::object* limit) {
  if (limit == nullptr) return 0;
  return number_of(*limit, "quota") + number_of(*limit, "banned") + number_of(*limit, "blocked");
}

std::string limits(const Between& between) {
  const json::object* now = object_of(between.now(), "limits");
  const json::array* list = now == nullptr ? nullptr : list_of(*now, "limits");
  if (list == nullptr || list->empty()) return "";
  const json::object* was = object_of(between.before(), "limits");
  Table table({"LIMIT", "RATE", "ADMITTED/S", "REFUSED/S", "TOTAL REFUSED", "MOSTLY"});
  for (const json::value& value : *list) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    const json::object* before =
        was == nullptr ? nullptr : named(list_of(*was, "limits"), text_of(*one, "name"));
    const json::array* offenders = list_of(*one, "offenders");
    const json::object* worst =
        offenders == nullptr || offenders->empty() ? nullptr : (*offenders)[0].if_object();
    const std::string name =
        text_of(*one, "name") + (text_of(*one, "mode") == "observe" ? " (observes)" : "");
    table.add({safe(name), text_of(*one, "rate"),
               between.rate(before == nullptr ? 0 : number_of(*before, "admitted"),
                            number_of(*one, "admitted")),
               between.rate(refused_by(before), refused_by(one)),
               grouped(static_cast<std::uint64_t>(std::max<std::int64_t>(0, refused_by(one)))),
               worst == nullptr ? "" : safe(text_of(*worst, "client"))});
  }
  return "\n" + table.text(false, 0);
}

std::string features(const Between& between) {
  const json::object* now = object_of(between.now(), "features");
  const json::array* list = now == nullptr ? nullptr : list_of(*now, "features");
  if (list == nullptr || list->empty()) return "";
  std::string out;
  for (const json::value& value : *list) {
    const json::object* one = value.if_object();
    if (one == nullptr) continue;
    const bool word = object_of(*one, "word") != nullptr;
    out += fmt::format("{}{} {}{}", out.empty() ? "\nFEATURES  " : "   ",
                       safe(text_of(*one, "name")), flag_of(*one, "on") ? "on" : "OFF",
                       word                      ? " (by hand)"
                       : flag_of(*one, "dimmed") ? " (by load)"
                                                 : "");
  }
  return out + "\n";
}

}  // namespace

std::string show_top(const json::object& before, const json::object& now,
                     const ViewOptions& options) {
  const Between between(before, now);
  return title(between, options) + risers(between, "requests", "ROUTE") + clients(between) +
         upstreams(between) + limits(between) + features(between) +
         risers(between, "problems", "REFUSED, FAILED");
}

}  // namespace hf::app
