#include "load/result.h"

#include <algorithm>
#include <numeric>

namespace hf::load {
namespace {

double seconds(Duration length) {
  return static_cast<double>(length.ns) / 1e9;
}

double per(double count, Duration length) {
  return length > Duration{} ? count / seconds(length) : 0;
}

Moment moment_of(const Slice& slice, Instant from, Duration length) {
  Moment out;
  out.at = slice.begin - from;
  out.rate = per(static_cast<double>(slice.tally.due), length);
  out.throughput = per(static_cast<double>(slice.completed), slice.length);
  if (slice.tally.due > 0) {
    out.errors = static_cast<double>(slice.tally.errors()) / static_cast<double>(slice.tally.due);
  }
  out.p50 = slice.tally.latency.quantile(0.5);
  out.p99 = slice.tally.latency.quantile(0.99);
  out.max = slice.tally.latency.max();
  out.in_flight = slice.in_flight;
  return out;
}

}  // namespace

Spread spread_of(const Histogram& histogram) {
  return {histogram.quantile(0.5),   histogram.quantile(0.9), histogram.quantile(0.99),
          histogram.quantile(0.999), histogram.max(),         histogram.mean()};
}

std::uint64_t StepResult::failed() const {
  return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0});
}

std::uint64_t StepResult::errors() const {
  std::uint64_t sum = failed();
  for (auto at = statuses.lower_bound(kFirstErrorStatus); at != statuses.end(); ++at)
    sum += at->second;
  return sum;
}

double StepResult::error_share() const {
  return due == 0 ? 0 : static_cast<double>(errors()) / static_cast<double>(due);
}

std::string_view to_string(Limit limit) {
  switch (limit) {
    case Limit::none:
      return "none";
    case Limit::server_latency:
      return "server_latency";
    case Limit::queueing:
      return "queueing";
    case Limit::errors:
      return "errors";
    case Limit::connections:
      return "connections";
    case Limit::generator:
      return "generator";
  }
  return "";
}

StepResult step_result(const SearchStep& step, std::span<const Slice> slices, Instant from,
                       Duration length) {
  StepResult out;
  out.phase = step.phase;
  out.rate = step.rate;
  out.length = length;
  if (slices.empty()) return out;
  const Instant begin = slices.front().begin;
  out.begin = begin - from;
  Tally all;
  std::uint64_t completed = 0;
  Duration counted;
  for (const Slice& slice : slices) {
    all.merge(slice.tally);
    const Duration loaded = std::min(slice.length, begin + length - slice.begin);
    // Answers after the schedule's end are no throughput: nothing was asked any more.
    if (loaded == slice.length || (counted == Duration{} && loaded > Duration{})) {
      completed += slice.completed;
      counted = counted + loaded;
    }
    out.in_flight_max = std::max(out.in_flight_max, slice.in_flight);
    out.silence = std::max(out.silence, slice.silence);
    if (loaded > Duration{} || slice.completed > 0)
      out.moments.push_back(moment_of(slice, from, std::max(loaded, Duration{})));
  }
  out.due = all.due;
  out.answered = all.answered;
  out.statuses = all.statuses;
  out.failures = all.failures;
  out.throughput = per(static_cast<double>(completed), counted);
  out.latency = spread_of(all.latency);
  out.service = spread_of(all.service);
  out.connect = spread_of(all.connect);
  out.in_flight = out.throughput * seconds(out.service.mean);
  out.generator.lag_p99 = all.lag.quantile(0.99);
  out.generator.lag_max = all.lag.max();
  out.generator.queued = all.queued;
  out.generator.unsent = all.failures[static_cast<std::size_t>(Failure::unsent)];
  return out;
}

}  // namespace hf::load
