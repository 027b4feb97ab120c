// Entries of calls that are being sent wait before they are written. Whatever is lost with the
// power, a start finds an entry for each call that was at an upstream, and for no other.
#include "adapters/rocksdb/sending_marks.h"

#include <gtest/gtest.h>

#include <set>

#include "adapters/journal/journal_fixture.h"
#include "adapters/journal/reads.h"
#include "adapters/rocksdb/power_loss_fixture.h"
#include "base/prng.h"

namespace hf::adapters {
namespace {

using namespace testing;  // NOLINT: fixture
using call::Prefix;
using call::State;
using std::chrono::milliseconds;

class SendingMarksTest : public ::testing::Test {
 protected:
  SendingMarksTest() { open(); }

  void open() {
    marks.reset();
    database.reset();
    auto opened = Database::open(dir.path() + "/db", std::uint64_t{1} << 20, env.get());
    ASSERT_TRUE(opened.ok()) << opened.error().context;
    database = std::move(*opened);
    const auto completed = SendingMarks::complete(*database, codec);
    ASSERT_TRUE(completed.ok()) << completed.error().context;
    marks.emplace(*database);
  }
  void crash(std::uint64_t chance) {
    disk->cut();
    marks.reset();
    database.reset();
    disk->restore(chance);
    open();
  }
  void stage(call::CallWrite write) {
    call::Batch batch;
    batch.calls.push_back(std::move(write));
    for (call::KvOp& op : codec.encode(batch, now).ops) {
      if (!marks->take(op)) database->stage(std::move(op.key), std::move(op.value));
    }
  }
  void write() {
    if (const auto floor = marks->turn(steady)) {
      call::KvOp op = codec.put_meta(call::kMetaUnmarked, *floor, now);
      database->stage(std::move(op.key), std::move(op.value));
    }
    ASSERT_TRUE(database->write().ok());
  }
  void pass(milliseconds time) {
    steady += time;
    now.wall = now.wall + Duration::millis(time.count());
  }
  // A new call that is at its upstream, born now.
  call::Call sent(std::uint64_t n) const {
    call::Call out = sample_call(n, now);
    out.id = CallId::make(now.wall, n, ~n);
    return out;
  }
  call::Call change(const call::Call& before, call::Call after) {
    after.epoch = before.epoch + 1;
    stage(update(before, after, call::Happening::answered, now));
    return after;
  }
  std::set<CallId> entries() const {
    std::set<CallId> out;
    EXPECT_TRUE(database->view()
                    .scan("s", "t", Direction::ascending,
                          [&](std::string_view key, std::string_view) {
                            out.insert(call::call_of_key(key).value());
                            return true;
                          })
                    .ok());
    return out;
  }
  // By the calls themselves.
  std::set<CallId> at_upstreams() const {
    std::vector<CallId> all;
    EXPECT_TRUE(database->view()
                    .scan("c", "d", Direction::ascending,
                          [&](std::string_view key, std::string_view) {
                            all.push_back(call::call_of_key(key).value());
                            return true;
                          })
                    .ok());
    std::set<CallId> out;
    for (const CallId& id : all) {
      const auto opened = read_head(database->view(), codec, id);
      EXPECT_TRUE(opened.ok() && opened.value());
      if (opened.value()->call->state == State::sending) out.insert(id);
    }
    return out;
  }

  ScratchDir dir{"marks"};
  std::shared_ptr<PowerLossFiles> disk = std::make_shared<PowerLossFiles>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(disk);
  call::RecordCodec codec{call::Sealer(test_key())};
  std::unique_ptr<Database> database;
  std::optional<SendingMarks> marks;
  Now now = TestClock().read();
  SendingMarks::SteadyClock::time_point steady{std::chrono::hours(1)};
};

TEST_F(SendingMarksTest, ACallThatIsOverSoonCostsNoEntry) {
  stage(create(sent(1), now));
  write();  // brings the first mark: from here on entries wait
  pass(milliseconds(1));
  const call::Call call = sent(2);
  stage(create(call, now));
  const std::uint64_t first = database->staged_bytes();
  EXPECT_EQ(entries().count(call.id), 1U) << "it is seen at once";
  write();
  change(call, answered(call, now));
  const std::uint64_t then = database->staged_bytes();
  EXPECT_EQ(entries().count(call.id), 0U);
  write();
  // The same call with entries that do not wait.
  call::Batch batch;
  batch.calls.push_back(create(call, now));
  std::uint64_t plain = 0;
  for (const call::KvOp& op : codec.encode(batch, now).ops)
    plain += op.key.size() + (op.value ? op.value->size() : 0) + 1;
  const std::uint64_t entry = call::call_key(Prefix::sending, call.id).size() + 1;
  EXPECT_EQ(first, plain - entry);
  EXPECT_GT(then, 0U);
  pass(2 * SendingMarks::kWait);
  write();
  crash(0);
  EXPECT_EQ(entries(), at_upstreams());
}

TEST_F(SendingMarksTest, ACallThatStaysIsWritten) {
  stage(create(sent(1), now));
  write();
  pass(milliseconds(1));
  const call::Call call = sent(2);
  stage(create(call, now));
  for (int i = 0; i < 3; ++i) {
    pass(SendingMarks::kWait);
    write();
  }
  ASSERT_TRUE(database->sync().ok());
  const auto mark = database->view().get(call::meta_key(call::kMetaUnmarked));
  ASSERT_TRUE(mark.ok() && mark.value());
  EXPECT_FALSE(database->first_delayed());
  crash(0);
  EXPECT_EQ(entries().count(call.id), 1U);
}

// Else the next start would read every head there is.
TEST_F(SendingMarksTest, ALifeWithoutNewCallsLeavesTheMarkAsItIs) {
  const call::Call call = sent(1);
  stage(create(call, now));
  write();
  ASSERT_TRUE(database->sync().ok());
  const auto stored = [&] {
    const std::string key = call::meta_key(call::kMetaUnmarked);
    return codec.open_meta(key, *database->view().get(key).value()).value();
  };
  EXPECT_EQ(stored(), call.id.born());
  open();
  pass(SendingMarks::kWait);
  change(call, answered(call, now));
  write();
  EXPECT_EQ(stored(), call.id.born());
}

// Any story, any crash.
TEST_F(SendingMarksTest, EntriesAndCallsAgreeAfterAnyCrash) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    Prng prng(seed);
    std::map<CallId, call::Call> living;
    std::uint64_t unwritten_ends = 0;
    for (int step = 0; step < 150; ++step) {
      const auto dice = prng.below(100);
      if (dice < 40) {
        call::Call call = sent(seed * 1000 + static_cast<std::uint64_t>(step));
        // Some only wait at first.
        if (dice < 5) call = held_waiting(call, now.wall);
        stage(create(call, now));
        living[call.id] = call;
      } else if (dice < 65 && !living.empty()) {
        const auto at =
            std::next(living.begin(), static_cast<std::ptrdiff_t>(prng.below(living.size())));
        call::Call& call = at->second;
        if (call.state == State::waiting) {
          call::Call next = call;
          next.state = State::sending;
          next.reason = call::WaitReason::none;
          call = change(call, next);
        } else if (dice < 45) {
          call = change(call, held_waiting(call, now.wall));
        } else {
          change(call, answered(call, now));
          living.erase(at);
          ++unwritten_ends;
        }
      } else if (dice < 85) {
        write();
        if (dice < 80) {
          ASSERT_TRUE(database->sync().ok());
        }
      } else if (dice < 98) {
        pass(milliseconds(static_cast<std::int64_t>(prng.below(400))));
      } else {
        // The clock of the machine is set: back by up to two seconds, or forth.
        now.wall = now.wall + Duration::millis(static_cast<std::int64_t>(prng.below(4000)) - 2000);
      }
      if (step % 15 == 0) {
        ASSERT_EQ(entries(), at_upstreams()) << "seed " << seed << " step " << step;
      }
    }
    ASSERT_GT(unwritten_ends, 0U);
    crash(prng.next());
    ASSERT_EQ(entries(), at_upstreams()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hf::adapters
