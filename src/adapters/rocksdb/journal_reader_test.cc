// A journal at rest is read as the running one was, and left as it was.
#include "adapters/rocksdb/journal_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <fstream>
#include <iterator>

#include "adapters/rocksdb/rocksdb_fixture.h"

namespace hf::adapters::testing {
namespace {

class JournalAtRest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.path = dir_.path() + "/journal";
    options_.disk = DiskLimits{0, 0, std::uint64_t{1} << 20};
  }
  // Calls 0 to `calls` - 1, the last one answered.
  void leave(std::uint64_t calls) {
    Recorder recorder;
    Mailbox mailbox;
    RocksdbJournal journal(
        options_, call::Sealer(test_key()),
        [&](std::function<void()> what) { mailbox.post(std::move(what)); },
        [this] { return clock_.read(); });
    ASSERT_TRUE(journal.open().ok());
    journal.attach(recorder);
    for (std::uint64_t n = 0; n < calls; ++n) {
      call::Call call = sample_call(n, clock_.read());
      call::Batch batch;
      batch.calls.push_back(create(call, clock_.read()));
      journal.commit(CommitId{n + 1}, std::move(batch));
    }
    call::Batch batch;
    const call::Call last = sample_call(calls - 1, clock_.read());
    batch.calls.push_back(
        update(last, answered(last, clock_.read()), call::Happening::answered, clock_.read()));
    journal.commit(CommitId{calls + 1}, std::move(batch));
    mailbox.run_until([&] { return recorder.commits.size() == calls + 1; });
    journal.close();
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(options_.path)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      out[entry.path().string()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return out;
  }
  auto open(unsigned char first = 0) const {
    auto key = test_key();
    key[0] = first;
    return JournalReader::open(options_.path, call::Sealer(key));
  }

  // Where the key is already, else in the default family.
  void write_raw(const std::string& key, const std::string& value) const {
    rocksdb::Options options;
    std::vector<std::string> names;
    const std::string path = options_.path + "/db";
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(options, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names)
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, path, families, &handles, &raw).ok());
    auto* family = raw->DefaultColumnFamily();
    std::string before;
    for (auto* handle : handles) {
      if (raw->Get(rocksdb::ReadOptions(), handle, key, &before).ok()) family = handle;
    }
    ASSERT_TRUE(raw->Put(rocksdb::WriteOptions(), family, key, value).ok());
    for (auto* handle : handles)
      ASSERT_TRUE(raw->DestroyColumnFamilyHandle(handle).ok());
    delete raw;
  }

  TestClock clock_;
  ScratchDir dir_{"at-rest"};
  RocksdbOptions options_;
};

TEST_F(JournalAtRest, IsReadWholeAndNotTouched) {
  leave(5);
  const auto before = files();
  {
    const auto reader = open();
    ASSERT_TRUE(reader.ok()) << reader.error().context;
    ports::CallFilter filter;
    filter.oldest_first = true;
    filter.limit = 3;
    filter.depth = ports::CallFilter::Depth::whole;
    auto page = (*reader)->list(filter);
    ASSERT_TRUE(page.ok()) << page.error().context;
    ASSERT_EQ((*page).calls.size(), 3U);
    EXPECT_EQ(view((*page).calls[0]->request->body), "canary-body-0");
    ASSERT_TRUE((*page).more);
    filter.after = (*page).next;
    page = (*reader)->list(filter);
    ASSERT_EQ((*page).calls.size(), 2U);
    EXPECT_EQ(view((*page).calls[1]->answer->body), "answer");
    EXPECT_EQ((*page).timelines[1].back().what, call::Happening::answered);
    EXPECT_FALSE((*page).more);
  }
  EXPECT_EQ(files(), before);
}

TEST_F(JournalAtRest, WhatTheLogsHoldIsThereAfterAKill) {
  leave(3);
  // As a kill leaves it: nothing was flushed, all is in the log. close() writes no table either.
  bool log = false;
  for (const auto& [name, text] : files())
    log = log || (name.ends_with(".log") && !text.empty());
  EXPECT_TRUE(log) << "this test is about a log";
  const auto reader = open();
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->list({}).value().calls.size(), 3U);
}

TEST_F(JournalAtRest, ABrokenRecordIsNamedAndTheOthersAreRead) {
  leave(4);
  const CallId broken = sample_call(1, clock_.read()).id;
  write_raw(call::call_key(call::Prefix::call_head, broken), "garbage");
  const auto reader = open();
  ASSERT_TRUE(reader.ok());
  ports::CallFilter filter;
  EXPECT_FALSE((*reader)->list(filter).ok()) << "who did not ask for less has all or an error";
  filter.pass_over = true;
  filter.oldest_first = true;
  filter.limit = 2;
  auto page = (*reader)->list(filter);
  ASSERT_TRUE(page.ok()) << page.error().context;
  ASSERT_EQ((*page).calls.size(), 2U);
  EXPECT_EQ((*page).examined, 3U);
  ASSERT_EQ((*page).unreadable.size(), 1U);
  EXPECT_EQ((*page).unreadable.begin()->first, broken);
  EXPECT_FALSE((*page).unreadable.begin()->second.empty());
  filter.after = (*page).next;
  EXPECT_EQ((*reader)->list(filter).value().calls.size(), 1U);
}

TEST_F(JournalAtRest, WhatIsMissingOrNotOursIsSaid) {
  EXPECT_EQ(open().error().kind, ErrorKind::not_found);
  leave(1);
  const auto wrong = open(9);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().kind, ErrorKind::invalid) << wrong.error().context;
}

TEST_F(JournalAtRest, AnotherProcessThatHasItOpenIsSaid) {
  leave(1);
  // Locks of one process do not see each other.
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open((options_.path + "/db/LOCK").c_str(), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    const bool locked = ::fcntl(fd, F_SETLK, &lock) == 0;
    if (::write(ready[1], locked ? "y" : "n", 1) == 1) ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  const auto reader = open();
  ::kill(child, SIGKILL);
  ::close(ready[0]);
  ::close(ready[1]);
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.error().context.find("stop it, or export over its admin API"),
            std::string::npos);
}

TEST_F(JournalAtRest, OneThatIsBeingMovedToFamiliesIsLeftToServe) {
  leave(1);
  write_raw("c-left-behind", "x");
  const auto reader = open();
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.error().context.find("start `holdfast serve` on it once"), std::string::npos)
      << reader.error().context;
}

}  // namespace
}  // namespace hf::adapters::testing
