#include "adapters/system/passed_sockets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "adapters/http/listener.h"
#include "adapters/http/server_address.h"

namespace hf::adapters {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using testing::HasSubstr;

PassedEnvironment one(int fd, std::string name = "web") {
  return {std::to_string(::getpid()), "1", std::move(name), fd};
}

std::string refusal(const PassedEnvironment& environment) {
  const auto sockets = passed_sockets(environment);
  return sockets.ok() ? std::string{} : sockets.error().context;
}

class PassedSocketsTest : public testing::Test {
 protected:
  asio::io_context io_;
  tcp::acceptor held_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::string address_ = format_address(held_.local_endpoint());
};

TEST_F(PassedSocketsTest, AreFoundByTheirAddress) {
  const auto sockets = passed_sockets(one(held_.native_handle()));
  ASSERT_TRUE(sockets.ok()) << sockets.error().context;
  ASSERT_EQ(sockets->size(), 1U);
  EXPECT_EQ(sockets->front().name, "web");
  EXPECT_EQ(sockets->front().address, address_);
  EXPECT_EQ(passed_at(*sockets, address_), &sockets->front());
  EXPECT_EQ(passed_at(*sockets, "0.0.0.0" + address_.substr(address_.rfind(':'))), nullptr);
  EXPECT_EQ(passed_at(*sockets, "127.0.0.1:0"), nullptr);
  EXPECT_EQ(passed_at(*sockets, "nonsense"), nullptr);
  EXPECT_EQ(::fcntl(held_.native_handle(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(PassedSocketsTest, WhoComesWhileNobodyTakesIsAnsweredByTheNext) {
  const auto sockets = passed_sockets(one(held_.native_handle()));
  ASSERT_TRUE(sockets.ok());
  const PassedSocket* passed = passed_at(*sockets, address_);
  tcp::acceptor first(io_);
  EXPECT_EQ(start_listening(first, address_, passed).value(), held_.local_endpoint().port());
  first.close();
  tcp::socket client(io_);
  client.connect(held_.local_endpoint());  // nobody is there, and it is not refused
  tcp::acceptor second(io_);
  EXPECT_TRUE(start_listening(second, address_, passed).ok());
  tcp::socket taken = second.accept();
  EXPECT_EQ(taken.remote_endpoint(), client.local_endpoint());
}

TEST_F(PassedSocketsTest, OthersAreNotOurs) {
  const int fd = held_.native_handle();
  EXPECT_TRUE(passed_sockets({})->empty());
  EXPECT_TRUE(passed_sockets({std::to_string(::getppid()), "1", "web", fd})->empty());
  EXPECT_TRUE(passed_sockets({"", "1", "web", fd})->empty());
}

TEST_F(PassedSocketsTest, SayWhatIsWrong) {
  EXPECT_THAT(refusal({std::to_string(::getpid()), "many", "", 3}), HasSubstr("LISTEN_FDS=many"));
  EXPECT_THAT(refusal({std::to_string(::getpid()), "-1", "", 3}), HasSubstr("LISTEN_FDS=-1"));
  EXPECT_THAT(refusal({std::to_string(::getpid()), "65", "", 3}), HasSubstr("0 to 64"));
  EXPECT_THAT(refusal(one(1'000'000, "")), HasSubstr("descriptor 1000000 that was passed"));
  EXPECT_THAT(refusal(one(1'000'000)), HasSubstr("it is not open"));

  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(refusal(one(file)),
              HasSubstr("(`web`) that was passed (LISTEN_FDS): it is no socket"));
  ::close(file);

  asio::ip::udp::socket datagrams(io_, {asio::ip::address_v4::loopback(), 0});
  EXPECT_THAT(refusal(one(datagrams.native_handle())), HasSubstr("not ListenDatagram="));

  asio::local::stream_protocol::socket local(io_);
  local.open();
  EXPECT_THAT(refusal(one(local.native_handle())), HasSubstr("it is no TCP socket"));

  tcp::socket connection(io_);
  connection.connect(held_.local_endpoint());
  EXPECT_THAT(refusal(one(connection.native_handle())), HasSubstr("Accept=no is needed"));
}

// Two descriptors of one socket, one after the other.
TEST_F(PassedSocketsTest, OneAddressIsPassedOnce) {
  const int first = ::fcntl(held_.native_handle(), F_DUPFD_CLOEXEC, 500);
  ASSERT_EQ(::dup2(held_.native_handle(), first + 1), first + 1);
  EXPECT_THAT(refusal({std::to_string(::getpid()), "2", "a:b", first}),
              HasSubstr("(`b`) that was passed (LISTEN_FDS): a second one for " + address_));
  ::close(first);
  ::close(first + 1);
}

}  // namespace
}  // namespace hf::adapters
