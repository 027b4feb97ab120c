#include "load/verdict.h"

#include <fmt/format.h>

#include <algorithm>

#include "load/words.h"

namespace hf::load {
namespace {

std::uint64_t count_of(const StepResult& step, Failure failure) {
  return step.failures[static_cast<std::size_t>(failure)];
}

// The tightest latency that the objective speaks of.
std::optional<Duration> tightest(const Objective& objective) {
  std::optional<Duration> out;
  for (const LatencyGoal& goal : objective.latency)
    out = out ? std::min(*out, goal.limit) : goal.limit;
  return out;
}

std::string statuses_in_words(const StepResult& step) {
  std::string out;
  for (auto at = step.statuses.lower_bound(kFirstErrorStatus); at != step.statuses.end(); ++at) {
    out += fmt::format("{}{} x {}", out.empty() ? "" : ", ", grouped(at->second), at->first);
  }
  return out;
}

std::string failures_in_words(const StepResult& step) {
  std::string out;
  for (std::size_t i = 0; i < kFailures; ++i) {
    if (step.failures[i] == 0) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", grouped(step.failures[i]),
                       in_words(static_cast<Failure>(i)));
  }
  return out;
}

// The step that broke at the lowest rate, and the one that was kept at the highest below it.
struct Pair {
  const StepResult* broken = nullptr;
  const StepResult* kept = nullptr;
  const StepResult* quiet = nullptr;  // kept at the lowest rate
};

bool in_phases(const RunResult& run) {
  return run.mode == "phases";
}

Pair pair_of(const RunResult& run) {
  Pair out;
  for (const StepResult& step : run.steps) {
    if (step.outcome != StepOutcome::broken) continue;
    // A phase that comes later suffers from what the first one that broke has left behind.
    if (out.broken == nullptr || (!in_phases(run) && step.rate <= out.broken->rate))
      out.broken = &step;
  }
  for (const StepResult& step : run.steps) {
    if (step.outcome != StepOutcome::kept) continue;
    if (out.broken != nullptr && step.rate > out.broken->rate) continue;
    if (out.kept == nullptr || step.rate >= out.kept->rate) out.kept = &step;
    if (out.quiet == nullptr || step.rate < out.quiet->rate) out.quiet = &step;
  }
  return out;
}

// What a step had due while its schedule ran: the rate that was really asked for.
double asked(const StepResult& step) {
  return step.length > Duration{}
             ? static_cast<double>(step.due) / (static_cast<double>(step.length.ns) / 1e9)
             : 0;
}

std::vector<std::string> evidence_of(const Pair& pair) {
  std::vector<std::string> out;
  const auto line = [](const char* name, const StepResult& step) {
    return fmt::format(
        "{} {}: answered {}, p50 {}, p99 {} (from the send: {}), errors {}, "
        "at most {} in flight",
        name, per_second(step.rate), per_second(step.throughput), brief(step.latency.p50),
        brief(step.latency.p99), brief(step.service.p99), percent(step.error_share()),
        grouped(step.in_flight_max));
  };
  if (pair.quiet != nullptr && pair.quiet != pair.kept) out.push_back(line("at", *pair.quiet));
  if (pair.kept != nullptr) out.push_back(line("kept at", *pair.kept));
  out.push_back(line("broken at", *pair.broken));
  const StepResult& step = *pair.broken;
  if (step.breach)
    out.push_back(in_words(*step.breach, step.name.empty() ? "the step" : "the phase"));
  if (step.errors() > 0) {
    std::string what = statuses_in_words(step);
    const std::string failed = failures_in_words(step);
    if (!what.empty() && !failed.empty()) what += ", ";
    out.push_back("errors: " + what + failed);
  }
  return out;
}

Verdict connections_verdict(const StepResult& step) {
  const std::uint64_t refused = count_of(step, Failure::connect_refused) +
                                count_of(step, Failure::connect_timeout) +
                                count_of(step, Failure::reset) + count_of(step, Failure::tls);
  Verdict out{Limit::connections, "connections-fail", {}, {}};
  out.sentence = fmt::format(
      "Connection limits gave way: {} of {} requests failed for their connection ({}) with up to "
      "{} "
      "in flight; the server, or something before it, does not take as many connections.",
      grouped(refused), grouped(step.due), failures_in_words(step), grouped(step.in_flight_max));
  return out;
}

std::optional<Verdict> by_errors(const StepResult& step) {
  const std::uint64_t errors = step.errors();
  // Where lateness broke it, errors explain it only if they are half of what was late.
  const bool lateness = !step.breach || step.breach->kind == Breach::Kind::latency;
  const double late = step.breach && step.breach->of > 0 ? static_cast<double>(step.breach->over) /
                                                               static_cast<double>(step.breach->of)
                                                         : 0;
  if (errors == 0 || (lateness && step.error_share() < std::max(0.01, late / 2)))
    return std::nullopt;
  const std::uint64_t lost = count_of(step, Failure::connect_refused) +
                             count_of(step, Failure::connect_timeout) +
                             count_of(step, Failure::reset) + count_of(step, Failure::tls);
  if (2 * lost >= errors) return connections_verdict(step);
  const std::uint64_t bad = errors - step.failed();
  if (2 * bad < errors) return std::nullopt;  // mostly too late: the rules of latency
  Verdict out{Limit::errors, "statuses", {}, {}};
  out.sentence = fmt::format(
      "Errors gave way: {} of requests were answered with an error ({}), answered in {} at the "
      "median.",
      percent(step.error_share()), statuses_in_words(step), brief(step.service.p50));
  return out;
}

std::optional<Verdict> by_connecting(const StepResult& step) {
  const Duration limit = step.breach && step.breach->goal.limit > Duration{}
                             ? step.breach->goal.limit
                             : step.latency.p99;
  if (step.connect.p99 < limit / 2 || step.connect.p99 < step.service.p99) return std::nullopt;
  Verdict out{Limit::connections, "connecting-slow", {}, {}};
  out.sentence = fmt::format(
      "Connection limits gave way: it took {} (p99) to make a connection, and {} to answer once "
      "there was one: connections wait to be accepted.",
      brief(step.connect.p99), brief(step.service.p99));
  return out;
}

// One pause explains it all: before and after it the server kept up.
std::optional<Verdict> by_stall(const StepResult& step) {
  const Duration limit = step.breach ? step.breach->goal.limit : Duration{};
  if (limit <= Duration{} || step.silence < limit / 2 || step.silence < Duration::millis(20)) {
    return std::nullopt;
  }
  if (step.silence * 2 < step.latency.max) return std::nullopt;
  Verdict out{Limit::server_latency, "stall", {}, {}};
  out.sentence = fmt::format(
      "Server latency gave way in a stall: for {} not one answer came though requests were "
      "waiting; "
      "everything due then was late ({} at p50, {} at p99 over the whole step).",
      brief(step.silence), brief(step.latency.p50), brief(step.latency.p99));
  return out;
}

Duration middle(const std::vector<Moment>& moments, std::size_t first, std::size_t last) {
  std::vector<Duration> values;
  for (std::size_t i = first; i < last; ++i)
    values.push_back(moments[i].p50);
  std::sort(values.begin(), values.end());
  return values.empty() ? Duration{} : values[values.size() / 2];
}

// A queue that grows slowly keeps any objective for a while.
std::optional<std::string> still_growing(const StepResult& step) {
  const std::size_t third = step.moments.size() / 3;
  if (third < 3) return std::nullopt;
  const Duration early = middle(step.moments, 0, third);
  const Duration late = middle(step.moments, step.moments.size() - third, step.moments.size());
  if (late < early + early / 2 || late < early + Duration::millis(5)) return std::nullopt;
  return fmt::format(
      "at {} it was still getting slower: p50 went from {} in the first third of the "
      "step to {} in the last; a longer --hold may break it",
      per_second(step.rate), brief(early), brief(late));
}

std::optional<Verdict> by_throughput(const Pair& pair) {
  const StepResult& step = *pair.broken;
  const double wanted = asked(step);
  // A little less than was asked for may be chance; where it got slower all the time, it is not.
  const bool behind = step.throughput < (still_growing(step) ? 0.98 : 0.93) * wanted;
  const bool flat = pair.kept != nullptr && step.rate > 1.15 * pair.kept->rate &&
                    step.throughput < 1.05 * pair.kept->throughput;
  if (!behind && !flat) return std::nullopt;
  Verdict out{Limit::queueing, "throughput-flat", {}, {}};
  out.sentence = fmt::format(
      "Queueing gave way: of {} asked for it answered {}; the rest piled up, {} in flight at most, "
      "and the wait grew to {} (p99).",
      per_second(wanted), per_second(step.throughput), grouped(step.in_flight_max),
      brief(step.latency.p99));
  return out;
}

Verdict by_latency(const Pair& pair) {
  const StepResult& step = *pair.broken;
  Verdict out{Limit::server_latency, "latency-rises", {}, {}};
  const std::string before = pair.kept == nullptr
                                 ? std::string("it is so at the lowest rate that was tried")
                                 : fmt::format("it was {} at {}", brief(pair.kept->latency.p99),
                                               per_second(pair.kept->rate));
  out.sentence = fmt::format(
      "Server latency gave way: it answered {} of {} asked for, but p99 was {} ({}).",
      per_second(step.throughput), per_second(asked(step)), brief(step.latency.p99), before);
  return out;
}

void add_later_phases(const RunResult& run, const StepResult& broken,
                      std::vector<std::string>& evidence) {
  for (const StepResult& step : run.steps) {
    if (step.begin <= broken.begin || step.outcome != StepOutcome::broken) continue;
    evidence.push_back(fmt::format("phase {} at {}: {}", step.name, per_second(step.rate),
                                   recovery_in_words(step)));
  }
}

Verdict what_gave_way(const RunResult& run) {
  const Pair pair = pair_of(run);
  if (pair.broken == nullptr) return {};
  Verdict out;
  if (auto found = by_errors(*pair.broken)) {
    out = *found;
  } else if (found = by_connecting(*pair.broken); found) {
    out = *found;
  } else if (found = by_stall(*pair.broken); found) {
    out = *found;
  } else if (found = by_throughput(pair); found) {
    out = *found;
  } else {
    out = by_latency(pair);
  }
  if (in_phases(run))
    out.sentence = fmt::format("In phase {}: {}", pair.broken->name, out.sentence);
  out.evidence = evidence_of(pair);
  add_later_phases(run, *pair.broken, out.evidence);
  if (pair.kept != nullptr) {
    if (const auto growing = still_growing(*pair.kept)) out.evidence.push_back(*growing);
  }
  return out;
}

// How late the generator may come to its requests.
Duration tolerated(const Objective& objective, const GeneratorLimits& limits) {
  const auto tight = tightest(objective);
  return tight ? std::clamp(*tight / 10, limits.least_lag, limits.most_lag) : limits.lag;
}

// A breach that stays one without the generator's part in it.
bool servers_own(const StepResult& step) {
  const Breach& breach = *step.breach;
  const GeneratorFacts& self = step.generator;
  if (breach.kind == Breach::Kind::errors) return self.unsent * 2 < breach.over;
  if (breach.measured <= breach.goal.limit + self.lag_p99 * 4) return false;
  // With the bound reached, requests wait on our side. If the server is slow with those it has,
  // that is its own doing.
  return self.queued == 0 || step.service.p99 >= breach.goal.limit / 2;
}

}  // namespace

std::optional<std::string> generator_fault(const StepResult& step, const Objective& objective,
                                           const GeneratorLimits& limits) {
  const GeneratorFacts& self = step.generator;
  if (step.breach && servers_own(step)) return std::nullopt;
  if (!self.exhausted.empty()) {
    return fmt::format("the machine refused more connections ({})", self.exhausted);
  }
  // What was kept with the generator's lateness in it was kept, if the rate was really asked for.
  const bool kept = !objective.empty() && !step.breach;
  const Duration lag = kept ? limits.kept_lag : tolerated(objective, limits);
  if (self.lag_p99 > lag) {
    return fmt::format("it came to its requests {} late (p99; {} is tolerated) with {} of a core",
                       brief(self.lag_p99), brief(lag), percent(self.cpu));
  }
  if (!kept && self.cpu > limits.cpu) {
    return fmt::format("a thread of it used {} of a core ({} is tolerated): more --threads",
                       percent(self.cpu), percent(limits.cpu));
  }
  if (self.queued > 0 && !kept) {
    return fmt::format(
        "{} requests waited for one of its {} connections, while the server took {} "
        "(p99) for those it got: more --connections",
        grouped(self.queued), grouped(self.connections), brief(step.service.p99));
  }
  return std::nullopt;
}

Verdict verdict_of(const RunResult& run) {
  const StepResult* limited = nullptr;
  for (const StepResult& step : run.steps) {
    // What a phase broke on before is known.
    if (in_phases(run) && step.outcome == StepOutcome::broken) break;
    if (step.outcome == StepOutcome::generator) limited = &step;
  }
  const bool refused = run.end ? *run.end == SearchEnd::generator : limited != nullptr;
  if (refused && limited != nullptr) {
    Verdict out{Limit::generator, "generator", {}, {}};
    out.sentence = fmt::format("No verdict on the server: the generator was the limit at {}: {}.",
                               per_second(limited->rate), limited->why);
    if (run.kept > 0) {
      out.sentence += fmt::format(
          " The server kept the objective at {}; what it can do above that "
          "is not known.",
          per_second(run.kept));
    }
    return out;
  }
  Verdict out = what_gave_way(run);
  if (out.limit != Limit::none) return out;
  if (run.stopped) {
    out.sentence = "Stopped before anything gave way.";
  } else if (run.objective.empty()) {
    out.sentence = "Nothing is judged: no objective was given (--objective 'p99<200ms').";
  } else if (run.end) {
    out.sentence = fmt::format("Nothing gave way up to {}, the highest rate that was allowed.",
                               per_second(run.kept));
  } else {
    out.sentence = "The objective was kept in every window.";
  }
  return out;
}

std::string recovery_in_words(const StepResult& step) {
  if (!step.kept_from) return "not kept again before its end";
  if (*step.kept_from <= Duration{}) return "kept in every window";
  return fmt::format("kept again from {} into it", brief(*step.kept_from));
}

void note_kept(RunResult& run) {
  const bool one = run.steps.size() == 1;
  double highest_broken = 0;
  for (const StepResult& step : run.steps) {
    if (step.outcome != StepOutcome::broken || (step.first_rate && !one)) continue;
    const bool aftermath = highest_broken >= step.rate;
    highest_broken = std::max(highest_broken, step.rate);
    if (!aftermath && (!run.broken || step.rate < *run.broken)) run.broken = step.rate;
  }
  for (const StepResult& step : run.steps) {
    if (step.outcome != StepOutcome::kept || (step.first_rate && !one)) continue;
    if (!run.broken || step.rate < *run.broken) run.kept = std::max(run.kept, step.rate);
  }
}

const StepResult* telling_step(const RunResult& run) {
  const Pair pair = pair_of(run);
  if (pair.broken != nullptr) return pair.broken;
  if (pair.kept != nullptr) return pair.kept;
  return run.steps.empty() ? nullptr : &run.steps.back();
}

std::optional<UslFit> law_of(const std::vector<StepResult>& steps) {
  std::vector<UslPoint> points;
  for (const StepResult& step : steps) {
    if (step.outcome == StepOutcome::generator || step.outcome == StepOutcome::stopped) continue;
    if (step.in_flight > 0 && step.throughput > 0)
      points.push_back({step.in_flight, step.throughput});
  }
  return fit_usl(points);
}

}  // namespace hf::load
