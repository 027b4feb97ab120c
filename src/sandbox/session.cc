#include "sandbox/session.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <ctime>

namespace hf::sandbox {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::int64_t kIdleMs = 5 * 60 * 1000;
constexpr std::int64_t kReadMs = 60 * 1000;   // for one request, once begun
constexpr std::int64_t kWriteMs = 60 * 1000;  // for one write
constexpr std::uint32_t kMaxHead = 64U << 10;

std::string http_date(WallTime now) {
  const auto seconds = static_cast<std::time_t>(now.ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const auto size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

std::string chunk_of(const std::string& data) {
  return fmt::format("{:x}\r\n{}\r\n", data.size(), data);
}

bool has_no_body(int status) {
  return status == 204 || status == 304;
}

}  // namespace

Session::Session(asio::ip::tcp::socket socket, SessionHost& host, bool control_only)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      host_(host),
      control_only_(control_only) {
  Error ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Session::run() {
  wait_for_request();
}

void Session::reset() {
  if (closed_) return;
  Error ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  finish();
}

void Session::finish() {
  if (closed_) return;
  closed_ = true;
  ++timer_turn_;
  timer_.cancel();
  Error ignored;
  socket_.close(ignored);
  host_.closed(this);
}

// A timer that fires late, after its purpose has passed, finds another turn and does nothing.
void Session::arm(std::int64_t ms, std::function<void()> on_expiry) {
  const auto turn = ++timer_turn_;
  timer_.expires_after(std::chrono::milliseconds(ms));
  timer_.async_wait(
      [self = shared_from_this(), turn, on_expiry = std::move(on_expiry)](Error error) {
        if (!error && turn == self->timer_turn_ && !self->closed_) on_expiry();
      });
}

std::int64_t Session::idle_ms() const {
  if (control_only_ || served_ == 0) return kIdleMs;
  const auto configured = host_.world().options().idle_close_ms;
  return idle_once_.value_or(configured > 0 ? configured : kIdleMs);
}

void Session::wait_for_request() {
  if (buffer_.size() > 0) return on_readable();  // pipelined
  arm(idle_ms(), [this] { finish(); });
  socket_.async_wait(asio::socket_base::wait_read, [self = shared_from_this()](Error error) {
    if (error || self->closed_) return self->finish();
    self->on_readable();
  });
}

void Session::on_readable() {
  // Closing with bytes unread makes the kernel answer RST: the very race of an idle close.
  if (doom_ == Ending::doom_unread) return finish();
  idle_once_.reset();
  arm(kReadMs, [this] { finish(); });
  read_head();
}

void Session::read_head() {
  parser_.emplace();
  parser_->header_limit(kMaxHead);
  parser_->body_limit(host_.world().options().max_body);
  http::async_read_header(socket_, buffer_, *parser_,
                          [self = shared_from_this()](Error error, std::size_t) {
                            if (!self->closed_) self->on_head(error);
                          });
}

void Session::on_head(Error error) {
  if (error) return refuse(error);
  const auto expect = parser_->get()[http::field::expect];
  if (!same_name({expect.data(), expect.size()}, "100-continue")) return read_body();
  write("HTTP/1.1 100 Continue\r\n\r\n", [this] {
    arm(kReadMs, [this] { finish(); });
    read_body();
  });
}

void Session::read_body() {
  http::async_read(socket_, buffer_, *parser_,
                   [self = shared_from_this()](Error error, std::size_t) {
                     if (!self->closed_) self->on_request(error);
                   });
}

void Session::refuse(Error error) {
  const bool client_left = error == http::error::end_of_stream ||
                           error.category() == asio::error::get_system_category() ||
                           error == asio::error::eof || error == http::error::partial_message;
  if (client_left) return finish();
  keep_alive_ = false;
  if (error == http::error::body_limit) {
    return send(error_answer(413, "invalid_request_error", "", "The body is too large."));
  }
  if (error == http::error::header_limit) {
    return send(error_answer(431, "invalid_request_error", "", "The head is too large."));
  }
  send(error_answer(400, "invalid_request_error", "", "Not an HTTP request: " + error.message()));
}

Request Session::take_request() {
  auto message = parser_->release();
  parser_.reset();
  Request request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  for (const auto& field : message) {
    request.fields.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  request.body = std::move(message.body());
  keep_alive_ = message.keep_alive();
  head_request_ = request.method == "HEAD";
  old_protocol_ = message.version() < 11;
  return request;
}

void Session::on_request(Error error) {
  if (error) return refuse(error);
  ++timer_turn_;
  timer_.cancel();
  const auto request = take_request();
  if (World::is_control(request.path)) {
    arrival_ = {};
    return send(host_.control(request));
  }
  if (control_only_) {
    return send(error_answer(404, "invalid_request_error", "", "This port is for /_... only."));
  }
  const bool reused = served_ > 0 && host_.world().options().close_on_reuse;
  if (doom_ == Ending::doom_read || reused) {
    host_.world().note_dropped(request, host_.now());
    return finish();
  }
  act(request);
}

void Session::act(const Request& request) {
  arrival_ = host_.world().arrive(request, host_.now());
  const auto ticket = arrival_.ticket;
  const auto delay = arrival_.delay_ms;
  if (arrival_.reset_now) {
    reset();
    if (ticket != 0) host_.execute_later(ticket, delay, [](const Answer&) {});
    return;
  }
  if (ticket != 0) {
    return host_.execute_later(ticket, delay, [self = shared_from_this()](const Answer& answer) {
      if (self->closed_) return self->host_.world().note_unanswered(self->arrival_.seq);
      self->end_with(answer);
    });
  }
  if (!arrival_.answer) return hang();
  end_with(*arrival_.answer);
}

void Session::end_with(const Answer& answer) {
  switch (arrival_.ending) {
    case Ending::reset:
      return reset();
    case Ending::hang:
      return hang();
    case Ending::cut_fin:
    case Ending::cut_rst:
      return send_cut(answer);
    case Ending::garbage:
      return send_garbage();
    case Ending::idle_close:
      // 0 would fire before the client has read the answer; one millisecond is as near as it gets.
      idle_once_ = std::max<std::int64_t>(arrival_.wait_ms, 1);
      return send(answer);
    case Ending::doom_read:
    case Ending::doom_unread:
      doom_ = arrival_.ending;
      return send(answer);
    case Ending::send:
      return send(answer);
  }
}

std::string Session::head_of(const Answer& answer, bool chunked) const {
  const auto reason = http::obsolete_reason(static_cast<http::status>(answer.status));
  auto head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", answer.status,
                          std::string_view(reason.data(), reason.size()), http_date(host_.now()));
  for (const auto& [name, value] : answer.fields)
    head += fmt::format("{}: {}\r\n", name, value);
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!has_no_body(answer.status)) {
    head += fmt::format("Content-Length: {}\r\n", answer.body.size());
  }
  const auto& options = host_.world().options();
  if (!keep_alive_) {
    head += "Connection: close\r\n";
  } else if (options.keep_alive_hint != KeepAliveHint::none && !control_only_) {
    const bool truthful = options.keep_alive_hint == KeepAliveHint::truthful;
    head += fmt::format("Connection: keep-alive\r\nKeep-Alive: timeout={}\r\n",
                        idle_ms() / 1000 + (truthful ? 0 : 60));
  } else if (old_protocol_) {
    head += "Connection: keep-alive\r\n";
  }
  return head + "\r\n";
}

void Session::send(const Answer& answer) {
  ++served_;
  if (answer.events.empty()) {
    auto bytes = head_of(answer, false);
    if (!head_request_ && !has_no_body(answer.status)) bytes += answer.body;
    return write(std::move(bytes), [this] { after_answer(); });
  }
  if (old_protocol_) keep_alive_ = false;
  auto shared = std::make_shared<const Answer>(answer);
  write(head_of(answer, !old_protocol_),
        [this, shared] { send_events(shared, 0, shared->events.size()); });
}

// Elements [next, until); fewer than all are a cut.
void Session::send_events(std::shared_ptr<const Answer> answer, std::size_t next,
                          std::size_t until) {
  if (next == until && until < answer->events.size()) return cut_off();
  if (next == until) {
    return write(old_protocol_ ? "" : "0\r\n\r\n", [this] { after_answer(); });
  }
  const auto& event = answer->events[next];
  write(old_protocol_ ? event : chunk_of(event), [this, answer, next, until] {
    arm(answer->event_delay_ms,
        [this, answer, next, until] { send_events(answer, next + 1, until); });
  });
}

void Session::send_cut(const Answer& answer) {
  ++served_;
  if (!answer.events.empty()) {
    auto shared = std::make_shared<const Answer>(answer);
    return write(head_of(answer, true),
                 [this, shared] { send_events(shared, 0, shared->events.size() / 2); });
  }
  write(head_of(answer, false) + answer.body.substr(0, answer.body.size() / 2),
        [this] { cut_off(); });
}

void Session::cut_off() {
  if (arrival_.ending == Ending::cut_fin) return finish();
  // Many clients look at the error of a socket before what is left to read, and would miss the half
  // answer; a moment keeps this fault apart from reset_after.
  arm(50, [this] { reset(); });
}

void Session::send_garbage() {
  std::string bytes = "HTP/9 banana split\r\n\r\nnot http at all\r\n";
  if (arrival_.detail == "header") {
    bytes = "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n: no name\r\n\r\nok";
  } else if (arrival_.detail == "length") {
    bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\nok";
  } else if (arrival_.detail == "chunk") {
    bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nok\r\n0\r\n\r\n";
  }
  write(std::move(bytes), [this] { finish(); });
}

void Session::after_answer() {
  if (!keep_alive_) return finish();
  wait_for_request();
}

// Holds the connection without a word until the client leaves; whatever it still sends is read and
// forgotten.
void Session::hang() {
  buffer_.clear();
  socket_.async_read_some(buffer_.prepare(4096),
                          [self = shared_from_this()](Error error, std::size_t) {
                            if (self->closed_) return;
                            if (error) return self->finish();
                            self->hang();
                          });
}

void Session::write(std::string bytes, std::function<void()> then) {
  out_ = std::move(bytes);
  arm(kWriteMs, [this] { reset(); });
  asio::async_write(socket_, asio::buffer(out_),
                    [self = shared_from_this(), then = std::move(then)](Error error, std::size_t) {
                      if (self->closed_) return;
                      ++self->timer_turn_;
                      self->timer_.cancel();
                      if (error) return self->finish();
                      then();
                    });
}

}  // namespace hf::sandbox
