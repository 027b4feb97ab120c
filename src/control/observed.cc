#include "control/observed.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/quantity.h"
#include "call/reply_json.h"
#include "control/json.h"

namespace hf::control {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kKeyDigits = 12;

std::int64_t hour_of(WallTime time) {
  return time.ms - time.ms % kObservedHour.ms();
}

std::string key_of(const std::optional<call::Digest>& key) {
  return key ? to_hex(key->raw()).substr(0, kKeyDigits) : std::string();
}

std::uint64_t count_of(const JsonMembers& line, std::string_view name) {
  const std::string_view text = line.raw(name);
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() ? out : 0;
}

call::JsonObject begin_line(std::string_view kind, std::int64_t hour) {
  call::JsonObject out;
  out.number("v", kVersion).text("kind", kind).text("hour", format_rfc3339(WallTime{hour}));
  return out;
}

void add_kind(call::JsonObject& out, const ObservedKind& kind) {
  out.text("would", kind.would).text("rule", kind.rule);
  if (!kind.row.empty()) out.text("row", kind.row);
}

void add_sample_members(call::JsonObject& out, const ObservedSample& sample) {
  out.text("at", format_rfc3339(sample.at)).text("method", sample.method).text("path", sample.path);
  if (sample.status != 0) out.number("status", sample.status);
  if (!sample.key.empty()) out.text("key", sample.key);
}

// The members that every line of a finding or a sample has.
std::optional<ObservedKind> kind_of(const JsonMembers& line) {
  const auto would = line.text("would");
  const auto rule = line.text("rule");
  const auto row = line.text("row");
  if (!would.ok() || !rule.ok() || !row.ok() || would->empty()) return std::nullopt;
  return ObservedKind{*would, *rule, *row};
}

std::optional<ObservedSample> sample_of(const JsonMembers& line) {
  const auto at = line.text("at");
  const auto method = line.text("method");
  const auto path = line.text("path");
  const auto key = line.text("key");
  if (!at.ok() || !method.ok() || !path.ok() || !key.ok()) return std::nullopt;
  const auto time = parse_rfc3339(*at);
  if (!time.ok()) return std::nullopt;
  return ObservedSample{*time, *method, *path, static_cast<int>(count_of(line, "status")), *key};
}

std::string finding_json(const ObservedKind& kind, const ObservedFinding& finding) {
  call::JsonObject out;
  add_kind(out, kind);
  out.number("count", static_cast<std::int64_t>(finding.count));
  JsonArray samples;
  for (const ObservedSample& sample : finding.samples) {
    call::JsonObject one;
    add_sample_members(one, sample);
    samples.add(one.done());
  }
  return out.raw("samples", samples.done()).done();
}

std::string route_json(const std::string& name, const ObservedRoute& route, bool observes) {
  JsonArray findings;
  for (const auto& [kind, finding] : route.findings)
    findings.add(finding_json(kind, finding));
  return call::JsonObject()
      .text("route", name)
      .boolean("observes", observes)
      .number("calls", static_cast<std::int64_t>(route.calls))
      .number("clean", static_cast<std::int64_t>(route.clean))
      .raw("findings", findings.done())
      .done();
}

}  // namespace

void ObservedSum::add_sample(ObservedFinding& finding, ObservedSample sample) {
  auto& all = finding.samples;
  const auto place = std::upper_bound(all.begin(), all.end(), sample.at,
                                      [](WallTime at, const auto& one) { return at < one.at; });
  all.insert(place, std::move(sample));
  while (all.size() > kObservedSamples)
    all.pop_front();
}

void ObservedSum::add(const runtime::Passage& passage, const std::vector<engine::Sighting>& seen,
                      WallTime now, const Sampled& sampled) {
  ObservedRoute& route = hours_[hour_of(now)].routes[passage.route];
  route.calls += 1;
  if (seen.empty()) route.clean += 1;
  for (const engine::Sighting& one : seen) {
    const ObservedKind kind{std::string(to_string(one.would)), one.rule, std::string(one.row)};
    ObservedFinding& finding = route.findings[kind];
    finding.count += 1;
    if (!sampled(kind)) continue;
    add_sample(finding, {now, passage.method, passage.path.substr(0, kObservedPathMax), one.status,
                         key_of(one.key)});
  }
}

void ObservedSum::add_forgotten(std::uint64_t keys, WallTime now) {
  hours_[hour_of(now)].forgotten += keys;
}

bool ObservedSum::add_line(std::string_view text) {
  const auto line = JsonMembers::read(text);
  if (!line.ok() || count_of(*line, "v") != kVersion) return false;
  const auto kind = line->text("kind");
  const auto hour_text = line->text("hour");
  const auto route_name = line->text("route");
  if (!kind.ok() || !hour_text.ok() || !route_name.ok()) return false;
  const auto hour = parse_rfc3339(*hour_text);
  if (!hour.ok()) return false;
  Hour& here = hours_[hour_of(*hour)];
  if (*kind == "forgotten") {
    here.forgotten += count_of(*line, "count");
    return true;
  }
  ObservedRoute& route = here.routes[*route_name];
  if (*kind == "calls") {
    route.calls += count_of(*line, "count");
    route.clean += count_of(*line, "clean");
    return true;
  }
  const auto what = kind_of(*line);
  if (!what) return false;
  if (*kind == "finding") {
    route.findings[*what].count += count_of(*line, "count");
    return true;
  }
  auto sample = *kind == "sample" ? sample_of(*line) : std::nullopt;
  if (!sample) return false;
  add_sample(route.findings[*what], std::move(*sample));
  return true;
}

void ObservedSum::add_lines(std::string_view lines) {
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    if (!line.empty() && !add_line(line)) unreadable_ += 1;
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void ObservedSum::merge(const ObservedSum& other) {
  unreadable_ += other.unreadable_;
  for (const auto& [at, hour] : other.hours_) {
    Hour& here = hours_[at];
    here.forgotten += hour.forgotten;
    for (const auto& [name, from] : hour.routes) {
      ObservedRoute& route = here.routes[name];
      route.calls += from.calls;
      route.clean += from.clean;
      for (const auto& [kind, finding] : from.findings) {
        route.findings[kind].count += finding.count;
        for (const ObservedSample& sample : finding.samples)
          add_sample(route.findings[kind], sample);
      }
    }
  }
}

std::string ObservedSum::lines() const {
  std::string out;
  for (const auto& [at, hour] : hours_) {
    if (hour.forgotten > 0) {
      out += begin_line("forgotten", at)
                 .number("count", static_cast<std::int64_t>(hour.forgotten))
                 .done() +
             "\n";
    }
    for (const auto& [name, route] : hour.routes) {
      if (route.calls > 0) {
        out += begin_line("calls", at)
                   .text("route", name)
                   .number("count", static_cast<std::int64_t>(route.calls))
                   .number("clean", static_cast<std::int64_t>(route.clean))
                   .done() +
               "\n";
      }
      for (const auto& [kind, finding] : route.findings) {
        auto line = begin_line("finding", at);
        line.text("route", name);
        add_kind(line, kind);
        out += line.number("count", static_cast<std::int64_t>(finding.count)).done() + "\n";
        for (const ObservedSample& sample : finding.samples) {
          auto one = begin_line("sample", at);
          one.text("route", name);
          add_kind(one, kind);
          add_sample_members(one, sample);
          out += one.done() + "\n";
        }
      }
    }
  }
  return out;
}

std::string ObservedSum::json(WallTime since, WallTime now, const std::string& route,
                              const call::Settings* settings) const {
  std::map<std::string, ObservedRoute> routes;
  std::set<std::string> observing;
  if (settings != nullptr) {
    for (const auto& one : settings->routes) {
      if (one->mode != call::RouteMode::observe) continue;
      observing.insert(one->path);
      if (route.empty() || one->path == route) routes[one->path];
    }
  }
  ObservedSum chosen;
  std::uint64_t forgotten = 0;
  std::optional<WallTime> first;
  for (const auto& [at, hour] : hours_) {
    if (WallTime{at} + kObservedHour <= since || WallTime{at} > now) continue;
    ObservedSum one;
    Hour flat = hour;
    if (!route.empty()) {
      std::erase_if(flat.routes, [&](const auto& entry) { return entry.first != route; });
    }
    if (!flat.routes.empty() && !first) first = WallTime{at};
    forgotten += flat.forgotten;
    one.hours_[0] = std::move(flat);
    chosen.merge(one);
  }
  for (auto& [name, sum] : chosen.hours_[0].routes)
    routes[name] = std::move(sum);
  JsonArray list;
  for (const auto& [name, sum] : routes)
    list.add(route_json(name, sum, observing.contains(name)));
  call::JsonObject out;
  out.text("since", format_rfc3339(since)).text("until", format_rfc3339(now));
  if (first) {
    out.text("first_hour", format_rfc3339(*first));
  } else {
    out.null("first_hour");
  }
  return out.number("forgotten_keys", static_cast<std::int64_t>(forgotten))
      .number("unreadable_lines", static_cast<std::int64_t>(unreadable_))
      .raw("routes", list.done())
      .done();
}

void ObservedBook::add(const runtime::Passage& passage, const std::vector<engine::Sighting>& seen,
                       WallTime now) {
  if (hour_of(now) != sampled_hour_) sampled_.clear();
  sampled_hour_ = hour_of(now);
  fresh_.add(passage, seen, now, [&](const ObservedKind& kind) {
    return ++sampled_[{passage.route, kind}] <= kObservedSamples;
  });
  if (seen.empty()) counts_[{passage.route, "none"}] += 1;
  for (const engine::Sighting& one : seen)
    counts_[{passage.route, std::string(to_string(one.would))}] += 1;
}

void ObservedBook::forgotten(std::uint64_t keys, WallTime now) {
  if (keys > forgotten_) fresh_.add_forgotten(keys - forgotten_, now);
  forgotten_ = keys;
}

ObservedSum ObservedBook::take() {
  return std::exchange(fresh_, {});
}

}  // namespace hf::control
