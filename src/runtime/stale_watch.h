// Between the driver and the upstream side, where every attempt passes, live or held: an upstream's
// answer to a write ends what is kept of its target (RFC 9111 section 4.4), and how an attempt went
// tells whether the upstream is down.
//
// I/O thread only. Made only where some route keeps answers.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "call/digest.h"
#include "call/hasher.h"
#include "call/settings.h"
#include "ports/upstream.h"
#include "runtime/stale_answers.h"

namespace hf::runtime {

class StaleWatch final : public ports::Upstream, public ports::UpstreamEvents {
 public:
  // `upstream` and `answers` outlive it.
  StaleWatch(const call::Settings& settings, const call::Hasher& hasher, ports::Upstream& upstream,
             StaleAnswers& answers);

  // Where the upstream side's events go on to. Before the first of them.
  void lead_to(ports::UpstreamEvents& events) { events_ = &events; }
  [[nodiscard]] std::size_t under_way() const { return attempts_.size(); }

  // ports::Upstream
  void start(ports::AttemptSpec spec) override;
  void cancel(AttemptId id) override;
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override;
  void capture(AttemptId id, std::uint64_t max) override;
  // ports::UpstreamEvents
  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override;
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override;

 private:
  struct Attempt {
    std::string upstream;                // its name
    std::optional<call::Digest> writes;  // to this target
  };

  void answered(AttemptId id, int status);

  call::Hasher hasher_;
  ports::Upstream& upstream_;
  StaleAnswers& answers_;
  ports::UpstreamEvents* events_ = nullptr;
  std::set<std::string> authorities_;      // of routes that keep answers
  std::map<AttemptId, Attempt> attempts_;  // at these
};

}  // namespace hf::runtime
