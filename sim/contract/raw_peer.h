// For tests: the other end of real connections, on plain sockets, doing what it is told in the
// words of peer_act.h.
#pragma once

#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "adapters/http/upstream_testing.h"
#include "sim/peer_act.h"

namespace hf::sim::testing {

// Listens on a loopback port of the system's choice, with a thread for each connection. What is
// asked of it may be asked from any thread.
class RawPeer {
 public:
  RawPeer();
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  // For the next request that comes, in order; without one it is answered "ok".
  void next(PeerAct act);
  // Lets an act that is not `at_once` go on behind its head.
  void let_go_on();
  // Done with the connection that carries no request, by whoever sits there.
  void stir(Stir stir);

  [[nodiscard]] int acted() const { return acted_; }
  [[nodiscard]] int stirred() const { return stirred_; }
  [[nodiscard]] int accepted() const { return accepted_; }
  // The bodies of the requests that were read whole.
  [[nodiscard]] std::vector<std::string> requests() const;

 private:
  using Socket = adapters::testing::Peer;

  void accept_all();
  void serve(int fd);
  // False: the connection is over.
  bool await_request(int fd, Socket& socket);
  void await_going(int fd);
  PeerAct take();
  void perform(int fd, Socket& socket, const PeerAct& act, const std::string& method);
  std::string read_request(Socket& socket);
  void send_answer(Socket& socket, const PeerAct& act, const std::string& method);
  void wake();

  adapters::testing::Listener listener_;
  int wake_;  // readable when there is something to be done besides
  mutable std::mutex mutex_;
  std::condition_variable went_on_;
  std::deque<PeerAct> acts_;
  std::vector<std::string> requests_;
  std::optional<Stir> stir_;
  int go_on_ = 0;
  bool ending_ = false;
  std::atomic<int> acted_ = 0;
  std::atomic<int> stirred_ = 0;
  std::atomic<int> accepted_ = 0;
  std::list<std::thread> threads_;  // of connections; touched by the acceptor only
  std::thread acceptor_;
};

inline std::string head_of(const PeerAct& act, const std::string& method) {
  const int status = act.answer.status;
  std::string out = fmt::format("HTTP/1.1 {} Said\r\n", status);
  if (act.head == PeerAct::Head::half) return out + "X-Half: ";
  if (act.head == PeerAct::Head::broken) {
    return out + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n";
  }
  for (const Field& field : act.answer.fields)
    out += field.name + ": " + field.value + "\r\n";
  if (act.last) out += "Connection: close\r\n";
  if (act.keep_alive)
    out += fmt::format("Keep-Alive: timeout={}\r\n", act.keep_alive->ceil_seconds());
  const bool framed = status != 204 && status != 304;
  if (framed && act.framing == PeerAct::Framing::length) {
    out += fmt::format("Content-Length: {}\r\n", act.body.size());
  } else if (framed && act.framing == PeerAct::Framing::chunked && method != "HEAD") {
    out += "Transfer-Encoding: chunked\r\n";
  }
  return out + "\r\n";
}

inline std::string body_of(const PeerAct& act, const std::string& method) {
  if (method == "HEAD" || act.answer.status == 204 || act.answer.status == 304) return {};
  const bool whole = act.sends >= act.body.size();
  const std::string sent = act.body.substr(0, act.sends);
  if (act.framing != PeerAct::Framing::chunked) return sent;
  std::string out;
  if (!sent.empty()) out = fmt::format("{:x}\r\n{}\r\n", sent.size(), sent);
  if (act.spoils_framing) return out + "zz\r\n";
  return whole ? out + "0\r\n\r\n" : out;
}

// Byte by byte: what comes behind it stays unread.
inline std::string read_head_only(int fd) {
  std::string out;
  char byte = 0;
  while (!out.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1)
    out += byte;
  return out;
}

// Until the other side's socket has all that was sent, or is gone.
inline void await_taken(int fd) {
  int left = 0;
  pollfd state{fd, 0, 0};  // an error or the end of both directions is told without being asked
  while (::ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0 && ::poll(&state, 1, 0) == 0)
    std::this_thread::yield();
}

inline RawPeer::RawPeer()
    : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), acceptor_([this] { accept_all(); }) {}

inline RawPeer::~RawPeer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  went_on_.notify_all();
  wake();
  ::shutdown(listener_.fd(), SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_)
    thread.join();
  ::close(wake_);
}

inline void RawPeer::wake() {
  const std::uint64_t one = 1;
  EXPECT_EQ(::write(wake_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
}

inline void RawPeer::next(PeerAct act) {
  const std::lock_guard lock(mutex_);
  acts_.push_back(std::move(act));
}

inline PeerAct RawPeer::take() {
  const std::lock_guard lock(mutex_);
  if (acts_.empty()) return {.body = "ok"};
  PeerAct out = std::move(acts_.front());
  acts_.pop_front();
  return out;
}

inline void RawPeer::let_go_on() {
  {
    const std::lock_guard lock(mutex_);
    go_on_ += 1;
  }
  went_on_.notify_all();
}

inline void RawPeer::stir(Stir stir) {
  {
    const std::lock_guard lock(mutex_);
    stir_ = stir;
  }
  wake();
}

inline std::vector<std::string> RawPeer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

inline void RawPeer::accept_all() {
  while (true) {
    const int fd = ::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++accepted_;
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

inline bool RawPeer::await_request(int fd, Socket& socket) {
  while (true) {
    std::array<pollfd, 2> wanted{pollfd{fd, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    ::poll(wanted.data(), wanted.size(), -1);
    if (wanted[0].revents != 0) {
      char byte = 0;
      return ::recv(fd, &byte, 1, MSG_PEEK) == 1;
    }
    std::optional<Stir> stir;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return false;
      stir = std::exchange(stir_, std::nullopt);
      std::uint64_t count = 0;  // another thread may have been faster
      [[maybe_unused]] const auto ignored = ::read(wake_, &count, sizeof(count));
    }
    if (!stir) continue;
    if (*stir == Stir::closes) socket.close();
    if (*stir == Stir::resets) socket.reset();
    if (*stir == Stir::speaks) {
      socket.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
      await_taken(fd);
    }
    ++stirred_;
    if (*stir != Stir::speaks) return false;
  }
}

// Reads nothing more, and stays until the other side or the test is over.
inline void RawPeer::await_going(int fd) {
  std::array<pollfd, 2> wanted{pollfd{fd, POLLRDHUP, 0}, pollfd{wake_, POLLIN, 0}};
  ::poll(wanted.data(), wanted.size(), -1);
}

inline void RawPeer::serve(int fd) {
  Socket socket(fd, nullptr, [] {});
  while (await_request(fd, socket)) {
    const PeerAct act = take();
    std::string method;
    if (act.reads != PeerAct::Reads::nothing) {
      method = act.reads == PeerAct::Reads::all ? read_request(socket) : read_head_only(fd);
      method = method.substr(0, method.find(' '));
    }
    perform(fd, socket, act, method);
    const bool goes_on = act.then == PeerAct::Then::keeps && act.reads == PeerAct::Reads::all;
    if (act.then == PeerAct::Then::closes) socket.close();
    if (act.then == PeerAct::Then::resets) socket.reset();
    ++acted_;
    if (goes_on) continue;
    const bool stays = act.then == PeerAct::Then::silent || act.then == PeerAct::Then::keeps;
    if (stays) await_going(fd);
    return;
  }
}

inline void RawPeer::perform(int fd, Socket& socket, const PeerAct& act,
                             const std::string& method) {
  send_answer(socket, act, method);
  // A reset, and an end with something unread, take back what the other side does not have yet.
  if (act.then != PeerAct::Then::keeps) await_taken(fd);
}

inline void RawPeer::send_answer(Socket& socket, const PeerAct& act, const std::string& method) {
  std::string out;
  for (int i = 0; i < act.interims; ++i)
    out += "HTTP/1.1 103 Early Hints\r\n\r\n";
  if (act.head == PeerAct::Head::foreign) out += "SSH-2.0-nothing\r\n";
  const bool head = act.head != PeerAct::Head::none && act.head != PeerAct::Head::foreign;
  if (head) out += head_of(act, method);
  if (act.head == PeerAct::Head::whole) {
    if (!act.at_once) {
      socket.send(std::exchange(out, {}));
      std::unique_lock lock(mutex_);
      went_on_.wait(lock, [&] { return go_on_ > 0 || ending_; });
      go_on_ -= 1;
    }
    out += body_of(act, method);
    if (act.speaks_on) out += "HTTP/1.1 200 OK\r\n";
  }
  socket.send(out);
}

// The head; its body is kept for requests().
inline std::string RawPeer::read_request(Socket& socket) {
  const std::string head = socket.read_head();
  std::string body;
  const std::string length = "Content-Length: ";
  if (const auto at = head.find(length); at != std::string::npos) {
    body = socket.read_bytes(std::stoul(head.substr(at + length.size())));
  } else if (head.find("Transfer-Encoding: chunked") != std::string::npos) {
    while (true) {
      const std::string size = socket.read_until("\r\n");
      if (size.empty()) break;
      const std::string piece = socket.read_bytes(std::stoul(size, nullptr, 16) + 2);
      if (piece.size() <= 2) break;
      body += piece.substr(0, piece.size() - 2);
    }
  }
  const std::lock_guard lock(mutex_);
  requests_.push_back(body);
  return head;
}

}  // namespace hf::sim::testing
