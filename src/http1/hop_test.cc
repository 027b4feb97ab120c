#include "http1/hop.h"

#include <gtest/gtest.h>

#include "http1/keepalive.h"
#include "http1/target.h"

namespace hf::http1 {
namespace {

TEST(HopByHop, drops_what_belongs_to_one_connection) {
  Fields fields = {
      {"Connection", "close"},      {"A", "1"},         {"Keep-Alive", "timeout=5"},
      {"Proxy-Connection", "x"},    {"TE", "trailers"}, {"Proxy-Authenticate", "x"},
      {"Proxy-Authorization", "x"}, {"Trailer", "X"},   {"transfer-encoding", "chunked"},
      {"UPGRADE", "h2c"},           {"a", "2"},         {"Content-Length", "3"}};
  drop_hop_by_hop(fields);
  EXPECT_EQ(fields, (Fields{{"A", "1"}, {"a", "2"}, {"Content-Length", "3"}}));
}

TEST(HopByHop, drops_what_connection_names) {
  Fields fields = {{"X-One", "1"}, {"Connection", "x-one,, close"},  {"X-Two", "2"},
                   {"x-ONE", "3"}, {"CONNECTION", "HTTP2-Settings"}, {"http2-settings", "AAM"}};
  drop_hop_by_hop(fields);
  EXPECT_EQ(fields, (Fields{{"X-Two", "2"}}));
}

// "Connection: Idempotency-Key" would turn a call that is safe to repeat into one that is not.
TEST(HopByHop, keeps_what_connection_must_not_take_away) {
  const Fields kept = {{"Idempotency-Key", "k"},
                       {"Authorization", "b"},
                       {"Host", "h"},
                       {"Content-Type", "t"},
                       {"CONTENT-LENGTH", "3"}};
  auto fields = kept;
  fields.push_back(
      {"Connection", "idempotency-key, AUTHORIZATION, host, content-type, content-length, close"});
  drop_hop_by_hop(fields);
  EXPECT_EQ(fields, kept);

  const std::vector<std::string> keep = {"PayPal-Request-Id"};
  const Fields with_key = {{"paypal-request-id", "p"}, {"Connection", "PayPal-Request-Id"}};
  fields = with_key;
  drop_hop_by_hop(fields, keep);
  EXPECT_EQ(fields, (Fields{with_key[0]}));
  fields = with_key;
  drop_hop_by_hop(fields);
  EXPECT_TRUE(fields.empty());
}

TEST(HopByHop, keeps_no_connection_field_by_request) {
  const std::vector<std::string> keep = {"Connection", "Transfer-Encoding"};
  Fields fields = {{"Connection", "x"}, {"Transfer-Encoding", "chunked"}};
  drop_hop_by_hop(fields, keep);
  EXPECT_TRUE(fields.empty());
}

TEST(HoldfastFields, are_dropped_in_any_case) {
  Fields fields = {{"Holdfast-Call", "1"},
                   {"HOLDFAST-EFFECT", "x"},
                   {"Holdfast", "2"},
                   {"X-Holdfast-Call", "3"},
                   {"holdfast-", "4"}};
  drop_holdfast_fields(fields);
  EXPECT_EQ(fields, (Fields{{"Holdfast", "2"}, {"X-Holdfast-Call", "3"}}));
}

TEST(KeepAlive, reads_the_timeout) {
  const auto seconds = [](const std::string& value) {
    const auto timeout = keep_alive_timeout({{"keep-ALIVE", value}});
    return timeout ? timeout->ns / 1'000'000'000 : -1;
  };
  EXPECT_EQ(seconds("timeout=5"), 5);
  EXPECT_EQ(seconds("max=100, Timeout = 15"), 15);
  EXPECT_EQ(seconds("timeout=0"), 0);
  EXPECT_EQ(seconds("timeout=9, timeout=3, timeout=7"), 3);
  EXPECT_EQ(seconds("timeout=999999999"), 999999999);
  for (const auto* none : {"", "5", "timeout", "timeout=", "timeout=-1", "timeout=1.5", "timeout=x",
                           "timeouts=5", "timeout=1000000000", "timeout=5;max=1"}) {
    EXPECT_EQ(seconds(none), -1) << none;
  }
  EXPECT_FALSE(keep_alive_timeout({}).has_value());
}

TEST(Target, splits_at_the_first_question_mark) {
  EXPECT_EQ(split_target("/a/b").path, "/a/b");
  EXPECT_EQ(split_target("/a/b").query, "");
  EXPECT_EQ(split_target("/a?b?c").path, "/a");
  EXPECT_EQ(split_target("/a?b?c").query, "?b?c");
  EXPECT_EQ(split_target("/a?").query, "?");
  EXPECT_EQ(split_target("*").path, "*");
}

}  // namespace
}  // namespace hf::http1
