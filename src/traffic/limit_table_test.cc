#include "traffic/limit_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/prng.h"

namespace hf::traffic {
namespace {

constexpr Instant kNow{1'000'000};

ClientKey key_of(Prng& prng) {
  return {prng.next(), prng.next() | 1};
}

TEST(LimitTable, remembers_and_forgets) {
  LimitTable table(1024);
  Prng prng(1);
  const ClientKey one = key_of(prng);
  EXPECT_EQ(table.find(one), nullptr);
  table.find_or_add(one, kNow)->arrival = 7;
  ASSERT_NE(table.find(one), nullptr);
  EXPECT_EQ(table.find(one)->arrival, 7);
  EXPECT_TRUE(table.erase(one));
  EXPECT_FALSE(table.erase(one));
  EXPECT_EQ(table.find(one), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

// What an ordered map would do, with adding and erasing in any order.
RC_GTEST_PROP(LimitTableModel, is_a_map, ()) {
  LimitTable table(1 << 20);
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::int64_t> model;
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  for (int i = 0; i < 2000; ++i) {
    // Few parts and few low bits: long runs of neighbours.
    const ClientKey key{prng.below(2) << 56, 1 + prng.below(300)};
    if (prng.chance(1, 3)) {
      RC_ASSERT(table.erase(key) == (model.erase({key.high, key.low}) == 1));
    } else {
      const auto value = static_cast<std::int64_t>(prng.next() >> 2);
      table.find_or_add(key, kNow)->arrival = value;
      model[{key.high, key.low}] = value;
    }
    RC_ASSERT(table.size() == model.size());
  }
  for (const auto& [key, value] : model) {
    const ClientState* state = table.find({key.first, key.second});
    RC_ASSERT(state != nullptr);
    RC_ASSERT(state->arrival == value);
  }
}

TEST(LimitTable, who_owes_nothing_makes_room) {
  LimitTable table(LimitTable::kParts * 8);
  Prng prng(2);
  for (int i = 0; i < 100'000; ++i) {
    ClientState* state = table.find_or_add(key_of(prng), kNow);
    ASSERT_NE(state, nullptr);
    state->arrival = kNow.ns - 1;
  }
  EXPECT_LE(table.size(), table.keys_max());
  EXPECT_EQ(table.evicted(), 0U);
}

// An attacker with ever new keys cannot buy its way out of what it owes.
RC_GTEST_PROP(LimitTableModel, an_offender_is_never_forgotten, ()) {
  LimitTable table(LimitTable::kParts * 4);
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  std::vector<ClientKey> offenders;
  for (int i = 0; i < 300; ++i) {
    const ClientKey key = key_of(prng);
    ClientState* state = table.find_or_add(key, kNow);
    if (state == nullptr) continue;
    state->arrival = kNow.ns + 10;
    (prng.chance(1, 2) ? state->offences : state->banned_until) = kNow.ns + 1000;
    offenders.push_back(key);
  }
  for (int i = 0; i < 5000; ++i) {
    if (ClientState* state = table.find_or_add(key_of(prng), kNow))
      state->arrival = kNow.ns + static_cast<std::int64_t>(prng.below(100));
  }
  for (const ClientKey& key : offenders) {
    const ClientState* state = table.find(key);
    RC_ASSERT(state != nullptr);
    RC_ASSERT(state->offender(kNow));
  }
  RC_ASSERT(table.size() <= table.keys_max());
}

TEST(LimitTable, full_of_offenders_takes_nobody_until_one_has_paid) {
  LimitTable table(1);  // one key a part
  const auto in_part = [](std::uint64_t low) { return ClientKey{0, low}; };
  table.find_or_add(in_part(1), kNow)->offences = kNow.ns + 100;
  EXPECT_EQ(table.find_or_add(in_part(2), kNow), nullptr);
  EXPECT_EQ(table.find_or_add(in_part(3), kNow + Duration{99}), nullptr);
  EXPECT_NE(table.find_or_add(in_part(2), kNow + Duration{100}), nullptr);
  EXPECT_EQ(table.find(in_part(1)), nullptr);
}

TEST(LimitTable, a_million_clients_take_less_than_200_MB) {
  LimitTable table(1'100'000);  // parts fill unevenly
  Prng prng(3);
  for (int i = 0; i < 1'000'000; ++i) {
    ClientState* state = table.find_or_add(key_of(prng), kNow);
    ASSERT_NE(state, nullptr);
    state->arrival = kNow.ns + 1;
  }
  EXPECT_EQ(table.size(), 1'000'000U);
  EXPECT_EQ(table.evicted(), 0U);
  EXPECT_LT(table.bytes(), 200'000'000U);
}

}  // namespace
}  // namespace hf::traffic
