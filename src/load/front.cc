#include "load/front.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "load/words.h"

namespace hf::load {
namespace {

// One line: name, labels, value. Labels of ours hold no escaped quotes but what a configuration
// names; those are read up to the quote that is not escaped.
struct Line {
  std::string_view name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

std::optional<Line> read_line(std::string_view text) {
  Line out;
  const auto end = text.find_first_of("{ ");
  if (end == std::string_view::npos) return std::nullopt;
  out.name = text.substr(0, end);
  text.remove_prefix(end);
  if (text.front() == '{') {
    text.remove_prefix(1);
    while (!text.empty() && text.front() != '}') {
      const auto mark = text.find("=\"");
      if (mark == std::string_view::npos) return std::nullopt;
      std::string& value = out.labels[std::string(text.substr(0, mark))];
      text.remove_prefix(mark + 2);
      while (!text.empty() && text.front() != '"') {
        if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
        value += text.front();
        text.remove_prefix(1);
      }
      if (text.empty()) return std::nullopt;
      text.remove_prefix(1);
      if (text.starts_with(',')) text.remove_prefix(1);
    }
    if (text.empty()) return std::nullopt;
    text.remove_prefix(1);
  }
  while (text.starts_with(' '))
    text.remove_prefix(1);
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out.value);
  if (error != std::errc{}) return std::nullopt;
  return out;
}

void take(FrontSample& sample, Line& line) {
  const auto of = [&]() -> FrontUpstream& { return sample.upstreams[line.labels["upstream"]]; };
  if (line.name == "holdfast_upstream_attempts_total") of().attempts = line.value;
  if (line.name == "holdfast_upstream_retries_total") of().retries = line.value;
  if (line.name == "holdfast_upstream_queue") of().queue = line.value;
  if (line.name == "holdfast_upstream_in_flight") of().in_flight = line.value;
  if (line.name == "holdfast_upstream_paused_keys") of().paused = line.value;
  if (line.name == "holdfast_upstream_breaker_state" && line.labels["state"] == "open")
    of().breaker_open = line.value > 0;
  if (line.name == "holdfast_problems_total") sample.problems[line.labels["code"]] = line.value;
  if (line.name == "holdfast_requests_total") sample.requests += line.value;
  if (line.name == "holdfast_server_refused_connections_total")
    sample.refused_connections = line.value;
  if (line.name == "process_cpu_seconds_total") sample.cpu_seconds = line.value;
  if (line.name == "process_start_time_seconds") sample.started = line.value;
}

// What of an upstream happened over some looks.
struct Seen {
  double queue = 0;      // most
  double in_flight = 0;  // most
  double mean_in_flight = 0;
  double queued_share = 0;  // of the looks that saw somebody wait
  double attempts = 0;      // made
  bool open = false;
  bool paused = false;
};

class Looks {
 public:
  Looks(std::vector<const FrontSample*> looks, const FrontLimits& limits)
      : looks_(std::move(looks)), limits_(limits) {}

  [[nodiscard]] FrontFinding finding() const;

 private:
  [[nodiscard]] const FrontSample& first() const { return *looks_.front(); }
  [[nodiscard]] const FrontSample& last() const { return *looks_.back(); }
  [[nodiscard]] double seconds() const {
    return static_cast<double>((last().at - first().at).ns) / 1e9;
  }
  [[nodiscard]] Seen seen(const std::string& upstream) const;
  [[nodiscard]] FrontFinding waiting(const std::string& upstream, const Seen& seen) const;
  [[nodiscard]] std::optional<FrontFinding> by_upstream() const;
  [[nodiscard]] FrontFinding by_rest() const;
  [[nodiscard]] std::string refusals() const;

  std::vector<const FrontSample*> looks_;
  const FrontLimits& limits_;
};

Seen Looks::seen(const std::string& upstream) const {
  Seen out;
  const double share = 1.0 / static_cast<double>(looks_.size());
  for (const FrontSample* look : looks_) {
    const auto found = look->upstreams.find(upstream);
    if (found == look->upstreams.end()) continue;
    const FrontUpstream& now = found->second;
    out.queue = std::max(out.queue, now.queue);
    out.in_flight = std::max(out.in_flight, now.in_flight);
    out.mean_in_flight += now.in_flight * share;
    out.queued_share += now.queue > 0 ? share : 0;
    out.open = out.open || now.breaker_open;
    out.paused = out.paused || now.paused > 0;
  }
  const auto before = first().upstreams.find(upstream);
  const auto after = last().upstreams.find(upstream);
  if (before != first().upstreams.end() && after != last().upstreams.end())
    out.attempts = after->second.attempts - before->second.attempts;
  return out;
}

// The codes of what Holdfast refused by itself meanwhile.
std::string Looks::refusals() const {
  std::string out;
  for (const auto& [code, count] : last().problems) {
    const auto before = first().problems.find(code);
    const double more = count - (before == first().problems.end() ? 0 : before->second);
    if (more <= 0) continue;
    out += fmt::format("{}{} x {}", out.empty() ? "" : ", ",
                       grouped(static_cast<std::uint64_t>(more)), code);
  }
  return out.empty() ? out : " Holdfast answered by itself: " + out + ".";
}

FrontFinding Looks::waiting(const std::string& upstream, const Seen& seen) const {
  FrontFinding out{upstream, "queue", {}, {}};
  const auto known = limits_.upstreams.find(upstream);
  const double rate = seconds() > 0 ? seen.attempts / seconds() : 0;
  const std::string queued = fmt::format("up to {} calls waited for their turn",
                                         grouped(static_cast<std::uint64_t>(seen.queue)));
  if (known != limits_.upstreams.end() && known->second.rate && rate >= 0.9 * *known->second.rate) {
    out.limit = "rate";
    out.sentence = fmt::format("Upstream {}: its rate of {} was used up, and {}.", upstream,
                               per_second(*known->second.rate), queued);
    return out;
  }
  // A share of it is kept for held calls, so that live ones reach it sooner.
  if (known != limits_.upstreams.end() && known->second.concurrency &&
      seen.in_flight >= 0.5 * *known->second.concurrency) {
    out.limit = "concurrency";
    out.sentence = fmt::format(
        "Upstream {}: its concurrency of {:.0f} was used up ({:.0f} live, the rest is kept for "
        "held "
        "calls), and {}. At {} each took {} there.",
        upstream, *known->second.concurrency, seen.in_flight, queued, per_second(rate),
        brief(Duration::nanos(
            static_cast<std::int64_t>(rate > 0 ? seen.mean_in_flight / rate * 1e9 : 0))));
    return out;
  }
  out.sentence = fmt::format(
      "Upstream {}: {} with {:.0f} in flight: its concurrency, its rate or its retry budget (give "
      "--config to have it named).",
      upstream, queued, seen.in_flight);
  return out;
}

std::optional<FrontFinding> Looks::by_upstream() const {
  std::optional<FrontFinding> queued;
  double most = 0;
  for (const auto& [name, now] : last().upstreams) {
    const Seen seen = this->seen(name);
    if (seen.open) {
      return FrontFinding{
          name,
          "breaker",
          fmt::format("Upstream {}: its breaker opened: it failed too often.{}", name, refusals()),
          {}};
    }
    if (seen.paused) {
      return FrontFinding{name,
                          "pause",
                          fmt::format("Upstream {}: it asked for a pause (429 or Retry-After): its "
                                      "limit, not ours.{}",
                                      name, refusals()),
                          {}};
    }
    if (seen.queued_share >= 0.5 && seen.queue > most) {
      most = seen.queue;
      queued = waiting(name, seen);
    }
  }
  return queued;
}

FrontFinding Looks::by_rest() const {
  const double refused = last().refused_connections - first().refused_connections;
  if (refused > 0) {
    return {{},
            "connections_max",
            fmt::format("Holdfast refused {} connections: over connections_max.",
                        grouped(static_cast<std::uint64_t>(refused))),
            {}};
  }
  const double cpu = seconds() > 0 ? (last().cpu_seconds - first().cpu_seconds) / seconds() : 0;
  if (cpu >= 0.9) {
    return {
        {},
        "cpu",
        fmt::format("Holdfast itself: it used {} of a core, and one thread decides.", percent(cpu)),
        {}};
  }
  FrontFinding slow{
      {},
      "none",
      "Holdfast saw no limit of its own: no queue, no open breaker, no pause." + refusals(),
      {}};
  double most = 1;
  for (const auto& [name, now] : last().upstreams) {
    const Seen seen = this->seen(name);
    if (seen.mean_in_flight <= most || seen.attempts <= 0 || seconds() <= 0) continue;
    most = seen.mean_in_flight;
    const double rate = seen.attempts / seconds();
    slow = {name,
            "upstream",
            fmt::format(
                "Upstream {}: {:.3g} in flight at {}, so that each took {} there; Holdfast "
                "itself held nothing back ({} of a core).",
                name, seen.mean_in_flight, per_second(rate),
                brief(Duration::nanos(static_cast<std::int64_t>(seen.mean_in_flight / rate * 1e9))),
                percent(cpu)),
            {}};
  }
  return slow;
}

FrontFinding Looks::finding() const {
  auto found = by_upstream();
  FrontFinding out = found ? *found : by_rest();
  const double calls = last().requests - first().requests;
  for (const auto& [name, now] : last().upstreams) {
    const double attempts = seen(name).attempts;
    if (calls > 0 && attempts > 0) out.attempts_per_call[name] = attempts / calls;
  }
  return out;
}

}  // namespace

Result<FrontSample> read_front(std::string_view metrics, Instant at) {
  FrontSample out;
  out.at = at;
  bool ours = false;
  while (!metrics.empty()) {
    const auto end = metrics.find('\n');
    const std::string_view text = metrics.substr(0, end);
    metrics = end == std::string_view::npos ? std::string_view{} : metrics.substr(end + 1);
    if (text.empty() || text.front() == '#') continue;
    auto line = read_line(text);
    if (!line) continue;
    ours = ours || line->name.starts_with("holdfast_");
    take(out, *line);
  }
  if (!ours) return fail(ErrorKind::invalid, "these are not the metrics of Holdfast");
  return out;
}

std::optional<FrontFinding> front_finding(const std::vector<FrontSample>& samples, Instant from,
                                          Instant to, const FrontLimits& limits) {
  std::vector<const FrontSample*> looks;
  for (const FrontSample& sample : samples) {
    if (sample.at >= from && sample.at <= to) looks.push_back(&sample);
  }
  if (looks.size() < 2) return std::nullopt;
  return Looks(std::move(looks), limits).finding();
}

}  // namespace hf::load
