#include "adapters/http/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>

namespace hf::adapters {
namespace {

Addresses one(const char* text) {
  return {boost::asio::ip::make_address(text)};
}

class ResolverTest : public ::testing::Test {
 protected:
  void run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(5));
    }
  }
  boost::asio::io_context io_;
};

TEST_F(ResolverTest, LiteralsNeedNoLookUp) {
  Resolver resolver(io_, [](const std::string&) -> Result<Addresses> {
    ADD_FAILURE();
    return fail(ErrorKind::not_found, "");
  });
  for (const auto* text : {"127.0.0.1", "::1"}) {
    bool called = false;
    resolver.resolve(text, Instant{}, [&](const Result<Addresses>& found) {
      called = true;
      EXPECT_EQ(found.value(), one(text));
    });
    EXPECT_TRUE(called);
  }
}

TEST_F(ResolverTest, AsksOnceForAllWhoWaitAndRemembersForAWhile) {
  std::atomic<int> asked = 0;
  std::promise<void> go;
  const auto may_go = go.get_future().share();
  Resolver resolver(io_, [&, may_go](const std::string&) -> Result<Addresses> {
    may_go.wait();
    ++asked;
    return one("10.0.0.1");
  });
  int answers = 0;
  const auto count = [&](const Result<Addresses>& found) {
    EXPECT_EQ(found.value(), one("10.0.0.1"));
    ++answers;
  };
  resolver.resolve("a.test", Instant{}, count);
  resolver.resolve("a.test", Instant{}, count);
  go.set_value();
  run_until([&] { return answers == 2; });
  resolver.resolve("a.test", Instant{} + Duration::seconds(4), count);
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(asked, 1);
  resolver.resolve("a.test", Instant{} + Duration::seconds(5), count);
  run_until([&] { return answers == 4; });
  EXPECT_EQ(asked, 2);
}

TEST_F(ResolverTest, FailuresAreNotRemembered) {
  std::atomic<int> asked = 0;
  Resolver resolver(io_, [&](const std::string&) -> Result<Addresses> {
    if (++asked == 1) return fail(ErrorKind::unavailable, "try again");
    return one("10.0.0.1");
  });
  std::vector<bool> answers;
  const auto note = [&](const Result<Addresses>& found) { answers.push_back(found.ok()); };
  resolver.resolve("a.test", Instant{}, note);
  run_until([&] { return answers.size() == 1; });
  resolver.resolve("a.test", Instant{}, note);
  run_until([&] { return answers.size() == 2; });
  EXPECT_EQ(answers, (std::vector<bool>{false, true}));
}

TEST_F(ResolverTest, ASlowNameDelaysNoOther) {
  std::promise<void> go;
  const auto may_go = go.get_future().share();
  Resolver resolver(io_, [may_go](const std::string& host) -> Result<Addresses> {
    if (host == "slow.test") may_go.wait();
    return one("10.0.0.1");
  });
  bool slow = false;
  bool fast = false;
  resolver.resolve("slow.test", Instant{}, [&](const auto&) { slow = true; });
  resolver.resolve("fast.test", Instant{}, [&](const auto&) { fast = true; });
  run_until([&] { return fast; });
  EXPECT_FALSE(slow);
  go.set_value();
  run_until([&] { return slow; });
}

TEST_F(ResolverTest, IsBounded) {
  std::promise<void> go;
  const auto may_go = go.get_future().share();
  ResolverLimits limits;
  limits.lookups = 1;
  limits.waiting = 2;
  Resolver resolver(
      io_,
      [may_go](const std::string&) -> Result<Addresses> {
        may_go.wait();
        return one("10.0.0.1");
      },
      limits);
  int good = 0;
  int full = 0;
  const auto note = [&](const Result<Addresses>& found) {
    ++(found.ok() ? good : full);
    if (!found.ok()) {
      EXPECT_EQ(found.error().kind, ErrorKind::full);
    }
  };
  resolver.resolve("a.test", Instant{}, note);
  resolver.resolve("b.test", Instant{}, note);  // a second look-up
  EXPECT_EQ(full, 1);
  resolver.resolve("a.test", Instant{}, note);
  resolver.resolve("a.test", Instant{}, note);  // a third who waits
  EXPECT_EQ(full, 2);
  go.set_value();
  run_until([&] { return good == 2; });
}

TEST_F(ResolverTest, MayGoWhileANameIsLookedUp) {
  auto go = std::make_shared<std::promise<void>>();
  auto done = std::make_shared<std::promise<void>>();
  {
    Resolver resolver(io_, [go, done](const std::string&) -> Result<Addresses> {
      go->get_future().wait();
      done->set_value();
      return one("10.0.0.1");
    });
    resolver.resolve("a.test", Instant{}, [](const auto&) { ADD_FAILURE(); });
  }
  auto ended = done->get_future();
  go->set_value();
  ASSERT_EQ(ended.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  io_.poll();
}

TEST_F(ResolverTest, AsksTheSystem) {
  const auto found = system_lookup("localhost");
  ASSERT_TRUE(found.ok()) << found.error().context;
  EXPECT_TRUE(found.value().front().is_loopback());
}

}  // namespace
}  // namespace hf::adapters
