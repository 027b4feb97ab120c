// Lists by what is asked of them, the same for every journal.
#include <set>

#include "adapters/journal/contract_fixture.h"
#include "adapters/rocksdb/rocksdb_fixture.h"

namespace hf::adapters {
namespace {

using namespace testing;  // NOLINT: the fixture of this very test
using ports::CallFilter;

template <typename Harness>
class JournalListing : public JournalSuite<Harness> {
 protected:
  // Call number n, born n milliseconds after the start: ended without effect.
  call::Call dead(std::uint64_t n, const std::string& upstream = "stripe",
                  std::vector<call::IndexValue> index = {}) {
    call::Call call = sample_call(n, this->now());
    call.upstream = upstream;
    call.index = std::move(index);
    EXPECT_EQ(this->commit(create(call, this->now())), CommitResult::ok);
    call::Call ended = call;
    ended.state = State::dead;
    ended.ended = call::Stamp::of(this->now());
    return this->then(call, ended, call::Happening::died);
  }
  std::vector<CallId> walk(CallFilter filter) {
    std::vector<CallId> out;
    while (true) {
      const auto page = this->list(filter);
      for (const auto& call : page.calls)
        out.push_back(call->id);
      examined += page.examined;
      if (!page.more) return out;
      pages += 1;
      filter.after = page.next;
    }
  }
  std::uint64_t examined = 0;
  int pages = 1;
};

using Harnesses = ::testing::Types<MemoryHarness, RocksdbHarness>;
TYPED_TEST_SUITE(JournalListing, Harnesses);

TYPED_TEST(JournalListing, OldestFirstPageByPageTheOtherWayRoundTheSame) {
  for (std::uint64_t n = 0; n < 7; ++n)
    this->dead(n, n % 2 == 0 ? "stripe" : "sms");
  CallFilter filter;
  filter.select.upstreams = {"stripe"};
  filter.select.states = {State::dead, State::waiting};
  filter.oldest_first = true;
  filter.limit = 2;
  auto found = this->walk(filter);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
  EXPECT_EQ(this->examined, 7U);
  filter.oldest_first = false;
  filter.examine = 3;
  auto backwards = this->walk(filter);
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(found, backwards);
  filter.select.upstreams = {"nobody"};
  this->pages = 1;
  EXPECT_TRUE(this->walk(filter).empty());
  EXPECT_EQ(this->pages, 3) << "a page ends where enough was looked at";
}

TYPED_TEST(JournalListing, TimesAreBoundsOfTheWalk) {
  for (std::uint64_t n = 0; n < 6; ++n)
    this->dead(n);
  CallFilter filter;
  filter.select.from = WallTime{kStart + 1};
  filter.select.until = WallTime{kStart + 4};
  for (const bool oldest_first : {false, true}) {
    filter.oldest_first = oldest_first;
    this->examined = 0;
    EXPECT_EQ(this->walk(filter).size(), 3U);
    EXPECT_EQ(this->examined, 3U);
  }
}

TYPED_TEST(JournalListing, WhatComesToFitLaterIsLeftAlone) {
  call::Call early = sample_call(1, this->now());
  EXPECT_EQ(this->commit(create(early, this->now())), CommitResult::ok);
  const auto dead = this->dead(2);
  CallFilter filter;
  filter.select.states = {State::dead};
  this->harness.clock.advance(Duration::seconds(1));
  filter.select.as_of = this->now().wall;
  EXPECT_THAT(this->walk(filter), ::testing::ElementsAre(dead.id));
  this->harness.clock.advance(Duration::seconds(1));
  call::Call ended = early;  // older than the moment, and dead after it
  ended.state = State::dead;
  ended.ended = call::Stamp::of(this->now());
  this->then(early, ended, call::Happening::died);
  EXPECT_THAT(this->walk(filter), ::testing::ElementsAre(dead.id));
  filter.select.as_of = this->now().wall;
  EXPECT_EQ(this->walk(filter).size(), 2U);
}

TYPED_TEST(JournalListing, ByKeyAndByFieldOnlyThoseAreLookedAt) {
  for (std::uint64_t n = 0; n < 20; ++n) {
    const bool one = n % 10 == 3;
    this->dead(
        n, "stripe",
        {{"customer", one ? "cus_1" : "cus_2", false}, {"card", n == 3 ? "h1" : "h2", true}});
  }
  CallFilter filter;
  filter.oldest_first = true;
  filter.select.matches = {{"customer", "cus_1", ""}};
  filter.limit = 1;
  const auto found = this->walk(filter);
  EXPECT_THAT(found, ::testing::ElementsAre(sample_call(3, this->now()).id,
                                            sample_call(13, this->now()).id));
  EXPECT_EQ(this->examined, 2U);
  filter.select.matches.push_back({"card", "4242", "h1"});
  EXPECT_EQ(this->walk(filter).size(), 1U);

  filter = {};
  this->examined = 0;
  filter.select.keys = {digest_of(6), digest_of(999)};  // of call 5, and of none
  EXPECT_THAT(this->walk(filter), ::testing::ElementsAre(sample_call(5, this->now()).id));
  EXPECT_EQ(this->examined, 1U);
  filter.select.states = {State::waiting};
  EXPECT_TRUE(this->walk(filter).empty());
  filter.select.keys->clear();
  EXPECT_TRUE(this->walk(filter).empty()) << "no key at all is no call, not every call";
}

TYPED_TEST(JournalListing, TheIndexOfTheUnknownServesASelectionToo) {
  for (std::uint64_t n = 0; n < 9; ++n) {
    call::Call call = this->created(n);
    if (n % 4 != 0) continue;
    call::Call unknown = call;
    unknown.state = State::unknown;
    this->then(call, unknown, call::Happening::became_unknown);
  }
  CallFilter filter;
  filter.select.states = {State::unknown};
  filter.oldest_first = true;
  filter.limit = 2;
  EXPECT_EQ(this->walk(filter).size(), 3U);
  EXPECT_EQ(this->examined, 3U);
}

TYPED_TEST(JournalListing, AsDeepAsItIsAskedFor) {
  const call::Call sent = this->created(1);
  this->then(sent, answered(sent, this->now()), call::Happening::answered);
  this->dead(2);
  CallFilter filter;
  filter.oldest_first = true;
  EXPECT_TRUE(this->list(filter).timelines.empty());
  filter.depth = CallFilter::Depth::timeline;
  auto page = this->list(filter);
  ASSERT_EQ(page.timelines.size(), 2U);
  EXPECT_EQ(page.timelines[0].back().what, call::Happening::answered);
  EXPECT_EQ(page.timelines[1].back().what, call::Happening::died);
  EXPECT_FALSE(page.calls[0]->request->body);
  filter.depth = CallFilter::Depth::whole;
  page = this->list(filter);
  EXPECT_EQ(view(page.calls[0]->request->body), "canary-body-1");
  EXPECT_EQ(view(page.calls[0]->answer->body), "answer");
  filter.bytes_max = 1;
  EXPECT_EQ(this->list(filter).calls.size(), 1U);
  EXPECT_EQ(this->walk(filter).size(), 2U);
}

TYPED_TEST(JournalListing, SaysWhichBodiesAreGone) {
  const auto dead = this->dead(1);
  CallFilter filter;
  filter.find_bodiless = true;
  EXPECT_TRUE(this->list(filter).bodiless.empty());
  this->harness.clock.advance(Duration::minutes(11));  // past the age of bodies
  this->harness.maintain();
  EXPECT_THAT(this->list(filter).bodiless, ::testing::ElementsAre(dead.id));
}

}  // namespace
}  // namespace hf::adapters
