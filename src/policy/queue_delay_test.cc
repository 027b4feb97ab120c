#include "policy/queue_delay.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/prng.h"

namespace hf::policy {
namespace {

constexpr Instant kStart{9'000'000'000};
constexpr std::size_t kNormal = 2;

Instant at(int ms) {
  return kStart + Duration::millis(ms);
}

// A thousand starts a second from `from` to `to`, while the oldest call has waited for `delay` of
// late; as many normal calls come.
void busy(QueueDelay& queue, int from, int to, Duration delay, std::size_t rank = kNormal) {
  for (int ms = from; ms < to; ++ms) {
    queue.arrived(rank, at(ms));
    queue.started(at(ms));
    queue.look(at(ms) - delay, at(ms));
  }
}
void calm(QueueDelay& queue, int from, int to) {
  for (int ms = from; ms < to; ++ms) {
    queue.started(at(ms));
    queue.look(std::nullopt, at(ms));
  }
}

TEST(QueueDelay, ABurstThatDrainsIsNone) {
  QueueDelay queue{{}};
  // Calls wait for up to 90 ms, but in every tenth of a second there is a moment without any.
  for (int ms = 0; ms < 5000; ++ms) {
    queue.started(at(ms));
    if (ms % 100 == 0) {
      queue.look(std::nullopt, at(ms));
    } else {
      queue.look(at(ms - ms % 100), at(ms));
    }
  }
  EXPECT_EQ(queue.level(), 0U);
  EXPECT_EQ(queue.room(), std::nullopt);
}

TEST(QueueDelay, AStandingQueueIsSeenWithinTwoIntervals) {
  QueueDelay queue{{}};
  calm(queue, 0, 1000);
  busy(queue, 1000, 1201, Duration::millis(60));
  EXPECT_EQ(queue.level(), 1U);
  EXPECT_GE(queue.worst(), Duration::millis(51));
  // A thousand a second leave in the target of 50 ms fifty of them.
  ASSERT_TRUE(queue.room().has_value());
  EXPECT_GE(*queue.room(), 30U);
  EXPECT_LE(*queue.room(), 60U);
}

TEST(QueueDelay, AClassIsRefusedOnlyWhereTheOthersFillTheUpstream) {
  QueueDelay queue{{}};
  // Normal calls alone: nothing less important is worth its wait, and they themselves are not
  // refused for their class, however long it lasts.
  busy(queue, 0, 5000, Duration::millis(60));
  EXPECT_EQ(queue.level(), kNormal);
  // Low ones alone: who is the most important that asks is never refused for its class.
  QueueDelay low{{}};
  busy(low, 0, 5000, Duration::millis(60), 1);
  EXPECT_EQ(low.level(), 1U);
  // Critical ones alone: all others are.
  QueueDelay critical{{}};
  busy(critical, 0, 5000, Duration::millis(60), 3);
  EXPECT_EQ(critical.level(), 3U);
}

TEST(QueueDelay, RisesByOneAnIntervalAndFallsByOneACalmTime) {
  QueueDelay queue{{}};
  calm(queue, 0, 1000);
  int ms = 1000;
  std::vector<int> rises;
  std::size_t level = 0;
  for (; level < 3 && ms < 5000; ++ms) {
    busy(queue, ms, ms + 1, Duration::millis(60), 3);
    if (queue.level() == level) continue;
    EXPECT_EQ(queue.level(), level + 1);
    level = queue.level();
    rises.push_back(ms);
  }
  ASSERT_EQ(level, 3U);
  EXPECT_LE(rises[0], 1201);
  // A moment without a queue is not yet calm.
  calm(queue, ms, ms + 300);
  EXPECT_EQ(queue.level(), 3U);
  busy(queue, ms + 300, ms + 501, Duration::millis(60), 3);
  calm(queue, ms + 501, ms + 1300);
  EXPECT_EQ(queue.level(), 3U) << "the calm began anew";
  calm(queue, ms + 1300, ms + 1800);
  EXPECT_EQ(queue.level(), 2U);
  calm(queue, ms + 1800, ms + 4000);
  EXPECT_EQ(queue.level(), 0U);
}

TEST(QueueDelay, CallsSentAwayKeepItFromCalm) {
  QueueDelay queue{{}};
  busy(queue, 0, 500, Duration::millis(60));
  const std::size_t level = queue.level();
  for (int ms = 500; ms < 5000; ms += 50) {
    calm(queue, ms, ms + 1);
    queue.displaced(at(ms));
  }
  EXPECT_GE(queue.level(), level);
}

TEST(QueueDelay, ASlowUpstreamIsGivenTheTimeOfAFewCalls) {
  QueueDelay queue{{}};
  // Ten starts a second: four calls take 400 ms.
  for (int ms = 0; ms < 10'000; ms += 100) {
    queue.started(at(ms));
    queue.look(at(ms - 200), at(ms));
  }
  EXPECT_EQ(queue.level(), 0U);
  EXPECT_GE(queue.threshold(), Duration::millis(350));
  EXPECT_LE(queue.threshold(), Duration::seconds(1));
  for (int ms = 10'000; ms < 20'000; ms += 100) {
    queue.started(at(ms));
    queue.look(at(ms - 900), at(ms));
  }
  EXPECT_EQ(queue.level(), 1U);
  EXPECT_EQ(queue.room(), QueueDelay::kRoomMin);
}

TEST(QueueDelay, NothingThatHappensForLongIsAQueueThatStands) {
  QueueDelay queue{{}};
  calm(queue, 0, 1000);
  queue.look(at(1000), at(1000));  // one came, no slot was free, and all stood still
  queue.arrived(kNormal, at(4000));
  EXPECT_EQ(queue.level(), 1U);
  // The other way round: what is empty for long is calm.
  queue.look(std::nullopt, at(4001));
  queue.arrived(kNormal, at(60'000));
  EXPECT_EQ(queue.level(), 0U);
}

RC_GTEST_PROP(QueueDelay, TheMostImportantIsNeverRefusedAndTheRoomNeverNone, ()) {
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  QueueDelay queue{{}};
  Instant now{prng.between(0, 1'000'000'000)};
  std::optional<Instant> oldest;
  for (int i = 0; i < 2000; ++i) {
    now = now + Duration{prng.between(0, prng.chance(1, 40) ? 20'000'000'000 : 8'000'000)};
    switch (prng.below(4)) {
      case 0:
        queue.arrived(prng.below(QueueDelay::kRanks), now);
        break;
      case 1:
        queue.started(now);
        break;
      case 2:
        queue.displaced(now);
        break;
      default:
        if (prng.chance(1, 3)) oldest.reset();
        if (!oldest && prng.chance(1, 2)) oldest = now;
        queue.look(oldest, now);
        break;
    }
    RC_ASSERT(queue.level() < QueueDelay::kRanks);
    RC_ASSERT(queue.room().has_value() == (queue.level() > 0));
    if (queue.room()) RC_ASSERT(*queue.room() >= QueueDelay::kRoomMin);
    RC_ASSERT(queue.threshold() >= Duration::millis(50));
    RC_ASSERT(queue.threshold() <= Duration::seconds(1));
  }
}

}  // namespace
}  // namespace hf::policy
