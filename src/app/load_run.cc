#include "app/load_run.h"

#include <time.h>

#include <algorithm>

#include "app/progress.h"
#include "load/verdict.h"

namespace hf::app {
namespace {

constexpr Duration kLook = Duration::millis(50);
// Between steps: what the one before left in the server's queues is not the next one's.
constexpr Duration kRest = Duration::millis(500);
// A step's first requests open connections; they are counted, and not judged.
constexpr Duration kSettle = Duration::seconds(1);
// The longest timeline that a report can draw.
constexpr std::int64_t kMostSlices = 1200;
constexpr Duration kShortSlice = Duration::millis(250);

class Run {
 public:
  Run(const LoadPlan& plan, adapters::LoadGenerator& generator,
      const std::function<void(const LoadStatus&)>& show, load::RunResult& result)
      : plan_(plan), generator_(generator), show_(show), result_(result) {}

  Instant all();

 private:
  void one(const load::SearchStep& step, double first_rate);
  load::StepOutcome watch(const load::SearchStep& step, load::Judge& judge, Instant begin);
  void drain(const load::SearchStep& step, load::Judge& judge, Instant begin);
  void show(const load::SearchStep& step, const load::Judge& judge, Instant begin, bool draining);
  void search();

  const LoadPlan& plan_;
  adapters::LoadGenerator& generator_;
  const std::function<void(const LoadStatus&)>& show_;
  load::RunResult& result_;
  Instant from_;
  Duration followed_;  // of the step's schedule
  std::optional<load::Breach> breach_;
  std::optional<load::Search> search_;
};

Instant Run::all() {
  from_ = adapters::LoadGenerator::now();
  if (plan_.find) {
    search();
  } else {
    one({load::Phase::fixed, plan_.rate, plan_.duration}, plan_.first_rate);
    const auto outcome = result_.steps.back().outcome;
    if (outcome == load::StepOutcome::kept) result_.kept = plan_.rate;
    if (outcome == load::StepOutcome::broken) result_.broken = plan_.rate;
  }
  result_.length = adapters::LoadGenerator::now() - from_;
  result_.stopped = stop_asked();
  return from_;
}

void Run::search() {
  search_.emplace(*plan_.find);
  while (const auto next = search_->now()) {
    load::SearchStep step = *next;
    // A percentile needs requests: low rates take longer.
    step.length = load::step_for(plan_.objective, step.rate, step.length, kSettle);
    one(step, step.rate);
    search_->step(result_.steps.back().outcome);
    result_.kept = search_->kept();
    result_.broken = search_->broken();
    if (search_->now()) rest(kRest);
  }
  result_.end = search_->end();
  result_.usl = load::law_of(result_.steps);
}

void Run::one(const load::SearchStep& step, double first_rate) {
  const Duration slice = std::max(kShortSlice, step.length / kMostSlices);
  load::Judge judge(plan_.objective, load::window_for(plan_.objective, step.rate), kSettle,
                    plan_.timeout);
  load::ArrivalPlan arrivals;
  arrivals.begin = adapters::LoadGenerator::now() + Duration::millis(20);
  arrivals.length = step.length;
  arrivals.first_rate = first_rate;
  arrivals.last_rate = step.rate;
  arrivals.spacing = plan_.spacing;
  arrivals.seed = plan_.seed + result_.steps.size();
  breach_.reset();
  generator_.begin(arrivals, slice);
  const load::StepOutcome outcome = watch(step, judge, arrivals.begin);
  const adapters::LoadSelf self = generator_.self();
  drain(step, judge, arrivals.begin);
  load::StepResult done = load::step_result(step, generator_.slices(), from_, followed_);
  done.generator.cpu = self.cpu;
  done.generator.connections = self.most;
  done.generator.exhausted = self.exhausted;
  done.breach = breach_;
  done.outcome = outcome;
  if (outcome != load::StepOutcome::stopped) {
    done.outcome = breach_ ? load::StepOutcome::broken : load::StepOutcome::kept;
    if (const auto why = load::generator_fault(done, plan_.objective)) {
      done.outcome = load::StepOutcome::generator;
      done.why = *why;
    }
  }
  if (!plan_.find) {
    load::Tally sum;
    for (const load::Slice& each : generator_.slices())
      sum.merge(each.tally);
    result_.latency = sum.latency.places();
    result_.service = sum.service.places();
  }
  result_.steps.push_back(std::move(done));
}

// Until the schedule has ended, the objective is broken (a search goes on then; one rate is
// measured to its end), or somebody wants it to end.
load::StepOutcome Run::watch(const load::SearchStep& step, load::Judge& judge, Instant begin) {
  const Instant end = begin + step.length;
  for (;;) {
    const Instant now = adapters::LoadGenerator::now();
    followed_ = std::min(step.length, std::max(Duration{}, now - begin));
    breach_ = judge.look(generator_.slices(), now);
    show(step, judge, begin, false);
    const bool broken = breach_ && plan_.find;
    if (stop_asked() || broken) {
      generator_.halt();
      return stop_asked() ? load::StepOutcome::stopped : load::StepOutcome::broken;
    }
    if (now >= end) return load::StepOutcome::kept;
    rest(std::min(kLook, end - now));
  }
}

// Until every request is answered or given up: those that are slow are what is measured.
void Run::drain(const load::SearchStep& step, load::Judge& judge, Instant begin) {
  const Instant end = begin + followed_;
  for (;;) {
    const Instant now = adapters::LoadGenerator::now();
    const bool quiet = generator_.quiet();
    // Windows past the schedule's end hold nothing to judge.
    if (!breach_) {
      std::vector<load::Slice> slices = generator_.slices();
      std::erase_if(slices, [&](const load::Slice& slice) { return slice.end() > end; });
      breach_ = quiet ? judge.conclude(slices, judge.certain_at(now)) : judge.look(slices, now);
    }
    if (quiet) return;
    show(step, judge, begin, true);
    // sleep: a look at the generator's threads every few hundredths of a second
    const timespec wait{0, kLook.ns};
    ::nanosleep(&wait, nullptr);
  }
}

void Run::show(const load::SearchStep& step, const load::Judge& judge, Instant begin,
               bool draining) {
  LoadStatus status;
  const Instant now = adapters::LoadGenerator::now();
  status.step = step;
  status.into = std::min(step.length, std::max(Duration{}, now - begin));
  status.draining = draining;
  std::uint64_t completed = 0;
  Duration span;
  for (const load::Slice& slice : generator_.slices()) {
    if (slice.end() > now || slice.end() + Duration::seconds(2) < now) continue;
    status.window.merge(slice.tally);
    completed += slice.completed;
    span = span + slice.length;
    status.in_flight = slice.in_flight;
  }
  const double seconds = static_cast<double>(span.ns) / 1e9;
  if (seconds > 0) {
    status.asked = static_cast<double>(status.window.due) / seconds;
    status.answered = static_cast<double>(completed) / seconds;
  }
  status.judged = judge.judged();
  status.breach = &breach_;
  status.run = &result_;
  status.self = generator_.self();
  status.kept = search_ ? search_->kept() : 0;
  if (search_) status.broken = search_->broken();
  show_(status);
}

}  // namespace

Instant run_load(const LoadPlan& plan, adapters::LoadGenerator& generator,
                 const std::function<void(const LoadStatus&)>& show, load::RunResult& result) {
  const Instant began = Run(plan, generator, show, result).all();
  result.objective = plan.objective;
  result.spacing = plan.spacing;
  result.mode = plan.find ? "find" : "rate";
  result.verdict = load::verdict_of(result);
  return began;
}

}  // namespace hf::app
