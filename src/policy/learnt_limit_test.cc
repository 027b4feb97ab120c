// Replays of what adaptive limits of others are known to get wrong, each by its issue, against a
// small model of an upstream whose capacity is known; and what two of the others make of the same.
#include "policy/learnt_limit.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "base/prng.h"

namespace hf::policy {
namespace {

// A small upstream in virtual time: so many servers, a first-come queue before them, a distribution
// of work, a timeout of those who ask.
Duration exponential(Prng& prng, Duration mean) {
  const double u = (static_cast<double>(prng.below(1'000'000)) + 0.5) / 1e6;
  return Duration{static_cast<std::int64_t>(-std::log(u) * static_cast<double>(mean.ns))};
}

struct ModelAnswer {
  Instant began;
  Duration took;
  int in_flight = 0;  // when it ended, itself included
  bool lost = false;
};

// What is asked; each test sets what it is about.
struct ModelPlan {
  std::function<int(Instant)> servers;
  std::function<Duration(Prng&, Instant)> work;
  Duration timeout = Duration::seconds(30);  // then its asker gives up; the upstream works on
  // Calls a second; none: there is always another one waiting.
  std::function<double(Instant)> rate;
  Duration patience = Duration::seconds(1);  // of a call before the limit
  Duration run = Duration::seconds(60);
  Duration counted_from = Duration::seconds(30);
  std::uint64_t seed = 1;
};

// A limit under test, whatever learns it.
struct ModelLimit {
  std::function<int()> limit;
  std::function<void(const ModelAnswer&, Instant)> on_end;
  std::function<void()> met = [] {};
};

struct ModelReport {
  std::int64_t ok = 0;
  std::int64_t lost = 0;
  std::int64_t refused = 0;  // their patience ended before the limit
  std::int64_t asked = 0;
  double latency_ms = 0;  // mean, at the upstream
  int lowest = 1 << 30;   // of the limit, while counted
  int highest = 0;
  double mean_limit = 0;
  double seconds = 0;
  [[nodiscard]] double throughput() const { return static_cast<double>(ok) / seconds; }
};

class Model {
 public:
  Model(ModelPlan plan, ModelLimit limit)
      : plan_(std::move(plan)), limit_(std::move(limit)), prng_(plan_.seed) {}

  ModelReport run() {
    out_.seconds = static_cast<double>((plan_.run - plan_.counted_from).ns) / 1e9;
    if (plan_.rate) next_arrival_ = now_ + gap();
    while (now_ < start_ + plan_.run) {
      admit();
      step();
    }
    if (limits_seen_ > 0) out_.mean_limit = limit_sum_ / static_cast<double>(limits_seen_);
    if (out_.ok > 0) out_.latency_ms /= static_cast<double>(out_.ok);
    return out_;
  }

 private:
  [[nodiscard]] bool counted() const { return now_ >= start_ + plan_.counted_from; }

  Duration gap() {
    const double rate = plan_.rate(now_);
    if (rate <= 0) return Duration::millis(100);
    return std::max(Duration{1},
                    exponential(prng_, Duration{static_cast<std::int64_t>(1e9 / rate)}));
  }

  void admit() {
    for (;;) {
      while (!waiting_.empty() && waiting_.front() + plan_.patience <= now_) {
        waiting_.pop();
        if (counted()) out_.refused += 1;
      }
      if (plan_.rate && waiting_.empty()) return;
      if (in_flight_ >= limit_.limit()) {
        limit_.met();
        return;
      }
      if (plan_.rate) waiting_.pop();
      begin();
    }
  }

  void begin() {
    in_flight_ += 1;
    const auto servers = static_cast<std::size_t>(plan_.servers(now_));
    // The servers that are free first; when there are fewer of them, the busiest are gone.
    std::sort(free_.begin(), free_.end());
    free_.resize(servers, now_);
    const Instant starts = std::max(now_, free_.front());
    const Instant ends = starts + plan_.work(prng_, now_);
    free_.front() = ends;
    ModelAnswer answer{now_, ends - now_, 0, ends - now_ > plan_.timeout};
    if (answer.lost) answer.took = plan_.timeout;
    ends_.emplace(now_ + answer.took, answer);
  }

  void step() {
    const bool arrives = plan_.rate && (ends_.empty() || next_arrival_ < ends_.begin()->first);
    if (arrives) {
      now_ = next_arrival_;
      next_arrival_ = now_ + gap();
      if (plan_.rate(now_) <= 0) return;
      waiting_.push(now_);
      if (counted()) out_.asked += 1;
      return;
    }
    const auto first = ends_.begin();
    now_ = first->first;
    ModelAnswer answer = first->second;
    answer.in_flight = in_flight_;
    ends_.erase(first);
    in_flight_ -= 1;
    limit_.on_end(answer, now_);
    if (!counted()) return;
    const int limit = limit_.limit();
    out_.lowest = std::min(out_.lowest, limit);
    out_.highest = std::max(out_.highest, limit);
    limit_sum_ += limit;
    limits_seen_ += 1;
    if (answer.lost) {
      out_.lost += 1;
    } else {
      out_.ok += 1;
      out_.latency_ms += static_cast<double>(answer.took.ns) / 1e6;
    }
  }

  ModelPlan plan_;
  ModelLimit limit_;
  Prng prng_;
  const Instant start_{1'000'000'000};
  Instant now_ = start_;
  Instant next_arrival_ = Instant::max();
  int in_flight_ = 0;
  std::vector<Instant> free_;
  std::queue<Instant> waiting_;
  std::multimap<Instant, ModelAnswer> ends_;
  ModelReport out_;
  double limit_sum_ = 0;
  std::int64_t limits_seen_ = 0;
};

// What others do, after their sources: a replay that these pass as well would prove nothing. Their
// windows are of a tenth of a second and at least ten results.
// Gathers results into windows, as Netflix/concurrency-limits' WindowedLimit does.
template <typename Rule>
class Windowed {
 public:
  Rule rule;

  void on_end(const ModelAnswer& answer, Instant now) {
    if (count_ == 0) began_ = now;
    count_ += 1;
    sum_ms_ += static_cast<double>(answer.took.ns) / 1e6;  // a timeout's length is a length
    peak_ = std::max(peak_, answer.in_flight);
    dropped_ = dropped_ || answer.lost;
    if (count_ < 10 || now - began_ < Duration::millis(100)) return;
    rule.update(sum_ms_ / static_cast<double>(count_), peak_, dropped_);
    count_ = 0;
    sum_ms_ = 0;
    peak_ = 0;
    dropped_ = false;
  }

 private:
  Instant began_;
  std::int64_t count_ = 0;
  double sum_ms_ = 0;
  int peak_ = 0;
  bool dropped_ = false;
};

// Gradient2Limit: what was dropped plays no part in it.
struct Gradient2 {
  double limit = 20;
  double most = 1000;
  double slow_ms = 0;
  int seen = 0;

  void update(double ms, int in_flight, bool /*dropped*/) {
    slow_ms = seen == 0 ? ms : slow_ms + (ms - slow_ms) * 2 / (1 + std::min(seen + 1, 600));
    seen += 1;
    if (slow_ms / ms > 2) slow_ms *= 0.95;
    if (in_flight < limit / 2) return;
    const double gradient = std::clamp(1.5 * slow_ms / ms, 0.5, 1.0);
    const double next = limit * gradient + 4;
    limit = std::clamp(limit * 0.8 + next * 0.2, 20.0, most);
  }
};

// VegasLimit, without its probes.
struct Vegas {
  double limit = 20;
  double most = 1000;
  double least_ms = 0;

  void update(double ms, int in_flight, bool dropped) {
    if (least_ms == 0 || ms < least_ms) least_ms = ms;
    if (dropped) {
      limit = std::max(1.0, limit - std::log10(limit));
      return;
    }
    if (in_flight * 2 < limit) return;
    const double queue = std::ceil(limit * (1 - least_ms / ms));
    const double small = std::max(1.0, std::log10(limit));
    if (queue <= small) {
      limit += 6 * small;
    } else if (queue < 3 * small) {
      limit += small;
    } else if (queue > 6 * small) {
      limit -= small;
    }
    limit = std::clamp(limit, 1.0, most);
  }
};

template <typename Rule>
ModelReport run_rival(const ModelPlan& plan) {
  auto rival = std::make_shared<Windowed<Rule>>();
  ModelLimit limit;
  limit.limit = [rival] { return static_cast<int>(rival->rule.limit); };
  limit.on_end = [rival](const ModelAnswer& answer, Instant now) { rival->on_end(answer, now); };
  return Model(plan, limit).run();
}

constexpr LearntLimitConfig kFromOne{1, 20, 1000};

std::function<int(Instant)> servers(int count) {
  return [count](Instant) { return count; };
}
std::function<Duration(Prng&, Instant)> steady(int ms) {
  return [ms](Prng&, Instant) { return Duration::millis(ms); };
}
std::function<Duration(Prng&, Instant)> scattered(int ms) {
  return [ms](Prng& prng, Instant) { return exponential(prng, Duration::millis(ms)); };
}
// One in ten takes a hundred times as long.
Duration two_modes(Prng& prng, Instant) {
  return prng.chance(1, 10) ? Duration::millis(500) : Duration::millis(5);
}
Instant second(int s) {
  return Instant{1'000'000'000} + Duration::seconds(s);
}

ModelPlan plan(std::function<int(Instant)> count, std::function<Duration(Prng&, Instant)> work,
               std::uint64_t seed) {
  ModelPlan out;
  out.servers = std::move(count);
  out.work = std::move(work);
  out.seed = seed;
  return out;
}

ModelReport run(const ModelPlan& plan, LearntLimitConfig config = {}) {
  auto learnt = std::make_shared<LearntLimit>(config);
  ModelLimit limit;
  limit.limit = [learnt] { return learnt->limit(); };
  limit.met = [learnt] { learnt->met(); };
  limit.on_end = [learnt](const ModelAnswer& answer, Instant now) {
    learnt->on_result(
        {answer.began, answer.took, answer.in_flight, answer.lost ? Fate::lost : Fate::ok}, now);
  };
  return Model(plan, limit).run();
}

// Every replay with three seeds: none of them is luck.
class Replays : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Replays, testing::Values(1, 2, 3));

TEST_P(Replays, ASaturatedUpstreamIsUsedAndNotStuffed) {
  for (const int count : {4, 40, 300}) {
    const auto seen = run(plan(servers(count), scattered(10), GetParam()), kFromOne);
    const double capacity = count * 100.0;
    EXPECT_GE(seen.throughput(), capacity * 0.75) << count;
    EXPECT_LE(seen.latency_ms, 15) << count;
    EXPECT_LE(seen.highest, count * 2) << count;
  }
  const auto seen = run(plan(servers(40), steady(10), GetParam()));
  EXPECT_GE(seen.throughput(), 4000 * 0.95);
  EXPECT_LE(seen.latency_ms, 15);
}

// Netflix/concurrency-limits#137: every call ends at its timeout, and looks healthy.
TEST_P(Replays, StableTimeoutsAreNotTakenForHealth) {
  auto stuffed = plan(servers(20), steady(50), GetParam());
  stuffed.timeout = Duration::millis(200);
  const auto seen = run(stuffed, {1, 200, 1000});
  EXPECT_GE(seen.throughput(), 400 * 0.9);
  EXPECT_LE(static_cast<double>(seen.lost), static_cast<double>(seen.ok) / 20);
  const auto rival = run_rival<Gradient2>(stuffed);
  EXPECT_LE(rival.throughput(), 40) << "Gradient2 has learnt to see timeouts";

  stuffed.work = scattered(50);  // a few calls time out by themselves, however little runs
  EXPECT_GE(run(stuffed, {1, 200, 1000}).throughput(), 400 * 0.8);
}

// Netflix/concurrency-limits#165: the baseline follows the queue, and the limit the baseline.
TEST_P(Replays, TheBaselineDoesNotDriftWhileTheUpstreamIsFull) {
  auto full = plan(servers(40), scattered(10), GetParam());
  full.run = Duration::seconds(1200);
  full.counted_from = Duration::seconds(900);
  const auto seen = run(full);
  EXPECT_GE(seen.throughput(), 4000 * 0.9);
  EXPECT_LE(seen.latency_ms, 12);
  EXPECT_LE(seen.highest, 80);
  EXPECT_GE(run_rival<Gradient2>(full).latency_ms, 100) << "Gradient2 does not drift here";
}

// Netflix/concurrency-limits#134: at a gradient of about 0.8 the limit grows without end.
TEST_P(Replays, AGradientNearFourFifthsDoesNotGrowWithoutEnd) {
  auto soft = plan(servers(10), steady(10), GetParam());
  soft.run = Duration::seconds(600);
  soft.counted_from = Duration::seconds(300);
  const auto seen = run(soft);
  EXPECT_GE(seen.throughput(), 1000 * 0.9);
  EXPECT_LE(seen.highest, 20);
  EXPECT_GE(run_rival<Gradient2>(soft).highest, 100);

  // And fed by hand: always a fourth above the best that was seen.
  LearntLimit learnt({4, 20, 100'000});
  Instant now = second(0);
  const auto feed = [&](Duration took, int count) {
    for (int i = 0; i < count; ++i) {
      now = now + Duration::millis(1);
      learnt.met();
      learnt.on_result({now - took, took, learnt.limit(), Fate::ok}, now);
    }
  };
  feed(Duration::millis(10), 16 * 8);
  const int before = learnt.limit();
  const auto rise = [&](int at) { return Duration::micros(10'000 + 250 * (at - before)); };
  for (int i = 0; i < 4000; ++i)
    feed(rise(learnt.limit()), 16);
  EXPECT_LE(learnt.limit(), before + 40);
}

// envoyproxy/envoy#18152, #46532: too few calls to measure by, and the limit falls or probes.
TEST_P(Replays, IdleTrafficNeitherMovesTheLimitNorIsCut) {
  auto idle = plan(servers(40), scattered(10), GetParam());
  idle.rate = [](Instant at) { return at < second(3600) ? 1.0 : 1500.0; };
  idle.run = Duration::seconds(3610);
  idle.counted_from = Duration::seconds(0);
  const auto seen = run(idle);
  EXPECT_EQ(seen.refused, 0) << "of " << seen.asked;
  EXPECT_GE(seen.lowest, 20);
}

TEST_P(Replays, ModerateTrafficMeetsNoLimitAtAll) {
  for (const double rate : {2000.0, 3600.0}) {
    auto moderate = plan(servers(40), scattered(10), GetParam());
    moderate.rate = [rate](Instant) { return rate; };
    const auto seen = run(moderate);
    EXPECT_LE(static_cast<double>(seen.refused), static_cast<double>(seen.asked) / 100) << rate;
    EXPECT_LE(seen.latency_ms, 13) << rate;
  }
}

// Optional work that is left out under load and comes back: at a quarter of the capacity calls that
// take longer again are no queue, though as many as half of the limit are in flight at times.
TEST_P(Replays, HeavierCallsAtModerateTrafficAreNoQueue) {
  const auto back = [](Prng&, Instant at) { return Duration::millis(at < second(30) ? 12 : 38); };
  for (const int start : {10, 14}) {
    auto heavier = plan(servers(8), back, GetParam());
    heavier.rate = [](Instant) { return 51.0; };
    heavier.patience = Duration::millis(50);
    heavier.run = Duration::seconds(300);
    const auto seen = run(heavier, {4, start, 100});
    EXPECT_GE(seen.lowest, 8) << start;
    EXPECT_LE(seen.refused * 100, seen.asked) << start;
  }
}

// Fast and slow calls on one route: chance moves the mean, and a minimum says nothing.
TEST_P(Replays, BimodalLatencyIsNoQueue) {
  const auto both = plan(servers(100), two_modes, GetParam());
  const double capacity = 100 / 0.0545;
  const auto seen = run(both);
  EXPECT_GE(seen.throughput(), capacity * 0.75);
  EXPECT_LE(seen.highest, 200);
  EXPECT_LE(run_rival<Vegas>(both).throughput(), capacity * 0.3) << "Vegas has learnt two modes";

  auto open = both;
  open.rate = [](Instant) { return 900.0; };
  open.run = Duration::seconds(120);
  open.counted_from = Duration::seconds(60);
  EXPECT_GE(run(open).throughput(), 900 * 0.9);
}

// The first things seen are seen through a queue of our own making.
TEST_P(Replays, AColdStartUnderLoadIsUndone) {
  const auto cold = plan(servers(4), scattered(10), GetParam());
  const auto seen = run(cold, kFromOne);
  EXPECT_GE(seen.throughput(), 400 * 0.8);
  EXPECT_LE(seen.highest, 10);
  EXPECT_GE(run_rival<Vegas>(cold).mean_limit, 16);

  const auto far = run(plan(servers(10), scattered(10), GetParam()), {1, 200, 1000});
  EXPECT_GE(far.throughput(), 1000 * 0.85);
  EXPECT_LE(far.highest, 30);
}

// envoyproxy/envoy#38338: once low, it never comes back.
TEST_P(Replays, CapacityThatComesBackIsFound) {
  auto back = plan([](Instant at) { return at < second(30) ? 10 : 80; }, scattered(10), GetParam());
  back.run = Duration::seconds(90);
  back.counted_from = Duration::seconds(60);
  EXPECT_GE(run(back).throughput(), 8000 * 0.85);
}

TEST_P(Replays, CapacityThatIsLostIsNoticed) {
  auto lost = plan([](Instant at) { return at < second(30) ? 40 : 10; }, scattered(10), GetParam());
  lost.run = Duration::seconds(60);
  lost.counted_from = Duration::seconds(40);
  const auto seen = run(lost);
  EXPECT_GE(seen.throughput(), 1000 * 0.85);
  EXPECT_LE(seen.latency_ms, 15);
}

// An upstream that has become slower for good is slower, not full: the baseline must follow.
TEST_P(Replays, ASlowerUpstreamIsNotTakenForAFullOne) {
  const auto three_times = [](Prng& prng, Instant at) {
    return exponential(prng, Duration::millis(at < second(30) ? 10 : 30));
  };
  auto slower = plan(servers(40), three_times, GetParam());
  slower.run = Duration::seconds(90);
  slower.counted_from = Duration::seconds(50);
  const double capacity = 40 / 0.030;
  EXPECT_GE(run(slower).throughput(), capacity * 0.85);
  EXPECT_LE(run_rival<Vegas>(slower).throughput(), capacity * 0.3) << "Vegas follows";
}

// An outage: losses bring it to the floor, and it finds its way back within seconds.
TEST_P(Replays, AnOutageIsFollowedByACleverReturn) {
  const auto out = [](Prng& prng, Instant at) {
    const bool dead = at >= second(30) && at < second(40);
    return dead ? Duration::seconds(20) : exponential(prng, Duration::millis(10));
  };
  auto outage = plan(servers(400), out, GetParam());
  outage.timeout = Duration::millis(500);
  outage.rate = [](Instant) { return 3000.0; };
  outage.run = Duration::seconds(80);
  outage.counted_from = Duration::seconds(70);  // the last of what hung is over at 60
  const auto seen = run(outage);
  EXPECT_GE(seen.throughput(), 3000 * 0.9);
}

TEST(LearntLimit, RefusalsAreNoSamplesOfLatency) {
  LearntLimit learnt({1, 20, 1000});
  Instant now = second(0);
  const auto feed = [&](Duration took, Fate fate, int count) {
    for (int i = 0; i < count; ++i) {
      now = now + Duration::millis(1);
      learnt.met();
      learnt.on_result({now - took, took, learnt.limit(), fate}, now);
    }
  };
  feed(Duration::millis(100), Fate::ok, 500);
  const Duration before = learnt.baseline();
  // A third of all is refused in a tenth of a millisecond.
  for (int i = 0; i < 200; ++i) {
    feed(Duration::micros(100), Fate::refused, 1);
    feed(Duration::millis(100), Fate::ok, 2);
  }
  EXPECT_GE(learnt.baseline(), before - Duration::millis(2));
  const int at = learnt.limit();
  feed(Duration::micros(100), Fate::refused, 1000);
  EXPECT_LT(learnt.limit(), at) << "a window of refusals is a loss";
  EXPECT_EQ(learnt.lesson(), Lesson::losses);
}

TEST(LearntLimit, WhatIsNotUsedDoesNotGrow) {
  LearntLimit learnt({1, 20, 1000});
  Instant now = second(0);
  for (int i = 0; i < 10'000; ++i) {
    now = now + Duration::millis(1);
    learnt.on_result({now - Duration::millis(5), Duration::millis(5), 5, Fate::ok}, now);
  }
  EXPECT_EQ(learnt.limit(), 20);
  EXPECT_EQ(learnt.lesson(), Lesson::unused);
  // Nor do a few losses far below the limit cut it.
  for (int i = 0; i < 100; ++i) {
    now = now + Duration::millis(1);
    learnt.on_result({now - Duration::millis(5), Duration::millis(5), 2, Fate::lost}, now);
  }
  EXPECT_EQ(learnt.limit(), 20);
}

// Whatever comes, in whatever order: within its bounds, and the same again.
RC_GTEST_PROP(LearntLimit, StaysBetweenMinAndMax, ()) {
  const int min = *rc::gen::inRange(1, 50);
  const int max = min + *rc::gen::inRange(0, 500);
  const int start = *rc::gen::inRange(min, max + 1);
  LearntLimit learnt({min, start, max});
  LearntLimit twin({min, start, max});
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  Instant now{prng.between(0, 1'000'000'000'000)};
  for (int i = 0; i < 3000; ++i) {
    now = now + Duration{prng.between(0, prng.chance(1, 50) ? 40'000'000'000 : 2'000'000)};
    const Duration took{prng.between(-5, prng.chance(1, 10) ? INT64_MAX / 4 : 50'000'000)};
    const Sample sample{now - took, took, static_cast<int>(prng.between(0, 2000)),
                        static_cast<Fate>(prng.below(3))};
    if (prng.chance(1, 3)) {
      learnt.met();
      twin.met();
    }
    const int before = learnt.limit();
    const bool changed = learnt.on_result(sample, now);
    RC_ASSERT(twin.on_result(sample, now) == changed);
    RC_ASSERT(changed == (learnt.limit() != before));
    RC_ASSERT(learnt.limit() >= min && learnt.limit() <= max);
    RC_ASSERT(learnt.limit() == twin.limit());
  }
}

}  // namespace
}  // namespace hf::policy
