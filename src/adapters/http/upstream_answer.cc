// The answer side of an attempt: from the first byte to the last.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <charconv>

#include "adapters/http/upstream_attempt.h"
#include "adapters/http/upstream_core.h"
#include "base/check.h"
#include "http1/hop.h"
#include "http1/keepalive.h"
#include "policy/reuse.h"

namespace hf::adapters {

using call::Cause;
using call::Evidence;

namespace {

// One attempt reads at most this often before others get their turn.
constexpr int kTurns = 16;

// Server-sent events end when somebody is tired of them: nobody waits for their last byte.
bool is_event_stream(const Fields& fields) {
  const auto* type = find_field(fields, "content-type");
  if (type == nullptr) return false;
  const auto essence = std::string_view(type->value).substr(0, type->value.find(';'));
  return same_name(trim_blanks(essence), "text/event-stream");
}

}  // namespace

bool UpstreamAttempt::wants_read() const {
  if (over_ || !link_) return false;
  switch (reading_) {
    case Reading::head:
    case Reading::capturing:
      return true;
    case Reading::waiting:
      return false;
    case Reading::forwarding:
      return !sink_busy_;
  }
  return false;
}

// The one loop that reads, decodes and hands on; whatever calls back into it while it runs only
// leaves its mark.
void UpstreamAttempt::run_answer() {
  if (answer_running_) return;
  answer_running_ = true;
  const auto self = shared_from_this();
  for (int turn = 0; !over_; ++turn) {
    if (reading_ == Reading::forwarding && !sink_busy_) {
      if (!held_.empty()) {
        hand_over();
        continue;
      }
      if (complete_) {
        finish(Cause::none);
        break;
      }
    }
    if (!wants_read()) break;
    if (drained_) {
      drained_ = false;
      link_->arm_reading();
      break;
    }
    if (turn >= kTurns) {
      boost::asio::post(link_->executor(), [self] { self->run_answer(); });
      break;
    }
    read_once();
  }
  answer_running_ = false;
}

void UpstreamAttempt::read_once() {
  auto& scratch = core_.scratch();
  const auto result = link_->read(scratch);
  switch (result.what) {
    case UpstreamLink::Io::ok:
      break;
    case UpstreamLink::Io::again:
      drained_ = true;
      if (link_->wants_write()) link_->arm_writing();
      return;
    case UpstreamLink::Io::end:
    case UpstreamLink::Io::cut:
    case UpstreamLink::Io::failed:
      return on_peer_gone(result.what);
  }
  received_ += result.bytes;
  last_read_ = core_.now();
  // A short read has emptied the socket; TLS may still hold more in its own buffers.
  drained_ = !link_->tls() && result.bytes < scratch.size();
  take({scratch.data(), result.bytes});
}

void UpstreamAttempt::take(std::string_view bytes) {
  if (reading_ == Reading::head) {
    // Kept here while the views below point into it.
    std::string whole;
    if (!head_bytes_.empty()) {
      head_bytes_.append(bytes);
      whole.swap(head_bytes_);
      bytes = whole;
    }
    if (!take_head(bytes)) return;
    take_body(bytes);
    return;
  }
  take_body(bytes);
}

bool UpstreamAttempt::take_head(std::string_view& bytes) {
  http1::ParsedResponse parsed;
  do {
    if (!take_interim(bytes, parsed)) return false;
  } while (parsed.head.status < 200);
  begin_answer(std::move(parsed), bytes.size());
  return true;
}

// One head, interim or final.
bool UpstreamAttempt::take_interim(std::string_view& bytes, http1::ParsedResponse& parsed) {
  const auto scan = scanner_.scan(bytes);
  if (scan.refusal != http1::Refusal::none || !http1::may_be_status_line(bytes)) {
    head_bytes_.assign(bytes);  // finish() looks for a status in it
    refuse_answer(scan.refusal);
    return false;
  }
  if (scan.size == 0) {
    head_bytes_ = std::string(bytes);
    return false;
  }
  parsed = http1::parse_response(bytes.substr(0, scan.size), spec_.request->method);
  if (parsed.refusal != http1::Refusal::none) {
    head_bytes_.assign(bytes.substr(0, scan.size));
    refuse_answer(parsed.refusal);
    return false;
  }
  bytes.remove_prefix(scan.size);
  scanner_.reset();
  // 101 would hand the connection to a protocol that nobody asked for.
  const bool interim = parsed.head.status < 200;
  if (parsed.head.status == 101 || (interim && ++interim_ > core_.options().interim_max)) {
    refuse_answer(http1::Refusal::bad_status_line);
    return false;
  }
  return true;
}

void UpstreamAttempt::refuse_answer(http1::Refusal refusal) {
  if (refusal == http1::Refusal::none) refusal = http1::Refusal::bad_status_line;
  core_.warn(fmt::format("upstream {}: answer refused: {}", spec_.upstream->name,
                         http1::explain(refusal)));
  finish(Cause::invalid_answer);
}

void UpstreamAttempt::begin_answer(http1::ParsedResponse parsed, std::size_t ready) {
  answer_evidence_ = Evidence::answer_begun;
  head_at_ = last_read_;
  keep_alive_ = parsed.keep_alive;
  keep_alive_hint_ = http1::keep_alive_timeout(parsed.head.fields);
  head_.status = parsed.head.status;
  head_.fields = std::move(parsed.head.fields);
  http1::drop_hop_by_hop(head_.fields);
  if (!spec_.as_it_is) http1::drop_holdfast_fields(head_.fields);
  decoder_.emplace(parsed.framing);
  const bool known_length = parsed.framing.kind == http1::BodyFraming::Kind::length;
  // Not for answers without a body: the Content-Length of a HEAD tells of another one's.
  if (capture_max_ == 0 && spec_.whole_if_ready && known_length && parsed.framing.length <= ready) {
    reading_ = Reading::capturing;
    capture_max_ = parsed.framing.length;
    return;
  }
  const bool outgrows = known_length && parsed.framing.length > capture_max_;
  if (capture_max_ == 0 || outgrows || is_event_stream(head_.fields)) {
    return wait_with_head(capture_max_ > 0);
  }
  reading_ = Reading::capturing;
  if (known_length) held_.reserve(parsed.framing.length);
}

void UpstreamAttempt::wait_with_head(bool overflow) {
  reading_ = Reading::waiting;
  core_.report_head(spec_.id, head_, overflow);
}

void UpstreamAttempt::take_body(std::string_view bytes) {
  while (!over_ && !decoder_->done() && !bytes.empty()) {
    const auto step = decoder_->next(bytes);
    if (step.refusal != http1::Refusal::none) return refuse_answer(step.refusal);
    held_.append(step.data);
    bytes.remove_prefix(step.consumed);
  }
  if (over_) return;
  // Bytes behind a complete answer answer nothing: the next request must not meet them.
  if (decoder_->done()) complete_answer(bytes.empty());
  settle_capture();
}

void UpstreamAttempt::settle_capture() {
  if (reading_ != Reading::capturing) return;
  if (held_.size() > capture_max_) return wait_with_head(true);
  if (complete_) finish(Cause::none);
}

void UpstreamAttempt::complete_answer(bool clean) {
  complete_ = true;
  whole_at_ = core_.now();
  answer_evidence_ = Evidence::answer_complete;
  taken_ = taken();
  const auto link = std::exchange(link_, nullptr);
  link->keep_alive_hint = keep_alive_hint_;
  const policy::LastExchange exchange{.request_whole = request_sent_ && !write_dead_,
                                      .nothing_behind = clean,
                                      .persists = keep_alive_};
  if (policy::leaves_reusable(exchange)) {
    core_.pool().give(link, *whole_at_);
  } else {
    link->close(request_sent_);
  }
  stop_source();
}

void UpstreamAttempt::on_peer_gone(UpstreamLink::Io what) {
  // A write that failed has taken the reset with it: the read that follows sees a mere end, which
  // is not a clean one.
  if (what == UpstreamLink::Io::failed || write_dead_) return finish(Cause::reset);
  // Only a clean end can end an answer that has no length; on TLS a FIN alone may be forged.
  if (what == UpstreamLink::Io::end && decoder_ && decoder_->on_eof()) {
    complete_answer(false);
    return settle_capture();
  }
  finish(Cause::closed);
}

void UpstreamAttempt::forward(std::shared_ptr<ports::AnswerSink> sink) {
  if (over_ || reading_ != Reading::waiting) return;
  sink_ = std::move(sink);
  reading_ = Reading::forwarding;
  last_read_ = core_.now();
  run_answer();
}

void UpstreamAttempt::capture(std::uint64_t max) {
  if (over_ || reading_ != Reading::waiting) return;
  reading_ = Reading::capturing;
  capture_max_ = max;
  last_read_ = core_.now();
  settle_capture();
  run_answer();
}

void UpstreamAttempt::hand_over() {
  sink_busy_ = true;
  forwarded_ = true;
  // Kept by hand: the sink may end the attempt, and be let go, while it is called.
  const auto sink = sink_;
  sink->write(std::exchange(held_, {}), [weak = weak_from_this()](bool more) {
    if (const auto self = weak.lock()) self->on_sink_ready(more);
  });
}

void UpstreamAttempt::on_sink_ready(bool more) {
  if (over_ || !sink_busy_) return;
  sink_busy_ = false;
  // The client's going is no matter to an answer that is already here whole.
  if (!more) return finish(complete_ ? Cause::none : Cause::cancelled);
  last_read_ = core_.now();  // the time until now was the client's
  run_answer();
}

}  // namespace hf::adapters
