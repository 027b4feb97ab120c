#include "base/ip_address.h"

#include <gtest/gtest.h>

namespace hf {
namespace {

TEST(IpAddress, reads_and_writes) {
  EXPECT_EQ(format_ip(*parse_ip("192.0.2.1")), "192.0.2.1");
  EXPECT_EQ(format_ip(*parse_ip("2001:DB8:0:0::1")), "2001:db8::1");
  EXPECT_EQ(*parse_ip("::ffff:192.0.2.1"), *parse_ip("192.0.2.1"));
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1%eth0", "host", "1.2.3.4 "})
    EXPECT_FALSE(parse_ip(bad)) << bad;
  EXPECT_FALSE(parse_ip(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpAddress, with_a_port) {
  EXPECT_EQ(*parse_ip_port("192.0.2.1:80"), *parse_ip("192.0.2.1"));
  EXPECT_EQ(*parse_ip_port("192.0.2.1"), *parse_ip("192.0.2.1"));
  EXPECT_EQ(*parse_ip_port("[2001:db8::1]:80"), *parse_ip("2001:db8::1"));
  EXPECT_EQ(*parse_ip_port("[2001:db8::1]"), *parse_ip("2001:db8::1"));
  EXPECT_EQ(*parse_ip_port("2001:db8::1"), *parse_ip("2001:db8::1"));
  for (const char* bad : {"192.0.2.1:", "192.0.2.1:70000", "[::1]80", "[::1", "[1.2.3.4]:1", "_x"})
    EXPECT_FALSE(parse_ip_port(bad)) << bad;
}

TEST(IpAddress, networks) {
  const auto ten = parse_network("10.0.0.0/8");
  ASSERT_TRUE(ten);
  EXPECT_TRUE(ten->contains(*parse_ip("10.255.0.1")));
  EXPECT_TRUE(ten->contains(*parse_ip("::ffff:10.1.1.1")));
  EXPECT_FALSE(ten->contains(*parse_ip("11.0.0.1")));
  EXPECT_EQ(format_network(*ten), "10.0.0.0/8");
  const auto v6 = parse_network("2001:db8::/33");
  ASSERT_TRUE(v6);
  EXPECT_TRUE(v6->contains(*parse_ip("2001:db8:7fff::1")));
  EXPECT_FALSE(v6->contains(*parse_ip("2001:db8:8000::1")));
  EXPECT_FALSE(v6->contains(*parse_ip("10.0.0.1")));
  EXPECT_EQ(format_network(*v6), "2001:db8::/33");
  EXPECT_EQ(format_network(*parse_network("192.0.2.7")), "192.0.2.7");
  EXPECT_TRUE(parse_network("0.0.0.0/0")->contains(*parse_ip("8.8.8.8")));
  EXPECT_FALSE(parse_network("0.0.0.0/0")->contains(*parse_ip("2001:db8::1")));
  EXPECT_TRUE(parse_network("::/0")->contains(*parse_ip("8.8.8.8")));
  for (const char* bad :
       {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "2001:db8::/129"})
    EXPECT_FALSE(parse_network(bad)) << bad;
}

}  // namespace
}  // namespace hf
