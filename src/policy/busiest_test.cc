#include "policy/busiest.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/prng.h"

namespace hf::policy {
namespace {

IpAddress address(std::uint64_t number) {
  IpAddress out;
  for (std::size_t i = 0; i < 8; ++i)
    out.bytes[15 - i] = static_cast<unsigned char>(number >> (8 * i));
  return out;
}

Instant at(std::int64_t ms) {
  return Instant{1'000'000'000'000 + ms * 1'000'000};
}

TEST(Busiest, TellsOfThisWindowAndTheOneBefore) {
  Busiest busiest;
  EXPECT_TRUE(busiest.top(10, at(0)).clients.empty());
  for (int i = 0; i < 3; ++i)
    busiest.asked(address(1), at(i));
  busiest.asked(address(2), at(4));
  busiest.refused(address(2), at(5));
  busiest.refused(address(3), at(5));  // nobody knows it
  auto top = busiest.top(10, at(4000));
  EXPECT_EQ(top.over, Duration::seconds(4));
  ASSERT_EQ(top.clients.size(), 2U);
  EXPECT_EQ(top.clients[0].who, address(1));
  EXPECT_EQ(top.clients[0].asked, 3U);
  EXPECT_EQ(top.clients[0].refused, 0U);
  EXPECT_EQ(top.clients[1].asked, 1U);
  EXPECT_EQ(top.clients[1].refused, 1U);
  busiest.asked(address(2), at(6000));
  top = busiest.top(1, at(7000));
  EXPECT_EQ(top.over, Duration::seconds(7));
  ASSERT_EQ(top.clients.size(), 1U);
  EXPECT_EQ(top.clients[0].who, address(1));
  top = busiest.top(10, at(11'000));
  EXPECT_EQ(top.over, Duration::seconds(6));
  ASSERT_EQ(top.clients.size(), 1U);
  EXPECT_EQ(top.clients[0].who, address(2));
  EXPECT_TRUE(busiest.top(10, at(60'000)).clients.empty()) << "long ago";
}

// Whoever else asks: nobody is told to have asked more than it did, and who has a twentieth of all
// is first, with all but what its set may hide.
RC_GTEST_PROP(Busiest, FindsTheHeavyAndExaggeratesNobody, ()) {
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  Busiest busiest;
  std::map<std::uint64_t, std::uint64_t> truth;
  constexpr std::uint64_t kAll = 40'000;
  for (std::uint64_t i = 0; i < kAll; ++i) {
    const std::uint64_t who = prng.chance(1, 20) ? 7 : prng.between(100, 1'000'000);
    truth[who] += 1;
    busiest.asked(address(who), at(0));
  }
  const auto top = busiest.top(1024, at(4999)).clients;
  RC_ASSERT(top.front().who == address(7));
  // At most an eighth of all that its set was asked: of its own, and of a 128th of the others, give
  // or take.
  RC_ASSERT(top.front().asked + kAll / 128 >= truth.at(7));
  std::map<IpAddress, std::uint64_t> known;
  for (const auto& [who, count] : truth)
    known[address(who)] = count;
  for (const Busiest::Client& one : top)
    RC_ASSERT(one.asked <= known.at(one.who));
}

}  // namespace
}  // namespace hf::policy
