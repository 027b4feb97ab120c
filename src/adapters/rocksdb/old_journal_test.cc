// A journal as earlier versions left it: opened, read, and gone on with.
#include <gmock/gmock.h>
#include <rocksdb/db.h>

#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/rocksdb/journal_reader.h"
#include "adapters/rocksdb/rocksdb_fixture.h"
#include "base/bytes.h"

namespace hf::adapters::testing {
namespace {

// "key" and "value" of golden/journal-vN, in lines of hex.
std::pair<std::string, std::string> golden(const std::string& version, const std::string& name) {
  std::ifstream file(std::string(HF_SOURCE_DIR) + "/golden/" + version + "/" + name + ".txt");
  std::pair<std::string, std::string> out;
  std::string* into = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line == "key") into = &out.first;
    if (line == "value") into = &out.second;
    const auto bytes = from_hex(line);
    if (into != nullptr && bytes.ok()) into->append(bytes.value());
  }
  return out;
}

class OldJournal : public ::testing::TestWithParam<const char*> {
 protected:
  // All in the one family that there was.
  void leave(const std::string& path) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, path, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    std::vector<std::string> names{"call_head", "key_entry", "pause", "meta_made"};
    // Later heads hold their events and short bodies, and what came of a call stands in a change.
    for (const char* name : {"request_body", "answer_body", "timeline_event"}) {
      if (!has_changes()) names.emplace_back(name);
    }
    if (has_changes()) names.emplace_back("change");
    for (const std::string& name : names) {
      const auto [key, value] = golden(GetParam(), name);
      ASSERT_FALSE(key.empty()) << name;
      ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), key, value).ok());
    }
  }

  [[nodiscard]] static bool has_changes() { return std::string_view(GetParam()) >= "journal-v3"; }
  [[nodiscard]] static std::size_t events() { return has_changes() ? 2 : 1; }

  RocksdbHarness harness;
};

TEST_P(OldJournal, IsOpenedReadAndGoneOnWith) {
  harness.journal().close();
  std::filesystem::remove_all(harness.options.path + "/db");
  leave(harness.options.path + "/db");
  for (int start = 0; start < 2; ++start) {  // moved at the first, found moved at the second
    harness.reopen();
    ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
    EXPECT_EQ(harness.recovered->value().pauses.size(), 1U);
    call::Digest identity;
    identity.bytes.fill(0x1d);
    harness.journal().find_key(ports::ReadId{1}, identity);
    harness.mailbox.run_until([&] { return harness.recorder->keys.count(1) == 1; });
    const auto& found = harness.recorder->keys.at(1);
    ASSERT_TRUE(found.ok()) << found.error().context;
    ASSERT_TRUE(found->call);
    EXPECT_EQ(view(found->call->request->body), "amount=1200");
    EXPECT_EQ(view(found->call->answer->body), "{\"id\":\"ch_1\"}");
    EXPECT_EQ(found->entry->owner, found->call->owner);
    EXPECT_EQ(found->entry->fingerprint, found->call->fingerprint);
    harness.journal().detail(ports::ReadId{2}, found->call->id);
    harness.mailbox.run_until([&] { return harness.recorder->details.count(2) == 1; });
    const auto& detail = harness.recorder->details.at(2);
    ASSERT_TRUE(detail.ok());
    ASSERT_EQ(detail->timeline.size(), events() + (start == 0 ? 0U : 1U));
    EXPECT_EQ(detail->timeline.front().where, "192.0.2.1:443");
    if (start > 0) {
      EXPECT_EQ(found->call->asked_again, 77);
      continue;
    }
    call::Call asked = *found->call;
    asked.asked_again = 77;
    call::Batch batch;
    batch.calls.push_back(
        update(*found->call, asked, call::Happening::replayed, harness.clock.read()));
    batch.calls.front().write_answer_body = false;
    harness.journal().commit(CommitId{3}, std::move(batch));
    harness.mailbox.run_until([&] { return harness.recorder->commits.count(3) == 1; });
    EXPECT_EQ(harness.recorder->commits.at(3), ports::CommitResult::ok);
  }
}

TEST_P(OldJournal, IsReadAtRest) {
  harness.journal().close();
  std::filesystem::remove_all(harness.options.path + "/db");
  leave(harness.options.path + "/db");
  const auto reader = JournalReader::open(harness.options.path, call::Sealer(test_key()));
  ASSERT_TRUE(reader.ok()) << reader.error().context;
  ports::CallFilter filter;
  filter.depth = ports::CallFilter::Depth::whole;
  const auto page = (*reader)->list(filter);
  ASSERT_TRUE(page.ok()) << page.error().context;
  ASSERT_EQ((*page).calls.size(), 1U);
  EXPECT_EQ(view((*page).calls[0]->request->body), "amount=1200");
  EXPECT_EQ((*page).timelines[0].size(), events());
}

INSTANTIATE_TEST_SUITE_P(Versions, OldJournal,
                         ::testing::Values("journal-v1", "journal-v2", "journal-v3", "journal-v4",
                                           "journal-v5"),
                         [](const auto& version) { return std::string(version.param).substr(8); });

}  // namespace
}  // namespace hf::adapters::testing
