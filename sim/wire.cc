// The request side of the simulated wire, and how exchanges end.
#include "sim/wire.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "sim/wire_exchange.h"

namespace hf::sim {

using call::Cause;
using call::Evidence;

namespace {

constexpr Duration kTurn = Duration::micros(10);  // until an event is raised
constexpr std::uint64_t kHeadBytes = 200;         // about the size of any head
// So much of a body is taken on the way although the other end reads nothing.
constexpr std::uint64_t kWindow = 256 * 1024;

}  // namespace

void SimWire::forget() {
  life_ += 1;
  for (auto& [id, exchange] : live_) {
    exchange->over = true;
    exchange->passage.token = nullptr;
  }
  live_.clear();
  used_.clear();
  sent_on_.clear();
  reader_.clear();
  connections_.close_all();
}

SimWire::Held SimWire::find(AttemptId id) const {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : found->second;
}

bool SimWire::waits(ExchangeNumber number) const {
  const auto sent = sent_on_.find(number);
  return sent != sent_on_.end() && reader_.contains(sent->second);
}

void SimWire::start(ports::AttemptSpec spec) {
  const InCall in_call(*this);
  const AttemptId id = spec.id;
  HF_CHECK_MSG(used_.insert(id).second, "attempt id used twice");
  auto exchange = std::make_shared<Exchange>();
  exchange->number = ExchangeNumber{++last_number_};
  exchange->life = life_;
  exchange->started = schedule_.now();
  exchange->capture_max = spec.capture_max;
  if (spec.body) {
    exchange->source_over = false;
    if (spec.body->replayable()) spec.body->rewind();
    exchange->source_left =
        static_cast<std::uint64_t>(std::max<std::int64_t>(spec.body->length(), 0));
  }
  exchange->spec = std::make_shared<const ports::AttemptSpec>(std::move(spec));
  live_.emplace(id, exchange);
  if (!options_.reuses && exchange->spec->body && !read_ahead(exchange)) return;
  exchange->passage = peer_.pass(*exchange->spec);
  dial(exchange);
}

// Without connections the door is tried once the body has been read, as it always was: what is
// drawn at the door depends on it. False: the body has broken off.
bool SimWire::read_ahead(const Held& exchange) {
  ask_body(exchange);
  if (!exchange->broken_off) return true;
  exchange->first_byte_at = schedule_.now();
  schedule_.after(kTurn * 10, [this, exchange] { finish(exchange, Cause::client_body); });
  return false;
}

void SimWire::dial(const Held& exchange) {
  const Passage& passage = exchange->passage;
  const std::string authority = exchange->authority();
  const auto end = exchange->spec->not_after;
  if (end && schedule_.now() >= *end) return finish(exchange, Cause::cancelled);
  if (options_.reuses && passage.door == Passage::Door::open) {
    exchange->connection =
        connections_.take(authority, exchange->spec->careful_reuse, schedule_.now());
    exchange->reused = exchange->connection.has_value();
    if (exchange->reused) return send(exchange);
  }
  const Duration most = exchange->spec->upstream->timeouts.connect;
  Cause cause = Cause::none;
  Duration until = passage.dial;
  if (passage.door == Passage::Door::refuses) cause = Cause::connect_refused;
  if (passage.door == Passage::Door::fails) cause = Cause::connect_failed;
  if (passage.door == Passage::Door::silent || until >= most) {
    cause = Cause::connect_timeout;
    until = most;
  }
  if (end && schedule_.now() + until >= *end) {
    cause = Cause::cancelled;
    until = *end - schedule_.now();
  }
  const auto dialled = [this, exchange, authority, cause] {
    if (exchange->over) return;
    exchange->dialled = schedule_.now() - exchange->started;
    if (cause != Cause::none) return finish(exchange, cause);
    exchange->connection = connections_.open(authority, schedule_.now());
    send(exchange);
  };
  if (cause == Cause::none && until == Duration{}) return dialled();
  schedule_.after(until, dialled);
}

void SimWire::send(const Held& exchange) {
  const InCall in_call(*this);
  const std::uint64_t connection = exchange->connection->id;
  sent_on_[exchange->number] = connection;
  reader_[connection] = exchange;
  exchange->first_byte_at = schedule_.now();
  exchange->bytes_sent += kHeadBytes;
  const Passage& passage = exchange->passage;
  if (exchange->reused) {
    const bool ended = exchange->connection->ends_at <= schedule_.now() + passage.way;
    if (ended || passage.meets_the_end) {
      return meet_the_end(exchange, ended ? Cause::closed : Cause::reset);
    }
  }
  if (passage.early) {
    HF_CHECK(passage.early->reads != PeerAct::Reads::all);
    schedule_.after(passage.way,
                    [this, exchange, early = *passage.early] { act(exchange->number, early); });
  }
  send_body(exchange);
}

// The request arrives where nobody reads it.
void SimWire::meet_the_end(const Held& exchange, Cause cause) {
  if (exchange->spec->careful_reuse) careful_losses_ += 1;
  schedule_.after(exchange->passage.way, [this, exchange, cause] { finish(exchange, cause); });
}

void SimWire::send_body(const Held& exchange) {
  if (!exchange->spec->body) {
    const std::string_view body = view(exchange->spec->request->body);
    if (exchange->passage.early && body.size() > kWindow) {
      exchange->bytes_sent += kWindow;
      return await_head(exchange);
    }
    exchange->bytes_sent += body.size();
    exchange->body->assign(body);
    return request_over(exchange);
  }
  ask_body(exchange);
  if (exchange->over || exchange->complete || exchange->request_whole) return;
  if (exchange->broken_off) {
    finish(exchange, Cause::client_body);
  } else if (exchange->source_over) {
    request_over(exchange);
  } else if (window_full(*exchange)) {
    await_head(exchange);
  }
}

bool SimWire::window_full(const Exchange& exchange) {
  return exchange.passage.early && exchange.body->size() >= kWindow;
}

// All that is there, as far as the other end takes it.
void SimWire::ask_body(const Held& exchange) {
  if (exchange->in_ask) return;
  exchange->in_ask = true;
  while (!exchange->over && !exchange->source_over && !exchange->asking &&
         !window_full(*exchange)) {
    exchange->asking = true;
    exchange->spec->body->read([this, exchange](ports::BodySource::What what, std::string bytes) {
      const InCall in_call(*this);
      on_body(exchange, what, bytes);
    });
  }
  exchange->in_ask = false;
}

void SimWire::on_body(const Held& exchange, ports::BodySource::What what,
                      const std::string& bytes) {
  using What = ports::BodySource::What;
  if (exchange->over || !exchange->asking) return;
  exchange->asking = false;
  const bool declared = exchange->spec->body->length() >= 0;
  const std::uint64_t left = exchange->source_left;
  const bool too_much = declared && bytes.size() > left;
  const bool too_little = declared && what == What::end && bytes.size() < left;
  if (what != What::data) exchange->source_over = true;
  if (what == What::aborted || too_much || too_little) {
    exchange->source_over = true;
    exchange->broken_off = true;
  } else {
    if (declared) exchange->source_left -= bytes.size();
    exchange->body->append(bytes);
    exchange->bytes_sent += bytes.size();
  }
  if (!exchange->in_ask && exchange->connection) send_body(exchange);
}

void SimWire::request_over(const Held& exchange) {
  exchange->request_whole = true;
  if (options_.timers) await_head(exchange);
  if (!exchange->passage.early) arrive(exchange);
}

// Bytes that have left arrive whether or not their sender still waits.
void SimWire::arrive(const Held& exchange) {
  schedule_.after(exchange->passage.way, [this, exchange, token = exchange->passage.token] {
    Arrival arrival;
    arrival.token = token;
    arrival.exchange = exchange->number;
    if (exchange->life != life_) {
      arrival.sender = Arrival::Sender::died;
    } else if (exchange->told) {
      arrival.sender = Arrival::Sender::gave_up;
    }
    arrival.spec = exchange->spec;
    arrival.body = exchange->body;
    peer_.on_request(arrival);
  });
}

void SimWire::cancel(AttemptId id) {
  const InCall in_call(*this);
  if (const Held exchange = find(id)) finish(exchange, Cause::cancelled);
}

void SimWire::stop_source(Exchange& exchange) {
  if (exchange.source_over) return;
  exchange.source_over = true;
  exchange.asking = false;
  exchange.spec->body->stop();
}

// The connection of an exchange that is given up goes with it.
void SimWire::let_go(Exchange& exchange) {
  if (!exchange.connection) return;
  const std::uint64_t id = exchange.connection->id;
  reader_.erase(id);
  const bool reuses = options_.reuses_abandoned || HF_BUG("reuse-an-abandoned-connection");
  if (reuses && exchange.reading == Exchange::Reading::head && !exchange.met) {
    exchange.connection->times.last_used = schedule_.now();
    connections_.give(std::move(*exchange.connection));
  } else {
    std::erase_if(sent_on_, [id](const auto& sent) { return sent.second == id; });
  }
  exchange.connection.reset();
}

void SimWire::finish(const Held& exchange, Cause cause) {
  if (exchange->over) return;
  exchange->over = true;
  stop_source(*exchange);
  call::AttemptOutcome outcome;
  const bool sent = exchange->first_byte_at.has_value();
  outcome.evidence = std::max(sent ? Evidence::sent : Evidence::nothing_sent, exchange->answered);
  outcome.cause = cause;
  outcome.head = std::move(exchange->head);
  if (exchange->reading == Exchange::Reading::capturing && exchange->complete) {
    outcome.body = make_body(std::move(exchange->held));
  }
  outcome.forwarded = exchange->forwarded;
  outcome.authority = exchange->authority();
  outcome.address = outcome.authority;
  outcome.reused = exchange->reused;
  outcome.bytes_sent = exchange->bytes_sent;
  outcome.bytes_received = exchange->bytes_received;
  const Instant now = schedule_.now();
  outcome.took = now - exchange->started;
  outcome.phases.connect = exchange->dialled;
  if (sent) outcome.phases.head = exchange->head_at.value_or(now) - *exchange->first_byte_at;
  if (exchange->head_at) {
    outcome.phases.body = exchange->whole_at.value_or(now) - *exchange->head_at;
  }
  outcome.first_byte_at = exchange->first_byte_at;
  exchange->sink = nullptr;
  exchange->passage.token = nullptr;
  let_go(*exchange);
  live_.erase(exchange->spec->id);
  report([this, exchange, outcome = std::move(outcome)] {
    exchange->told = true;
    events_->on_attempt_done(exchange->spec->id, outcome);
  });
}

void SimWire::report_head(const Held& exchange, bool overflow) {
  report([this, id = exchange->spec->id, head = exchange->head, overflow] {
    events_->on_answer_head(id, head, overflow);
  });
}

void SimWire::report(std::function<void()> what) {
  if (in_call_ == 0 && running_ == 0) return what();
  if (in_call_ == 0) return reports_.push_back(std::move(what));
  schedule_.after(kTurn, [this, life = life_, what = std::move(what)] {
    if (life == life_) what();
  });
}

}  // namespace hf::sim
