#include "adapters/load/load_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace hf::adapters {

LoadConnection::~LoadConnection() {
  ssl_.reset();
  ::close(fd_);
}

Result<void> LoadConnection::use_tls(ClientContext& context, const std::string& host,
                                     std::uint16_t port) {
  HF_TRY(ssl_, context.open(host, port, fd_, &taken_));
  return {};
}

void LoadConnection::assign(const load::PreparedRequest& request, std::uint64_t number) {
  HF_CHECK(request_ == nullptr);
  request_ = &request;
  number_ = number;
  written_ = 0;
  sent_at_.reset();
  held_.clear();
  scanner_.reset();
  body_.reset();
  status_ = 0;
  if (phase_ == Phase::idle) phase_ = Phase::asking;
}

std::optional<Duration> LoadConnection::take_connect_time() {
  return std::exchange(connect_time_, std::nullopt);
}

LoadConnection::Outcome LoadConnection::fail(load::Failure failure) {
  failure_ = failure;
  reusable_ = false;
  return Outcome::failed;
}

LoadConnection::Outcome LoadConnection::go_on(Instant now, std::span<char> room, bool ended) {
  if (phase_ == Phase::connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail(load::Failure::connect_refused);
    sockaddr_storage peer{};
    size = sizeof peer;
    if (::getpeername(fd_, static_cast<sockaddr*>(static_cast<void*>(&peer)), &size) != 0) {
      return Outcome::again;
    }
    if (ssl_) {
      phase_ = Phase::handshake;
    } else {
      on_connected(now);
    }
  }
  if (phase_ == Phase::handshake) {
    const Outcome outcome = shake_hands(now);
    if (phase_ == Phase::handshake) return outcome;
  }
  if (phase_ == Phase::idle) {
    // Nothing was asked: bytes or an end are the end of it.
    const Moved moved = read_some(room);
    return moved.bytes > 0 || moved.end || moved.failed ? fail(load::Failure::reset)
                                                        : Outcome::again;
  }
  if (written_ < request_->bytes.size()) {
    const bool fresh = written_ == 0;
    const Outcome outcome = write_rest(now);
    // The answer to what went in one piece comes with an edge of its own: a look for it now would
    // be a system call for nothing.
    if (outcome == Outcome::failed || (fresh && !ssl_ && !ended)) return outcome;
  }
  return read_answer(room, ended);
}

void LoadConnection::on_connected(Instant now) {
  connect_time_ = now - begun_;
  phase_ = request_ != nullptr ? Phase::asking : Phase::idle;
}

LoadConnection::Outcome LoadConnection::shake_hands(Instant now) {
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    on_connected(now);
    return Outcome::again;
  }
  const int why = SSL_get_error(ssl_.get(), done);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return Outcome::again;
  return fail(load::Failure::tls);
}

LoadConnection::Moved LoadConnection::write_some(std::string_view bytes) {
  Moved moved;
  if (!ssl_) {
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      moved.bytes = static_cast<std::size_t>(n);
    } else {
      moved.failed = errno != EAGAIN && errno != EINTR;
    }
    return moved;
  }
  std::size_t n = 0;
  const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &n);
  if (done == 1) {
    moved.bytes = n;
    return moved;
  }
  const int why = SSL_get_error(ssl_.get(), done);
  moved.failed = why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
  return moved;
}

LoadConnection::Moved LoadConnection::read_some(std::span<char> room) {
  Moved moved;
  if (!ssl_) {
    const auto n = ::recv(fd_, room.data(), room.size(), 0);
    moved.bytes = n > 0 ? static_cast<std::size_t>(n) : 0;
    moved.end = n == 0;
    moved.failed = n < 0 && errno != EAGAIN && errno != EINTR;
    return moved;
  }
  std::size_t n = 0;
  const int done = SSL_read_ex(ssl_.get(), room.data(), room.size(), &n);
  if (done == 1) {
    moved.bytes = n;
    return moved;
  }
  const int why = SSL_get_error(ssl_.get(), done);
  moved.end = why == SSL_ERROR_ZERO_RETURN;
  moved.failed = !moved.end && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
  return moved;
}

LoadConnection::Outcome LoadConnection::write_rest(Instant now) {
  while (written_ < request_->bytes.size()) {
    const Moved moved = write_some(std::string_view(request_->bytes).substr(written_));
    if (moved.failed) return fail(load::Failure::reset);
    if (moved.bytes == 0) return Outcome::again;
    if (!sent_at_) sent_at_ = now;
    written_ += moved.bytes;
  }
  return Outcome::again;
}

LoadConnection::Outcome LoadConnection::read_answer(std::span<char> room, bool ended) {
  for (;;) {
    const Moved moved = read_some(room);
    if (moved.bytes > 0) {
      const Outcome outcome = take({room.data(), moved.bytes});
      if (outcome == Outcome::answered && ended) reusable_ = false;
      if (outcome != Outcome::again) return outcome;
      // The kernel tells of more, by an edge: what was read was less than there was room for.
      if (!ssl_ && !ended && moved.bytes < room.size()) return Outcome::again;
      continue;
    }
    if (moved.end) return on_end();
    return moved.failed ? fail(load::Failure::reset) : Outcome::again;
  }
}

LoadConnection::Outcome LoadConnection::on_end() {
  if (body_ && body_->on_eof()) {
    reusable_ = false;
    request_ = nullptr;
    return Outcome::answered;
  }
  return fail(load::Failure::reset);
}

LoadConnection::Outcome LoadConnection::take(std::string_view bytes) {
  while (!body_) {
    std::size_t used = 0;
    const Outcome outcome = take_head(bytes, used);
    if (outcome == Outcome::failed) return outcome;
    bytes.remove_prefix(used);
    if (!body_ && bytes.empty()) return Outcome::again;
  }
  return take_body(bytes);
}

// `used` of the bytes are dealt with afterwards: all of them while the head is not whole.
LoadConnection::Outcome LoadConnection::take_head(std::string_view bytes, std::size_t& used) {
  const std::size_t before = held_.size();
  if (before > 0) held_ += bytes;
  const std::string_view buffer = before > 0 ? std::string_view(held_) : bytes;
  const http1::HeadScan scan = scanner_.scan(buffer);
  if (scan.refusal != http1::Refusal::none) return fail(load::Failure::bad_answer);
  if (scan.size == 0) {
    // Another protocol is found out by its first bytes, not by a timeout.
    if (!http1::may_be_status_line(buffer)) return fail(load::Failure::bad_answer);
    if (before == 0) held_ = bytes;
    used = bytes.size();
    return Outcome::again;
  }
  const auto parsed = http1::parse_response(buffer.substr(0, scan.size), request_->method);
  if (parsed.refusal != http1::Refusal::none) return fail(load::Failure::bad_answer);
  used = scan.size - before;
  held_.clear();
  scanner_.reset();
  if (parsed.head.status < 200) return Outcome::again;
  status_ = parsed.head.status;
  reusable_ = parsed.keep_alive;
  body_.emplace(parsed.framing);
  return Outcome::again;
}

LoadConnection::Outcome LoadConnection::take_body(std::string_view bytes) {
  while (!body_->done()) {
    const auto step = body_->next(bytes);
    if (step.refusal != http1::Refusal::none) return fail(load::Failure::bad_answer);
    bytes.remove_prefix(step.consumed);
    if (!step.done && bytes.empty()) return Outcome::again;
  }
  // Bytes after the answer belong to no request of ours.
  if (!bytes.empty() || written_ < request_->bytes.size()) reusable_ = false;
  request_ = nullptr;
  if (reusable_) phase_ = Phase::idle;
  return Outcome::answered;
}

}  // namespace hf::adapters
