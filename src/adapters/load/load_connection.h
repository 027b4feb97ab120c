// One connection of a load: connecting, TLS, one request at a time, and its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "adapters/tls/client_context.h"
#include "base/time.h"
#include "http1/body.h"
#include "http1/head.h"
#include "load/requests.h"
#include "load/tally.h"

namespace hf::adapters {

// The file descriptor is the connection's own, non-blocking. One thread at a time.
class LoadConnection {
 public:
  enum class Phase : std::uint8_t { connecting, handshake, idle, asking };
  enum class Outcome : std::uint8_t {
    again,     // wait for the socket
    answered,  // status() tells; reusable() too
    failed,    // failure() tells why; of no use any more
  };

  // `fd` has a connect under way.
  LoadConnection(int fd, Instant begun) : begun_(begun), fd_(fd) {}
  ~LoadConnection();
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  // Puts TLS on top, before it is connected.
  Result<void> use_tls(ClientContext& context, const std::string& host, std::uint16_t port);
  // The request that goes out as soon as it can; not while another is under way. `request` stays
  // where it is until the outcome.
  void assign(const load::PreparedRequest& request, std::uint64_t number);
  // Goes on as far as the socket lets it. `room` is for reading, the same for all connections.
  // `ended`: the kernel has told of the peer's end. It tells once, with bytes that may be before
  // it: there is no other edge to wait for.
  Outcome go_on(Instant now, std::span<char> room, bool ended);

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] Instant begun() const { return begun_; }
  // When the first byte of the request went; nothing before.
  [[nodiscard]] std::optional<Instant> sent_at() const { return sent_at_; }
  // How long the connection took to make; given once.
  std::optional<Duration> take_connect_time();
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool reusable() const { return reusable_; }
  [[nodiscard]] load::Failure failure() const { return failure_; }

 private:
  struct Moved {
    std::size_t bytes = 0;
    bool end = false;     // the peer ended
    bool failed = false;  // reset, or TLS broke
  };
  Outcome fail(load::Failure failure);
  bool connected(Instant now);
  Outcome shake_hands(Instant now);
  Outcome write_rest(Instant now);
  Outcome read_answer(std::span<char> room, bool ended);
  Outcome take(std::string_view bytes);
  Outcome take_head(std::string_view bytes, std::size_t& used);
  Outcome take_body(std::string_view bytes);
  Outcome on_end();
  Moved read_some(std::span<char> room);
  Moved write_some(std::string_view bytes);
  void on_connected(Instant now);

  Instant begun_;
  int fd_;
  Phase phase_ = Phase::connecting;
  std::uint64_t taken_ = 0;  // before ssl_: its BIO points here
  SslPtr ssl_;
  std::optional<Duration> connect_time_;

  const load::PreparedRequest* request_ = nullptr;
  std::uint64_t number_ = 0;
  std::size_t written_ = 0;
  std::optional<Instant> sent_at_;

  std::string held_;  // the part of a head that has come
  http1::HeadScanner scanner_{64 * 1024};
  std::optional<http1::BodyDecoder> body_;
  int status_ = 0;
  bool reusable_ = false;
  load::Failure failure_ = load::Failure::reset;
};

}  // namespace hf::adapters
