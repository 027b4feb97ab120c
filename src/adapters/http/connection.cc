#include "adapters/http/connection.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "adapters/http/server_core.h"
#include "base/check.h"

namespace hf::adapters {
namespace {

using boost::system::error_code;

constexpr std::size_t kSmallInbox = 4 * 1024;  // not counted: every active connection has one
constexpr std::size_t kLingerBytes = 256 * 1024;

}  // namespace

Connection::Connection(ServerCore& core, std::size_t slot, ConnectionSocket::Tcp socket,
                       boost::asio::ssl::context* tls, Peer peer)
    : core_(&core),
      slot_(slot),
      socket_(std::move(socket), tls),
      peer_(std::move(peer)),
      since_(ServerCore::now()),
      scanner_(core.options().head_max) {}

Connection::~Connection() {
  if (exchange_ && exchange_->pipe) exchange_->pipe->detach();
}

void Connection::enter(Phase phase) {
  phase_ = phase;
  since_ = ServerCore::lately();
}

void Connection::start(bool refuse_it) {
  if (refuse_it && socket_.tls()) return close();  // no handshake for a refusal
  if (refuse_it) {
    return refuse_busy({"connections_max", static_cast<std::int64_t>(core_->counters().connections),
                        core_->options().connections_max, "connections"},
                       "There are too many connections; try again soon.");
  }
  if (socket_.tls()) return handshake();
  enter(Phase::idle);
  read_more(kSmallInbox);
}

void Connection::handshake() {
  socket_.async_handshake([self = shared_from_this()](const error_code& ec) {
    if (self->phase_ != Phase::handshake) return;
    if (ec) {
      ++self->core_->counters().handshakes_failed;
      return self->close();
    }
    self->enter(Phase::idle);
    self->read_more(kSmallInbox);
  });
}

bool Connection::just_came() const {
  const bool waits = phase_ == Phase::idle || phase_ == Phase::handshake;
  return fresh_ && waits && ServerCore::now() - since_ <= core_->options().first_request;
}

bool Connection::busy() const {
  if (core_->draining() && just_came()) return true;
  return phase_ != Phase::idle && phase_ != Phase::handshake && phase_ != Phase::lingering &&
         phase_ != Phase::closed;
}

void Connection::drain() {
  // Who has connected a moment ago is about to ask, and would take the end for a lost answer. Who
  // has been answered before knows that an idle connection may end (RFC 9112 section 9.5).
  if (just_came()) return;
  if (phase_ == Phase::handshake) return close();
  if (phase_ != Phase::idle || !inbox_.empty()) return;
  // A request that has arrived already gets its answer.
  error_code ec;
  if (socket_.tcp().available(ec) == 0 || ec) close();
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  const auto self = shared_from_this();
  enter(Phase::closed);
  error_code ignored;
  socket_.tcp().close(ignored);
  core_->charge(charged_, 0);
  ServerCore* const core = core_;
  core->remove(slot_);

  // From here on only callbacks, on values that this object does not need any more.
  const auto id = std::exchange(exchange_id_, ExchangeId{});
  std::shared_ptr<RequestBody> source;
  if (exchange_) {
    source = std::move(exchange_->source);
    if (exchange_->begun && !exchange_->finished) ++core->counters().cut_answers;
    if (exchange_->pipe) exchange_->pipe->detach();
  }
  std::vector<std::function<void(bool)>> writers;
  if (current_.ready) writers.push_back(std::exchange(current_.ready, nullptr));
  for (auto& out : waiting_) {
    if (out.ready) writers.push_back(std::move(out.ready));
  }
  waiting_.clear();
  if (source) {
    if (auto deliver = source->detach()) deliver(ports::BodySource::What::aborted, {});
  }
  for (const auto& ready : writers)
    ready(false);
  if (raw(id) != 0) {
    ++core->counters().gone;
    if (core->events() != nullptr) core->events()->on_gone(id);
  }
}

void Connection::read_more(std::size_t capacity) {
  if (reading_) return;
  inbox_.reserve(std::max(capacity, inbox_.size() + 1));
  reading_ = true;
  read_since_ = ServerCore::now();
  socket_.async_read_some(boost::asio::buffer(inbox_.tail(), inbox_.space()),
                          [self = shared_from_this()](const error_code& ec, std::size_t count) {
                            self->on_read(ec, count, false);
                          });
}

// Reads straight behind the filled part of body_, without a copy.
void Connection::read_direct(std::size_t most) {
  if (reading_) return;
  if (body_.size() < body_size_ + most) body_.resize(body_size_ + most);
  reading_ = true;
  read_since_ = ServerCore::now();
  socket_.async_read_some(boost::asio::buffer(body_.data() + body_size_, most),
                          [self = shared_from_this()](const error_code& ec, std::size_t count) {
                            self->on_read(ec, count, true);
                          });
}

void Connection::on_read(const error_code& ec, std::size_t count, bool direct) {
  reading_ = false;
  if (phase_ == Phase::closed) return;
  if (ec == boost::asio::error::operation_aborted && unparking_) return park();
  unparking_ = false;
  if (ec) {
    // Between a body and the answer the end of the client's side is no news: half-close is not
    // gone.
    ended_ = true;
    const bool harmless = ec == boost::asio::error::eof && !stream_wanted_ &&
                          (phase_ == Phase::waiting || phase_ == Phase::answering);
    if (!harmless) close();
    return;
  }
  body_waited_ = body_waited_ + (ServerCore::now() - read_since_);
  if (direct) {
    exchange_->decoder->next(std::string_view(body_).substr(body_size_, count));
    body_size_ += count;
  } else {
    inbox_.commit(count);
  }
  switch (phase_) {
    case Phase::idle:
    case Phase::head:
      return on_head_bytes();
    case Phase::body:
      return on_body_bytes();
    case Phase::waiting:
    case Phase::answering:
      if (exchange_ && exchange_->source) on_stream_bytes();
      return;
    case Phase::discarding:
      return discard_body();
    case Phase::lingering:
      return discard_lingering();
    case Phase::handshake:
    case Phase::closed:
      return;
  }
}

// Lets an idle connection wait without a buffer. With TLS it keeps it: the records of OpenSSL have
// to go somewhere.
void Connection::park() {
  unparking_ = false;
  inbox_.release();
  ++core_->counters().parked;
  parked_ = true;
  reading_ = true;
  socket_.tcp().async_wait(boost::asio::ip::tcp::socket::wait_read,
                           [self = shared_from_this()](const error_code& ec) {
                             self->reading_ = false;
                             self->parked_ = false;
                             if (self->phase_ == Phase::closed) return;
                             if (ec) return self->close();
                             self->read_more(kSmallInbox);
                           });
}

// The reactor tells of a reset or of both sides closed; a lone FIN it does not. Armed by the sweep,
// so that an exchange that is answered at once never pays for it.
void Connection::watch_for_end() {
  watching_ = true;
  socket_.tcp().async_wait(boost::asio::ip::tcp::socket::wait_error,
                           [self = shared_from_this()](const error_code& ec) {
                             self->watching_ = false;
                             if (ec || self->phase_ == Phase::closed) return;
                             // Urgent data wakes this wait too, and means nothing.
                             pollfd fd{self->socket_.tcp().native_handle(), 0, 0};
                             if (::poll(&fd, 1, 0) == 1 && (fd.revents & (POLLERR | POLLHUP)) != 0)
                               self->close();
                           });
}

// Closes our side first and gives the client time to read what was written: a close with its bytes
// unread would reset the connection and take the answer away (RFC 9112 section 9.6).
void Connection::linger(bool say_goodbye) {
  enter(Phase::lingering);
  linger_left_ = kLingerBytes;
  inbox_.clear();
  if (socket_.tls() && say_goodbye) {
    socket_.async_close_notify([self = shared_from_this()](const error_code& ended) {
      if (self->phase_ == Phase::closed) return;
      if (!ended || self->reading_) return self->close();
      self->close_sending();  // its bytes crossed our goodbye
    });
    return;
  }
  close_sending();
}

void Connection::close_sending() {
  error_code ec;
  socket_.tcp().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ec);
  if (ec || ended_) return close();
  if (!reading_) discard_lingering();
}

// Below TLS too: nobody wants these bytes in clear.
void Connection::discard_lingering() {
  linger_left_ -= std::min(linger_left_, inbox_.size());
  inbox_.clear();
  if (linger_left_ == 0) return close();
  inbox_.reserve(kSmallInbox);
  reading_ = true;
  socket_.tcp().async_read_some(
      boost::asio::buffer(inbox_.tail(), inbox_.space()),
      [self = shared_from_this()](const error_code& error, std::size_t count) {
        self->on_read(error, count, false);
      });
}

void Connection::timed_out(std::string detail, call::Measure measure) {
  ++core_->counters().timed_out;
  refuse(call::Code::bad_request, std::move(detail), std::move(measure));
}

std::optional<call::Measure> Connection::late_body(Instant now) const {
  const auto& options = core_->options();
  const Duration still = now - read_since_;
  if (still > options.body_idle) {
    return call::Measure{"body_idle", still.ms(), options.body_idle.ms(), "ms without a byte"};
  }
  const Duration waited = body_waited_ + still;
  if (waited <= options.body_grace || !exchange_ || !exchange_->decoder) return std::nullopt;
  const std::uint64_t rate =
      exchange_->decoder->received() / static_cast<std::uint64_t>(waited.ceil_seconds());
  if (rate >= options.body_rate) return std::nullopt;
  return call::Measure{"body_rate", static_cast<std::int64_t>(rate),
                       static_cast<std::int64_t>(options.body_rate), "bytes a second"};
}

// Deadlines of reading, in the phases where the client owes bytes.
void Connection::sweep_read(Instant now) {
  const auto& options = core_->options();
  if (phase_ == Phase::head && now - since_ > options.head_within) {
    return timed_out("The head of the request did not arrive in time.",
                     {"head_within", (now - since_).ms(), options.head_within.ms(), "ms"});
  }
  const bool owed = reading_ && (phase_ == Phase::body || stream_wanted_);
  if (exchange_ && exchange_->relayed && now - read_since_ <= options.relayed_idle) return;
  if (!owed) return;
  auto late = late_body(now);
  if (!late) return;
  if (phase_ == Phase::body) {
    return timed_out("The body of the request did not arrive in time.", std::move(*late));
  }
  ++core_->counters().timed_out;
  close();
}

void Connection::sweep(Instant now) {
  const auto& options = core_->options();
  const bool relayed = exchange_ && exchange_->relayed;
  if (writing_ && now - write_since_ > (relayed ? options.relayed_idle : options.write_idle)) {
    ++core_->counters().timed_out;
    return close();
  }
  switch (phase_) {
    case Phase::handshake:
      if (now - since_ <= options.handshake) return;
      ++core_->counters().handshakes_failed;
      return close();
    case Phase::idle:
      if (now - since_ > options.keep_alive) return close();
      if (!parked_ && !unparking_ && reading_ && inbox_.empty() && !socket_.tls() &&
          now - since_ > options.park) {
        unparking_ = true;
        error_code ignored;
        socket_.tcp().cancel(ignored);
      }
      return;
    case Phase::discarding:
    case Phase::lingering:
      if (now - since_ > options.linger) close();
      return;
    case Phase::waiting:
    case Phase::answering:
      if (!watching_ && now - since_ >= options.sweep) watch_for_end();
      return sweep_read(now);
    case Phase::head:
    case Phase::body:
      return sweep_read(now);
    case Phase::closed:
      return;
  }
}

}  // namespace hf::adapters
