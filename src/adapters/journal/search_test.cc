// Searching by fields and by likeness, the same for every journal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "adapters/journal/contract_fixture.h"
#include "adapters/rocksdb/rocksdb_fixture.h"
#include "base/prng.h"

namespace hf::adapters {
namespace {

using namespace testing;  // NOLINT: the fixture of this very test
template <typename Harness>
class JournalSearch : public ::testing::Test {
 protected:
  Harness harness{short_ages()};
  std::uint64_t asked = 0;
  std::uint64_t next = 1;

  Now now() const { return harness.clock.read(); }

  // Call number n, born n milliseconds after the start; ended.
  call::Call put(std::uint64_t n, std::vector<call::IndexValue> index, std::uint64_t likeness = 0,
                 std::uint64_t owner = 1) {
    call::Call call = sample_call(n, now());
    call.index = std::move(index);
    call.owner = digest_of(owner);
    if (likeness != 0) call.likeness = digest_of(likeness << 40);
    const auto first = create(call, now());
    const auto second = update(call, answered(call, now()), call::Happening::answered, now());
    commit({{first}, {}});
    commit({{second}, {}});
    return call;
  }
  void commit(call::Batch batch) {
    harness.journal().commit(CommitId{next}, std::move(batch));
    harness.settle(++asked);
    ASSERT_EQ(harness.recorder->commits.at(next++), CommitResult::ok);
  }
  ports::CallPage search(ports::SearchSpec spec) {
    const auto id = next++;
    harness.journal().search(ReadId{id}, std::move(spec));
    harness.settle(++asked);
    const auto& page = harness.recorder->lists.at(id);
    if (page.ok()) return page.value();
    ADD_FAILURE() << page.error().context;
    return {};
  }
  ports::LikenessPage likeness(ports::LikenessSpec spec) {
    const auto id = next++;
    harness.journal().page_likeness(ReadId{id}, std::move(spec));
    harness.settle(++asked);
    const auto& page = harness.recorder->likenesses.at(id);
    if (page.ok()) return page.value();
    ADD_FAILURE() << page.error().context;
    return {};
  }
};

using Harnesses = ::testing::Types<MemoryHarness, RocksdbHarness>;
TYPED_TEST_SUITE(JournalSearch, Harnesses);

std::vector<CallId> ids(const ports::CallPage& page) {
  std::vector<CallId> out;
  for (const auto& call : page.calls)
    out.push_back(call->id);
  return out;
}

call::IndexValue field(std::string name, std::string value, bool hashed = false) {
  return {std::move(name), std::move(value), hashed};
}
ports::SearchSpec by(std::vector<ports::FieldMatch> matches) {
  ports::SearchSpec out;
  out.matches = std::move(matches);
  return out;
}

TYPED_TEST(JournalSearch, ByOneFieldAndByTwoNewestFirst) {
  const auto a = this->put(1, {field("customer", "cus_1"), field("amount", "4200")});
  const auto b = this->put(2, {field("customer", "cus_2"), field("amount", "4200")});
  const auto c = this->put(3, {field("customer", "cus_1"), field("amount", "4200")});
  const auto d = this->put(4, {field("customer", "cus_1"), field("amount", "1")});
  EXPECT_EQ(ids(this->search(by({{"customer", "cus_1", {}}}))),
            (std::vector<CallId>{d.id, c.id, a.id}));
  EXPECT_EQ(ids(this->search(by({{"customer", "cus_1", {}}, {"amount", "4200", {}}}))),
            (std::vector<CallId>{c.id, a.id}));
  EXPECT_EQ(ids(this->search(by({{"amount", "4200", {}}, {"customer", "cus_2", {}}}))),
            (std::vector<CallId>{b.id}));
  EXPECT_TRUE(this->search(by({{"amount", "cus_1", {}}})).calls.empty());
  EXPECT_TRUE(this->search(by({{"customer", "cus_2", {}}, {"amount", "1", {}}})).calls.empty());
}

TYPED_TEST(JournalSearch, AHashIsFoundAsAHashOnly) {
  const auto a = this->put(1, {field("card", "ab12", true)});
  EXPECT_EQ(ids(this->search(by({{"card", "4242", "ab12"}}))), (std::vector<CallId>{a.id}));
  EXPECT_TRUE(this->search(by({{"card", "ab12", {}}})).calls.empty());
  EXPECT_TRUE(this->search(by({{"card", "ab12", "4242"}})).calls.empty());
  // A field that was not sensitive once: both kinds are found.
  const auto b = this->put(2, {field("card", "4242")});
  EXPECT_EQ(ids(this->search(by({{"card", "4242", "ab12"}}))), (std::vector<CallId>{b.id, a.id}));
}

TYPED_TEST(JournalSearch, SinceAndPages) {
  std::vector<CallId> all;
  for (std::uint64_t n = 1; n <= 7; ++n)
    all.insert(all.begin(), this->put(n, {field("customer", "c")}).id);
  auto spec = by({{"customer", "c", {}}});
  spec.since = WallTime{kStart + 5};
  EXPECT_EQ(ids(this->search(spec)), std::vector<CallId>(all.begin(), all.begin() + 3));
  spec.since = {};
  spec.limit = 3;
  std::vector<CallId> paged;
  ports::CallPage page;
  do {
    page = this->search(spec);
    const auto found = ids(page);
    paged.insert(paged.end(), found.begin(), found.end());
    spec.after = page.next;
    ASSERT_LE(paged.size(), 7U);
  } while (page.more);
  EXPECT_EQ(paged, all);
}

TYPED_TEST(JournalSearch, AgreesWithLookingAtEverything) {
  Prng prng(11);
  struct Made {
    CallId id;
    std::string customer;
    std::string amount;
  };
  std::vector<Made> made;
  for (std::uint64_t n = 1; n <= 400; ++n) {
    const auto customer = std::to_string(prng.below(4));
    const auto amount = std::to_string(prng.below(3));
    made.insert(made.begin(),
                {this->put(n, {field("c", customer), field("a", amount)}).id, customer, amount});
  }
  for (int customer = 0; customer < 4; ++customer) {
    for (int amount = 0; amount < 3; ++amount) {
      std::vector<CallId> expected;
      for (const Made& one : made) {
        if (one.customer == std::to_string(customer) && one.amount == std::to_string(amount)) {
          expected.push_back(one.id);
        }
      }
      auto spec = by({{"c", std::to_string(customer), {}}, {"a", std::to_string(amount), {}}});
      spec.limit = 1000;
      EXPECT_EQ(ids(this->search(spec)), expected);
    }
  }
}

TYPED_TEST(JournalSearch, ByLikeness) {
  const auto a = this->put(1, {}, 5);
  const auto b = this->put(2, {}, 5);
  this->put(3, {}, 6);
  ports::SearchSpec spec;
  spec.likeness = a.likeness;
  EXPECT_EQ(ids(this->search(spec)), (std::vector<CallId>{b.id, a.id}));
}

TYPED_TEST(JournalSearch, EntriesGoWithTheirHead) {
  this->put(1, {field("customer", "c")}, 5);
  this->harness.evict_all();
  this->asked = this->harness.recorder->order.size();
  EXPECT_EQ(this->search(by({{"customer", "c", {}}})).calls.size(), 1U);
  this->harness.clock.advance(Duration::hours(3));
  this->harness.maintain();
  this->asked = this->harness.recorder->order.size();
  EXPECT_TRUE(this->search(by({{"customer", "c", {}}})).calls.empty());
  EXPECT_TRUE(this->likeness({{}, Duration::hours(9), {}}).calls.empty());
}

TYPED_TEST(JournalSearch, PairsOfOneLikeness) {
  const auto a = this->put(1, {}, 5);
  const auto b = this->put(2, {}, 5);
  this->put(3, {}, 6, 2);
  const auto d = this->put(40'000, {}, 5);
  this->put(50'000, {}, 6, 2);
  const auto near = this->likeness({{}, Duration::seconds(1), {}});
  ASSERT_EQ(near.pairs.size(), 1U);
  EXPECT_EQ(near.pairs[0].earlier->id, a.id);
  EXPECT_EQ(near.pairs[0].later->id, b.id);
  EXPECT_EQ(near.calls.size(), 2U);
  EXPECT_EQ(near.calls.at(near.pairs[0].caller), 3U);
  EXPECT_FALSE(near.next);
  EXPECT_EQ(this->likeness({{}, Duration::minutes(1), {}}).pairs.size(), 3U);
  const auto late = this->likeness({WallTime{kStart + 30'000}, Duration::minutes(1), {}});
  ASSERT_EQ(late.pairs.size(), 2U);
  EXPECT_EQ(late.calls.at(late.pairs[0].caller), 1U);
  EXPECT_TRUE(late.pairs[0].later->id == d.id || late.pairs[1].later->id == d.id);
}

TYPED_TEST(JournalSearch, AWalkInPagesFindsWhatOnePageFinds) {
  for (std::uint64_t n = 1; n <= kLikePairsMax + 60; ++n)
    this->put(n, {}, 5);
  std::set<CallId> later;
  std::uint64_t calls = 0;
  ports::LikenessSpec spec{{}, Duration::hours(1), {}};
  int pages = 0;
  while (true) {
    const auto page = this->likeness(spec);
    ++pages;
    for (const auto& pair : page.pairs)
      EXPECT_TRUE(later.insert(pair.later->id).second);
    for (const auto& [caller, count] : page.calls)
      calls += count;
    if (!page.next) break;
    spec.after = *page.next;
    ASSERT_LT(pages, 9);
  }
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(later.size(), kLikePairsMax + 59);
  EXPECT_EQ(calls, kLikePairsMax + 60);
}

}  // namespace
}  // namespace hf::adapters
