// The faults on real sockets, seen by a plain blocking client.
#include "sandbox/sandbox.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>

namespace hf::sandbox {
namespace {

namespace json = boost::json;

enum class End { open, fin, rst };

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{20, 0};  // only so that a failing test ends
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  bool send(const std::string& bytes) const {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Reads until the other side ends the connection; how it did is in end().
  std::string read_all() {
    std::string out;
    while (read_some(out)) {
    }
    return out;
  }
  // Reads one answer with a Content-Length, or what there is when the connection ends before.
  std::string read_answer() {
    std::string out;
    for (;;) {
      const auto head = out.find("\r\n\r\n");
      const auto field = out.find("Content-Length: ");
      if (head != std::string::npos && field < head &&
          out.size() >= head + 4 + std::stoul(out.substr(field + 16))) {
        return out;
      }
      if (!read_some(out)) return out;
    }
  }
  bool silent() const {
    char byte = 0;
    return ::recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
  }
  [[nodiscard]] End end() const { return end_; }

 private:
  bool read_some(std::string& out) {
    char buffer[4096];
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) {
      out.append(buffer, static_cast<std::size_t>(got));
      return true;
    }
    if (got == 0) end_ = End::fin;
    if (got < 0 && errno == ECONNRESET) end_ = End::rst;
    return false;
  }
  int fd_;
  bool connected_ = false;
  End end_ = End::open;
};

std::string post(const std::string& fault, const std::string& extra = {},
                 const std::string& body = "hello") {
  return "POST /sms HTTP/1.1\r\nHost: sandbox\r\nSandbox-Fault: " + fault + "\r\n" + extra +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class SandboxTest : public testing::Test {
 protected:
  void begin(SandboxOptions options = {}) {
    sandbox = std::make_unique<Sandbox>(std::move(options));
    const auto started = sandbox->start();
    ASSERT_TRUE(started.ok()) << started.error().context;
    port = *started;
  }
  json::value ledger() { return json::parse(sandbox->control("GET", "/_ledger")); }
  std::int64_t effects() { return ledger().at("counts").at("effects").to_number<std::int64_t>(); }
  // One request on a connection of its own, to its very end.
  std::string once(const std::string& fault, End expected) {
    Client client(port);
    EXPECT_TRUE(client.send(post(fault, "Connection: close\r\n")));
    auto out = client.read_all();
    EXPECT_EQ(client.end(), expected) << fault;
    return out;
  }
  template <typename Condition>
  bool eventually(const Condition& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
    }
    return true;
  }

  std::unique_ptr<Sandbox> sandbox;
  std::uint16_t port = 0;
};

TEST_F(SandboxTest, PlainAnswersOnOneConnection) {
  begin();
  Client client(port);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(client.send(post("none")));
    EXPECT_EQ(client.read_answer().rfind("HTTP/1.1 200 OK\r\n", 0), 0U);
    EXPECT_EQ(effects(), i);
  }
}

TEST_F(SandboxTest, ResetBeforeAndAfterTheEffect) {
  begin();
  EXPECT_EQ(once("reset_before", End::rst), "");
  EXPECT_EQ(effects(), 0);
  EXPECT_EQ(once("reset_after", End::rst), "");
  EXPECT_EQ(effects(), 1);
}

TEST_F(SandboxTest, LateApplyKillsTheConnectionFirst) {
  begin();
  EXPECT_EQ(once("late_apply=50", End::rst), "");
  EXPECT_TRUE(eventually([this] { return effects() == 1; }));
  EXPECT_EQ(ledger().at("requests").at(0).at("status_answered"), 0);
}

TEST_F(SandboxTest, CutGivesTheHeadAndHalfTheBody) {
  begin();
  for (const auto& [fault, end] : {std::pair{"cut=fin", End::fin}, {"cut=rst", End::rst}}) {
    const auto out = once(fault, end);
    const auto head = out.find("\r\n\r\n");
    ASSERT_NE(head, std::string::npos) << fault;
    const auto length = std::stoul(out.substr(out.find("Content-Length: ") + 16));
    EXPECT_EQ(out.size() - head - 4, length / 2) << fault;
  }
  EXPECT_EQ(effects(), 2);
}

TEST_F(SandboxTest, HangSaysNothingWithAndWithoutTheEffect) {
  begin();
  Client before(port);
  Client after(port);
  ASSERT_TRUE(before.send(post("hang=before")));
  ASSERT_TRUE(after.send(post("hang=after")));
  EXPECT_TRUE(eventually([this] { return ledger().at("requests").as_array().size() == 2; }));
  EXPECT_EQ(effects(), 1);
  EXPECT_TRUE(before.silent());
  EXPECT_TRUE(after.silent());
}

TEST_F(SandboxTest, SlowTakesItsTimeAndAnswers) {
  begin();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(once("slow=60", End::fin).rfind("HTTP/1.1 200 OK\r\n", 0), 0U);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(60));
}

TEST_F(SandboxTest, StatusFaults) {
  begin();
  EXPECT_EQ(once("in_progress", End::fin).rfind("HTTP/1.1 409 ", 0), 0U);
  const auto limited = once("s429=7", End::fin);
  EXPECT_EQ(limited.rfind("HTTP/1.1 429 ", 0), 0U);
  EXPECT_NE(limited.find("Retry-After: 7\r\n"), std::string::npos);
  EXPECT_EQ(once("s500", End::fin).rfind("HTTP/1.1 500 ", 0), 0U);
  EXPECT_EQ(once("s503", End::fin).rfind("HTTP/1.1 503 ", 0), 0U);
  EXPECT_EQ(once("s500_stored", End::fin).rfind("HTTP/1.1 500 ", 0), 0U);
  EXPECT_EQ(effects(), 0);
  EXPECT_EQ(once("apply_then_503", End::fin).rfind("HTTP/1.1 503 ", 0), 0U);
  EXPECT_EQ(effects(), 1);
}

TEST_F(SandboxTest, InvalidBytes) {
  begin();
  EXPECT_EQ(once("invalid", End::fin).rfind("HTP/9", 0), 0U);
  EXPECT_NE(once("invalid=length", End::fin).find("Content-Length: 2\r\nContent-Length: 7"),
            std::string::npos);
  EXPECT_EQ(effects(), 2);
}

TEST_F(SandboxTest, IdleCloseAnswersThenLeaves) {
  begin();
  Client client(port);
  ASSERT_TRUE(client.send(post("idle_close=30")));
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.find("Connection: close"), std::string::npos);
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(client.end(), End::fin);
}

TEST_F(SandboxTest, IdleCloseForAllWithATruthfulHintAndALie) {
  SandboxOptions options;
  options.idle_close_ms = 1100;
  options.keep_alive_hint = KeepAliveHint::truthful;
  begin(options);
  Client client(port);
  ASSERT_TRUE(client.send(post("none")));
  EXPECT_NE(client.read_answer().find("Keep-Alive: timeout=1\r\n"), std::string::npos);
  sandbox->control("POST", "/_faults", R"({"keep_alive_hint":"lying","idle_close_ms":40})");
  ASSERT_TRUE(client.send(post("none")));
  EXPECT_NE(client.read_answer().find("Keep-Alive: timeout=60\r\n"), std::string::npos);
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(client.end(), End::fin);
}

TEST_F(SandboxTest, CloseOnReuseSwallowsTheNextRequest) {
  begin();
  Client read(port);
  ASSERT_TRUE(read.send(post("close_on_reuse")));
  EXPECT_NE(read.read_answer(), "");
  ASSERT_TRUE(read.send(post("none")));
  EXPECT_EQ(read.read_all(), "");
  EXPECT_EQ(read.end(), End::fin);
  Client unread(port);
  ASSERT_TRUE(unread.send(post("close_on_reuse=unread")));
  EXPECT_NE(unread.read_answer(), "");
  ASSERT_TRUE(unread.send(post("none")));
  EXPECT_EQ(unread.read_all(), "");
  EXPECT_EQ(unread.end(), End::rst);
  EXPECT_EQ(effects(), 2);
  EXPECT_EQ(ledger().at("counts").at("faults").at("dropped_on_reuse"), 1);
}

TEST_F(SandboxTest, DownRefusesAndResetsAndComesBackOnTheSamePort) {
  SandboxOptions options;
  options.control_port = 0;
  begin(options);
  Client idle(port);
  ASSERT_TRUE(idle.send(post("none")));
  EXPECT_NE(idle.read_answer(), "");
  Client control(sandbox->control_port());
  const std::string down = "POST /_down HTTP/1.1\r\nHost: c\r\nContent-Length: 0\r\n\r\n";
  ASSERT_TRUE(control.send(down));
  EXPECT_NE(control.read_answer().find("\"down\":true"), std::string::npos);
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_EQ(idle.end(), End::rst);
  EXPECT_FALSE(Client(port).connected());
  ASSERT_TRUE(control.send("POST /_up HTTP/1.1\r\nHost: c\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_NE(control.read_answer().find("\"down\":false"), std::string::npos);
  EXPECT_TRUE(eventually([this] { return Client(port).connected(); }));
  sandbox->control("POST", "/_down", R"({"for_ms":50})");
  EXPECT_TRUE(eventually([this] { return Client(port).connected(); }));
}

TEST_F(SandboxTest, GoingDownTakesTheAnswerButNotTheEffect) {
  begin();
  Client client(port);
  ASSERT_TRUE(client.send(post("slow=200")));
  EXPECT_TRUE(eventually([this] { return ledger().at("requests").as_array().size() == 1; }));
  sandbox->control("POST", "/_down");
  EXPECT_EQ(client.read_all(), "");
  EXPECT_EQ(client.end(), End::rst);
  EXPECT_TRUE(eventually([this] { return effects() == 1; }));
  EXPECT_EQ(ledger().at("requests").at(0).at("status_answered"), 0);
}

TEST_F(SandboxTest, StreamsChunksAndContinues) {
  begin();
  Client client(port);
  const std::string body =
      R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]})";
  ASSERT_TRUE(
      client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: s\r\nAuthorization: x\r\n"
                  "Expect: 100-continue\r\nConnection: close\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body));
  const auto out = client.read_all();
  EXPECT_EQ(out.rfind("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 0), 0U);
  EXPECT_NE(out.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(out.find("data: [DONE]\n\n\r\n0\r\n\r\n"), std::string::npos);
}

TEST_F(SandboxTest, RefusesWhatIsTooLargeOrNotHttp) {
  SandboxOptions options;
  options.max_body = 10;
  begin(options);
  Client large(port);
  ASSERT_TRUE(large.send(post("none", {}, std::string(11, 'x'))));
  EXPECT_EQ(large.read_answer().rfind("HTTP/1.1 413 ", 0), 0U);
  Client garbage(port);
  ASSERT_TRUE(garbage.send("what is this\r\n\r\n"));
  EXPECT_EQ(garbage.read_answer().rfind("HTTP/1.1 400 ", 0), 0U);
  EXPECT_EQ(effects(), 0);
}

TEST_F(SandboxTest, StartFailsOnATakenPortAndStopIsIdempotent) {
  begin();
  SandboxOptions options;
  options.port = port;
  Sandbox second(options);
  EXPECT_FALSE(second.start().ok());
  sandbox->stop();
  sandbox->stop();
  EXPECT_FALSE(Client(port).connected());
}

}  // namespace
}  // namespace hf::sandbox
