// The way out: attempts at upstreams. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "call/attempt.h"
#include "call/call.h"
#include "call/settings.h"
#include "ports/streams.h"

namespace hf::ports {

// What one attempt needs. `request` has neither per-attempt nor injected fields; the adapter adds
// `per_attempt` and the upstream's injected ones (replacing fields of that name) at send time.
struct AttemptSpec {
  AttemptId id{};
  std::shared_ptr<const call::UpstreamSettings> upstream;
  std::size_t url = 0;  // which of upstream->urls
  std::shared_ptr<const call::Request> request;
  Fields per_attempt;                // traceparent, Via, Forwarded, the key
  std::shared_ptr<BodySource> body;  // a streamed body; null: request->body
  bool host_keep = false;            // Host stays as the request has it
  // A non-safe call without upstream keys: only a new connection, or one used within the last
  // second and inside the peer's Keep-Alive hint (DESIGN section 4, Connection reuse).
  bool careful_reuse = false;
  // Capture the answer up to this many bytes and report it whole. 0: report the head and wait for
  // forward() or cancel(). An answer that outgrows it, or an event stream, is reported by
  // on_answer_head and then waits in the same way, `captured so far` included in what is forwarded.
  std::uint64_t capture_max = 0;
  // With capture_max 0: an answer that came whole with its head is reported whole at once, which
  // spares small answers the way through a sink.
  bool whole_if_ready = false;
};

class UpstreamEvents {
 public:
  virtual ~UpstreamEvents() = default;
  // A final status line and its fields are there and the body waits: the attempt was not started
  // with a capture, or the answer outgrew it (then `overflow`), or it is an event stream.
  virtual void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) = 0;
  // Exactly once for every start(), also after cancel(). The id is not used again.
  virtual void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) = 0;
};

class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual void start(AttemptSpec spec) = 0;
  // Gives the attempt up and its connection with it; on_attempt_done follows (cause cancelled
  // unless it had ended by itself). Unknown ids are ignored: the end may have crossed the cancel.
  virtual void cancel(AttemptId id) = 0;
  // After on_answer_head: let the body flow into `sink` with its back-pressure. on_attempt_done
  // comes when the last byte has been handed over; the sink is not finished by the adapter.
  virtual void forward(AttemptId id, std::shared_ptr<AnswerSink> sink) = 0;
  // After on_answer_head: read the body to its end (bounded) and report it by on_attempt_done, as
  // if captured. Used to look at an answer before a retry.
  virtual void capture(AttemptId id, std::uint64_t max) = 0;
};

}  // namespace hf::ports
