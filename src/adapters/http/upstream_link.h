// One connection to an upstream, plain or TLS: non-blocking reads and writes that say exactly what
// the transport took, and one-shot readiness. Asio only waits; the system calls are made here,
// since an asynchronous write does not tell how many bytes had gone when it is given up.
#pragma once

#include <sys/uio.h>

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "adapters/tls/client_context.h"
#include "adapters/tls/tls_error.h"
#include "base/time.h"

namespace hf::adapters {

class UpstreamLink : public std::enable_shared_from_this<UpstreamLink> {
 public:
  enum class Io : std::uint8_t {
    ok,
    again,  // arm and wait
    end,    // the peer ended cleanly: FIN, on TLS close_notify
    cut,    // FIN without close_notify
    failed  // reset, or TLS broke
  };
  struct IoResult {
    Io what = Io::ok;
    std::size_t bytes = 0;
  };
  enum class Ready : std::uint8_t { reading, writing };
  using OnReady = std::function<void(Ready)>;

  // `socket` is connected and non-blocking; `target` is the pool it belongs to.
  UpstreamLink(boost::asio::ip::tcp::socket socket, std::string target, Instant opened);

  // Puts TLS on top, before any byte. handshake() is then called until it is not `again`.
  Result<void> use_tls(std::shared_ptr<ClientContext> context, const std::string& host,
                       std::uint16_t port);
  IoResult handshake();
  // After a handshake: see ClientContext::awaits_word. quiet() takes the word in.
  [[nodiscard]] bool awaits_word() const { return ClientContext::awaits_word(ssl_.get()); }
  [[nodiscard]] std::string tls_error() const { return tls_error_text(ssl_.get()); }

  // `ok` carries at least one byte.
  IoResult read(std::span<char> into);
  // Writes as much of both pieces as the transport takes now. After `again` the same bytes must
  // come first in the next call.
  IoResult write(std::string_view first, std::string_view second);
  // Bytes that the socket took since it was made, the TLS handshake included.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

  // Looks for an end, a reset or bytes nobody asked for, without waiting. Reads what belongs to TLS
  // itself (session tickets). True: the connection is quiet and open.
  bool quiet();

  // Who hears of readiness; replaces the former. An armed wait goes to whoever listens when it
  // ends.
  void listen(OnReady on_ready) { on_ready_ = std::move(on_ready); }
  // One call of the listener when reading may go on; again to be armed after it. Idempotent.
  void arm_reading();
  void arm_writing();

  // Idempotent; the listener is dropped. `politely` says close_notify first, for a connection that
  // has nothing under way.
  void close(bool politely = false);
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

  [[nodiscard]] bool tls() const { return ssl_ != nullptr; }
  // The handshake asked for writing: where `again` of handshake() or read() has to wait.
  [[nodiscard]] bool wants_write() const { return wants_write_; }
  [[nodiscard]] const std::string& target() const { return target_; }
  // ip:port of the other end.
  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] Instant opened() const { return opened_; }
  [[nodiscard]] boost::asio::ip::tcp::socket::executor_type executor() {
    return socket_.get_executor();
  }

  // Kept by the pool between exchanges.
  Instant last_used;
  std::optional<Duration> keep_alive_hint;

 private:
  IoResult tls_result(int returned);
  IoResult write_plain(std::string_view first, std::string_view second);
  IoResult write_tls(std::string_view first, std::string_view second);
  void on_wait(Ready ready);

  std::uint64_t taken_ = 0;  // before ssl_: its BIO points here
  boost::asio::ip::tcp::socket socket_;
  std::string target_;
  std::string address_;
  Instant opened_;
  std::shared_ptr<ClientContext> context_;
  SslPtr ssl_;
  OnReady on_ready_;
  bool reading_armed_ = false;
  bool writing_armed_ = false;
  bool wants_write_ = false;
};

}  // namespace hf::adapters
