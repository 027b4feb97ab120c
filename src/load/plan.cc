#include "load/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity.h"
#include "load/words.h"

namespace hf::load {
namespace {

// Places for what comes in bursts, over the mean of what was in flight.
constexpr double kSpare = 1.5;
// Of an upstream's concurrency, a tenth is kept for held calls (policy/concurrency.h).
constexpr double kLiveShare = 0.9;
// Of what an instance keeps, the share at which another one is started: one that is lost, and the
// time until the next is there, must fit into the rest.
constexpr double kTarget = 0.7;

// The last step at the rate that was kept: the hold, after a search.
const StepResult* kept_step(const RunResult& run) {
  const StepResult* out = nullptr;
  for (const StepResult& step : run.steps) {
    if (step.outcome == StepOutcome::kept && step.rate == run.kept) out = &step;
  }
  return out;
}

// Of waiting before it is sent on: the rest of what is promised is the server's.
std::optional<Duration> queue_target(const Objective& objective) {
  std::optional<Duration> out;
  for (const LatencyGoal& goal : objective.latency) {
    const Duration third = Duration::millis(std::max<std::int64_t>(1, goal.limit.ms() / 3));
    if (!out || third < *out) out = third;
  }
  return out;
}

// Where the limit is learnt it stays so, and begins where it came to.
std::string concurrency_line(const RunResult& run, const std::string& upstream,
                             std::int64_t concurrency, double in_flight) {
  const auto learnt = run.front ? run.front->learnt.find(upstream)
                                : std::map<std::string, double>::const_iterator{};
  if (!run.front || learnt == run.front->learnt.end()) {
    return fmt::format(
        "    concurrency: {}   # {:.3g} in flight, half as many more for bursts, a tenth for held "
        "calls\n",
        concurrency, in_flight);
  }
  const auto start = std::max<std::int64_t>(4, std::llround(learnt->second));
  return fmt::format(
      "    # It learns its limit, which was {:.0f} at the end, with {:.3g} in flight.\n"
      "    concurrency: {{ adaptive: true, min: 4, max: {}, start: {} }}\n",
      learnt->second, in_flight, std::max<std::int64_t>(1000, 2 * start), start);
}

std::string instances(double rate, double each) {
  return fmt::format("{:.0f}", std::ceil(rate / each));
}

}  // namespace

Result<std::string> plan_yaml(const RunResult& run, const std::string& upstream,
                              const CapacityAsked& asked) {
  const StepResult* step = kept_step(run);
  if (run.verdict.limit == Limit::generator) {
    return fail(ErrorKind::invalid, "no plan: the generator was the limit, and not the server");
  }
  if (run.stopped || step == nullptr || run.objective.empty()) {
    return fail(ErrorKind::invalid,
                "no plan: it needs a rate at which an objective was kept, measured to its end");
  }
  const auto rate = static_cast<std::int64_t>(std::floor(run.kept));
  if (rate < 1) return fail(ErrorKind::invalid, "no plan: less than one request a second was kept");
  const auto concurrency = std::max<std::int64_t>(
      4, static_cast<std::int64_t>(std::ceil(step->in_flight * kSpare / kLiveShare)));
  const double target = run.kept * kTarget;
  std::string out = fmt::format(
      "# A plan made by `holdfast load` from {} on {}. Read it, merge it, `holdfast check` it.\n"
      "# Kept: {} at {} in flight (mean), objective {}.\n",
      run.target, format_rfc3339(run.started), per_second(run.kept),
      fmt::format("{:.3g}", step->in_flight), to_string(run.objective));
  if (!run.verdict.sentence.empty()) out += "# " + run.verdict.sentence + "\n";
  out += fmt::format("upstreams:\n  {}:\n", upstream) +
         concurrency_line(run, upstream, concurrency, step->in_flight) +
         fmt::format("    rate: {}/s   # what was kept; what comes faster waits here, not there\n",
                     rate);
  if (const auto queue = queue_target(run.objective)) {
    out += fmt::format(
        "    overload: {{ target: {} }}   # a third of the objective: who waits longer makes way\n",
        format_duration(*queue));
  }
  out +=
      "# Who makes way first. One route for what must be answered, one for what may be left out:\n"
      "#   - { path: /checkout/, class: critical, ... }\n"
      "#   - { path: /, class: { at_most: normal, by_priority: true }, ... }\n"
      "#   - { path: /suggest/, class: optional, ... }\n";
  out += fmt::format(
      "limits:\n"
      "  # Everybody together. It begins by observing: see `holdfast limits`, then enforce.\n"
      "  - {{ name: capacity, by: [], rate: {}/s, mode: observe }}\n",
      rate);
  out += fmt::format(
      "# Autoscaling, for one instance as it was measured ({:.0f}% of what it kept):\n"
      "#   target: {:.0f} requests a second, or {:.3g} in flight\n"
      "#   by the signal: GET /autoscale?upstream={}, `demand`, target {:.1f} (ops/keda/)\n",
      kTarget * 100, target, std::max(1.0, step->in_flight * kTarget), upstream, kTarget);
  if (asked.traffic && *asked.traffic > 0) {
    out += fmt::format("#   instances: {} for {} ({}), {} for ten times that\n",
                       instances(*asked.traffic, target), per_second(*asked.traffic),
                       asked.traffic_from, instances(10 * *asked.traffic, target));
  }
  return out;
}

}  // namespace hf::load
