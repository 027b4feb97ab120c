// The answer side of the simulated wire: from the first byte to the last.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http1/hop.h"
#include "sim/wire.h"
#include "sim/wire_exchange.h"

namespace hf::sim {

using call::Cause;
using call::Evidence;

namespace {

constexpr std::size_t kPiece = 64 * 1024;  // read at once
constexpr int kInterimsMax = 20;

bool is_event_stream(const Fields& fields) {
  const Field* type = find_field(fields, "content-type");
  return type != nullptr && type->value.starts_with("text/event-stream");
}

// RFC 9110 section 6.4.1.
bool has_body(const std::string& method, int status) {
  return method != "HEAD" && status != 204 && status != 304;
}

// What it did not read makes a reset of its end.
bool leaves_unread(const PeerAct& act, const ports::AttemptSpec& spec) {
  if (act.reads == PeerAct::Reads::nothing) return true;
  return act.reads == PeerAct::Reads::head && (spec.body || !view(spec.request->body).empty());
}

}  // namespace

void SimWire::act(ExchangeNumber number, PeerAct act) {
  const auto sent = sent_on_.find(number);
  if (sent == sent_on_.end()) return;
  const std::uint64_t connection = sent->second;
  sent_on_.erase(sent);
  const auto reader = reader_.find(connection);
  if (reader == reader_.end()) {
    connections_.spoil(connection);
    return;
  }
  const Held exchange = reader->second;
  if (exchange->number != number) {
    mixed_up_ += 1;
    if (exchange->act) return;
  }
  HF_CHECK_MSG(!exchange->act, "the other end acts once");
  exchange->act = std::move(act);
  run(exchange);
}

// Whatever calls back in here while it runs only leaves its mark.
void SimWire::run(const Held& exchange) {
  using Reading = Exchange::Reading;
  if (exchange->running) return;
  exchange->running = true;
  running_ += 1;
  while (!exchange->over) {
    if (exchange->reading == Reading::forwarding && !exchange->sink_busy) {
      if (!exchange->held.empty()) {
        hand_over(exchange);
        continue;
      }
      if (exchange->complete) {
        finish(exchange, Cause::none);
        break;
      }
    }
    if (!exchange->wants_read() || !read(exchange)) break;
  }
  exchange->running = false;
  if (--running_ > 0) return;
  const std::uint64_t life = life_;
  for (const auto& what : std::exchange(reports_, {})) {
    if (life == life_) what();
  }
}

// False: nothing is there.
bool SimWire::read(const Held& exchange) {
  if (!exchange->act) return false;
  if (!exchange->met) {
    exchange->met = true;
    read_head(exchange);
    return true;
  }
  if (exchange->answered == Evidence::nothing_sent || exchange->body_over) {
    return take_end(exchange);
  }
  take_piece(exchange);
  return true;
}

void SimWire::read_head(const Held& exchange) {
  const PeerAct& act = *exchange->act;
  exchange->last_read = schedule_.now();
  if (act.interims > kInterimsMax) return finish(exchange, Cause::invalid_answer);
  switch (act.head) {
    case PeerAct::Head::none:
      return;
    case PeerAct::Head::foreign:
      return finish(exchange, Cause::invalid_answer);
    case PeerAct::Head::half:
    case PeerAct::Head::broken:
      exchange->answered = Evidence::answer_begun;
      exchange->head.status = act.answer.status;
      exchange->body_over = true;
      if (act.head == PeerAct::Head::broken) finish(exchange, Cause::invalid_answer);
      return;
    case PeerAct::Head::whole:
      return begin_answer(exchange);
  }
}

void SimWire::begin_answer(const Held& exchange) {
  using Reading = Exchange::Reading;
  PeerAct& act = *exchange->act;
  exchange->answered = Evidence::answer_begun;
  exchange->head_at = schedule_.now();
  exchange->head = act.answer;
  exchange->bytes_received += act.body.size();
  http1::drop_hop_by_hop(exchange->head.fields);
  http1::drop_holdfast_fields(exchange->head.fields);
  const bool body = has_body(exchange->spec->request->method, act.answer.status);
  if (!body) {
    act.body.clear();
    act.framing = PeerAct::Framing::length;
    act.spoils_framing = false;
  }
  HF_CHECK(!act.spoils_framing || act.framing == PeerAct::Framing::chunked);
  const bool known = body && act.framing == PeerAct::Framing::length;
  const bool outgrows = known && act.body.size() > exchange->capture_max;
  const bool ready =
      act.body.empty() || (act.at_once && act.sends >= act.body.size() && act.body.size() < kPiece);
  if (exchange->capture_max == 0 && exchange->spec->whole_if_ready && known && ready) {
    exchange->reading = Reading::capturing;
    exchange->capture_max = act.body.size();
  } else if (exchange->capture_max == 0 || outgrows || is_event_stream(exchange->head.fields)) {
    exchange->reading = Reading::waiting;
    report_head(exchange, exchange->capture_max > 0);
  } else {
    exchange->reading = Reading::capturing;
  }
  const bool nothing_owed = act.framing == PeerAct::Framing::length && act.body.empty();
  if (act.at_once || nothing_owed) take_piece(exchange);
}

void SimWire::take_piece(const Held& exchange) {
  const PeerAct& act = *exchange->act;
  exchange->last_read = schedule_.now();
  const std::size_t sends = std::min(act.sends, act.body.size());
  const std::size_t piece = std::min(kPiece, sends - exchange->taken);
  exchange->held.append(act.body, exchange->taken, piece);
  exchange->taken += piece;
  if (exchange->taken == sends) {
    exchange->body_over = true;
    if (act.spoils_framing) return finish(exchange, Cause::invalid_answer);
    const bool whole = sends == act.body.size();
    if (whole && act.framing != PeerAct::Framing::until_close) complete(exchange);
  }
  settle_capture(exchange);
}

// What comes behind the bytes, if anything.
bool SimWire::take_end(const Held& exchange) {
  const PeerAct& act = *exchange->act;
  const bool closes = act.then == PeerAct::Then::closes;
  if (act.then == PeerAct::Then::resets || (closes && leaves_unread(act, *exchange->spec))) {
    finish(exchange, Cause::reset);
    return true;
  }
  if (closes) {
    const bool ends_it =
        act.head == PeerAct::Head::whole && act.framing == PeerAct::Framing::until_close;
    if (!ends_it) {
      finish(exchange, Cause::closed);
      return true;
    }
    complete(exchange);
    settle_capture(exchange);
    return true;
  }
  if (exchange->reading != Exchange::Reading::head) {
    await_more(exchange);
  } else if (!options_.timers) {
    await_head(exchange);
  }
  return false;
}

void SimWire::settle_capture(const Held& exchange) {
  if (exchange->over || exchange->reading != Exchange::Reading::capturing) return;
  if (exchange->held.size() > exchange->capture_max) {
    exchange->reading = Exchange::Reading::waiting;
    report_head(exchange, true);
  } else if (exchange->complete) {
    finish(exchange, Cause::none);
  }
}

void SimWire::complete(const Held& exchange) {
  const PeerAct& act = *exchange->act;
  exchange->complete = true;
  exchange->whole_at = schedule_.now();
  exchange->answered = Evidence::answer_complete;
  stop_source(*exchange);
  SimConnection connection = std::move(*exchange->connection);
  exchange->connection.reset();
  reader_.erase(connection.id);
  const bool until_close = act.framing == PeerAct::Framing::until_close;
  const policy::LastExchange last{.request_whole = exchange->request_whole,
                                  .nothing_behind = !act.speaks_on && !until_close,
                                  .persists = !act.last && !until_close};
  if (!options_.reuses || !policy::leaves_reusable(last)) return;
  const Instant now = schedule_.now();
  connection.times.last_used = now;
  connection.times.keep_alive = act.keep_alive;
  const bool ends = act.then == PeerAct::Then::closes || act.then == PeerAct::Then::resets;
  connection.ends_at = ends ? now : act.keeps_for ? now + *act.keeps_for : Instant::max();
  connection.end_seen_at = connection.ends_at + act.end_seen_after;
  connections_.give(std::move(connection));
}

void SimWire::forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) {
  const InCall in_call(*this);
  const Held exchange = find(id);
  if (!exchange || exchange->reading != Exchange::Reading::waiting) return;
  exchange->sink = std::move(sink);
  exchange->reading = Exchange::Reading::forwarding;
  exchange->last_read = schedule_.now();
  run(exchange);
}

void SimWire::capture(AttemptId id, std::uint64_t max) {
  const InCall in_call(*this);
  const Held exchange = find(id);
  if (!exchange || exchange->reading != Exchange::Reading::waiting) return;
  exchange->reading = Exchange::Reading::capturing;
  exchange->capture_max = max;
  exchange->last_read = schedule_.now();
  settle_capture(exchange);
  run(exchange);
}

void SimWire::hand_over(const Held& exchange) {
  exchange->sink_busy = true;
  exchange->forwarded = true;
  // Kept by hand: the sink may end the attempt, and be let go, while it is called.
  const auto sink = exchange->sink;
  sink->write(std::exchange(exchange->held, {}), [this, exchange](bool more) {
    const InCall in_call(*this);
    on_sink_ready(exchange, more);
  });
}

void SimWire::on_sink_ready(const Held& exchange, bool more) {
  if (exchange->over || !exchange->sink_busy) return;
  exchange->sink_busy = false;
  // The client's going is no matter to an answer that is already here whole.
  if (!more) return finish(exchange, exchange->complete ? Cause::none : Cause::cancelled);
  exchange->last_read = schedule_.now();
  run(exchange);
}

// While the request is not wholly written the other end owes that it takes more; then an answer.
void SimWire::await_head(const Held& exchange) {
  const call::Timeouts& limits = exchange->spec->upstream->timeouts;
  const bool whole = exchange->request_whole;
  schedule_.after(whole ? limits.head : limits.idle, [this, exchange, whole] {
    if (exchange->reading != Exchange::Reading::head) return;
    finish(exchange, whole ? Cause::head_timeout : Cause::idle_timeout);
  });
}

void SimWire::await_more(const Held& exchange) {
  const Duration idle = exchange->spec->upstream->timeouts.idle;
  schedule_.after(idle, [this, exchange, idle] {
    const bool waits = exchange->wants_read() && exchange->body_over;
    if (waits && schedule_.now() - exchange->last_read >= idle) {
      finish(exchange, Cause::idle_timeout);
    }
  });
}

}  // namespace hf::sim
