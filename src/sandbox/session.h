// One connection of the sandbox, and what a connection asks of the server around it.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "sandbox/world.h"

namespace hf::sandbox {

// Everything runs on the one io thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual World& world() = 0;
  virtual WallTime now() = 0;
  virtual Answer control(const Request& request) = 0;
  // Executes the ticket after so long, whatever becomes of the connection, then calls `then`.
  virtual void execute_later(std::uint64_t ticket, std::int64_t delay_ms,
                             std::function<void(Answer)> then) = 0;
  virtual void closed(const void* session) = 0;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `host` outlives the session's last handler: the server drops its io_context first.
  Session(boost::asio::ip::tcp::socket socket, SessionHost& host, bool control_only);

  void run();
  // Closes the connection with an RST (SO_LINGER 0); pending effects still happen.
  void reset();
  [[nodiscard]] bool control_only() const { return control_only_; }

 private:
  using Error = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void wait_for_request();
  void on_readable();
  void read_head();
  void on_head(Error error);
  void read_body();
  void on_request(Error error);
  void refuse(Error error);
  Request take_request();
  void act(const Request& request);
  void end_with(const Answer& answer);
  void send(const Answer& answer);
  void send_events(std::shared_ptr<const Answer> answer, std::size_t next, std::size_t until);
  void send_cut(const Answer& answer);
  void send_garbage();
  void after_answer();
  void cut_off();
  void hang();
  void write(std::string bytes, std::function<void()> then);
  void arm(std::int64_t ms, std::function<void()> on_expiry);
  void finish();  // FIN
  [[nodiscard]] std::string head_of(const Answer& answer, bool chunked) const;
  [[nodiscard]] std::int64_t idle_ms() const;

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  SessionHost& host_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string out_;  // being written
  Arrival arrival_;
  bool control_only_;
  bool keep_alive_ = true;
  bool head_request_ = false;
  bool old_protocol_ = false;  // HTTP/1.0: no chunks
  bool closed_ = false;
  std::uint64_t served_ = 0;
  Ending doom_ = Ending::send;             // doom_read or doom_unread for the next request
  std::optional<std::int64_t> idle_once_;  // idle_close of the last answer
  std::uint64_t timer_turn_ = 0;
};

}  // namespace hf::sandbox
