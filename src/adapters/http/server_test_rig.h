// What the server's tests share: a server in a thread of its own with scripted events, and a
// blocking client of plain POSIX sockets that shares no code with it.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "adapters/http/server.h"
#include "base/fields.h"

namespace hf::adapters::testing {

// Long enough for a loaded machine under a sanitizer; a test that passes never waits for it.
inline constexpr std::chrono::seconds kPatience{20};

struct Seen {
  ExchangeId id{};
  call::NewCall call;
  std::shared_ptr<ports::BodySource> body;
};

// Runs scripts on the server's thread, and counts what happened once its script is through.
class ScriptedEvents : public ports::ClientEvents {
 public:
  std::function<void(Seen)> on_call_do;  // set before the first request
  std::function<void(ExchangeId, call::CallAsk)> on_ask_do;

  void on_call(ExchangeId id, call::NewCall call,
               std::shared_ptr<ports::BodySource> body) override {
    if (on_call_do) on_call_do({id, std::move(call), std::move(body)});
    note(calls_);
  }
  void on_ask(ExchangeId id, call::CallAsk ask) override {
    if (on_ask_do) on_ask_do(id, std::move(ask));
    note(asks_);
  }
  void on_gone(ExchangeId) override { note(gone_); }

  bool wait_calls(int count) { return wait(calls_, count); }
  bool wait_gone(int count) { return wait(gone_, count); }
  int calls() { return read(calls_); }
  int asks() { return read(asks_); }
  int gone() { return read(gone_); }

 private:
  void note(int& counter) {
    const std::lock_guard lock(mutex_);
    ++counter;
    changed_.notify_all();
  }
  int read(const int& counter) {
    const std::lock_guard lock(mutex_);
    return counter;
  }
  bool wait(const int& counter, int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return counter >= count; });
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  int asks_ = 0;
  int gone_ = 0;
};

// "/buf/" is read whole (its route takes keys), everything else streams. Bodies up to 64 KiB.
// "/watched/" is as "/buf/", and only observes.
inline std::shared_ptr<const call::Intake> make_intake() {
  auto upstream = std::make_shared<call::UpstreamSettings>();
  upstream->name = "u";
  upstream->urls.push_back({false, "127.0.0.1", 1, ""});
  auto buffered = std::make_shared<call::RouteSettings>();
  buffered->path = "/buf/";
  buffered->upstream = "u";
  buffered->key.from.push_back({call::Part::Kind::header, "Idempotency-Key"});
  buffered->limits.body = 64 * 1024;
  auto streamed = std::make_shared<call::RouteSettings>();
  streamed->path = "/flow/";
  streamed->upstream = "u";
  auto settings = std::make_shared<call::Settings>();
  settings->upstreams["u"] = upstream;
  auto watched = std::make_shared<call::RouteSettings>(*buffered);
  watched->path = "/watched/";
  watched->mode = call::RouteMode::observe;
  settings->routes = {buffered, streamed, watched};
  return std::make_shared<const call::Intake>(settings,
                                              call::Hasher(std::array<unsigned char, 32>{}));
}

inline call::Reply make_reply(int status, std::string body, Fields fields = {}) {
  call::Reply reply;
  reply.status = status;
  reply.fields = std::move(fields);
  reply.body = make_body(std::move(body));
  return reply;
}

class Rig {
 public:
  explicit Rig(ServerOptions options = {}, const call::TlsListen& tls = {})
      : server_(std::make_unique<Server>(io_, make_intake(), options)) {
    server_->set_events(events);
    auto port = server_->listen("127.0.0.1:0", {}, tls);
    EXPECT_TRUE(port.ok()) << (port.ok() ? std::string() : port.error().context);
    if (port.ok()) port_ = *port;
    // By default an echo of what was understood.
    events.on_call_do = [this](Seen seen) {
      const auto& request = *seen.call.request;
      server_->reply(seen.id, make_reply(200, request.method + " " + request.target + " [" +
                                                  std::string(view(request.body)) + "]"));
    };
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Rig() {
    run([this](Server&) { server_.reset(); });
    work_.reset();
    thread_.join();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // On the server's thread; waits for it.
  void run(const std::function<void(Server&)>& what) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      what(*server_);
      done.set_value();
    });
    done.get_future().wait();
  }
  ServerCounters counters() {
    ServerCounters out;
    run([&](Server& server) { out = server.counters(); });
    return out;
  }
  // Until the server's thread sees `condition` true; each look is a turn of its loop.
  bool until(const std::function<bool(Server&)>& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    bool met = false;
    while (!met && std::chrono::steady_clock::now() < end) {
      run([&](Server& server) { met = condition(server); });
      std::this_thread::yield();
    }
    return met;
  }
  // For scripts, which run on the server's thread.
  Server& server() { return *server_; }
  std::uint16_t port() const { return port_; }

  ScriptedEvents events;

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ =
      boost::asio::make_work_guard(io_);
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

struct Answer {
  int status = 0;                             // 0: none came
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
  bool complete = false;  // by its own framing
  // Empty when it is not there.
  [[nodiscard]] std::string field(const std::string& name) const {
    const auto at = fields.find(name);
    return at == fields.end() ? std::string() : at->second;
  }
};

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    timeval patience{kPatience.count(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* address = reinterpret_cast<const sockaddr*>(&to);
    connected_ = ::connect(fd_, address, sizeof to) == 0;
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // More bytes into the buffer: false at the end, a reset or out of patience.
  bool more() {
    std::array<char, 65536> chunk{};
    const auto got = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (got <= 0) {
      was_reset = got < 0 && errno == ECONNRESET;
      at_end = got == 0;
      return false;
    }
    buffer.append(chunk.data(), static_cast<std::size_t>(got));
    return true;
  }
  // The connection ends by a FIN, with nothing further on it.
  bool closed() {
    if (!buffer.empty()) return false;
    more();
    return at_end;
  }
  std::string until_end() {
    while (more()) {
    }
    return std::exchange(buffer, {});
  }
  // Up to and with `mark`; what was there, when it does not come.
  std::string until(std::string_view mark) {
    std::size_t at = 0;
    while ((at = buffer.find(mark)) == std::string::npos) {
      if (!more()) return std::exchange(buffer, {});
    }
    std::string out = buffer.substr(0, at + mark.size());
    buffer.erase(0, out.size());
    return out;
  }
  bool exactly(std::size_t count, std::string& out) {
    while (buffer.size() < count) {
      if (!more()) return false;
    }
    out.append(buffer, 0, count);
    buffer.erase(0, count);
    return true;
  }
  Answer head() {
    Answer out;
    const std::string text = until("\r\n\r\n");
    if (!text.starts_with("HTTP/1.1 ") || !text.ends_with("\r\n\r\n")) return out;
    out.status = std::stoi(text.substr(9, 3));
    std::size_t line = text.find("\r\n") + 2;
    while (line + 2 < text.size()) {
      const auto end = text.find("\r\n", line);
      const auto colon = text.find(": ", line);
      out.fields[lower_ascii(text.substr(line, colon - line))] =
          text.substr(colon + 2, end - colon - 2);
      line = end + 2;
    }
    return out;
  }
  // A whole answer. `bodiless`: to HEAD.
  Answer answer(bool bodiless = false) {
    Answer out = head();
    if (out.status == 0) return out;
    if (bodiless || out.status == 204 || out.status == 304) {
      out.complete = true;
    } else if (out.fields.contains("content-length")) {
      out.complete = exactly(std::stoul(out.fields["content-length"]), out.body);
    } else if (out.fields.contains("transfer-encoding")) {
      out.complete = chunks(out.body);
    } else {
      out.body = until_end();
      out.complete = at_end;
    }
    return out;
  }
  Answer ask(std::string_view request, bool bodiless = false) {
    send(request);
    return answer(bodiless);
  }

  std::string buffer;
  bool at_end = false;
  bool was_reset = false;

 private:
  bool chunks(std::string& out) {
    for (;;) {
      const std::string line = until("\r\n");
      if (!line.ends_with("\r\n")) return false;
      const auto size = std::stoul(line, nullptr, 16);
      if (size > 0 && !exactly(size, out)) return false;
      std::string end;
      if (!exactly(2, end) || end != "\r\n") return false;
      if (size == 0) return true;
    }
  }
  int fd_;
  bool connected_ = false;
};

inline std::string get(std::string_view path, std::string_view extra = {}) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(extra) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view extra = {}) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(extra) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace hf::adapters::testing
