#include "adapters/http/upstream_link.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/check.h"

namespace hf::adapters {
namespace {

// Up to this much of a body is copied behind its head, so that both go out in one TLS record.
constexpr std::size_t kTlsJoin = 8192;

std::string peer_of(const boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code failed;
  const auto peer = socket.remote_endpoint(failed);
  if (failed) return {};
  const auto host = peer.address().to_string();
  return peer.address().is_v6() ? fmt::format("[{}]:{}", host, peer.port())
                                : fmt::format("{}:{}", host, peer.port());
}

iovec piece(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace

UpstreamLink::UpstreamLink(boost::asio::ip::tcp::socket socket, std::string target, Instant opened)
    : last_used(opened),
      socket_(std::move(socket)),
      target_(std::move(target)),
      address_(peer_of(socket_)),
      opened_(opened) {}

Result<void> UpstreamLink::use_tls(std::shared_ptr<ClientContext> context, const std::string& host,
                                   std::uint16_t port) {
  auto ssl = context->open(host, port, socket_.native_handle(), &taken_);
  if (!ssl.ok()) return ssl.take_error();
  context_ = std::move(context);
  ssl_ = std::move(ssl).value();
  return {};
}

UpstreamLink::IoResult UpstreamLink::tls_result(int returned) {
  wants_write_ = false;
  if (returned > 0) return {Io::ok, static_cast<std::size_t>(returned)};
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {Io::again, 0};
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      return {Io::again, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Io::end, 0};
    case SSL_ERROR_SSL:
      return {ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? Io::cut
                                                                                     : Io::failed,
              0};
    default:
      return {Io::failed, 0};
  }
}

UpstreamLink::IoResult UpstreamLink::handshake() {
  ERR_clear_error();
  return tls_result(SSL_do_handshake(ssl_.get()));
}

UpstreamLink::IoResult UpstreamLink::read(std::span<char> into) {
  if (ssl_) {
    ERR_clear_error();
    return tls_result(SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size())));
  }
  const auto n = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
  if (n > 0) return {Io::ok, static_cast<std::size_t>(n)};
  if (n == 0) return {Io::end, 0};
  return {errno == EAGAIN || errno == EINTR ? Io::again : Io::failed, 0};
}

UpstreamLink::IoResult UpstreamLink::write(std::string_view first, std::string_view second) {
  return ssl_ ? write_tls(first, second) : write_plain(first, second);
}

UpstreamLink::IoResult UpstreamLink::write_plain(std::string_view first, std::string_view second) {
  std::array<iovec, 2> pieces{};
  msghdr message{};
  message.msg_iov = pieces.data();
  if (!first.empty()) pieces[message.msg_iovlen++] = piece(first);
  if (!second.empty()) pieces[message.msg_iovlen++] = piece(second);
  const auto n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0) return {errno == EAGAIN || errno == EINTR ? Io::again : Io::failed, 0};
  taken_ += static_cast<std::uint64_t>(n);
  return {Io::ok, static_cast<std::size_t>(n)};
}

UpstreamLink::IoResult UpstreamLink::write_tls(std::string_view first, std::string_view second) {
  ERR_clear_error();
  const auto put = [this](std::string_view bytes) {
    constexpr std::size_t kMost = 1U << 20;  // SSL_write takes an int
    return tls_result(
        SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), kMost))));
  };
  if (first.empty()) return put(second);
  // With ACCEPT_MOVING_WRITE_BUFFER a write that had to wait may come again from another place,
  // as long as it is not shorter.
  if (second.empty() || first.size() + second.size() > kTlsJoin) return put(first);
  std::array<char, kTlsJoin> joined;
  std::copy(first.begin(), first.end(), joined.begin());
  std::copy(second.begin(), second.end(), joined.data() + first.size());
  return put({joined.data(), first.size() + second.size()});
}

bool UpstreamLink::quiet() {
  if (!socket_.is_open()) return false;
  char byte = 0;
  if (!ssl_) {
    const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
  }
  ERR_clear_error();
  return tls_result(SSL_peek(ssl_.get(), &byte, 1)).what == Io::again;
}

void UpstreamLink::arm_reading() {
  if (reading_armed_ || !socket_.is_open()) return;
  reading_armed_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       self->reading_armed_ = false;
                       self->on_wait(Ready::reading);
                     });
}

void UpstreamLink::arm_writing() {
  if (writing_armed_ || !socket_.is_open()) return;
  writing_armed_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code&) {
                       self->writing_armed_ = false;
                       self->on_wait(Ready::writing);
                     });
}

// An error of the wait itself needs no word: the read or write that follows meets it.
void UpstreamLink::on_wait(Ready ready) {
  if (!socket_.is_open() || !on_ready_) return;
  // The listener may replace itself while it runs.
  const auto listener = on_ready_;
  listener(ready);
}

void UpstreamLink::close(bool politely) {
  on_ready_ = nullptr;
  if (!socket_.is_open()) return;
  if (politely && ssl_ && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ssl_.reset();
  boost::system::error_code ignored;
  socket_.close(ignored);
  ERR_clear_error();
}

}  // namespace hf::adapters
