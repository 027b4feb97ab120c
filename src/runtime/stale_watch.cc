#include "runtime/stale_watch.h"

#include <utility>

#include "base/check.h"
#include "call/routing.h"

namespace hf::runtime {

StaleWatch::StaleWatch(const call::Settings& settings, const call::Hasher& hasher,
                       ports::Upstream& upstream, StaleAnswers& answers)
    : hasher_(hasher), upstream_(upstream), answers_(answers) {
  for (const auto& route : settings.routes) {
    const auto at = settings.upstreams.find(route->upstream);
    const bool keeps = route->stale_if_error && at != settings.upstreams.end();
    if (keeps && !at->second->urls.empty()) {
      authorities_.insert(at->second->urls.front().authority());
    }
  }
}

void StaleWatch::start(ports::AttemptSpec spec) {
  const auto& urls = spec.upstream->urls;
  if (!urls.empty() && authorities_.contains(urls.front().authority())) {
    Attempt attempt{spec.upstream->name, std::nullopt};
    if (!call::safe_method(spec.request->method)) {
      attempt.writes = target_of(hasher_, *spec.upstream, *spec.request, spec.host_keep);
    }
    attempts_.emplace(spec.id, std::move(attempt));
  }
  upstream_.start(std::move(spec));
}

void StaleWatch::cancel(AttemptId id) {
  upstream_.cancel(id);
}
void StaleWatch::forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) {
  upstream_.forward(id, std::move(sink));
}
void StaleWatch::capture(AttemptId id, std::uint64_t max) {
  upstream_.capture(id, max);
}

void StaleWatch::answered(AttemptId id, int status) {
  const auto at = attempts_.find(id);
  if (at == attempts_.end()) return;
  answers_.attempted(at->second.upstream, stale::is_error(status));
  const bool done = status >= 200 && status < 400;
  if (at->second.writes && done) answers_.changed(*at->second.writes);
}

void StaleWatch::on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) {
  HF_CHECK(events_ != nullptr);
  answered(id, head.status);
  events_->on_answer_head(id, std::move(head), overflow);
}

void StaleWatch::on_attempt_done(AttemptId id, call::AttemptOutcome outcome) {
  HF_CHECK(events_ != nullptr);
  const auto at = attempts_.find(id);
  if (at != attempts_.end()) {
    // What we or the client gave up says nothing of the upstream.
    const bool given_up =
        outcome.cause == call::Cause::cancelled || outcome.cause == call::Cause::client_body;
    if (outcome.evidence >= call::Evidence::answer_begun) {
      answered(id, outcome.head.status);
    } else if (!given_up) {
      answers_.attempted(at->second.upstream, true);
    }
    attempts_.erase(at);
  }
  events_->on_attempt_done(id, std::move(outcome));
}

}  // namespace hf::runtime
