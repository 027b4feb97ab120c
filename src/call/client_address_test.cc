#include "call/client_address.h"

#include <gtest/gtest.h>

namespace hf::call {
namespace {

ClientAddressSettings behind(std::vector<std::string> networks) {
  ClientAddressSettings out;
  for (const auto& text : networks)
    out.trusted.push_back(*parse_network(text));
  return out;
}

std::string xff(const ClientAddressSettings& settings, std::string_view peer,
                std::vector<std::string> lines) {
  Fields fields;
  for (auto& line : lines)
    fields.push_back({"X-Forwarded-For", std::move(line)});
  const auto found = client_address(settings, peer, fields);
  return found ? format_ip(*found) : "none";
}

TEST(ClientAddress, whoever_is_not_trusted_is_who_connects) {
  EXPECT_EQ(xff({}, "192.0.2.1:4711", {"8.8.8.8"}), "192.0.2.1");
  EXPECT_EQ(xff(behind({"10.0.0.0/8"}), "192.0.2.1:4711", {"8.8.8.8"}), "192.0.2.1");
  EXPECT_EQ(xff({}, "not an address", {}), "none");
}

TEST(ClientAddress, what_trusted_proxies_say_from_right_to_left) {
  const auto settings = behind({"10.0.0.0/8"});
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {"198.51.100.7"}), "198.51.100.7");
  // The left one was written by the client.
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {"1.1.1.1, 198.51.100.7, 10.0.0.2"}), "198.51.100.7");
  // Two lines are one list.
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {"1.1.1.1", "198.51.100.7,10.0.0.2"}), "198.51.100.7");
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {"198.51.100.7:5555"}), "198.51.100.7");
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {}), "10.0.0.1");
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {"unknown, 10.0.0.9"}), "10.0.0.9");
  EXPECT_EQ(xff(settings, "10.0.0.1:1", {"junk"}), "10.0.0.1");
}

// A proxy adds to the line that its client sent: nothing there may hide what it has added.
TEST(ClientAddress, what_a_client_leaves_open_swallows_nothing) {
  auto settings = behind({"10.0.0.0/8"});
  for (const std::string begin : {"\"", "\"1.1.1.1", "1.1.1.1, \"", "\\\"", ",,", "\"\\"})
    EXPECT_EQ(xff(settings, "10.0.0.1:1", {begin + ", 198.51.100.7"}), "198.51.100.7") << begin;
  settings.from = ClientAddressSettings::From::forwarded;
  for (const std::string begin :
       {"for=1.1.1.1;x=\"", "for=1.1.1.1;x=\"\\", "for=\"1.1.1.1", "\"", "\\\"", ";,"}) {
    for (const auto& [added, client] : std::vector<std::pair<std::string, std::string>>{
             {"for=198.51.100.7", "198.51.100.7"},
             {"for=\"[2001:db8::7]:4711\";proto=https", "2001:db8::7"},
             {"host=\"x;for=1.1.1.1;y\";for=198.51.100.7", "198.51.100.7"},
             {"host=\"a\\\";for=1.1.1.1;\\\"b\";for=198.51.100.7", "198.51.100.7"}}) {
      const auto found =
          client_address(settings, "10.0.0.1:1", {{"Forwarded", begin + ", " + added}});
      ASSERT_TRUE(found);
      EXPECT_EQ(format_ip(*found), client) << begin << ", " << added;
    }
  }
}

TEST(ClientAddress, a_long_chain_is_not_walked_to_its_end) {
  std::string chain = "198.51.100.7";
  for (int i = 0; i < 1000; ++i)
    chain += ", 10.0.0.1";
  EXPECT_EQ(xff(behind({"10.0.0.0/8"}), "10.0.0.1:1", {chain}), "10.0.0.1");
}

TEST(ClientAddress, forwarded) {
  auto settings = behind({"10.0.0.0/8"});
  settings.from = ClientAddressSettings::From::forwarded;
  const auto of = [&](std::string value) {
    const auto found = client_address(settings, "10.0.0.1:1", {{"Forwarded", std::move(value)}});
    return found ? format_ip(*found) : "none";
  };
  EXPECT_EQ(of("for=192.0.2.60;proto=http;by=203.0.113.43"), "192.0.2.60");
  EXPECT_EQ(of("proto=http; FOR=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
  EXPECT_EQ(of("for=1.1.1.1, for=192.0.2.43, for=\"10.0.0.5\""), "192.0.2.43");
  EXPECT_EQ(of("for=\"a,for=1.1.1.1\\\",\", for=10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(of("for=_hidden"), "10.0.0.1");
  EXPECT_EQ(of("by=1.1.1.1"), "10.0.0.1");
}

TEST(ClientAddress, a_client_of_ipv6_is_a_network) {
  const ClientAddressSettings settings;
  EXPECT_EQ(client_network(settings, *parse_ip("2001:db8:1:2:3:4:5:6")),
            client_network(settings, *parse_ip("2001:db8:1:2::9")));
  EXPECT_NE(client_network(settings, *parse_ip("2001:db8:1:2::9")),
            client_network(settings, *parse_ip("2001:db8:1:3::9")));
  EXPECT_EQ(client_network(settings, *parse_ip("192.0.2.1")), *parse_ip("192.0.2.1"));
}

}  // namespace
}  // namespace hf::call
