// One client connection: requests are read, judged and answered strictly one after another. A state
// machine of callbacks; at most one read and one write are under way.
//
// Split over connection.cc (life, deadlines, reading), connection_request.cc (heads and bodies) and
// connection_answer.cc (writing).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapters/http/connection_exchange.h"
#include "adapters/http/connection_inbox.h"
#include "adapters/http/connection_socket.h"
#include "base/ids.h"
#include "base/time.h"
#include "call/intake.h"
#include "call/reply.h"
#include "http1/head.h"
#include "ports/streams.h"

namespace hf::adapters {

class AnswerPipe;
class ServerCore;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Peer {
    std::string address;   // ip:port
    std::string listener;  // the name routes know
    bool tls = false;
  };

  // `core` is used until close() and not after. `tls` null: plain.
  Connection(ServerCore& core, std::size_t slot, ConnectionSocket::Tcp socket,
             boost::asio::ssl::context* tls, Peer peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `refuse`: there are too many connections; says so and closes.
  void start(bool refuse);
  void drain();
  // Ends it now. Whoever waits for this exchange is told, once.
  void close();
  void sweep(Instant now);
  // Anything but idle or on its way out.
  [[nodiscard]] bool busy() const;
  // Accepted a moment ago, and its first request is still to come.
  [[nodiscard]] bool just_came() const;
  // The exchange that waits for reply(), or for begin() and finish(); 0 when none does.
  [[nodiscard]] ExchangeId exchange_id() const { return exchange_id_; }

  // ports::Clients, for the exchange of exchange_id().
  void reply(call::Reply reply);
  std::shared_ptr<ports::AnswerSink> begin(call::AnswerHead head);
  void finish(bool complete);

  // For RequestBody: somebody waits for the next piece. For AnswerPipe: the next piece.
  void read_stream();
  void write_piece(std::string bytes, std::function<void(bool)> ready);

 private:
  enum class Phase : std::uint8_t {
    handshake,
    idle,     // no byte of a request yet
    head,     // some
    body,     // of a buffered request
    waiting,  // for the answer
    answering,
    discarding,  // the rest of a body that nobody wanted, before the next request
    lingering,   // our side is closed, the client may still be reading
    closed,
  };
  enum class After : std::uint8_t { nothing, ready, answer_done, cut };

  // One write: up to three stretches of bytes, sent without joining them.
  struct Outgoing {
    std::string prefix;
    Body body;          // shared, or
    std::string piece;  // owned
    std::string suffix;
    After after = After::nothing;
    std::function<void(bool)> ready;
    std::size_t sent = 0;
    [[nodiscard]] std::string_view middle() const { return body ? view(body) : piece; }
    [[nodiscard]] std::size_t size() const {
      return prefix.size() + middle().size() + suffix.size();
    }
  };

  // connection.cc
  void handshake();
  void read_more(std::size_t capacity);
  void read_direct(std::size_t most);
  void on_read(const boost::system::error_code& ec, std::size_t count, bool direct);
  void park();
  void watch_for_end();
  void linger(bool say_goodbye);
  void close_sending();
  void discard_lingering();
  void sweep_read(Instant now);
  [[nodiscard]] std::optional<call::Measure> late_body(Instant now) const;
  void enter(Phase phase);
  void timed_out(std::string detail, call::Measure measure);

  // connection_request.cc
  void next_request();
  void on_head_bytes();
  void on_head(http1::ParsedRequest parsed);
  void note_client(ConnectionExchange& exchange);
  call::HeadVerdict judge_head();
  std::optional<call::Reply> judge_body(std::string_view body);
  void begin_stream(call::Streamed streamed);
  void on_body_bytes();
  void on_request();
  void on_stream_bytes();
  void discard_body();
  void send_continue();
  // Takes the framing off what is in the inbox; the bytes follow those in body_.
  http1::Refusal decode_inbox();
  [[nodiscard]] bool body_done() const;
  // Whether the rest of the body is known, or likely, to be small enough to read past.
  [[nodiscard]] bool body_skippable();
  void refuse(http1::Refusal refusal);
  void refuse(call::Code code, std::string detail,
              std::optional<call::Measure> measure = std::nullopt);
  void refuse_for_buffers(std::uint64_t wanted);
  void refuse_busy(call::Measure measure, std::string detail);
  void refuse_with(const call::ProblemSpec& spec);
  // Refusals at a limit, but for those of the door, which tells the log itself.
  void tell_refusal(const call::ProblemSpec& spec);
  void answer_ourselves(call::Reply reply);

  // connection_answer.cc
  void answer(call::Reply reply);
  // With `room` bytes for what is put behind it.
  std::string answer_head(int status, Fields fields, http1::BodyFraming framing, std::size_t room);
  void enqueue(Outgoing out);
  void pump();
  void write_current();
  void on_written(const boost::system::error_code& ec, std::size_t count);
  void settle(Outgoing out);
  void answer_done();
  void flush_head();
  void cut_answer();

  ServerCore* core_;
  std::size_t slot_;
  ConnectionSocket socket_;
  Peer peer_;
  std::optional<IpAddress> client_;  // of the last request
  Phase phase_ = Phase::handshake;
  Instant since_;  // when the phase began

  ConnectionInbox inbox_;
  http1::HeadScanner scanner_;
  bool fresh_ = true;  // has not asked for anything yet
  bool reading_ = false;
  bool parked_ = false;     // waiting for readability without a buffer
  bool unparking_ = false;  // a read was cancelled so that its buffer can go
  bool ended_ = false;      // the client has closed its sending side
  bool watching_ = false;
  Instant read_since_;          // when the outstanding read was started
  Duration body_waited_;        // for reads of this body, before that one
  std::string body_;            // of a buffered request, or the next piece of a streamed one
  std::size_t body_size_ = 0;   // how much of body_ is filled
  std::size_t piece_size_ = 0;  // what the next direct read of a stream asks for
  bool stream_wanted_ = false;  // read_stream() was called and nothing was given yet
  std::uint64_t charged_ = 0;   // of the server's buffers
  std::size_t linger_left_ = 0;

  std::optional<ConnectionExchange> exchange_;
  ExchangeId exchange_id_{};
  std::string pending_head_;  // of a begun answer, to go with its first bytes
  // The write that is under way stays where it is, for the socket looks at its bytes; behind it a
  // few at most: a head, a piece, the end.
  Outgoing current_;
  std::vector<Outgoing> waiting_;
  bool writing_ = false;
  Instant write_since_;
};

// A begun answer, as the upstream side writes it.
class AnswerPipe : public ports::AnswerSink {
 public:
  explicit AnswerPipe(Connection& connection) : connection_(&connection) {}
  void write(std::string bytes, std::function<void(bool)> ready) override {
    if (connection_ == nullptr) {
      ready(false);
    } else {
      connection_->write_piece(std::move(bytes), std::move(ready));
    }
  }
  void detach() { connection_ = nullptr; }

 private:
  Connection* connection_;  // null: the exchange is over
};

}  // namespace hf::adapters
