// Reads whose bounds the contract of all journals would take too long to reach.
#include "adapters/journal/reads.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "adapters/journal/journal_fixture.h"
#include "adapters/memory/memory_journal.h"

namespace hf::adapters {
namespace {

using namespace testing;  // the fixture's

constexpr Now kNow{Instant{5}, WallTime{kStart}, BootId{1}};

class ReadsTest : public ::testing::Test {
 protected:
  // A place in the line named by one letter.
  call::Call stand(char line, std::uint64_t place, bool with_head = true) {
    const call::Call call = sample_call(++n_, kNow);
    if (with_head) {
      call::Batch batch;
      batch.calls.push_back(create(call, kNow));
      for (auto& op : codec_.encode(batch, kNow).ops)
        store_[op.key] = *op.value;
    }
    std::string key = "o" + std::string(16, line);
    put_u64_ordered(key, place);
    key.append(call.id.raw());
    store_[key] = "";
    return call;
  }
  ports::CallPage blocking(std::size_t limit = 100) {
    ports::CallFilter filter;
    filter.blocking = true;
    filter.limit = limit;
    const KvView view = view_of(store_);
    auto page = JournalReads(view, codec_).list(filter);
    EXPECT_TRUE(page.ok());
    return page.ok() ? *page : ports::CallPage{};
  }

  std::map<std::string, std::string> store_;
  call::RecordCodec codec_{call::Sealer(test_key(), counting_nonces())};
  std::uint64_t n_ = 0;
};

TEST_F(ReadsTest, TheFirstOfEachLineWithOthersBehind) {
  stand('a', 1);  // alone
  const call::Call b = stand('b', 3);
  stand('b', 7, false);
  stand('b', 9, false);
  stand('c', 1);  // alone
  const call::Call d = stand('d', 1);
  stand('d', 2, false);
  stand('e', 1);  // alone, and the last
  const auto page = blocking();
  ASSERT_EQ(page.calls.size(), 2U);
  EXPECT_EQ(page.calls[0]->id, b.id);
  EXPECT_EQ(page.calls[1]->id, d.id);
  EXPECT_EQ(page.behind, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_FALSE(page.more);
}

TEST_F(ReadsTest, NoLines) {
  EXPECT_TRUE(blocking().calls.empty());
}

TEST_F(ReadsTest, LinesBeyondTheLimitAreSaidToBeThere) {
  for (const char line : {'a', 'b', 'c'}) {
    stand(line, 1);
    stand(line, 2, false);
  }
  const auto page = blocking(2);
  EXPECT_EQ(page.calls.size(), 2U);
  EXPECT_TRUE(page.more);
}

TEST_F(ReadsTest, AnEndlessLineIsReadUpToTheBound) {
  stand('a', 1);
  for (std::size_t i = 0; i < kPlacesMax; ++i) {
    std::string key = "o" + std::string(16, 'a');
    put_u64_ordered(key, i + 2);
    key.append(CallId::make(WallTime{1}, i, 0).raw());
    store_[key] = "";
  }
  const auto page = blocking();
  ASSERT_EQ(page.behind.size(), 1U);
  EXPECT_EQ(page.behind[0], kPlacesMax - 1);
  EXPECT_TRUE(page.more);
}

}  // namespace
}  // namespace hf::adapters
