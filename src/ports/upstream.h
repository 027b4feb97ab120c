// The way out: attempts at upstreams. I/O thread only. sim/contract holds every implementation to
// what is said here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
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
  // ip:port that the call's last attempt went to: of several behind the URL another one is taken,
  // where there is one that is not left out.
  std::string tried;
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
  // Of a route that only observes: an upstream's Holdfast-* fields are the client's to see.
  bool as_it_is = false;
  // No first byte leaves from then on: the attempt ends `cancelled`, with nothing sent.
  std::optional<Instant> not_after;
};

// Never raised from within a call of Upstream, nor of a sink or source that it was given.
class UpstreamEvents {
 public:
  virtual ~UpstreamEvents() = default;
  // A final status line and its fields are there and the body waits: the attempt was not started
  // with a capture, or the answer outgrew it (then `overflow`), or it is an event stream. An answer
  // that breaks in the bytes that came with its head may end without a word of the owner.
  virtual void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) = 0;
  // Exactly once for every start(), also after cancel(). The id is not used again. Where the status
  // line came and the rest of the head broke or did not come, the head has its status and no
  // fields. `forwarded` is true if a sink was given a byte: an answer without body, or cut before
  // it, was not.
  virtual void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) = 0;
};

class Upstream {
 public:
  virtual ~Upstream() = default;
  virtual void start(AttemptSpec spec) = 0;
  // Gives the attempt up, and its connection with it unless the answer had come whole;
  // on_attempt_done follows (cause cancelled unless it had ended by itself) with the evidence that
  // there is: nothing_sent while a connection was being made, answer_complete if the answer was
  // whole and only waited. What was sent may still take effect. Unknown ids are ignored: the end
  // may have crossed the cancel.
  virtual void cancel(AttemptId id) = 0;
  // After on_answer_head: let the body flow into `sink` with its back-pressure. on_attempt_done
  // comes when the last byte has been handed over; the sink is not finished by the adapter. A sink
  // that dies ends the attempt as cancelled, unless the answer had come whole. Ignored for ids
  // whose end was decided.
  virtual void forward(AttemptId id, std::shared_ptr<AnswerSink> sink) = 0;
  // After on_answer_head: read the body to its end (bounded) and report it by on_attempt_done, as
  // if captured. An answer that outgrows `max` is reported by on_answer_head once more, as
  // `overflow`. Used to look at an answer before a retry.
  virtual void capture(AttemptId id, std::uint64_t max) = 0;
};

}  // namespace hf::ports
