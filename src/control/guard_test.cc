#include "control/guard.h"

#include <gtest/gtest.h>

namespace hf::control {
namespace {

Fields host(std::string value) {
  return {{"Host", std::move(value)}};
}

TEST(Guard, TokenMustBeThereOnceAndWhole) {
  const auto with = [](std::string value) { return Fields{{"authorization", std::move(value)}}; };
  EXPECT_TRUE(has_token(with("Bearer hf_abc"), "hf_abc"));
  EXPECT_TRUE(has_token(with("bearer hf_abc"), "hf_abc"));
  EXPECT_FALSE(has_token(with("Bearer hf_abd"), "hf_abc"));
  EXPECT_FALSE(has_token(with("Bearer hf_ab"), "hf_abc"));
  EXPECT_FALSE(has_token(with("Bearer hf_abcd"), "hf_abc"));
  EXPECT_FALSE(has_token(with("Basic hf_abc"), "hf_abc"));
  EXPECT_FALSE(has_token(with("Bearer "), ""));
  EXPECT_FALSE(has_token(with(""), ""));
  EXPECT_FALSE(has_token({}, "hf_abc"));
  auto twice = with("Bearer hf_abc");
  twice.push_back(twice.front());
  EXPECT_FALSE(has_token(twice, "hf_abc"));
}

TEST(Guard, HostMustBeTheListenersOwn) {
  const std::string listen = "10.0.0.5:8081";
  for (const char* ok : {"localhost", "LOCALHOST:8081", "127.0.0.1:1", "127.8.8.8", "[::1]:8081",
                         "10.0.0.5:8081", "admin.internal:8081"}) {
    EXPECT_TRUE(host_allowed(host(ok), listen, {"admin.internal"})) << ok;
  }
  for (const char* bad : {"", ":8081", "evil.test", "localhost.evil.test", "127.0.0.1.evil.test",
                          "10.0.0.6", "[::2]"}) {
    EXPECT_FALSE(host_allowed(host(bad), listen, {"admin.internal"})) << bad;
  }
  EXPECT_FALSE(host_allowed({}, listen, {}));
  EXPECT_FALSE(host_allowed({{"Host", "localhost"}, {"Host", "localhost"}}, listen, {}));
}

TEST(Guard, ListenerOnAllAddressesTakesAddressesButNoNames) {
  EXPECT_TRUE(host_allowed(host("192.168.1.7:8081"), "0.0.0.0:8081", {}));
  EXPECT_TRUE(host_allowed(host("[fe80::1]:8081"), "[::]:8081", {}));
  EXPECT_FALSE(host_allowed(host("evil.test:8081"), "0.0.0.0:8081", {}));
}

}  // namespace
}  // namespace hf::control
