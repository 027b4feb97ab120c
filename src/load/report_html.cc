#include "load/report_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/html.h"
#include "base/quantity.h"
#include "load/svg_plot.h"
#include "load/verdict.h"
#include "load/words.h"

namespace hf::load {
namespace {

constexpr const char* kStyle = R"(
:root{--paper:#fff;--ink:#1b1f24;--soft:#57606a;--grid:#e4e7eb;--box:#f6f8fa;
--c1:#0969da;--c2:#bc4c00;--c3:#1a7f37;--c4:#8250df;--bad:#cf222e}
@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;
--grid:#262c36;--box:#161b22;--c1:#58a6ff;--c2:#f0883e;--c3:#3fb950;--c4:#bc8cff;--bad:#ff7b72}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:920px;padding:28px 20px 60px;background:var(--paper);
color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:22px;margin:0 0 2px}h2{font-size:16px;margin:34px 0 6px}
.where{color:var(--soft);margin:0 0 18px;overflow-wrap:anywhere}
.verdict{background:var(--box);border-left:4px solid var(--c1);border-radius:4px;
padding:12px 16px}
.verdict.bad{border-color:var(--c2)}.verdict.refused{border-color:var(--bad)}
.verdict p{margin:0}
.verdict p+p{margin-top:8px}.verdict ul{margin:8px 0 0;padding-left:18px;color:var(--soft);
font-size:13.5px}
.figures{display:flex;flex-wrap:wrap;gap:10px;margin:18px 0 0}
.figures div{background:var(--box);border-radius:6px;padding:8px 14px;min-width:120px}
.figures b{display:block;font-size:19px;font-weight:600}
.figures span{color:var(--soft);font-size:13px}
svg{width:100%;height:auto;display:block;font-size:12px}
.grid{stroke:var(--grid)}.tick,.axis{fill:var(--soft)}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s5{stroke:var(--soft)}
.s1.key,.s1.dot{fill:var(--c1)}.s2.key,.s2.dot{fill:var(--c2)}.s3.key,.s3.dot{fill:var(--c3)}
.s5.key,.s5.dot{fill:var(--soft)}
.ring{fill:var(--paper);stroke-width:2}.s5.line{stroke-dasharray:5 4}
.mark{stroke:var(--soft);stroke-dasharray:1 3}
.markname,.limitname{paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.markname{fill:var(--ink)}
.limit{stroke:var(--bad);stroke-dasharray:2 3}.limitname{fill:var(--bad)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px;
font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th{color:var(--soft);font-weight:500;white-space:normal;vertical-align:bottom}
td:last-child{white-space:normal;min-width:90px}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}
tr.broken td:last-child,tr.generator td:last-child{color:var(--bad)}
.note{color:var(--soft);font-size:13.5px;margin:4px 0 0}
)";

// Below it the law is drawn, and nothing is foretold by it.
constexpr double kGoodFit = 0.9;

double ms(Duration duration) {
  return static_cast<double>(duration.ns) / 1e6;
}

std::string ms_label(double value) {
  return brief(Duration::nanos(static_cast<std::int64_t>(value * 1e6 + 0.5)));
}

std::string plain_label(double value) {
  return value >= 1000 ? grouped(static_cast<std::uint64_t>(value + 0.5))
                       : fmt::format("{:.6g}", value);
}

std::string figure(std::string_view name, std::string_view value) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>", html_escaped(value),
                     html_escaped(name));
}

std::string outcome_of(const RunResult& run, const StepResult& step) {
  if (run.objective.empty() && step.outcome == StepOutcome::kept) return "";
  std::string out(to_string(step.outcome));
  if (run.mode == "phases" && step.outcome == StepOutcome::broken)
    out += ", " + recovery_in_words(step);
  return out;
}

std::string rate_of(const StepResult& step) {
  const std::string last = per_second(step.rate);
  return step.first_rate ? per_second(*step.first_rate) + ".." + last : last;
}

std::string figures(const RunResult& run) {
  std::string out = "<div class=\"figures\">";
  if (run.end) {
    out += figure("objective kept at", run.kept > 0 ? per_second(run.kept) : "no rate");
    out += figure("broken at", run.broken ? per_second(*run.broken) : "no rate tried");
    if (run.usl && run.usl->limit() && run.usl->r_squared >= kGoodFit)
      out += figure("most by the scalability law", per_second(*run.usl->limit()));
  } else if (run.mode == "phases") {
    for (const StepResult& step : run.steps)
      out += figure(fmt::format("p99 in {}, at {}", step.name, rate_of(step)),
                    brief(step.latency.p99));
  } else if (!run.steps.empty()) {
    const StepResult& step = run.steps.back();
    out += figure("asked for", per_second(step.rate));
    out += figure("answered", per_second(step.throughput));
    out += figure("p50 from when due", brief(step.latency.p50));
    out += figure("p99 from when due", brief(step.latency.p99));
    out += figure("p99 from the send", brief(step.service.p99));
    out += figure("errors", percent(step.error_share()));
  }
  if (run.capacity.headroom)
    out += figure("times the traffic", fmt::format("{:.3g}", *run.capacity.headroom));
  if (run.capacity.million) {
    out += figure("a million calls",
                  fmt::format("{:.4g} {}", *run.capacity.million, run.capacity.currency));
  }
  if (!run.objective.empty()) out += figure("objective", to_string(run.objective));
  return out + "</div>\n";
}

std::string verdict_html(const RunResult& run) {
  const char* kind = run.verdict.limit == Limit::generator ? "verdict refused"
                     : run.verdict.limit == Limit::none    ? "verdict"
                                                           : "verdict bad";
  std::string out =
      fmt::format("<div class=\"{}\"><p>{}</p>", kind, html_escaped(run.verdict.sentence));
  if (run.front) {
    out += "<p>Holdfast in front: " + html_escaped(run.front->sentence) + "</p>";
    for (const std::string& line : run.front->also)
      out += "<p>Also: " + html_escaped(line) + "</p>";
  }
  if (!run.verdict.evidence.empty()) {
    out += "<ul>";
    for (const std::string& line : run.verdict.evidence)
      out += "<li>" + html_escaped(line) + "</li>";
    out += "</ul>";
  }
  for (const std::string& note : run.notes)
    out += "<p>Note: " + html_escaped(note) + "</p>";
  return out + "</div>\n";
}

std::vector<PlotLine> limits_of(const Objective& objective) {
  std::vector<PlotLine> out;
  for (const LatencyGoal& goal : objective.latency)
    out.push_back({ms(goal.limit), name_of(goal) + " < " + brief(goal.limit)});
  return out;
}

std::string latency_over_rate(const RunResult& run) {
  std::vector<StepResult> steps = run.steps;
  std::stable_sort(steps.begin(), steps.end(),
                   [](const auto& a, const auto& b) { return a.rate < b.rate; });
  Plot plot;
  plot.x = {"requests due a second", Scale::log, plain_label, {}};
  plot.y = {"latency", Scale::log, ms_label, {}};
  plot.limits = limits_of(run.objective);
  plot.series = {{"p99", "s2", {}, true, true},
                 {"p50", "s1", {}, true, true},
                 {"p99 from the send", "s5", {}, true, false}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StepResult& step = steps[i];
    if (step.outcome == StepOutcome::generator || step.due == 0) continue;
    // Of a rate that was tried again, the last word.
    if (i + 1 < steps.size() && steps[i + 1].rate == step.rate) continue;
    const bool broken = step.outcome == StepOutcome::broken;
    plot.series[0].points.push_back({step.rate, ms(step.latency.p99), broken});
    plot.series[1].points.push_back({step.rate, ms(step.latency.p50), broken});
    plot.series[2].points.push_back({step.rate, ms(step.service.p99), broken});
  }
  return "<h2>Latency over rate</h2>\n" + svg_of(plot) +
         "<p class=\"note\">A point is a step; a ring is one that broke the objective.</p>\n";
}

std::string throughput_over_load(const RunResult& run) {
  Plot plot;
  plot.x = {"in flight (mean)", Scale::log, plain_label, {}};
  plot.y = {"answered a second", Scale::linear, plain_label, {}};
  PlotSeries measured{"measured", "s1", {}, false, true};
  double low = 0;
  double high = 0;
  for (const StepResult& step : run.steps) {
    if (step.outcome == StepOutcome::generator || step.in_flight <= 0) continue;
    measured.points.push_back(
        {step.in_flight, step.throughput, step.outcome == StepOutcome::broken});
    low = low == 0 ? step.in_flight : std::min(low, step.in_flight);
    high = std::max(high, step.in_flight);
  }
  std::string note = "Too few different loads for a fit of the Universal Scalability Law.";
  if (run.usl && low > 0) {
    PlotSeries law{"scalability law", "s3", {}, true, false};
    const int points = 120;
    for (int i = 0; i <= points; ++i) {
      const double n = low * std::pow(high * 1.5 / low, static_cast<double>(i) / points);
      law.points.push_back({n, run.usl->at(n)});
    }
    plot.series.push_back(std::move(law));
    note = fmt::format("X(N) = {:.4g} N / (1 + {:.4g} (N - 1) + {:.4g} N (N - 1)), R\u00b2 {:.3f}",
                       run.usl->gamma, run.usl->alpha, run.usl->beta, run.usl->r_squared);
    if (const auto peak = run.usl->peak())
      note += fmt::format("; most with {:.3g} in flight", *peak);
    if (run.usl->r_squared < kGoodFit)
      note += ". It fits badly: take it as a picture, not as a forecast.";
  }
  plot.series.push_back(std::move(measured));
  return "<h2>Throughput over load</h2>\n" + svg_of(plot) + "<p class=\"note\">" +
         html_escaped(note) + "</p>\n";
}

// The x axis is the odds against: 10 is p90, 1000 p99.9.
std::vector<PlotPoint> spectrum(const std::vector<Histogram::Place>& places) {
  std::uint64_t all = 0;
  for (const auto& place : places)
    all += place.count;
  std::vector<PlotPoint> out;
  std::uint64_t seen = 0;
  for (const auto& place : places) {
    seen += place.count;
    const double left = static_cast<double>(all - seen) + (seen == all ? 0.5 : 0);
    out.push_back({static_cast<double>(all) / left, ms(place.up_to), false});
  }
  return out;
}

std::string distribution(const RunResult& run) {
  Plot plot;
  plot.x = {"percentile",
            Scale::log,
            [](double odds) { return fmt::format("p{:.6g}", 100 - 100 / odds); },
            {2, 10, 100, 1000, 10'000, 100'000, 1'000'000}};
  plot.y = {"latency", Scale::log, ms_label, {}};
  plot.limits = limits_of(run.objective);
  plot.series = {{"from when it was due", "s2", spectrum(run.latency), true, false},
                 {"from when it was sent", "s1", spectrum(run.service), true, false}};
  return "<h2>Latency by percentile</h2>\n" + svg_of(plot) +
         "<p class=\"note\">Users wait from when a request was due; what a closed loop would show "
         "is "
         "the other line.</p>\n";
}

std::string timeline(const RunResult& run) {
  Plot rates;
  rates.x = {"seconds", Scale::linear, plain_label, {}};
  rates.y = {"a second", Scale::linear, plain_label, {}};
  rates.series = {{"due", "s5", {}, true, false},
                  {"answered", "s1", {}, true, false},
                  {"errors", "s2", {}, true, false}};
  Plot latency;
  latency.x = rates.x;
  latency.y = {"latency", Scale::log, ms_label, {}};
  latency.limits = limits_of(run.objective);
  latency.series = {{"max", "s5", {}, true, false},
                    {"p99", "s2", {}, true, false},
                    {"p50", "s1", {}, true, false}};
  // A phase begins where the one before ends; between other steps nothing was asked for.
  const bool phases = run.mode == "phases";
  for (const StepResult& step : run.steps) {
    if (!phases) break;
    rates.marks.push_back({static_cast<double>(step.begin.ns) / 1e9, step.name});
  }
  latency.marks = rates.marks;
  bool errors = false;
  const PlotPoint gap{std::numeric_limits<double>::quiet_NaN(), 0, false};
  for (const StepResult& step : run.steps) {
    for (PlotSeries& series : rates.series)
      if (!phases) series.points.push_back(gap);
    for (PlotSeries& series : latency.series)
      if (!phases) series.points.push_back(gap);
    const Duration slice =
        step.moments.size() > 1 ? step.moments[1].at - step.moments[0].at : Duration{};
    for (const Moment& moment : step.moments) {
      // What comes after the schedule are late answers, drawn where they were due.
      if (moment.rate <= 0 && moment.at >= step.begin + step.length) continue;
      // Of a slice that the schedule ended in, the rest was not asked for: no rate of answers.
      const bool cut = !phases && &moment != &step.moments.front() &&
                       moment.at + slice > step.begin + step.length;
      const double at = static_cast<double>(moment.at.ns) / 1e9;
      if (!cut) {
        rates.series[0].points.push_back({at, moment.rate, false});
        rates.series[1].points.push_back({at, moment.throughput, false});
        rates.series[2].points.push_back({at, moment.errors * moment.rate, false});
      }
      errors = errors || moment.errors > 0;
      if (moment.rate <= 0) continue;
      latency.series[0].points.push_back({at, ms(moment.max), false});
      latency.series[1].points.push_back({at, ms(moment.p99), false});
      latency.series[2].points.push_back({at, ms(moment.p50), false});
    }
  }
  if (!errors) rates.series.pop_back();
  return "<h2>Timeline</h2>\n" + svg_of(rates) + svg_of(latency);
}

std::string table(const RunResult& run) {
  std::string out = fmt::format(
      "<h2>{}</h2>\n<div class=\"wide\"><table><tr><th>phase</th><th>due</th><th>answered</th>"
      "<th>p50</th><th>p99</th><th>max</th><th>p99 from the send</th><th>errors</th>"
      "<th>in flight</th><th>generator</th><th>outcome</th></tr>\n",
      run.mode == "phases" ? "Phases" : "Steps");
  for (const StepResult& step : run.steps) {
    out += fmt::format(
        "<tr class=\"{}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td><td>{}</td><td>{}, {} late</td><td>{}</td></tr>\n",
        to_string(step.outcome),
        step.name.empty() ? std::string(to_string(step.phase)) : html_escaped(step.name),
        rate_of(step), per_second(step.throughput), brief(step.latency.p50),
        brief(step.latency.p99), brief(step.latency.max), brief(step.service.p99),
        percent(step.error_share()), grouped(step.in_flight_max), percent(step.generator.cpu),
        brief(step.generator.lag_p99), outcome_of(run, step));
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string report_html(const RunResult& run) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>Load on " +
      html_escaped(run.target) + "</title><style>" + kStyle + "</style></head><body>\n";
  out += fmt::format("<h1>{}</h1>\n", run.end                ? "Breaking point"
                                      : run.mode == "phases" ? "Load in phases"
                                                             : "Load at one rate");
  out += fmt::format("<p class=\"where\">{} &middot; {} &middot; {} &middot; holdfast {}</p>\n",
                     html_escaped(run.target), format_rfc3339(run.started), brief(run.length),
                     html_escaped(run.version));
  out += verdict_html(run) + figures(run);
  if (run.end) {
    out += latency_over_rate(run) + throughput_over_load(run);
  } else if (run.mode != "phases") {
    out += distribution(run);
  }
  if (run.mode == "phases") out += table(run) + timeline(run);
  if (!run.capacity.sentences.empty()) out += "<h2>What it means</h2>\n";
  for (const std::string& line : run.capacity.sentences)
    out += "<p>" + html_escaped(line) + "</p>\n";
  if (run.mode != "phases") out += timeline(run) + table(run);
  return out + "</body></html>\n";
}

}  // namespace hf::load
