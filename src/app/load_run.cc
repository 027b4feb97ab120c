#include "app/load_run.h"

#include <time.h>

#include <algorithm>
#include <span>
#include <utility>

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

// A piece of a schedule that is judged and told for itself: a step of a search, or a phase.
struct Part {
  load::SearchStep step;
  load::PhasePlan phase;
  Duration begin;  // from the schedule's
  std::size_t first_slice = 0;
  std::size_t end_slice = 0;
  load::Judge judge;
  std::optional<load::Breach> breach;
  double cpu = 0;  // core seconds from the schedule's begin to its end

  [[nodiscard]] Duration end() const { return begin + step.length; }
};

class Run {
 public:
  Run(const LoadPlan& plan, adapters::LoadGenerator& generator,
      const std::function<void(const LoadStatus&)>& show, load::RunResult& result)
      : plan_(plan), generator_(generator), show_(show), result_(result) {}

  Instant all();

 private:
  void schedule(const std::vector<load::PhasePlan>& phases, load::Phase kind);
  void watch();
  void drain();
  void look(Instant now, bool draining, bool conclude);
  [[nodiscard]] Part& part_at(Duration into);
  void finish(Part& part, double cpu_before, const adapters::LoadSelf& self);
  void show(bool draining);
  void search();
  void in_phases();

  const LoadPlan& plan_;
  adapters::LoadGenerator& generator_;
  const std::function<void(const LoadStatus&)>& show_;
  load::RunResult& result_;
  Instant from_;
  // Of the schedule that is made now.
  std::vector<Part> parts_;
  Instant begin_;
  Duration length_;
  Duration followed_;
  bool stopped_ = false;
  std::optional<load::Search> search_;
};

Instant Run::all() {
  from_ = adapters::LoadGenerator::now();
  if (plan_.find) {
    search();
  } else {
    in_phases();
  }
  result_.length = adapters::LoadGenerator::now() - from_;
  result_.stopped = stop_asked();
  return from_;
}

void Run::search() {
  search_.emplace(*plan_.find);
  while (const auto next = search_->now()) {
    // A percentile needs requests: low rates take longer.
    const Duration length = load::step_for(plan_.objective, next->rate, next->length, kSettle);
    schedule({{{}, next->rate, next->rate, length}}, next->phase);
    search_->step(result_.steps.back().outcome);
    result_.kept = search_->kept();
    result_.broken = search_->broken();
    if (search_->now()) rest(kRest);
  }
  result_.end = search_->end();
  result_.usl = load::law_of(result_.steps);
}

void Run::in_phases() {
  schedule(plan_.phases, load::Phase::fixed);
  load::note_kept(result_);
  if (plan_.phases.size() > 1) return;
  load::Tally sum;
  for (const load::Slice& each : generator_.slices())
    sum.merge(each.tally);
  result_.latency = sum.latency.places();
  result_.service = sum.service.places();
}

void Run::schedule(const std::vector<load::PhasePlan>& phases, load::Phase kind) {
  parts_.clear();
  length_ = {};
  for (const load::PhasePlan& phase : phases)
    length_ = length_ + phase.length;
  const Duration slice = load::slice_for(phases, std::max(kShortSlice, length_ / kMostSlices));
  Duration passed;
  for (const load::PhasePlan& phase : phases) {
    // What the first requests of all pay for is not judged; what a new rate costs is.
    const Duration settle = parts_.empty() ? kSettle : Duration{};
    const auto first = static_cast<std::size_t>(passed.ns / slice.ns);
    const auto count = static_cast<std::size_t>((phase.length.ns + slice.ns - 1) / slice.ns);
    parts_.push_back(
        {{kind, phase.last_rate, phase.length},
         phase,
         passed,
         first,
         first + count,
         load::Judge(plan_.objective, load::window_for(plan_.objective, phase.least_rate()), settle,
                     plan_.timeout),
         std::nullopt,
         0});
    passed = passed + phase.length;
  }
  load::ArrivalPlan arrivals;
  arrivals.begin = begin_ = adapters::LoadGenerator::now() + Duration::millis(20);
  arrivals.stretches = load::stretches_of(phases);
  arrivals.spacing = plan_.spacing;
  arrivals.seed = plan_.seed + result_.steps.size();
  generator_.begin(arrivals, slice);
  watch();
  const adapters::LoadSelf self = generator_.self();
  drain();
  double cpu = 0;
  for (Part& part : parts_) {
    if (part.begin > Duration{} && part.begin >= followed_) break;  // never begun
    finish(part, std::exchange(cpu, part.cpu), self);
  }
}

// What is known of a part when all is answered or given up.
void Run::finish(Part& part, double cpu_before, const adapters::LoadSelf& self) {
  const std::span<const load::Slice> slices(generator_.slices());
  const bool last = part.end() >= length_ || part.end() >= followed_;
  const auto first = std::min(part.first_slice, slices.size());
  // With the last one are the answers that came after the schedule's end.
  const auto end = last ? slices.size() : std::min(part.end_slice, slices.size());
  const Duration followed = std::min(part.step.length, followed_ - part.begin);
  load::StepResult done =
      load::step_result(part.step, slices.subspan(first, end - first), from_, followed);
  if (plan_.phases.size() > 1) done.name = part.phase.name;
  if (part.phase.first_rate != part.phase.last_rate) done.first_rate = part.phase.first_rate;
  const double seconds = static_cast<double>(followed.ns) / 1e9;
  done.generator.cpu = seconds > 0 ? std::max(0.0, part.cpu - cpu_before) / seconds : 0;
  done.generator.connections = self.most;
  done.generator.exhausted = self.exhausted;
  const auto own = slices.subspan(first, std::min(part.end_slice, slices.size()) - first);
  if (part.breach) done.breach = load::settled(plan_.objective, *part.breach, own);
  done.outcome = load::StepOutcome::stopped;
  if (!stopped_ || part.end() <= followed_) {
    done.outcome = part.breach ? load::StepOutcome::broken : load::StepOutcome::kept;
    if (const auto why = load::generator_fault(done, plan_.objective)) {
      done.outcome = load::StepOutcome::generator;
      done.why = *why;
    }
  }
  if (part.breach && plan_.phases.size() > 1) {
    done.kept_from = load::kept_from(
        plan_.objective, load::window_for(plan_.objective, part.phase.least_rate()), own);
  }
  result_.steps.push_back(std::move(done));
}

Part& Run::part_at(Duration into) {
  for (Part& part : parts_) {
    if (into < part.end()) return part;
  }
  return parts_.back();
}

// All parts that have begun, each by its own requests.
void Run::look(Instant now, bool draining, bool conclude) {
  std::span<const load::Slice> slices(generator_.slices());
  // Windows past the schedule's end hold nothing to judge.
  while (draining && !slices.empty() && slices.back().end() > begin_ + followed_)
    slices = slices.first(slices.size() - 1);
  for (Part& part : parts_) {
    if (part.breach || part.first_slice >= slices.size()) continue;
    const auto end = std::min(part.end_slice, slices.size());
    const auto own = slices.subspan(part.first_slice, end - part.first_slice);
    part.breach =
        conclude ? part.judge.conclude(own, part.judge.certain_at(now)) : part.judge.look(own, now);
  }
}

// Until the schedule has ended, the objective is broken (a search goes on then; what was planned is
// measured to its end), or somebody wants it to end.
void Run::watch() {
  const Instant end = begin_ + length_;
  for (;;) {
    const Instant now = adapters::LoadGenerator::now();
    const Duration into = std::max(Duration{}, now - begin_);
    followed_ = std::min(length_, into);
    look(now, false, false);
    const double cpu = generator_.self().cpu * static_cast<double>(into.ns) / 1e9;
    for (Part& part : parts_) {
      // Until the first look after its end.
      if (part.begin <= into && part.end() + kLook * 2 > into) part.cpu = cpu;
    }
    show(false);
    const bool broken = parts_.back().breach && plan_.find;
    stopped_ = stop_asked();
    if (stopped_ || broken) return generator_.halt();
    if (now >= end) return;
    rest(std::min(kLook, end - now));
  }
}

// Until every request is answered or given up: those that are slow are what is measured.
void Run::drain() {
  for (;;) {
    const bool quiet = generator_.quiet();
    look(adapters::LoadGenerator::now(), true, quiet);
    if (quiet) return;
    show(true);
    // sleep: a look at the generator's threads every few hundredths of a second
    const timespec wait{0, kLook.ns};
    ::nanosleep(&wait, nullptr);
  }
}

void Run::show(bool draining) {
  LoadStatus status;
  const Instant now = adapters::LoadGenerator::now();
  Part& part = draining ? part_at(followed_) : part_at(now - begin_);
  status.step = part.step;
  if (parts_.size() > 1) {
    status.name = part.phase.name;
    status.number = static_cast<std::size_t>(&part - parts_.data()) + 1;
    status.of = parts_.size();
    for (const Part& other : parts_) {
      if (other.begin >= part.begin) break;
      status.earlier += status.earlier.empty() ? "" : ", ";
      status.earlier += other.phase.name;
      if (!plan_.objective.empty()) status.earlier += other.breach ? " BROKEN" : " kept";
    }
  }
  status.into = std::min(part.step.length, std::max(Duration{}, now - begin_ - part.begin));
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
  status.judged = part.judge.judged();
  status.breach = &part.breach;
  status.run = &result_;
  status.self = generator_.self();
  if (draining) status.in_flight = status.self.waiting;
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
  result.mode = plan.find ? "find" : plan.phases.size() > 1 ? "phases" : "rate";
  result.verdict = load::verdict_of(result);
  return began;
}

}  // namespace hf::app
