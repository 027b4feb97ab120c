#include "load/search.h"

#include <algorithm>

#include "base/check.h"

namespace hf::load {
namespace {

constexpr int kMaxFailedHolds = 4;

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::fixed:
      return "fixed";
    case Phase::ramp:
      return "ramp";
    case Phase::bisect:
      return "bisect";
    case Phase::hold:
      return "hold";
  }
  return "";
}

std::string_view to_string(StepOutcome outcome) {
  switch (outcome) {
    case StepOutcome::kept:
      return "kept";
    case StepOutcome::broken:
      return "broken";
    case StepOutcome::generator:
      return "generator";
    case StepOutcome::stopped:
      return "stopped";
  }
  return "";
}

std::string_view to_string(SearchEnd end) {
  switch (end) {
    case SearchEnd::found:
      return "found";
    case SearchEnd::unsteady:
      return "unsteady";
    case SearchEnd::unbroken:
      return "unbroken";
    case SearchEnd::nothing:
      return "nothing";
    case SearchEnd::generator:
      return "generator";
    case SearchEnd::stopped:
      return "stopped";
  }
  return "";
}

Search::Search(const SearchPlan& plan) : plan_(plan) {
  HF_CHECK(plan.growth > 1 && plan.tolerance > 0 && plan.min_rate > 0 &&
           plan.first_rate >= plan.min_rate && plan.max_rate >= plan.first_rate);
  try_rate(Phase::ramp, plan.first_rate);
}

void Search::try_rate(Phase phase, double rate) {
  again_ = false;
  step_ = SearchStep{phase, rate, phase == Phase::hold ? plan_.hold : plan_.step};
}

void Search::finish(SearchEnd end) {
  end_ = end;
  step_.reset();
}

void Search::step(StepOutcome outcome) {
  HF_CHECK(step_.has_value());
  if (outcome == StepOutcome::stopped) return finish(SearchEnd::stopped);
  steps_ += 1;
  if (outcome == StepOutcome::generator) return on_generator();
  if (outcome == StepOutcome::kept) {
    on_kept();
  } else {
    on_broken();
  }
  if (step_ && steps_ >= plan_.max_steps) finish(SearchEnd::unsteady);
}

// Once may have been chance: something else ran on the machine. Twice is a limit.
void Search::on_generator() {
  if (again_ || steps_ >= plan_.max_steps) return finish(SearchEnd::generator);
  again_ = true;
}

void Search::on_kept() {
  kept_rates_.push_back(step_->rate);
  kept_ = std::max(kept_, step_->rate);
  if (step_->phase == Phase::hold) return finish(SearchEnd::found);
  if (!broken_) {
    if (step_->rate >= plan_.max_rate) return finish(SearchEnd::unbroken);
    return try_rate(Phase::ramp, std::min(plan_.max_rate, step_->rate * plan_.growth));
  }
  go_on();
}

void Search::on_broken() {
  const double rate = step_->rate;
  if (!broken_ || rate < *broken_) broken_ = rate;
  // What was kept at this rate or above was luck.
  std::erase_if(kept_rates_, [&](double kept) { return kept >= *broken_; });
  kept_ = kept_rates_.empty() ? 0 : *std::max_element(kept_rates_.begin(), kept_rates_.end());
  if (step_->phase == Phase::hold && ++failed_holds_ >= kMaxFailedHolds) {
    return finish(SearchEnd::unsteady);
  }
  if (kept_ == 0) {
    if (rate <= plan_.min_rate) return finish(SearchEnd::nothing);
    // Nothing has been kept yet: down in larger steps than it went up.
    return try_rate(Phase::ramp, std::max(plan_.min_rate, rate / (plan_.growth * plan_.growth)));
  }
  go_on();
}

// Both ends are known.
void Search::go_on() {
  if (*broken_ - kept_ <= plan_.tolerance * kept_) return try_rate(Phase::hold, kept_);
  try_rate(Phase::bisect, (kept_ + *broken_) / 2);
}

}  // namespace hf::load
