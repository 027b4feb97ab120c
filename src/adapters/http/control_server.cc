#include "adapters/http/control_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "adapters/http/listener.h"
#include "adapters/http/server_address.h"

namespace hf::adapters {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAcceptAgain = std::chrono::milliseconds(100);  // out of file descriptors

std::chrono::nanoseconds chrono_of(Duration duration) {
  return std::chrono::nanoseconds(duration.ns);
}

ports::ControlReply plain(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text) + "\n", {}};
}

std::string_view text_of(beast::string_view text) {
  return {text.data(), text.size()};
}
beast::string_view beast_of(std::string_view text) {
  return {text.data(), text.size()};
}

// What every answer's head says, whatever its body is.
template <typename Response>
void fill_head(Response& head, const ports::ControlReply& reply) {
  head.version(11);
  head.result(static_cast<unsigned>(reply.status));
  head.set(http::field::content_type, beast_of(reply.content_type));
  head.set(http::field::cache_control, "no-store");
  head.set("X-Content-Type-Options", "nosniff");
  for (const Field& field : reply.fields)
    head.set(beast_of(field.name), beast_of(field.value));
}

// What a request that could not be read gets; none: just close.
std::optional<ports::ControlReply> refusal_of(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return plain(431, "the head of this request is too large");
  }
  if (error == http::error::body_limit) return plain(413, "the body of this request is too large");
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return plain(400, "this is not an HTTP/1.1 request: " + error.message());
  }
  return {};
}

}  // namespace

class ControlServer::Impl : public std::enable_shared_from_this<ControlServer::Impl> {
 public:
  class Session;

  Impl(asio::io_context& context, ports::ControlHandler handle, ControlLimits limit)
      : io(context), handler(std::move(handle)), limits(limit) {}

  Result<std::uint16_t> listen(const std::string& address, const PassedSocket* passed);
  void stop();

  asio::io_context& io;
  ports::ControlHandler handler;
  ControlLimits limits;
  bool stopped = false;
  std::map<std::uint64_t, std::weak_ptr<Session>> sessions;

 private:
  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), again(io) {}
    tcp::acceptor acceptor;
    asio::steady_timer again;
  };

  void accept(const std::shared_ptr<Listener>& listener);
  void on_accept(const std::shared_ptr<Listener>& listener, const error_code& error,
                 tcp::socket socket);
  void take(tcp::socket socket);

  std::vector<std::shared_ptr<Listener>> listeners_;
  std::uint64_t next_session_ = 1;
};

// One connection: a request, its reply, and again. Lives as long as one of its operations, or a
// handler that still owes a reply and the timer beside it.
class ControlServer::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Impl> server, std::uint64_t id, tcp::socket socket)
      : server_(std::move(server)), id_(id), stream_(std::move(socket)), patience_(server_->io) {
    error_code ignored;
    const auto remote = stream_.socket().remote_endpoint(ignored);
    if (!ignored) peer_ = format_address(remote);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { server_->sessions.erase(id_); }

  void read() {
    parser_.emplace();
    parser_->header_limit(server_->limits.head);
    parser_->body_limit(server_->limits.body);
    stream_.expires_after(chrono_of(server_->limits.read));
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t) {
                       self->on_read(error);
                     });
  }

  void close() {
    error_code ignored;
    closed_ = true;
    patience_.cancel();
    stream_.socket().close(ignored);
  }

 private:
  void on_read(const error_code& error) {
    if (server_->stopped) return;
    if (error) {
      keep_alive_ = false;
      head_only_ = false;
      if (auto refusal = refusal_of(error)) {
        serial_ += 1;
        reply(serial_, std::move(*refusal));
      } else {
        close();
      }
      return;
    }
    auto message = parser_->release();
    keep_alive_ = message.keep_alive();
    head_only_ = message.method() == http::verb::head;
    ports::ControlRequest request;
    request.method = std::string(text_of(message.method_string()));
    request.target = std::string(text_of(message.target()));
    for (const auto& field : message) {
      request.fields.push_back(
          {std::string(text_of(field.name_string())), std::string(text_of(field.value()))});
    }
    request.body = std::move(message.body());
    request.peer = peer_;
    hand_over(std::move(request));
  }

  void hand_over(ports::ControlRequest request) {
    const std::uint64_t serial = ++serial_;
    const auto self = shared_from_this();
    patience_.expires_after(chrono_of(server_->limits.reply));
    patience_.async_wait([self, serial](const error_code& error) {
      if (error) return;
      self->reply(serial, plain(504, "no answer in time; what was asked for may still be done"));
    });
    server_->handler(std::move(request),
                     [weak = weak_from_this(), serial](ports::ControlReply reply) {
                       if (const auto session = weak.lock())
                         session->reply(serial, std::move(reply));
                     });
  }

  void reply(std::uint64_t serial, ports::ControlReply reply) {
    if (serial != serial_ || answered_ == serial || server_->stopped) return;
    answered_ = serial;
    patience_.cancel();
    if (reply.stream && !head_only_) return begin_stream(std::move(reply));
    const auto size = reply.body.size();
    response_ = {};
    fill_head(response_, reply);
    if (!head_only_) response_.body() = std::move(reply.body);
    response_.content_length(size);
    response_.keep_alive(keep_alive_);
    stream_.expires_after(chrono_of(server_->limits.write));
    http::async_write(stream_, response_,
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        self->on_written(error);
                      });
  }

  class Sink;

  void begin_stream(ports::ControlReply reply);

  bool write_more(std::string bytes) {
    if (closed_ || server_->stopped) return false;
    if (unsent_.size() + bytes.size() > server_->limits.unsent) {
      close();
      return false;
    }
    unsent_ += bytes;
    if (sending_.empty()) send();
    return true;
  }

  void send() {
    sending_ = std::exchange(unsent_, {});
    stream_.expires_after(chrono_of(server_->limits.write));
    asio::async_write(stream_, asio::buffer(sending_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        self->on_sent(error);
                      });
  }

  void on_sent(const error_code& error) {
    if (error || closed_ || server_->stopped) return close();
    sending_.clear();
    if (!unsent_.empty()) return send();
    stream_.expires_never();
  }

  // The peer has nothing more to say but that it goes.
  void watch() {
    drained_.resize(512);
    stream_.socket().async_read_some(
        asio::buffer(drained_), [self = shared_from_this()](const error_code& error, std::size_t) {
          if (error) return self->close();
          self->watch();
        });
  }

  void on_written(const error_code& error) {
    if (error || server_->stopped) {
      close();
      return;
    }
    if (keep_alive_) {
      read();
      return;
    }
    // The rest of a refused request is still on its way; a close now would reset the answer.
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    drain();
  }

  void drain() {
    stream_.expires_after(chrono_of(server_->limits.read));
    drained_.resize(4096);
    stream_.async_read_some(asio::buffer(drained_),
                            [self = shared_from_this()](const error_code& error, std::size_t size) {
                              self->drained_total_ += size;
                              const bool enough = self->drained_total_ > self->server_->limits.body;
                              if (error || enough) {
                                self->close();
                              } else {
                                self->drain();
                              }
                            });
  }

  std::shared_ptr<Impl> server_;
  std::uint64_t id_;
  beast::tcp_stream stream_;
  asio::steady_timer patience_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::string peer_;
  std::string drained_;
  std::uint64_t drained_total_ = 0;
  std::uint64_t serial_ = 0;    // of the request that is being handled
  std::uint64_t answered_ = 0;  // the last one that has its reply
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool closed_ = false;
  std::string sending_;  // of an answer without an end
  std::string unsent_;
};

class ControlServer::Impl::Session::Sink final : public ports::ControlSink {
 public:
  explicit Sink(const std::shared_ptr<Session>& session) : session_(session) {}
  bool write(std::string bytes) override {
    const auto session = session_.lock();
    return session && session->write_more(std::move(bytes));
  }

 private:
  std::weak_ptr<Session> session_;
};

// Ends with the connection, so no length is told.
void ControlServer::Impl::Session::begin_stream(ports::ControlReply reply) {
  http::response<http::empty_body> head;
  fill_head(head, reply);
  head.keep_alive(false);
  std::ostringstream text;
  text << head.base();
  write_more(text.str() + reply.body);
  watch();
  reply.stream(std::make_shared<Sink>(shared_from_this()));
}

Result<std::uint16_t> ControlServer::Impl::listen(const std::string& address,
                                                  const PassedSocket* passed) {
  auto listener = std::make_shared<Listener>(io);
  HF_TRY(const std::uint16_t port, start_listening(listener->acceptor, address, passed));
  listeners_.push_back(listener);
  accept(listener);
  return port;
}

void ControlServer::Impl::accept(const std::shared_ptr<Listener>& listener) {
  listener->acceptor.async_accept(
      [self = shared_from_this(), listener](const error_code& error, tcp::socket socket) {
        self->on_accept(listener, error, std::move(socket));
      });
}

void ControlServer::Impl::on_accept(const std::shared_ptr<Listener>& listener,
                                    const error_code& error, tcp::socket socket) {
  if (stopped) return;
  if (!error) {
    take(std::move(socket));
    accept(listener);
    return;
  }
  listener->again.expires_after(kAcceptAgain);
  listener->again.async_wait([self = shared_from_this(), listener](const error_code& cancelled) {
    if (!cancelled && !self->stopped) self->accept(listener);
  });
}

void ControlServer::Impl::take(tcp::socket socket) {
  if (static_cast<int>(sessions.size()) >= limits.connections) {
    // Best effort and without waiting: whoever is refused here is one too many already.
    static constexpr std::string_view kBusy =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kBusy), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    return;
  }
  const std::uint64_t id = next_session_++;
  const auto session = std::make_shared<Session>(shared_from_this(), id, std::move(socket));
  sessions.emplace(id, session);
  session->read();
}

void ControlServer::Impl::stop() {
  if (stopped) return;
  stopped = true;
  error_code ignored;
  for (const auto& listener : listeners_) {
    listener->acceptor.close(ignored);
    listener->again.cancel();
  }
  const auto all = sessions;
  for (const auto& [id, weak] : all) {
    if (const auto session = weak.lock()) session->close();
  }
}

ControlServer::ControlServer(asio::io_context& io, ports::ControlHandler handler,
                             ControlLimits limits)
    : impl_(std::make_shared<Impl>(io, std::move(handler), limits)) {}
ControlServer::~ControlServer() {
  impl_->stop();
}
Result<std::uint16_t> ControlServer::listen(const std::string& address,
                                            const PassedSocket* passed) {
  return impl_->listen(address, passed);
}
void ControlServer::stop() {
  impl_->stop();
}
int ControlServer::connections() const {
  return static_cast<int>(impl_->sessions.size());
}

}  // namespace hf::adapters
