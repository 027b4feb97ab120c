#include "load/front.h"

#include <charconv>

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

void take_upstream(FrontSample& sample, Line& line) {
  constexpr std::string_view kPrefix = "holdfast_upstream_";
  if (!line.name.starts_with(kPrefix)) return;
  const std::string_view name = line.name.substr(kPrefix.size());
  const auto of = [&]() -> FrontUpstream& { return sample.upstreams[line.labels["upstream"]]; };
  if (name == "attempts_total") of().attempts = line.value;
  if (name == "retries_total") of().retries = line.value;
  if (name == "attempt_outcomes_total") of().outcomes[line.labels["outcome"]] = line.value;
  if (name == "queue") of().queue = line.value;
  if (name == "queue_delay_seconds") of().queue_delay = line.value;
  if (name == "in_flight") of().in_flight = line.value;
  if (name == "limit") of().limit = line.value;
  if (name == "latency_baseline_seconds") of().baseline = line.value;
  if (name == "paused_keys") of().paused = line.value;
  if (name == "breaker_state" && line.labels["state"] == "open") of().breaker_open = line.value > 0;
}

void take(FrontSample& sample, Line& line) {
  take_upstream(sample, line);
  if (line.name == "holdfast_shed_total") {
    sample.upstreams[line.labels["upstream"]].shed[{line.labels["class"], line.labels["rule"]}] =
        line.value;
  }
  if (line.name == "holdfast_limit_requests_total")
    sample.client_limits[line.labels["limit"]][line.labels["result"]] = line.value;
  if (line.name == "holdfast_problems_total") sample.problems[line.labels["code"]] = line.value;
  if (line.name == "holdfast_requests_total") sample.requests += line.value;
  if (line.name == "holdfast_server_requests_total") sample.heads = line.value;
  if (line.name == "holdfast_server_refused_connections_total")
    sample.refused_connections = line.value;
  if (line.name == "process_cpu_seconds_total") sample.cpu_seconds = line.value;
  if (line.name == "process_start_time_seconds") sample.started = line.value;
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

}  // namespace hf::load
