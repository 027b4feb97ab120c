#include "adapters/http/control_server.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

namespace hf::adapters {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Client and server on one io_context: the client's bytes are written blocking (they are few), its
// reads are asynchronous.
struct Rig {
  explicit Rig(ControlLimits limits = {})
      : server(
            io,
            [this](ports::ControlRequest request, ports::ControlRespond respond) {
              requests.push_back(std::move(request));
              if (answer_at_once) {
                respond({200, "text/plain", "hello", {{"X-Extra", "1"}}});
              } else {
                waiting.push_back(std::move(respond));
              }
            },
            limits) {
    port = server.listen("127.0.0.1:0").value();
  }

  tcp::socket connect() {
    tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(), port});
    return socket;
  }
  void run_until(const std::function<bool()>& done) {
    while (!done() && io.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    ASSERT_TRUE(done());
  }
  // Everything up to the server's close.
  std::string read_all(tcp::socket& socket) {
    std::string out;
    std::string piece(4096, '\0');
    bool ended = false;
    std::function<void()> more = [&] {
      socket.async_read_some(asio::buffer(piece), [&](const error_code& error, std::size_t size) {
        out.append(piece, 0, size);
        ended = static_cast<bool>(error);
        if (!ended) more();
      });
    };
    more();
    run_until([&] { return ended; });
    return out;
  }
  std::string ask(const std::string& bytes) {
    auto socket = connect();
    asio::write(socket, asio::buffer(bytes));
    return read_all(socket);
  }

  asio::io_context io;
  bool answer_at_once = true;
  std::vector<ports::ControlRequest> requests;
  std::vector<ports::ControlRespond> waiting;
  ControlServer server;
  std::uint16_t port = 0;
};

TEST(ControlServer, HandsTheRequestOverAndWritesTheReply) {
  Rig rig;
  const auto answer = rig.ask(
      "POST /v1/x?a=b HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n"
      "Content-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("X-Extra: 1\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello"));
  ASSERT_EQ(rig.requests.size(), 1U);
  EXPECT_EQ(rig.requests[0].method, "POST");
  EXPECT_EQ(rig.requests[0].target, "/v1/x?a=b");
  EXPECT_EQ(rig.requests[0].body, "abc");
  EXPECT_EQ(count_fields(rig.requests[0].fields, "x-a"), 2U);
  EXPECT_TRUE(rig.requests[0].peer.starts_with("127.0.0.1:"));
}

TEST(ControlServer, KeepsAConnectionAndAnswersHeadWithoutABody) {
  Rig rig;
  const auto answer = rig.ask(
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(rig.requests.size(), 2U);
  EXPECT_NE(answer.find("helloHTTP/1.1 200 OK\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST(ControlServer, RefusesWhatIsTooLargeOrNotHttp) {
  Rig rig;
  const auto big_head = rig.ask("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'a'));
  EXPECT_TRUE(big_head.starts_with("HTTP/1.1 431 ")) << big_head;
  const auto big_body = rig.ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2097153\r\n\r\nabc");
  EXPECT_TRUE(big_body.starts_with("HTTP/1.1 413 ")) << big_body;
  EXPECT_TRUE(rig.ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(rig.requests.empty());
}

TEST(ControlServer, SlowRequestsAndHandlersEnd) {
  ControlLimits limits;
  limits.read = Duration::millis(30);
  limits.reply = Duration::millis(30);
  Rig rig(limits);
  EXPECT_EQ(rig.ask("GET / HT"), "");
  rig.answer_at_once = false;
  const auto answer = rig.ask("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 504 ")) << answer;
  ASSERT_EQ(rig.waiting.size(), 1U);
  rig.waiting[0]({200, "text/plain", "late", {}});  // harmless
  rig.run_until([&] { return rig.server.connections() == 0; });
}

TEST(ControlServer, ConnectionsAreBounded) {
  ControlLimits limits;
  limits.connections = 1;
  Rig rig(limits);
  auto first = rig.connect();
  rig.run_until([&] { return rig.server.connections() == 1; });
  auto second = rig.connect();
  EXPECT_TRUE(rig.read_all(second).starts_with("HTTP/1.1 503 "));
  first.close();
  rig.run_until([&] { return rig.server.connections() == 0; });
}

TEST(ControlServer, StopClosesAndALateReplyIsHarmless) {
  Rig rig;
  rig.answer_at_once = false;
  auto socket = rig.connect();
  asio::write(socket, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
  rig.run_until([&] { return rig.waiting.size() == 1; });
  rig.server.stop();
  rig.waiting[0]({200, "text/plain", "late", {}});
  EXPECT_EQ(rig.read_all(socket), "");
  EXPECT_FALSE(rig.server.listen("localhost:0").ok());
}

}  // namespace
}  // namespace hf::adapters
