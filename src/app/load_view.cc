#include "app/load_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "load/verdict.h"
#include "load/words.h"

namespace hf::app {
namespace {

using load::brief;
using load::per_second;
using load::percent;

std::string bar(double share, int width) {
  const int full = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width));
  return std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(width - full), '.');
}

std::string phase_in_words(const LoadStatus& status) {
  if (status.draining) return "waiting for the last answers";
  if (status.of > 0)
    return fmt::format("phase {} of {}: {},", status.number, status.of, status.name);
  switch (status.step.phase) {
    case load::Phase::fixed:
      return "at one rate";
    case load::Phase::ramp:
      return "ramp: doubling until it breaks";
    case load::Phase::bisect:
      return "bisecting";
    case load::Phase::hold:
      return "holding what was found";
  }
  return "";
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string state_of(const LoadStatus& status) {
  if (status.breach != nullptr && *status.breach)
    return "BROKEN: " + in_words(**status.breach, status.of > 0 ? "the phase" : "the step");
  if (status.judged == 0) return "not judged yet";
  return fmt::format("kept in {} windows", status.judged);
}

std::string bracket_of(double kept, const std::optional<double>& broken) {
  std::string out = kept > 0 ? "kept at " + per_second(kept) : "nothing kept yet";
  if (broken) out += ", broken at " + per_second(*broken);
  return out;
}

std::string cut(std::string line, int width) {
  if (width > 0 && line.size() > static_cast<std::size_t>(width))
    line.resize(static_cast<std::size_t>(width));
  return line + "\n";
}

std::string spread_line(std::string_view name, const load::Spread& spread) {
  return fmt::format("  {:<22} {:>10} {:>10} {:>10} {:>10} {:>10}\n", name, brief(spread.p50),
                     brief(spread.p90), brief(spread.p99), brief(spread.p999), brief(spread.max));
}

std::string errors_line(const load::StepResult& step) {
  std::string out;
  for (auto at = step.statuses.lower_bound(load::kFirstErrorStatus); at != step.statuses.end();
       ++at) {
    out += fmt::format("{}{} answered {}", out.empty() ? "" : ", ", load::grouped(at->second),
                       at->first);
  }
  for (std::size_t i = 0; i < load::kFailures; ++i) {
    if (step.failures[i] == 0) continue;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", load::grouped(step.failures[i]),
                       in_words(static_cast<load::Failure>(i)));
  }
  return fmt::format("errors  {} ({}){}\n", load::grouped(step.errors()),
                     percent(step.error_share()), out.empty() ? "" : ": " + out);
}

std::string one_rate(const load::StepResult& step) {
  std::string out = fmt::format(
      "  {} requests were due at {}; answered {}\n\n"
      "  {:<22} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
      load::grouped(step.due), per_second(step.rate), per_second(step.throughput), "", "p50", "p90",
      "p99", "p99.9", "max");
  out += spread_line("from when it was due", step.latency);
  out += spread_line("from when it was sent", step.service);
  if (step.connect.max > Duration{}) out += spread_line("to connect", step.connect);
  return out + "\n  " + errors_line(step);
}

std::string rate_of(const load::StepResult& step) {
  const std::string last = per_second(step.rate);
  return step.first_rate ? per_second(*step.first_rate) + ".." + last : last;
}

// What became of a phase, and where it broke, how and for how long.
std::string phase_outcome(const load::StepResult& step, bool judged) {
  if (step.outcome == load::StepOutcome::generator) return "the generator was the limit";
  if (step.outcome == load::StepOutcome::broken) return "BROKEN, " + load::recovery_in_words(step);
  return judged || step.outcome != load::StepOutcome::kept ? std::string(to_string(step.outcome))
                                                           : std::string();
}

std::string phase_lines(const load::RunResult& run) {
  std::size_t name = 5;
  std::size_t rate = 3;
  for (const load::StepResult& step : run.steps) {
    name = std::max(name, step.name.size());
    rate = std::max(rate, rate_of(step).size());
  }
  std::string out =
      fmt::format("  {:<{}}  {:>{}} {:>8} {:>9} {:>10} {:>9} {:>9} {:>9} {:>8}  {}\n", "phase",
                  name, "due", rate, "for", "requests", "answered", "p50", "p99", "max", "errors",
                  run.objective.empty() ? "" : to_string(run.objective));
  for (const load::StepResult& step : run.steps) {
    out += fmt::format("  {:<{}}  {:>{}} {:>8} {:>9} {:>10} {:>9} {:>9} {:>9} {:>8}  {}\n",
                       step.name, name, rate_of(step), rate, brief(step.length),
                       load::grouped(step.due), per_second(step.throughput),
                       brief(step.latency.p50), brief(step.latency.p99), brief(step.latency.max),
                       percent(step.error_share()), phase_outcome(step, !run.objective.empty()));
  }
  for (const load::StepResult& step : run.steps) {
    if (step.breach)
      out += fmt::format("  {}: {}\n", step.name, in_words(*step.breach, "the phase"));
    if (step.errors() > 0) out += fmt::format("  {}: {}", step.name, errors_line(step));
  }
  return out;
}

std::string law_lines(const load::RunResult& run) {
  if (!run.usl) return {};
  const load::UslFit& fit = *run.usl;
  std::string out = fmt::format(
      "\nScalability law: alpha {:.4f} (waiting for each other), beta {:.6f} (cost of each other), "
      "gamma {} for one; R2 {:.3f}\n",
      fit.alpha, fit.beta, per_second(fit.gamma), fit.r_squared);
  if (const auto peak = fit.peak()) {
    out += fmt::format("  most with {:.3g} in flight: {}; more load than that gives less\n", *peak,
                       per_second(fit.at(*peak)));
  } else if (const auto limit = fit.limit()) {
    out += fmt::format("  never more than {}, however many are in flight\n", per_second(*limit));
  }
  if (fit.r_squared < 0.9) out += "  It fits badly: take it as a picture, not as a forecast.\n";
  return out;
}

std::string search_lines(const load::RunResult& run) {
  std::string out;
  for (const load::StepResult& step : run.steps)
    out += "  " + step_line(step) + "\n";
  out += "\n";
  switch (*run.end) {
    case load::SearchEnd::found:
      out += fmt::format("Breaking point: kept at {} (held for {}), broken at {}.\n",
                         per_second(run.kept), brief(run.steps.back().length),
                         per_second(run.broken.value_or(0)));
      break;
    case load::SearchEnd::unsteady:
      out += fmt::format(
          "No steady breaking point: {}. Rates that were kept for a step were not "
          "when they were held.\n",
          bracket_of(run.kept, run.broken));
      break;
    case load::SearchEnd::unbroken:
      out += fmt::format("Not broken: kept up to {}, the highest rate allowed (--max-rate).\n",
                         per_second(run.kept));
      break;
    case load::SearchEnd::nothing:
      out += fmt::format("Broken at the lowest rate that was tried, {}.\n",
                         per_second(run.broken.value_or(0)));
      break;
    case load::SearchEnd::generator:
      out += "No breaking point was found.\n";
      break;
    case load::SearchEnd::stopped:
      out += fmt::format("Stopped: {}.\n", bracket_of(run.kept, run.broken));
      break;
  }
  return out;
}

}  // namespace

std::string load_screen(const LoadStatus& status, const std::string& target, int width) {
  const double done =
      status.step.length > Duration{}
          ? static_cast<double>(status.into.ns) / static_cast<double>(status.step.length.ns)
          : 0;
  const load::Tally& window = status.window;
  std::string out = cut(fmt::format("load on {}", target), width);
  out += cut(
      fmt::format("  {} at {}  [{}] {} of {}", phase_in_words(status), per_second(status.step.rate),
                  bar(done, 20), brief(status.into), brief(status.step.length)),
      width);
  out +=
      cut(fmt::format("  due {:>10}   answered {:>10}   in flight {:>6}   errors {}",
                      per_second(status.asked), per_second(status.answered),
                      load::grouped(status.in_flight), percent(share(window.errors(), window.due))),
          width);
  out += cut(fmt::format("  p50 {:>8}   p90 {:>8}   p99 {:>8}   max {:>8}",
                         brief(window.latency.quantile(0.5)), brief(window.latency.quantile(0.9)),
                         brief(window.latency.quantile(0.99)), brief(window.latency.max())),
             width);
  out += cut("  objective: " + state_of(status), width);
  if (!status.earlier.empty()) out += cut("  before: " + status.earlier, width);
  if (status.step.phase != load::Phase::fixed)
    out += cut("  search: " + bracket_of(status.kept, status.broken), width);
  out += cut(fmt::format("  generator: {} of a core, {} late (p99), {} connections",
                         percent(status.self.cpu), brief(window.lag.quantile(0.99)),
                         load::grouped(status.self.connections)),
             width);
  const auto& steps = status.run->steps;
  for (std::size_t i = steps.size() > 8 ? steps.size() - 8 : 0; i < steps.size(); ++i)
    out += cut("  " + step_line(steps[i]), width);
  return out;
}

std::string load_line(const LoadStatus& status) {
  const load::Tally& window = status.window;
  const std::string what =
      status.of > 0 ? fmt::format("phase {} ({} of {})", status.name, status.number, status.of)
                    : std::string(to_string(status.step.phase));
  return fmt::format("{} at {}, {} of {}: answered {}, p50 {}, p99 {}, errors {}, {} in flight; {}",
                     what, per_second(status.step.rate), brief(status.into),
                     brief(status.step.length), per_second(status.answered),
                     brief(window.latency.quantile(0.5)), brief(window.latency.quantile(0.99)),
                     percent(share(window.errors(), window.due)), load::grouped(status.in_flight),
                     state_of(status));
}

std::string step_line(const load::StepResult& step) {
  std::string out =
      fmt::format("{:<6} {:>10}  answered {:>10}  p50 {:>8}  p99 {:>8}  errors {:>6}  {}",
                  to_string(step.phase), per_second(step.rate), per_second(step.throughput),
                  brief(step.latency.p50), brief(step.latency.p99), percent(step.error_share()),
                  step.outcome == load::StepOutcome::generator ? "the generator was the limit"
                                                               : to_string(step.outcome));
  return out;
}

std::string load_summary(const load::RunResult& run) {
  std::string out = fmt::format("Load on {}, {}\n\n", run.target, brief(run.length));
  if (run.end) {
    out += search_lines(run);
  } else if (run.mode == "phases") {
    out += phase_lines(run);
  } else if (!run.steps.empty()) {
    out += one_rate(run.steps.back());
  }
  out += "\n" + run.verdict.sentence + "\n";
  for (const std::string& note : run.notes)
    out += "  Note: " + note + "\n";
  if (!run.verdict.rule.empty()) {
    for (const std::string& line : run.verdict.evidence)
      out += "  " + line + "\n";
    out += fmt::format("  [rule: {}]\n", run.verdict.rule);
  }
  if (run.front) out += "\nHoldfast in front: " + run.front->sentence + "\n";
  for (const std::string& line : run.front ? run.front->also : std::vector<std::string>{})
    out += "  also: " + line + "\n";
  out += law_lines(run);
  if (!run.capacity.sentences.empty()) out += "\n";
  for (const std::string& line : run.capacity.sentences)
    out += line + "\n";
  return out;
}

}  // namespace hf::app
