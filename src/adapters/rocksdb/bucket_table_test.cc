#include "adapters/rocksdb/bucket_table.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/journal/journal_fixture.h"
#include "adapters/rocksdb/direct_writes.h"
#include "base/prng.h"

namespace hf::adapters {
namespace {

using Model = std::map<std::string, std::string>;

class BucketTableTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  BucketTableTest() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.allow_concurrent_memtable_write = false;
    options.memtable_factory = tables;
    rocksdb::DB* raw = nullptr;
    const auto opened = rocksdb::DB::Open(options, dir.path() + "/db", &raw);
    EXPECT_TRUE(opened.ok()) << opened.ToString();
    db.reset(raw);
  }

  // Digests, keys with the same front as many others, short ones, and some of other letters.
  std::string draw_key() {
    std::string out = "k";
    const std::uint64_t kind = prng.below(16);
    if (kind == 0) return std::string(prng.below(4), 'k');
    if (kind == 1) out = prng.chance(1, 2) ? "a" : "z";
    if (kind < 8) out += "the same front";
    const std::uint64_t which = prng.below(400);
    for (int i = 0; i < 8; ++i)
      out.push_back(static_cast<char>((which * 0x9e3779b97f4a7c15) >> (8 * i)));
    return out;
  }
  void change() {
    const std::string key = draw_key();
    if (prng.chance(1, 2)) {
      const std::array<std::string_view, 2> keys{key, "k of no bucket that is known"};
      tables->expect_buckets(keys);
      tables->expect_nodes(keys);
    }
    if (prng.chance(1, 4)) {
      EXPECT_TRUE(db->Delete({}, key).ok());
      model.erase(key);
      return;
    }
    const std::string value = std::to_string(prng.below(1'000'000));
    EXPECT_TRUE(db->Put({}, key, value).ok());
    model[key] = value;
  }
  using At = std::pair<std::string, std::string>;
  static std::optional<At> at(const rocksdb::Iterator& it) {
    if (!it.Valid()) return std::nullopt;
    return At{it.key().ToString(), it.value().ToString()};
  }
  static std::optional<At> at(const Model& model, Model::const_iterator it) {
    if (it == model.end()) return std::nullopt;
    return At{*it};
  }
  void expect_same(const Model& all, const rocksdb::ReadOptions& read = {}) {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read));
    it->SeekToFirst();
    for (const auto& [key, value] : all) {
      ASSERT_EQ(at(*it), (At{key, value}));
      it->Next();
    }
    EXPECT_FALSE(it->Valid());
    it->SeekToLast();
    for (auto back = all.rbegin(); back != all.rend(); ++back) {
      ASSERT_EQ(at(*it), (At{*back}));
      it->Prev();
    }
    EXPECT_FALSE(it->Valid());
    for (int i = 0; i < 100; ++i) {
      const std::string key = draw_key();
      it->Seek(key);
      auto next = all.lower_bound(key);
      ASSERT_EQ(at(*it), at(all, next));
      it->SeekForPrev(key);
      if (next == all.end() || next->first != key) next = next == all.begin() ? all.end() : --next;
      ASSERT_EQ(at(*it), at(all, next));
      std::string value;
      const auto found = db->Get(read, key, &value);
      ASSERT_EQ(found.ok(), all.count(key) == 1) << found.ToString();
      if (found.ok()) {
        ASSERT_EQ(value, all.at(key));
      }
    }
  }

  testing::ScratchDir dir{"bucket-table"};
  std::shared_ptr<BucketTableFactory> tables = bucket_tables('k', std::size_t{1} << 20);
  std::unique_ptr<rocksdb::DB> db;
  Prng prng{GetParam()};
  Model model;
};

TEST_P(BucketTableTest, IsAnOrderedMap) {
  expect_same(model);
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 150; ++j)
      change();
    expect_same(model);
  }
}

TEST_P(BucketTableTest, KeepsWhatASnapshotSees) {
  for (int i = 0; i < 500; ++i)
    change();
  const Model before = model;
  rocksdb::ReadOptions then;
  then.snapshot = db->GetSnapshot();
  for (int i = 0; i < 500; ++i)
    change();
  expect_same(before, then);
  expect_same(model);
  db->ReleaseSnapshot(then.snapshot);
}

TEST_P(BucketTableTest, BecomesATableFileInOrder) {
  for (int i = 0; i < 1000; ++i)
    change();
  ASSERT_TRUE(db->Flush({}).ok());
  expect_same(model);
  for (int i = 0; i < 300; ++i)
    change();
  expect_same(model);
}

// Somebody else's flush takes the table away while its writer looks at it.
TEST_P(BucketTableTest, GoesWhileItIsExpected) {
  std::atomic<bool> over{false};
  std::thread flusher([&] {
    for (int i = 0; i < 30; ++i)
      EXPECT_TRUE(db->Flush({}).ok());
    over = true;
  });
  for (int i = 0; i < 200 || !over; ++i)
    change();
  flusher.join();
  expect_same(model);
  db.reset();
  const std::array<std::string_view, 1> none_there{"k"};
  tables->expect_buckets(none_there);
  tables->expect_nodes(none_there);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BucketTableTest, ::testing::Range<std::uint64_t>(1, 6));

using BucketTableReaders = BucketTableTest;

// Every key that was told to be there is found by whoever looks meanwhile, and the walk is in
// order.
TEST_P(BucketTableReaders, SeeWhatWasWrittenBefore) {
  constexpr std::uint64_t kKeys = 20'000;
  const auto key_of = [](std::uint64_t n) {
    std::string out = n % 3 == 0 ? "kthe same front" : "k";
    for (int i = 0; i < 8; ++i)
      out.push_back(static_cast<char>((n * 0x9e3779b97f4a7c15) >> (8 * i)));
    return out;
  };
  std::atomic<std::uint64_t> written{0};
  const auto read = [&](std::uint64_t seed) {
    Prng own(seed);
    std::string value;
    for (std::uint64_t there = 0; there < kKeys;) {
      there = written.load();
      if (there == 0) continue;
      const std::string key = key_of(own.below(there));
      if (!db->Get({}, key, &value).ok()) return false;
      const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
      it->Seek(key);
      std::string last;
      for (int i = 0; i < 20 && it->Valid(); ++i, it->Next()) {
        if (i == 0 && it->key() != key) return false;
        if (it->key().ToString() <= last) return false;
        last = it->key().ToString();
      }
    }
    return true;
  };
  std::vector<char> well(2, 0);
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < well.size(); ++i)
    readers.emplace_back([&, i] { well[i] = read(GetParam() + i) ? 1 : 0; });
  for (std::uint64_t n = 0; n < kKeys; ++n) {
    ASSERT_TRUE(db->Put({}, key_of(n), "there").ok());
    written.store(n + 1);
  }
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(well, std::vector<char>(2, 1));
}

INSTANTIATE_TEST_SUITE_P(Seeds, BucketTableReaders, ::testing::Range<std::uint64_t>(1, 3));

TEST(DirectWrites, LeaveNothingBehind) {
  const testing::ScratchDir dir{"direct"};
  static_cast<void>(takes_direct_writes(dir.path() + "/new"));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path() + "/new"));
}

TEST(DirectWrites, AreNotTriedWhereNothingCanBeWritten) {
  EXPECT_FALSE(takes_direct_writes("/proc/nowhere"));
}

}  // namespace
}  // namespace hf::adapters
