// A TCP connection with or without TLS behind one set of calls, without virtual calls or type
// erasure: handlers go to Asio as they are.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <utility>

namespace hf::adapters {

class ConnectionSocket {
 public:
  using Tcp = boost::asio::ip::tcp::socket;

  // `tls` null: plain. It need not outlive the call.
  ConnectionSocket(Tcp socket, boost::asio::ssl::context* tls) : tcp_(std::move(socket)) {
    if (tls != nullptr) tls_ = std::make_unique<boost::asio::ssl::stream<Tcp&>>(tcp_, *tls);
  }
  // The TLS stream refers to the socket beside it.
  ConnectionSocket(const ConnectionSocket&) = delete;
  ConnectionSocket& operator=(const ConnectionSocket&) = delete;

  [[nodiscard]] bool tls() const { return tls_ != nullptr; }
  Tcp& tcp() { return tcp_; }

  // With TLS only.
  template <typename Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
  template <typename Handler>
  void async_close_notify(Handler&& handler) {
    tls_->async_shutdown(std::forward<Handler>(handler));
  }

  template <typename Handler>
  void async_read_some(boost::asio::mutable_buffer buffer, Handler&& handler) {
    if (tls_) {
      tls_->async_read_some(buffer, std::forward<Handler>(handler));
    } else {
      tcp_.async_read_some(buffer, std::forward<Handler>(handler));
    }
  }
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) {
      tls_->async_write_some(buffers, std::forward<Handler>(handler));
    } else {
      tcp_.async_write_some(buffers, std::forward<Handler>(handler));
    }
  }

 private:
  Tcp tcp_;
  std::unique_ptr<boost::asio::ssl::stream<Tcp&>> tls_;
};

}  // namespace hf::adapters
