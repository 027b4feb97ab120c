#include "adapters/system/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace hf::adapters {
namespace {

using testing::HasSubstr;

// A manager's end of the conversation, at a path or under an abstract name.
class Manager {
 public:
  explicit Manager(bool abstract) {
    std::string dir = testing::TempDir() + "manager-XXXXXX";
    EXPECT_NE(::mkdtemp(dir.data()), nullptr);
    address_ = (abstract ? "@" : "") + dir + "/notify";
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, address_.data(), address_.size());
    if (abstract) address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() { ::close(fd_); }

  [[nodiscard]] const std::string& address() const { return address_; }
  // The next word; empty: there is none.
  std::string heard() {
    std::string text(4096, '\0');
    const auto size = ::recv(fd_, text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
  }

 private:
  std::string address_;
  int fd_ = -1;
};

ServiceManager open_to(const Manager& manager, std::string usec = {}, std::string pid = {}) {
  auto opened = ServiceManager::open({manager.address(), std::move(usec), std::move(pid)});
  EXPECT_TRUE(opened.ok());
  return std::move(*opened);
}

TEST(ServiceManagerTest, SaysWhatTheProtocolHasForIt) {
  for (const bool abstract : {false, true}) {
    Manager manager(abstract);
    auto voice = open_to(manager, "30000000", std::to_string(::getpid()));
    EXPECT_TRUE(voice.there());
    EXPECT_EQ(voice.watchdog(), Duration::seconds(30));
    voice.ready();
    EXPECT_EQ(manager.heard(), "READY=1\nWATCHDOG_USEC=30000000\n");
    voice.alive();
    EXPECT_EQ(manager.heard(), "WATCHDOG=1\n");
    voice.status("one\nline");
    EXPECT_EQ(manager.heard(), "STATUS=one line\n");
    voice.away(Duration::hours(1));
    EXPECT_EQ(manager.heard(), "WATCHDOG_USEC=3600000000\n");
    voice.stopping(Duration::seconds(20));
    EXPECT_EQ(manager.heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\n");
  }
}

TEST(ServiceManagerTest, WithoutAWatchdogNothingIsSaidForIt) {
  Manager manager(false);
  // A watchdog for the process that started us is not ours.
  auto voice = open_to(manager, "30000000", std::to_string(::getppid()));
  EXPECT_EQ(voice.watchdog(), std::nullopt);
  voice.alive();
  voice.away(Duration::hours(1));
  voice.ready();
  EXPECT_EQ(manager.heard(), "READY=1\n");
  EXPECT_EQ(manager.heard(), "");
}

TEST(ServiceManagerTest, WithoutAManagerEveryWordIsDropped) {
  auto opened = ServiceManager::open({});
  ASSERT_TRUE(opened.ok());
  EXPECT_FALSE(opened->there());
  opened->ready();
  opened->stopping(Duration::seconds(1));
}

TEST(ServiceManagerTest, AManagerThatDoesNotListenHoldsNobodyUp) {
  Manager manager(false);
  auto voice = open_to(manager, "1000000");
  for (int i = 0; i < 10'000; ++i)
    voice.alive();
  int kept = 0;
  while (!manager.heard().empty())
    ++kept;
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, 10'000);
}

TEST(ServiceManagerTest, RefusesWhatCannotBe) {
  const auto why = [](ServiceManager::Environment environment) {
    const auto opened = ServiceManager::open(environment);
    return opened.ok() ? std::string{} : opened.error().context;
  };
  EXPECT_THAT(why({"vsock:2:1", "", ""}), HasSubstr("NOTIFY_SOCKET=vsock:2:1"));
  EXPECT_THAT(why({"/" + std::string(200, 'x'), "", ""}), HasSubstr("too long"));
  EXPECT_THAT(why({"/run/notify", "soon", ""}), HasSubstr("WATCHDOG_USEC=soon"));
  EXPECT_THAT(why({"/run/notify", "0", ""}), HasSubstr("WATCHDOG_USEC=0"));
}

}  // namespace
}  // namespace hf::adapters
