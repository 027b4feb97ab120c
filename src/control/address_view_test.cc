#include "control/address_view.h"

#include <gtest/gtest.h>

namespace hf::control {
namespace {

TEST(AddressView, UrlsThenWhatTheirNamesStandFor) {
  engine::UpstreamStats stats;
  call::AddressFacts url;
  url.address = "a.test";
  url.standing = policy::Standing::out;
  url.back_at = WallTime{1'700'000'000'000};
  url.last_failure = "reset";
  url.streak = 5;
  url.attempts = 9;
  url.failures = 6;
  url.ejections = 1;
  stats.addresses = {url};
  OutgoingFacts outgoing;
  call::AddressFacts address;
  address.address = "192.0.2.1:443";
  address.under_way = 2;
  outgoing.addresses = {{"bank", "a.test", address}, {"other", "c.test", address}};
  EXPECT_EQ(addresses_json("bank", stats, outgoing),
            R"([{"url":"a.test","address":null,"state":"out","last_failure":"reset",)"
            R"("failures_in_a_row":5,"back_at":"2023-11-14T22:13:20.000Z","in_flight":0,)"
            R"("attempts":9,"failures":6,"ejections":1},)"
            R"({"url":"a.test","address":"192.0.2.1:443","state":"in","last_failure":"",)"
            R"("failures_in_a_row":0,"back_at":null,"in_flight":2,"attempts":0,"failures":0,)"
            R"("ejections":0}])");
  EXPECT_EQ(addresses_json("none", {}, outgoing), "[]");
}

TEST(AddressView, TheProxyAndWhatCameOfAskingIt) {
  call::UpstreamSettings bank;
  bank.name = "bank";
  bank.proxy = call::Proxy{"2001:db8::1", 3128, "user", "word"};
  OutgoingFacts outgoing;
  outgoing.proxies = {{"other", "p:1", {{"opened", 9}}},
                      {"bank", "[2001:db8::1]:3128", {{"opened", 3}, {"proxy_refused", 2}}}};
  EXPECT_EQ(proxy_json(bank, outgoing),
            R"({"address":"[2001:db8::1]:3128","connections":{"opened":3,"proxy_refused":2}})");
  EXPECT_EQ(proxy_json(bank, {}), R"({"address":"[2001:db8::1]:3128","connections":{}})");
}

}  // namespace
}  // namespace hf::control
