#include "config/address.h"

#include <gtest/gtest.h>

namespace hf::config {
namespace {

TEST(Address, Urls) {
  const auto url = [](std::string_view text) {
    const auto parsed = parse_url(text);
    return parsed.ok() ? format_url(parsed.value()) : std::string("refused");
  };
  EXPECT_EQ(url("HTTPS://API.Example.com"), "https://api.example.com");
  EXPECT_EQ(url("https://a:443/"), "https://a");
  EXPECT_EQ(url("http://a:443/b/c/"), "http://a:443/b/c");
  EXPECT_EQ(url("http://[2001:DB8:0::1]:81"), "http://[2001:db8::1]:81");
  EXPECT_EQ(url("http://127.0.0.1:65535"), "http://127.0.0.1:65535");
  for (const auto* bad : {"",
                          "a",
                          "://a",
                          "ftp://a",
                          "http://",
                          "http:///x",
                          "http://a:0",
                          "http://a:65536",
                          "http://a:",
                          "http://a:b",
                          "http://u@a",
                          "http://u:p@a/",
                          "http://a?q",
                          "http://a/#f",
                          "http://a b",
                          "http://[::1",
                          "http://[::g]",
                          "http://[::1]x",
                          "http://-a",
                          "http://a..b",
                          "http://a/b c",
                          "http://a//",
                          "http://a/\x7f",
                          "http://\xc3\xa4",
                          "http",
                          "https:/a"}) {
    EXPECT_EQ(url(bad), "refused") << bad;
  }
}

TEST(Address, Listeners) {
  const auto listen = [](const std::string& text) {
    const auto parsed = parse_listen(text);
    return parsed.ok() ? parsed.value() : std::string("refused");
  };
  EXPECT_EQ(listen("127.0.0.1:8080"), "127.0.0.1:8080");
  EXPECT_EQ(listen("127.0.0.1:08080"), "127.0.0.1:8080");
  EXPECT_EQ(listen("[0::0:1]:0"), "[::1]:0");
  for (const auto* bad : {"", ":80", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                          "::1:80", "[::1]", "[127.0.0.1]:80", "1.2.3:80", "[::1]80", "*:80"}) {
    EXPECT_EQ(listen(bad), "refused") << bad;
  }
}

TEST(Address, SocketsThatCannotBeBoundTogether) {
  EXPECT_TRUE(same_socket("127.0.0.1:80", "127.0.0.1:80"));
  EXPECT_TRUE(same_socket("0.0.0.0:80", "127.0.0.1:80"));
  EXPECT_TRUE(same_socket("127.0.0.1:80", "[::]:80"));
  EXPECT_FALSE(same_socket("127.0.0.1:80", "[::1]:80"));
  EXPECT_FALSE(same_socket("127.0.0.1:80", "127.0.0.2:80"));
  EXPECT_FALSE(same_socket("127.0.0.1:80", "127.0.0.1:81"));
  EXPECT_FALSE(same_socket("127.0.0.1:0", "127.0.0.1:0"));
  EXPECT_TRUE(loopback_listen("127.8.0.1:80"));
  EXPECT_TRUE(loopback_listen("[::1]:80"));
  EXPECT_FALSE(loopback_listen("[::]:80"));
  EXPECT_FALSE(loopback_host("127.example.com"));
  EXPECT_TRUE(loopback_host("app.localhost"));
}

}  // namespace
}  // namespace hf::config
