#include "control/metrics_traffic.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "call/problem_counts.h"

namespace hf::control {
namespace {

using Input = MetricInput;
using Lines = MetricLines;
using Row = MetricRow;
using Write = WriteMetric;

// All three have the same labels, so that one can be joined with the other.
Write refusal_value(std::string (*value)(const call::ProblemCounts::Refusals&)) {
  return [value](Lines& out, const Input& in) {
    for (const auto& [by, refusals] : in.problems.by_rule()) {
      out.add("",
              {{"rule", by.rule}, {"code", by.code}, {"upstream", by.upstream}, {"unit", by.unit}},
              value(refusals));
    }
  };
}

std::vector<Row> refusal_rows() {
  using Refusals = call::ProblemCounts::Refusals;
  return {
      {{"holdfast_refusals_total", "counter", "Refusals at a limit, by the rule that they name."},
       refusal_value([](const Refusals& one) { return std::to_string(one.count); })},
      {{"holdfast_refusal_measured", "gauge", "What was measured at the last of them."},
       refusal_value([](const Refusals& one) { return std::to_string(one.measured); })},
      {{"holdfast_refusal_threshold", "gauge", "What that was compared with."},
       refusal_value([](const Refusals& one) { return std::to_string(one.threshold); })},
  };
}

std::vector<Row> limit_rows() {
  return {
      {{"holdfast_limit_requests_total", "counter",
        "Requests that a limit per client looked at, by what it said of them."},
       [](Lines& out, const Input& in) {
         for (const LimitFacts::Limit& limit : in.facts.limits.limits) {
           for (const auto& [result, count] : limit.results)
             out.add({{"limit", limit.name}, {"result", result}}, count);
         }
       }},
      {{"holdfast_limit_near_total", "counter",
        "Requests admitted at four fifths of their client's burst or more."},
       [](Lines& out, const Input& in) {
         for (const LimitFacts::Limit& limit : in.facts.limits.limits)
           out.add({{"limit", limit.name}}, limit.near);
       }},
      {{"holdfast_limit_bans_total", "counter", "Bans begun, by limit."},
       [](Lines& out, const Input& in) {
         for (const LimitFacts::Limit& limit : in.facts.limits.limits)
           out.add({{"limit", limit.name}}, limit.bans);
       }},
      {{"holdfast_limit_keys", "gauge", "Clients that limits remember."},
       [](Lines& out, const Input& in) { out.add({}, in.facts.limits.keys); }},
      {{"holdfast_limit_key_bytes", "gauge", "Memory that they take."},
       [](Lines& out, const Input& in) { out.add({}, in.facts.limits.bytes); }},
      {{"holdfast_limit_keys_evicted_total", "counter",
        "Clients forgotten while they owed something, for want of room."},
       [](Lines& out, const Input& in) { out.add({}, in.facts.limits.evicted); }},
  };
}

void add_stale(Lines& out, const Input& in, StaleFacts::ByRoute StaleFacts::*counts,
               std::string_view label) {
  if (!in.facts.stale) return;
  for (const auto& [what, count] : (*in.facts.stale).*counts)
    out.add({{"route", what.first}, {label, what.second}}, count);
}

Write stale_value(std::uint64_t StaleFacts::*member) {
  return [member](Lines& out, const Input& in) {
    if (in.facts.stale) out.add((*in.facts.stale).*member);
  };
}

std::vector<Row> stale_rows() {
  return {
      {{"holdfast_stale_answers_total", "counter",
        "Kept answers that stood in for an error, by route and error."},
       [](Lines& out, const Input& in) { add_stale(out, in, &StaleFacts::served, "reason"); }},
      {{"holdfast_stale_missed_total", "counter",
        "Errors that readers got on such routes, by why no kept answer stood in."},
       [](Lines& out, const Input& in) { add_stale(out, in, &StaleFacts::missed, "why"); }},
      {{"holdfast_stale_not_kept_total", "counter",
        "Answers of such routes that were not kept, by route and why."},
       [](Lines& out, const Input& in) { add_stale(out, in, &StaleFacts::not_kept, "why"); }},
      {{"holdfast_stale_kept", "gauge", "Answers that are kept."},
       stale_value(&StaleFacts::answers)},
      {{"holdfast_stale_bytes", "gauge", "Memory that they take, and copies under way."},
       stale_value(&StaleFacts::bytes)},
      {{"holdfast_stale_limit_bytes", "gauge", "`stale_cache`: the most that they may take."},
       stale_value(&StaleFacts::max_bytes)},
      {{"holdfast_stale_evicted_total", "counter", "Answers that had to go for want of room."},
       stale_value(&StaleFacts::evicted)},
  };
}

std::vector<Row> feature_rows() {
  return {
      {{"holdfast_feature_on", "gauge",
        "1: the feature is on, 0: the load or a person has it off."},
       [](Lines& out, const Input& in) {
         if (!in.facts.features) return;
         for (const auto& [name, on] : in.facts.features->on)
           out.add({{"feature", name}}, on ? 1 : 0);
       }},
      {{"holdfast_feature_dims_total", "counter", "Times that the load switched a feature off."},
       [](Lines& out, const Input& in) {
         if (in.facts.features) out.add({}, in.facts.features->dims);
       }},
      {{"holdfast_feature_pressure_permille", "gauge",
        "What features are switched by, in thousandths of what counts as overload."},
       [](Lines& out, const Input& in) {
         if (in.facts.features) out.add({}, in.facts.features->permille);
       }},
  };
}

std::uint64_t micros_of(Duration time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.ns / 1000, 0));
}

Write load_count(std::uint64_t engine::UpstreamLoad::*member) {
  return [member](Lines& out, const Input& in) {
    for (const auto& [name, upstream] : in.stats.upstreams)
      out.add({{"upstream", name}}, upstream.load.*member);
  };
}

Write load_seconds(Duration engine::UpstreamLoad::*member) {
  return [member](Lines& out, const Input& in) {
    for (const auto& [name, upstream] : in.stats.upstreams)
      out.add("", {{"upstream", name}}, short_seconds(micros_of(upstream.load.*member)));
  };
}

Write learnt_seconds(Duration engine::UpstreamLoad::Learnt::*member) {
  return [member](Lines& out, const Input& in) {
    for (const auto& [name, upstream] : in.stats.upstreams) {
      if (!upstream.load.learnt) continue;
      out.add("", {{"upstream", name}}, short_seconds(micros_of((*upstream.load.learnt).*member)));
    }
  };
}

void write_shed_level(Lines& out, const Input& in) {
  for (const auto& [name, upstream] : in.stats.upstreams)
    out.add({{"upstream", name}}, std::uint64_t{upstream.load.shed_level});
}

void write_shed(Lines& out, const Input& in) {
  for (const auto& [name, upstream] : in.stats.upstreams) {
    for (std::size_t i = 0; i < call::kCallClasses; ++i) {
      const auto importance = call::to_string(static_cast<call::CallClass>(i));
      for (std::size_t j = 0; j < engine::kShedRules; ++j) {
        const auto rule = engine::to_string(static_cast<engine::ShedRule>(j));
        out.add({{"upstream", name}, {"class", importance}, {"rule", rule}},
                upstream.load.shed[i][j]);
      }
    }
  }
}

void write_refused(Lines& out, const Input& in) {
  for (const auto& [name, upstream] : in.stats.upstreams) {
    for (std::size_t i = 0; i < engine::kHurdles; ++i) {
      const auto hurdle = static_cast<engine::Hurdle>(i);
      if (hurdle == engine::Hurdle::none || hurdle == engine::Hurdle::shed) continue;
      out.add({{"upstream", name}, {"rule", engine::to_string(hurdle)}}, upstream.refused[i]);
    }
  }
}

std::vector<Row> load_rows() {
  using engine::UpstreamLoad;
  return {
      {{"holdfast_upstream_limit", "gauge", "How many attempts may be under way at once."},
       load_count(&UpstreamLoad::limit)},
      {{"holdfast_upstream_latency_baseline_seconds", "gauge",
        "Latency without queueing at the upstream, as far as known; of limits that are learnt."},
       learnt_seconds(&UpstreamLoad::Learnt::baseline)},
      {{"holdfast_upstream_latency_seconds", "gauge",
        "Latency of late, as the limit is learnt from it (a geometric mean)."},
       learnt_seconds(&UpstreamLoad::Learnt::latency)},
      {{"holdfast_upstream_queue_delay_seconds", "gauge",
        "How long the live call that came first has waited for its turn."},
       load_seconds(&UpstreamLoad::queue_delay)},
      {{"holdfast_upstream_demand_ratio", "gauge",
        "What is asked of an upstream over what it bears: in flight, waiting and sent away."},
       [](Lines& out, const Input& in) {
         for (const auto& [name, permille] : in.facts.demand_permille) {
           const auto micros = static_cast<std::uint64_t>(permille) * 1000;
           out.add("", {{"upstream", name}}, short_seconds(micros));
         }
       }},
      {{"holdfast_upstream_backlog_age_seconds", "gauge",
        "By how much the earliest call on disk is overdue."},
       load_seconds(&UpstreamLoad::backlog_age)},
      {{"holdfast_upstream_shed_level", "gauge",
        "How many classes are refused at once, from optional upwards."},
       write_shed_level},
      {{"holdfast_upstream_queue_threshold_seconds", "gauge",
        "From where on that is overload; 0: calls wait as long as their clients do."},
       load_seconds(&UpstreamLoad::threshold)},
      {{"holdfast_shed_total", "counter",
        "Live calls sent away so that others need not wait, by class and rule."},
       write_shed},
      {{"holdfast_upstream_refused_total", "counter",
        "Live calls refused before any attempt, by what stood in the way until their time was up."},
       write_refused},
  };
}

}  // namespace

std::vector<MetricRow> traffic_rows() {
  std::vector<Row> all;
  for (auto&& part : {refusal_rows(), limit_rows(), stale_rows(), feature_rows(), load_rows()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace hf::control
