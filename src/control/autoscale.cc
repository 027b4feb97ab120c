#include "control/autoscale.h"

#include <fmt/format.h>

#include <algorithm>

#include "call/reply_json.h"

namespace hf::control {
namespace {

constexpr std::int64_t kPermilleMax = 1'000'000;

std::uint64_t sent_away(const engine::UpstreamLoad& load) {
  std::uint64_t out = 0;
  for (const auto& rules : load.shed) {
    for (const std::uint64_t count : rules)
      out += count;
  }
  return out;
}

std::int64_t ratio_permille(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return part == 0 ? 0 : kPermilleMax;
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(part * 1000 / whole, static_cast<std::uint64_t>(kPermilleMax)));
}

// In thousandths a second.
std::int64_t rate(std::uint64_t count, Duration time) {
  if (time.ns <= 0) return 0;
  return static_cast<std::int64_t>(count) * 1'000'000 / std::max<std::int64_t>(1, time.ms());
}

// 830 -> 0.83
std::string decimal(std::int64_t permille) {
  std::string out = fmt::format("{}.{:03}", permille / 1000, permille % 1000);
  while (out.ends_with('0'))
    out.pop_back();
  if (out.ends_with('.')) out.pop_back();
  return out;
}

std::string demand_json(const std::string& name, const Demand& demand) {
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  return call::JsonObject()
      .text("upstream", name)
      .raw("demand", decimal(demand.demand_permille))
      .raw("utilisation", decimal(demand.utilisation_permille))
      .number("in_flight", number(demand.in_flight))
      .number("waiting", number(demand.waiting))
      .number("limit", number(demand.limit))
      .raw("shed_per_second", decimal(demand.shed_per_mille_second))
      .raw("ended_per_second", decimal(demand.ended_per_mille_second))
      .raw("queue_delay_seconds", decimal(demand.queue_delay.ms()))
      .raw("backlog_age_seconds", decimal(demand.backlog_age.ms()))
      .done();
}

}  // namespace

void Autoscale::sample(const engine::Stats& stats, Instant now) {
  for (const auto& [name, upstream] : stats.upstreams) {
    auto& samples = samples_[name];
    std::uint64_t ended = 0;
    for (const std::uint64_t count : upstream.attempts_by_row)
      ended += count;
    samples.push_back({now, upstream.load, sent_away(upstream.load), ended});
    while (samples.size() > kAutoscaleWindow)
      samples.pop_front();
  }
}

std::optional<Demand> Autoscale::demand(const std::string& upstream) const {
  const auto found = samples_.find(upstream);
  if (found == samples_.end() || found->second.empty()) return std::nullopt;
  const auto& samples = found->second;
  const Sample& last = samples.back();
  const Sample& first = samples.front();
  const Duration time = last.at - first.at;
  Demand out;
  out.in_flight = last.load.in_flight;
  out.waiting = last.load.waiting;
  out.limit = last.load.limit;
  out.queue_delay = last.load.queue_delay;
  out.backlog_age = std::max(last.load.backlog_age, Duration{});
  // Gauges jump: a sum over the window, each sample of one weight.
  std::uint64_t running = 0;
  std::uint64_t asked = 0;
  std::uint64_t limits = 0;
  for (const Sample& sample : samples) {
    running += sample.load.in_flight;
    asked += sample.load.in_flight + sample.load.waiting;
    limits += sample.load.limit;
  }
  const std::uint64_t shed = last.shed - first.shed;
  const std::uint64_t ended = last.ended - first.ended;
  out.shed_per_mille_second = rate(shed, time);
  out.ended_per_mille_second = rate(ended, time);
  out.utilisation_permille = ratio_permille(running, limits);
  // Each that was sent away would have been in flight as long as each that ended was.
  if (ended > 0) asked += running * shed / ended;
  out.demand_permille = ratio_permille(asked, limits);
  return out;
}

std::map<std::string, Demand> Autoscale::all() const {
  std::map<std::string, Demand> out;
  for (const auto& [name, samples] : samples_) {
    if (const auto one = demand(name)) out.emplace(name, *one);
  }
  return out;
}

std::string autoscale_json(const Autoscale& autoscale) {
  call::JsonObject upstreams;
  for (const auto& [name, demand] : autoscale.all())
    upstreams.raw(name, demand_json(name, demand));
  return call::JsonObject().raw("upstreams", upstreams.done()).done();
}

std::optional<std::string> autoscale_json(const Autoscale& autoscale, const std::string& upstream) {
  const auto demand = autoscale.demand(upstream);
  if (!demand) return std::nullopt;
  return demand_json(upstream, *demand);
}

}  // namespace hf::control
