// What only the journal on disk has: sync, files, locks, and an end by kill -9.
#include "adapters/rocksdb/rocksdb_journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "adapters/rocksdb/rocksdb_fixture.h"
#include "base/prng.h"

extern char** environ;  // NOLINT: POSIX gives it no header

namespace hf::adapters {
namespace {

using namespace testing;  // NOLINT: fixture
using ports::CommitResult;
using ports::ReadId;
using ::testing::HasSubstr;

call::Batch one(call::CallWrite write) {
  call::Batch out;
  out.calls.push_back(std::move(write));
  return out;
}

// Bytes that cannot be made smaller.
std::string noise(std::size_t size) {
  Prng prng(1);
  std::string out(size, '\0');
  for (char& c : out)
    c = static_cast<char>(prng.next());
  return out;
}

class RocksdbJournalTest : public ::testing::Test {
 protected:
  RocksdbHarness harness;

  Now now() const { return harness.clock.read(); }
  CommitResult commit(std::uint64_t n, call::Batch batch) {
    harness.journal().commit(CommitId{n}, std::move(batch));
    harness.mailbox.run_until([&] { return harness.recorder->commits.count(n) == 1; });
    return harness.recorder->commits.at(n);
  }
  CommitResult create_call(std::uint64_t n) {
    return commit(n, one(create(sample_call(n, now()), now())));
  }
  std::shared_ptr<const call::Call> read(std::uint64_t n) {
    const std::uint64_t id = 1'000'000 + n;
    harness.journal().read_call(ReadId{id}, sample_call(n, now()).id, ports::Want::with_bodies);
    harness.mailbox.run_until([&] { return harness.recorder->calls.count(id) == 1; });
    auto& found = harness.recorder->calls.at(id);
    EXPECT_TRUE(found.ok()) << found.error().context;
    return found.ok() ? *found : nullptr;
  }
};

TEST_F(RocksdbJournalTest, OnlyOneProcessAtATime) {
  RocksdbJournal second(
      harness.options, call::Sealer(test_key()), [](const std::function<void()>&) {},
      [this] { return now(); });
  const auto refused = second.open();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().context, HasSubstr("another holdfast is using this journal"));
}

TEST_F(RocksdbJournalTest, LacksKeysThatNobodyBrought) {
  const auto lacks = [&](std::uint64_t n) {
    return harness.journal().surely_lacks(sample_call(n, now()).key->identity);
  };
  EXPECT_TRUE(lacks(1));
  EXPECT_EQ(create_call(1), CommitResult::ok);
  EXPECT_FALSE(lacks(1));
  EXPECT_TRUE(lacks(2));
  harness.journal().commit(CommitId{2}, one(create(sample_call(2, now()), now())));
  EXPECT_FALSE(lacks(2)) << "it is on its way";
}

// Who was told that a key is lacking brings it unasked, once: whoever comes after that conflicts.
TEST_F(RocksdbJournalTest, AKeyThatWasLackingIsBroughtOnce) {
  const auto bring = [&](std::uint64_t commit, std::uint64_t n, std::uint64_t key) {
    call::Call call = sample_call(n, now());
    call.key = sample_call(key, now()).key;
    harness.journal().commit(CommitId{commit}, one(create(call, now())));
  };
  const auto result = [&](std::uint64_t commit) {
    harness.mailbox.run_until([&] { return harness.recorder->commits.count(commit) == 1; });
    return harness.recorder->commits.at(commit);
  };
  for (const std::uint64_t key : {100, 200}) {
    for (int asked = 0; asked < 2; ++asked)
      EXPECT_TRUE(harness.journal().surely_lacks(sample_call(key, now()).key->identity));
    bring(key + 1, key + 1, key);
    if (key == 200) {
      EXPECT_EQ(result(key + 1), CommitResult::ok) << "there before the next is asked for";
    }
    bring(key + 2, key + 2, key);
    EXPECT_EQ(result(key + 1), CommitResult::ok);
    EXPECT_EQ(result(key + 2), CommitResult::conflict);
    EXPECT_FALSE(harness.journal().surely_lacks(sample_call(key, now()).key->identity));
    bring(key + 3, key + 3, key);
    EXPECT_EQ(result(key + 3), CommitResult::conflict);
  }
}

// Nobody asks the store about an id that is greater than all it has: no other may pass for one.
TEST_F(RocksdbJournalTest, ACallThatIsStoredIsNeverTakenForNew) {
  EXPECT_EQ(create_call(1), CommitResult::ok);
  EXPECT_EQ(create_call(3), CommitResult::ok);
  EXPECT_EQ(create_call(2), CommitResult::ok) << "out of the order of ids";
  std::uint64_t commit = 100;
  const auto again = [&](std::uint64_t n) {
    call::Call call = sample_call(n, now());
    call.key = sample_call(n + 50, now()).key;  // so that the key alone does not tell
    harness.journal().commit(CommitId{++commit}, one(create(call, now())));
    harness.mailbox.run_until([&] { return harness.recorder->commits.count(commit) == 1; });
    return harness.recorder->commits.at(commit);
  };
  for (int start = 0; start < 2; ++start) {
    for (const std::uint64_t n : {1, 2, 3})
      EXPECT_EQ(again(n), CommitResult::conflict) << n << " after start " << start;
    harness.reopen();
  }
}

TEST_F(RocksdbJournalTest, AnotherKeyIsRefusedClearly) {
  EXPECT_EQ(create_call(1), CommitResult::ok);
  harness.journal().close();
  RocksdbJournal other(
      harness.options, call::Sealer(call::Sealer::Key{}), [](const std::function<void()>&) {},
      [this] { return now(); });
  const auto refused = other.open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
  EXPECT_THAT(refused.error().context, HasSubstr("is sealed with key"));
}

TEST_F(RocksdbJournalTest, CommitsThatWaitShareOneSync) {
  // The journal thread stands in a look at the disk until everything waits behind it.
  const auto gate = std::make_shared<std::mutex>();
  harness.options.disk_probe = [gate]() -> Result<DiskRoom> {
    const std::lock_guard pass(*gate);
    return DiskRoom{std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  };
  harness.reopen();
  std::unique_lock closed(*gate);
  harness.journal().maintain([] {});
  for (std::uint64_t n = 100; n < 200; ++n) {
    harness.journal().commit(CommitId{n}, one(create(sample_call(n, now()), now())));
    harness.journal().find_key(ReadId{n + 1000}, sample_call(n, now()).key->identity);
  }
  closed.unlock();
  harness.mailbox.run_until([&] { return harness.recorder->order.size() == 200; });
  for (std::uint64_t n = 100; n < 200; ++n) {
    EXPECT_EQ(harness.recorder->commits.at(n), CommitResult::ok);
    EXPECT_TRUE(harness.recorder->keys.at(n + 1000)->call);
  }
  const auto after = harness.journal().metrics();
  EXPECT_EQ(after.commits, 100U);
  EXPECT_GE(after.syncs, 1U);
  EXPECT_LE(after.syncs, 3U);
  EXPECT_EQ(std::accumulate(after.sync_buckets.begin(), after.sync_buckets.end(), std::uint64_t{0}),
            after.syncs);
  EXPECT_GT(after.bytes_written, 100U * 300U);
}

TEST_F(RocksdbJournalTest, NoSecretIsOnDiskInClear) {
  for (std::uint64_t n = 0; n < 50; ++n) {
    const auto call = sample_call(n, now());
    EXPECT_EQ(commit(n, one(create(call, now()))), CommitResult::ok);
    EXPECT_EQ(commit(n + 1000, one(update(call, answered(call, now(), "canary-answer"),
                                          call::Happening::answered, now()))),
              CommitResult::ok);
  }
  harness.reopen();  // the log becomes table files
  harness.journal().close();
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(harness.dir.path())) {
    if (!entry.is_regular_file()) continue;
    std::stringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string text = content.str();
    ++files;
    bytes += text.size();
    for (const char* secret : {"canary", "order-1", "/v1/charges", "stripe", "Bearer"}) {
      EXPECT_EQ(text.find(secret), std::string::npos) << secret << " in " << entry.path();
    }
  }
  EXPECT_GT(files, 3U);
  EXPECT_GT(bytes, 50'000U);
}

TEST_F(RocksdbJournalTest, AShortDiskIsToldAndSoIsItsEnd) {
  auto free = std::make_shared<std::atomic<std::uint64_t>>(std::uint64_t{1} << 30);
  harness.options.disk = DiskLimits{std::uint64_t{1} << 20, 4096, std::uint64_t{1} << 20};
  harness.options.disk_probe = [free]() -> Result<DiskRoom> {
    return DiskRoom{free->load(), std::uint64_t{1} << 30};
  };
  harness.reopen();
  harness.maintain();
  EXPECT_TRUE(harness.recorder->health.empty());
  EXPECT_TRUE(std::filesystem::exists(harness.options.path + "/ballast"));
  *free = 1000;
  harness.maintain();
  ASSERT_EQ(harness.recorder->health.size(), 1U);
  EXPECT_FALSE(harness.recorder->health[0].accepting);
  EXPECT_THAT(harness.recorder->health[0].why, HasSubstr("disk"));
  EXPECT_FALSE(std::filesystem::exists(harness.options.path + "/ballast"));
  EXPECT_EQ(create_call(1), CommitResult::ok);  // outcomes are still written
  *free = 900;
  harness.maintain();
  ASSERT_EQ(harness.recorder->health.size(), 2U) << "refusals say what there is now";
  ASSERT_TRUE(harness.recorder->health[1].measure);
  EXPECT_EQ(harness.recorder->health[1].measure->measured, 900);
  harness.maintain();
  EXPECT_EQ(harness.recorder->health.size(), 2U);
  *free = std::uint64_t{1} << 30;
  harness.maintain();
  ASSERT_EQ(harness.recorder->health.size(), 3U);
  EXPECT_TRUE(harness.recorder->health[2].accepting);
  EXPECT_TRUE(harness.journal().metrics().accepting);
}

TEST_F(RocksdbJournalTest, OpensOnAFullDiskOnlyWithRoomForIt) {
  auto free = std::make_shared<std::atomic<std::uint64_t>>(std::uint64_t{1} << 30);
  harness.options.disk = DiskLimits{std::uint64_t{1} << 20, 4096, std::uint64_t{1} << 20};
  harness.options.disk_probe = [free]() -> Result<DiskRoom> {
    return DiskRoom{free->load(), std::uint64_t{1} << 30};
  };
  harness.reopen();
  harness.maintain();
  const std::string ballast = harness.options.path + "/ballast";
  ASSERT_TRUE(std::filesystem::exists(ballast));
  EXPECT_EQ(create_call(1), CommitResult::ok);
  harness.journal().close();
  *free = std::uint64_t{1} << 20;  // enough for all but what the log holds
  const auto refused = harness.journal().open();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::full);
  EXPECT_THAT(refused.error().context, HasSubstr("the disk has 1MiB left"));
  EXPECT_FALSE(std::filesystem::exists(ballast)) << "the reserve was tried first";
  *free = std::uint64_t{2} << 20;
  harness.reopen();
  ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
  EXPECT_TRUE(read(1));
}

TEST_F(RocksdbJournalTest, MaxBytesTakesWhatMayGoAndThenRefuses) {
  harness.options.max_bytes = std::uint64_t{4} << 20;
  harness.reopen();
  const std::string body = noise(std::size_t{256} << 10);
  for (std::uint64_t n = 0; n < 40; ++n) {
    const auto call = sample_call(n, now());
    EXPECT_EQ(commit(n, one(create(call, now()))), CommitResult::ok);
    EXPECT_EQ(commit(n + 1000, one(update(call, answered(call, now(), body),
                                          call::Happening::answered, now()))),
              CommitResult::ok);
  }
  // Compaction works beside us.
  while (harness.journal().metrics().database_bytes > harness.options.max_bytes ||
         harness.journal().metrics().evicted < 20) {
    harness.maintain();
  }
  EXPECT_TRUE(harness.journal().metrics().accepting);
  EXPECT_FALSE(read(0)->answer->body_kept);  // the oldest went first
  EXPECT_TRUE(read(39)->answer->body_kept);

  harness.options.max_bytes = 1000;
  harness.reopen();
  // The count is the journal thread's; the word about it comes over the queue.
  while (harness.journal().metrics().accepting || harness.recorder->health.empty())
    harness.maintain();
  EXPECT_THAT(harness.recorder->health.back().why, HasSubstr("max_bytes"));
  EXPECT_EQ(read(39)->state, call::State::answered);
}

// A file size limit is a disk that fails in the middle of a write.
TEST_F(RocksdbJournalTest, AFailedWriteIsTheLast) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit low = before;
  low.rlim_cur = 128 << 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  std::vector<std::uint64_t> acknowledged;
  CommitResult result = CommitResult::ok;
  std::uint64_t n = 0;
  for (; n < 100 && result == CommitResult::ok; ++n) {
    auto call = sample_call(n, now());
    auto request = std::make_shared<call::Request>(*call.request);
    request->body = make_body(noise(8 << 10));
    call.request = request;
    result = commit(n, one(create(call, now())));
    if (result == CommitResult::ok) acknowledged.push_back(n);
  }
  EXPECT_EQ(result, CommitResult::unknown);
  EXPECT_EQ(create_call(200), CommitResult::failed);
  harness.journal().read_call(ReadId{1}, sample_call(0, now()).id, ports::Want::head);
  harness.mailbox.run_until([&] { return harness.recorder->calls.count(1) == 1; });
  EXPECT_FALSE(harness.recorder->calls.at(1).ok());
  EXPECT_TRUE(harness.journal().broken());
  ASSERT_FALSE(harness.recorder->health.empty());
  EXPECT_FALSE(harness.recorder->health.back().accepting);
  EXPECT_THAT(harness.recorder->health.back().why, HasSubstr("broken"));
  EXPECT_TRUE(harness.recorder->health.back().broken);
  EXPECT_EQ(harness.journal().metrics().failures, 2U);

  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  harness.reopen();
  ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
  EXPECT_FALSE(acknowledged.empty());
  for (const std::uint64_t kept : acknowledged)
    EXPECT_TRUE(read(kept)) << kept;
  EXPECT_EQ(create_call(300), CommitResult::ok);
}

// Told `unknown`, and that is all there is to know: the log has it until the power goes.
TEST_F(RocksdbJournalTest, ACommitWhoseSyncFailedIsFoundOrNot) {
  harness.fail_next(0);
  EXPECT_EQ(create_call(1), CommitResult::unknown);
  harness.reopen();
  ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
  EXPECT_TRUE(read(1));
  harness.crash(0);  // what a start has found is as good as told
  EXPECT_TRUE(read(1));
  harness.fail_next(0);
  EXPECT_EQ(create_call(2), CommitResult::unknown);
  harness.crash(0);
  ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
  EXPECT_FALSE(read(2));
  EXPECT_TRUE(read(1));
}

TEST_F(RocksdbJournalTest, WhatWasPostedDoesNothingAfterItsEnd) {
  std::vector<std::function<void()>> posted;
  std::mutex mutex;
  RocksdbOptions options = harness.options;
  options.path = harness.dir.path() + "/other";
  Recorder recorder;
  {
    RocksdbJournal journal(
        options, call::Sealer(test_key()),
        [&](std::function<void()> what) {
          const std::lock_guard lock(mutex);
          posted.push_back(std::move(what));
        },
        [this] { return now(); });
    ASSERT_TRUE(journal.open().ok());
    journal.attach(recorder);
    journal.commit(CommitId{1}, one(create(sample_call(1, now()), now())));
  }
  EXPECT_FALSE(posted.empty());
  for (auto& what : posted)
    what();
  EXPECT_TRUE(recorder.commits.empty());
}

// --- kill -9 ---

// Runs in a process of its own: commits for ever and writes the number of each acknowledged call to
// standard output's pipe.
TEST(JournalKill, DISABLED_Writer) {
  const char* path = std::getenv("HF_TEST_JOURNAL");
  const char* first = std::getenv("HF_TEST_FIRST");
  ASSERT_TRUE(path && first);
  TestClock clock;
  Mailbox mailbox;
  Recorder recorder;
  RocksdbOptions options;
  options.path = path;
  options.disk = DiskLimits{0, 0, std::uint64_t{256} << 10};  // many table files, in a short life
  RocksdbJournal journal(
      options, call::Sealer(test_key()),
      [&](std::function<void()> what) { mailbox.post(std::move(what)); },
      [&] { return clock.read(); });
  ASSERT_TRUE(journal.open().ok());
  journal.attach(recorder);
  std::uint64_t asked = std::strtoull(first, nullptr, 10);
  std::size_t told = 0;
  while (true) {
    for (int i = 0; i < 8; ++i, ++asked) {
      journal.commit(CommitId{asked}, one(create(sample_call(asked, clock.read()), clock.read())));
    }
    mailbox.run_until([&] { return recorder.order.size() > told; });
    for (; told < recorder.order.size(); ++told) {
      const std::uint64_t n = recorder.order[told];
      ASSERT_EQ(recorder.commits.at(n), CommitResult::ok);
      ASSERT_EQ(::write(3, &n, sizeof n), static_cast<ssize_t>(sizeof n));
    }
  }
}

class Writer {
 public:
  Writer(const std::string& path, std::uint64_t first) {
    int ends[2] = {-1, -1};
    HF_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    std::vector<std::string> env{"HF_TEST_JOURNAL=" + path,
                                 "HF_TEST_FIRST=" + std::to_string(first)};
    std::vector<char*> envp;
    for (char** one = environ; *one != nullptr; ++one)
      envp.push_back(*one);
    for (auto& one : env)
      envp.push_back(one.data());
    envp.push_back(nullptr);
    std::string args[] = {"writer", "--gtest_also_run_disabled_tests",
                          "--gtest_filter=JournalKill.DISABLED_Writer", "--gtest_brief=1"};
    char* argv[] = {args[0].data(), args[1].data(), args[2].data(), args[3].data(), nullptr};
    HF_CHECK(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, envp.data()) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    read_end_ = ends[0];
  }
  // Kills it when `count` calls are acknowledged; all that were.
  std::vector<std::uint64_t> kill_after(std::size_t count) {
    std::vector<std::uint64_t> out;
    std::uint64_t n = 0;
    bool killed = false;
    while (::read(read_end_, &n, sizeof n) == static_cast<ssize_t>(sizeof n)) {
      out.push_back(n);
      if (!killed && out.size() >= count) {
        ::kill(pid_, SIGKILL);
        killed = true;
      }
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ::close(read_end_);
    EXPECT_TRUE(killed && WIFSIGNALED(status));
    return out;
  }

 private:
  pid_t pid_ = -1;
  int read_end_ = -1;
};

TEST(JournalKill, NothingAcknowledgedIsLost) {
  RocksdbHarness harness;
  harness.journal().close();
  std::vector<std::uint64_t> acknowledged;
  for (std::size_t round = 0; round < 5; ++round) {
    Writer writer(harness.options.path, round * 1'000'000);
    const auto these = writer.kill_after(50 + 211 * round);
    acknowledged.insert(acknowledged.end(), these.begin(), these.end());
    harness.reopen();
    ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
    EXPECT_FALSE((*harness.recovered)->fresh);
    EXPECT_GE((*harness.recovered)->sending.size(), acknowledged.size());
    for (const std::uint64_t n : acknowledged) {
      harness.journal().find_key(ReadId{n}, sample_call(n, harness.clock.read()).key->identity);
    }
    harness.settle(acknowledged.size());
    for (const std::uint64_t n : acknowledged) {
      const auto& found = harness.recorder->keys.at(n);
      ASSERT_TRUE(found.ok()) << found.error().context;
      ASSERT_TRUE(found.value().call) << n;
      EXPECT_EQ(view(found.value().call->request->body), "canary-body-" + std::to_string(n));
    }
    harness.journal().close();
  }
}

}  // namespace
}  // namespace hf::adapters
