// For tests of the upstream side: upstreams that follow a script on plain blocking sockets, sharing
// no code with what they test, and a harness that runs the loop until something has happened.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "adapters/http/upstream.h"

namespace hf::adapters::testing {

inline sockaddr_in loopback(const std::string& ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

// A listening socket on a port of the system's choice (or on `port`, to share it between
// addresses).
class Listener {
 public:
  explicit Listener(const std::string& ip = "127.0.0.1", std::uint16_t port = 0, int backlog = 64)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    // A port shared between addresses may still have old connections on the second one.
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    auto address = loopback(ip, port);
    socklen_t size = sizeof(address);
    EXPECT_EQ(0, ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size));
    EXPECT_EQ(0, ::listen(fd_, backlog));
    EXPECT_EQ(0, ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size));
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

// Its queue of connections is full, so the kernel drops what else knocks.
class Blackhole {
 public:
  explicit Blackhole(const std::string& ip = "127.0.0.1", std::uint16_t port = 0)
      : listener_(ip, port, 0) {
    const auto address = loopback(ip, listener_.port());
    for (auto& fd : fillers_) {
      fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      static_cast<void>(
          ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    }
    pollfd first{fillers_[0], POLLOUT, 0};
    EXPECT_EQ(::poll(&first, 1, 10'000), 1);
  }
  ~Blackhole() {
    for (const int fd : fillers_)
      ::close(fd);
  }
  Blackhole(const Blackhole&) = delete;
  Blackhole& operator=(const Blackhole&) = delete;
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  Listener listener_;
  std::array<int, 4> fillers_{};
};

// The upstream's end of one connection. Reads give up after ten seconds.
class Peer {
 public:
  Peer(int fd, SSL_CTX* tls, std::function<void()> before_close)
      : fd_(fd), before_close_(std::move(before_close)) {
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (tls != nullptr) secure(tls);
  }
  ~Peer() { close(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Puts TLS on top from here on: where a proxy's tunnel leads.
  void secure(SSL_CTX* tls) {
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, fd_);
    handshaken_ = SSL_accept(ssl_) == 1;
  }
  [[nodiscard]] bool handshaken() const { return handshaken_; }
  [[nodiscard]] bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  // Whose certificate the other side has shown, "/CN=name"; empty: none.
  [[nodiscard]] std::string shown() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    if (certificate == nullptr) return {};
    std::array<char, 256> text{};
    X509_NAME_oneline(X509_get_subject_name(certificate), text.data(), text.size());
    X509_free(certificate);
    return text.data();
  }

  // Some bytes; empty at the end, on an error and on impatience.
  std::string read_some() {
    std::array<char, 16384> piece{};
    const auto n = ssl_ != nullptr ? SSL_read(ssl_, piece.data(), static_cast<int>(piece.size()))
                                   : static_cast<int>(::recv(fd_, piece.data(), piece.size(), 0));
    return n > 0 ? std::string(piece.data(), static_cast<std::size_t>(n)) : std::string{};
  }
  std::string read_until(const std::string& mark) {
    while (got_.find(mark) == std::string::npos) {
      const auto more = read_some();
      if (more.empty()) break;
      got_ += more;
    }
    const auto at = got_.find(mark);
    const auto size = at == std::string::npos ? got_.size() : at + mark.size();
    const auto out = got_.substr(0, size);
    got_.erase(0, size);
    return out;
  }
  std::string read_bytes(std::size_t count) {
    while (got_.size() < count) {
      const auto more = read_some();
      if (more.empty()) break;
      got_ += more;
    }
    const auto out = got_.substr(0, count);
    got_.erase(0, out.size());
    return out;
  }
  // A head through its empty line, without a body.
  std::string read_head() { return read_until("\r\n\r\n"); }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n =
          ssl_ != nullptr
              ? SSL_write(ssl_, bytes.data(),
                          static_cast<int>(std::min<std::size_t>(bytes.size(), 1U << 20)))
              : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  void answer(std::string_view body = "ok", std::string_view fields = "") {
    send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body));
  }
  // Until the other side has closed or reset, or the test is over.
  void wait_end() {
    while (!read_some().empty()) {
    }
  }
  void close_notify() { SSL_shutdown(ssl_); }
  void close() {
    if (ssl_ != nullptr) SSL_free(std::exchange(ssl_, nullptr));
    if (fd_ < 0) return;
    before_close_();
    ::close(std::exchange(fd_, -1));
  }
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close();
  }

 private:
  int fd_;
  std::function<void()> before_close_;
  SSL* ssl_ = nullptr;
  bool handshaken_ = false;
  std::string got_;
};

// Serves its connections one after another, the first by the first script, and so on.
class ScriptedUpstream {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedUpstream(std::vector<Script> scripts, SSL_CTX* tls = nullptr,
                            const std::string& ip = "127.0.0.1", std::uint16_t port = 0)
      : listener_(ip, port), thread_([this, scripts = std::move(scripts), tls] {
          for (const auto& script : scripts) {
            const int fd = ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            ++accepted_;
            Peer peer(fd, tls, [this] {
              const std::lock_guard lock(mutex_);
              current_ = -1;
            });
            {
              const std::lock_guard lock(mutex_);
              current_ = ending_ ? -1 : fd;
              if (ending_) ::shutdown(fd, SHUT_RD);
            }
            script(peer);
          }
        }) {}
  ~ScriptedUpstream() {
    {
      // Wakes accept(), and a script that waits for the end of its connection.
      const std::lock_guard lock(mutex_);
      ending_ = true;
      ::shutdown(listener_.fd(), SHUT_RDWR);
      if (current_ >= 0) ::shutdown(current_, SHUT_RD);
    }
    thread_.join();
  }
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;

  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  Listener listener_;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  bool ending_ = false;
  int current_ = -1;  // the connection being served
  std::thread thread_;
};

// Set by one thread, waited for by another.
class Signal {
 public:
  Signal() : future_(promise_.get_future().share()) {}
  void set() { promise_.set_value(); }
  bool wait() const {
    return future_.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  }
  [[nodiscard]] bool is_set() const {
    return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_;
};

// Real time plus what the test has added.
class ShiftedClock : public ports::Clock {
 public:
  Now read() noexcept override {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
    return {Instant{ns} + shift, WallTime{}, BootId{}};
  }
  Duration shift;
};

// A streamed body that gives its pieces when asked, or when push() brings one.
class FakeSource : public ports::BodySource {
 public:
  explicit FakeSource(std::int64_t length) : length_(length) {}
  void read(Deliver deliver) override {
    ++asks;
    waiting_ = std::move(deliver);
    serve();
  }
  void stop() override {
    stopped = true;
    waiting_ = nullptr;
  }
  [[nodiscard]] bool replayable() const override { return false; }
  void rewind() override {}
  [[nodiscard]] std::int64_t length() const override { return length_; }

  void push(What what, std::string bytes = {}) {
    queue_.emplace_back(what, std::move(bytes));
    serve();
  }
  int asks = 0;
  bool stopped = false;

 private:
  void serve() {
    if (!waiting_ || queue_.empty()) return;
    auto [what, bytes] = std::move(queue_.front());
    queue_.pop_front();
    const auto deliver = std::exchange(waiting_, nullptr);
    deliver(what, std::move(bytes));
  }
  std::int64_t length_;
  Deliver waiting_;
  std::deque<std::pair<What, std::string>> queue_;
};

// A client that takes answers at once, or piece by piece when told to.
class FakeSink : public ports::AnswerSink {
 public:
  explicit FakeSink(bool at_once = true) : at_once_(at_once) {}
  void write(std::string bytes, std::function<void(bool)> ready) override {
    EXPECT_FALSE(pending) << "written to before it was ready";
    total += bytes.size();
    largest = std::max(largest, bytes.size());
    if (keep) text += bytes;
    ++writes;
    if (at_once_) return ready(true);
    pending = std::move(ready);
  }
  void go(bool more = true) {
    const auto ready = std::exchange(pending, nullptr);
    ready(more);
  }
  std::string text;
  bool keep = true;
  std::size_t total = 0;
  std::size_t largest = 0;
  int writes = 0;
  std::function<void(bool)> pending;

 private:
  bool at_once_;
};

// One HttpUpstream, made when it is first used, on a loop that the test's own thread runs.
class UpstreamLoop {
 public:
  explicit UpstreamLoop(ports::UpstreamEvents& events) : events_(events) {
    options_.clock = &clock_;
    options_.sweep = Duration::millis(2);
    options_.warn = [this](const std::string& line) { warnings_.push_back(line); };
  }

  HttpUpstream& upstream() {
    if (!upstream_) upstream_ = std::make_unique<HttpUpstream>(io_, options_, &events_);
    return *upstream_;
  }
  // Runs the loop until `done`, at most ten seconds.
  void run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "nothing happened";
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(5));
    }
  }
  // Runs what is ready until nothing is: for things that must not happen.
  void settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }

 protected:
  boost::asio::io_context io_;
  ShiftedClock clock_;
  UpstreamOptions options_;
  std::vector<std::string> warnings_;
  std::unique_ptr<HttpUpstream> upstream_;

 private:
  ports::UpstreamEvents& events_;
};

class UpstreamTest : public ::testing::Test, public ports::UpstreamEvents, protected UpstreamLoop {
 protected:
  UpstreamTest() : UpstreamLoop(static_cast<ports::UpstreamEvents&>(*this)) {
    settings_->name = "fake";
    settings_->urls.push_back({});
    settings_->urls[0].host = "127.0.0.1";
    settings_->timeouts = {Duration::seconds(10), Duration::seconds(10), Duration::seconds(10)};
    request_->method = "POST";
    request_->target = "/v1/things?x=1";
    request_->fields = {{"X-Kind", "test"}};
    request_->body = make_body("payload");
  }

  ports::AttemptSpec spec(std::uint16_t port, std::uint64_t capture_max = 1 << 20) {
    settings_->urls[0].port = port;
    ports::AttemptSpec out;
    out.id = AttemptId{++last_id_};
    // Copies: a test changes the originals between attempts.
    out.upstream = std::make_shared<const call::UpstreamSettings>(*settings_);
    out.request = std::make_shared<const call::Request>(*request_);
    out.capture_max = capture_max;
    return out;
  }
  AttemptId begin(ports::AttemptSpec spec) {
    const auto id = spec.id;
    in_call_ = true;
    upstream().start(std::move(spec));
    in_call_ = false;
    return id;
  }
  call::AttemptOutcome outcome_of(AttemptId id) {
    run_until([&] { return ends_.contains(raw(id)); });
    return ends_[raw(id)];
  }
  call::AttemptOutcome run(ports::AttemptSpec spec) { return outcome_of(begin(std::move(spec))); }

  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override {
    EXPECT_FALSE(in_call_);
    EXPECT_FALSE(ends_.contains(raw(id)));
    heads_[raw(id)] = head;
    overflows_[raw(id)] = overflow;
  }
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override {
    EXPECT_FALSE(in_call_);
    EXPECT_TRUE(ends_.emplace(raw(id), std::move(outcome)).second) << "two ends";
  }

  std::shared_ptr<call::UpstreamSettings> settings_ = std::make_shared<call::UpstreamSettings>();
  std::shared_ptr<call::Request> request_ = std::make_shared<call::Request>();
  std::map<std::uint64_t, call::AnswerHead> heads_;
  std::map<std::uint64_t, bool> overflows_;
  std::map<std::uint64_t, call::AttemptOutcome> ends_;

 private:
  std::uint64_t last_id_ = 0;
  bool in_call_ = false;
};

}  // namespace hf::adapters::testing
