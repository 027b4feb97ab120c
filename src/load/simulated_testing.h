// For tests: servers whose breaking points are known, and a whole search against them without a
// socket or a clock.
#pragma once

#include <cmath>
#include <optional>
#include <queue>
#include <vector>

#include "base/prng.h"
#include "load/arrivals.h"
#include "load/result.h"
#include "load/search.h"
#include "load/verdict.h"

namespace hf::load {

struct SimulatedServer {
  int workers = 10;
  Duration service = Duration::millis(10);  // mean of an exponential; 10 of them do 1000/s
  double error_cliff = 0;                   // above this rate every tenth request is answered 503
  std::uint64_t most_connections = 0;       // more in flight are refused; 0: no limit
  Duration stall_at;                        // into each step
  Duration stall;
  Duration lag;  // the generator comes this late to each request
};

// A FIFO queue before `workers`, in virtual time: a step's slices when all is over.
class SimulatedLoad {
 public:
  explicit SimulatedLoad(SimulatedServer server) : server_(server), prng_(11) {}

  std::vector<Slice> run(const ArrivalPlan& plan, Duration patience) {
    std::vector<Slice> slices;
    std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> free;
    std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> in_flight;
    for (int i = 0; i < server_.workers; ++i)
      free.push(plan.begin.ns);
    Arrivals arrivals(plan);
    const double rate = plan.stretches.back().last_rate;
    std::int64_t heard = plan.begin.ns;
    std::uint64_t number = 0;
    while (const auto due = arrivals.next()) {
      const std::int64_t sent = due->ns + server_.lag.ns;
      Slice& slice = at(slices, plan, due->ns);
      slice.tally.due += 1;
      slice.tally.lag.record(server_.lag);
      while (!in_flight.empty() && in_flight.top() <= sent)
        in_flight.pop();
      if (server_.most_connections > 0 && in_flight.size() >= server_.most_connections) {
        slice.tally.failures[static_cast<std::size_t>(Failure::connect_refused)] += 1;
        slice.tally.latency.record({sent - due->ns});
        continue;
      }
      std::int64_t begin = std::max(sent, free.top());
      free.pop();
      const std::int64_t stall = plan.begin.ns + server_.stall_at.ns;
      if (begin >= stall && begin < stall + server_.stall.ns) begin = stall + server_.stall.ns;
      const double dice = (static_cast<double>(prng_.next() >> 11) + 1) * 0x1.0p-53;
      const auto took =
          static_cast<std::int64_t>(-std::log(dice) * static_cast<double>(server_.service.ns));
      const std::int64_t done = begin + took;
      free.push(done);
      in_flight.push(done);
      slice.in_flight = std::max<std::uint64_t>(slice.in_flight, in_flight.size());
      if (done - due->ns > patience.ns) {
        slice.tally.failures[static_cast<std::size_t>(Failure::timeout)] += 1;
        slice.tally.latency.record(patience);
        continue;
      }
      slice.tally.answered += 1;
      const bool bad = server_.error_cliff > 0 && rate > server_.error_cliff && number++ % 10 == 0;
      slice.tally.statuses[bad ? 503 : 200] += 1;
      slice.tally.latency.record({done - due->ns});
      slice.tally.service.record({done - sent});
      Slice& then = at(slices, plan, done);
      then.completed += 1;
      if (done > heard) {
        then.silence = std::max(then.silence, Duration{done - std::max(heard, sent)});
        heard = done;
      }
    }
    return slices;
  }

 private:
  static Slice& at(std::vector<Slice>& slices, const ArrivalPlan& plan, std::int64_t ns) {
    const Duration length = Duration::millis(250);
    const auto index = static_cast<std::size_t>((ns - plan.begin.ns) / length.ns);
    while (slices.size() <= index) {
      Slice slice;
      slice.begin = plan.begin + length * static_cast<std::int64_t>(slices.size());
      slice.length = length;
      slices.push_back(slice);
    }
    return slices[index];
  }

  SimulatedServer server_;
  Prng prng_;
};

// As app/load_run.cc does it, in virtual time.
inline RunResult simulate(const SimulatedServer& server, const Objective& objective,
                          SearchPlan plan) {
  RunResult run;
  run.objective = objective;
  SimulatedLoad load(server);
  Search search(plan);
  Instant now{1'000'000'000};
  const Duration patience = Duration::seconds(5);
  while (const auto next = search.now()) {
    SearchStep made = *next;
    const Duration settle = Duration::seconds(1);
    made.length = step_for(objective, made.rate, made.length, settle);
    const SearchStep* step = &made;
    ArrivalPlan arrivals;
    arrivals.begin = now;
    arrivals.stretches = {{step->length, step->rate, step->rate}};
    arrivals.spacing = Spacing::poisson;
    arrivals.seed = run.steps.size() + 1;
    auto slices = load.run(arrivals, patience);
    now = now + step->length + Duration::seconds(60);
    Judge judge(objective, window_for(objective, step->rate), settle, patience);
    std::vector<Slice> judged = slices;
    std::erase_if(judged,
                  [&](const Slice& slice) { return slice.end() > arrivals.begin + step->length; });
    StepResult done = step_result(*step, slices, {1'000'000'000}, step->length);
    done.breach = judge.conclude(judged, now);
    done.outcome = done.breach ? StepOutcome::broken : StepOutcome::kept;
    if (const auto why = generator_fault(done, objective)) {
      done.outcome = StepOutcome::generator;
      done.why = *why;
    }
    search.step(done.outcome);
    run.steps.push_back(std::move(done));
    run.kept = search.kept();
    run.broken = search.broken();
  }
  run.end = search.end();
  run.usl = law_of(run.steps);
  run.verdict = verdict_of(run);
  return run;
}

}  // namespace hf::load
