// The whole of gate, queue and overload in virtual time: an upstream with so many slots, clients
// who ask at their rates, and what each of them is told.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/prng.h"
#include "engine/test_bench.h"
#include "engine/test_scenes.h"

namespace hf::engine {
namespace {

using call::CallClass;

struct Stream {
  CallClass importance = CallClass::normal;
  std::string owner = "alice";
  double from = 0;  // calls a second before the spike, and in it
  double in_spike = 0;
  std::string key = {};  // not empty: stable keys, one a call
  std::uint64_t address = 0;
  bool many_names = false;  // an owner of its own for each call
};

struct Told {
  Stream stream;
  Instant asked;
  std::optional<Instant> started;
  std::optional<Instant> refused;
};

struct Play {
  int slots = 11;  // of which one is kept for held calls
  Duration work = Duration::millis(50);
  Duration spike_from = Duration::seconds(5);
  Duration spike_to = Duration::seconds(10);
  Duration run = Duration::seconds(16);
  std::uint64_t seed = 1;
  std::vector<Stream> streams;
  Bench::Tune tune = [](call::UpstreamSettings& upstream, call::RouteSettings&) {
    upstream.overload.emplace();
  };
};

// Plays it; looks at every refusal at the moment it is told.
class Player {
 public:
  explicit Player(Play play)
      : play_(std::move(play)), prng_(play_.seed), bench_([&](auto& upstream, auto& route) {
          upstream.concurrency = play_.slots;
          route.wait = Duration::seconds(10);
          route.retry.live_attempts = 1;
          play_.tune(upstream, route);
        }) {
    start_ = bench_.now.mono;
    next_.resize(play_.streams.size());
    for (std::size_t i = 0; i < next_.size(); ++i)
      next_[i] = start_ + gap(i);
  }

  void run() {
    while (bench_.now.mono < start_ + play_.run)
      step();
  }

  [[nodiscard]] const std::vector<Told>& told() const { return told_; }
  [[nodiscard]] Instant at(Duration since) const { return start_ + since; }
  Bench& bench() { return bench_; }
  const UpstreamLoad& load() { return bench_.engine().stats(bench_.now).upstreams.at("up").load; }

  // Whether at some refusal somebody less important waited.
  int unfair = 0;
  // Refusals that did not say what they must.
  int unexplained = 0;

 private:
  [[nodiscard]] bool spike(Instant when) const {
    return when >= start_ + play_.spike_from && when < start_ + play_.spike_to;
  }
  Duration exponential(double mean_ns) {
    const double u = (static_cast<double>(prng_.below(1'000'000)) + 0.5) / 1e6;
    return Duration{std::max<std::int64_t>(1, static_cast<std::int64_t>(-std::log(u) * mean_ns))};
  }
  Duration gap(std::size_t stream) {
    const auto& of = play_.streams[stream];
    const double rate = spike(bench_.now.mono) ? of.in_spike : of.from;
    return rate <= 0 ? Duration::millis(20) : exponential(1e9 / rate);
  }

  void step() {
    const auto arrival = std::min_element(next_.begin(), next_.end());
    const bool ends_first = !ends_.empty() && ends_.begin()->first <= *arrival;
    const Instant when = ends_first ? ends_.begin()->first : *arrival;
    bench_.pass(when - bench_.now.mono);
    look();
    if (ends_first) {
      const AttemptId id = ends_.begin()->second;
      ends_.erase(ends_.begin());
      auto whole = answer(200);
      whole.phases.head = Duration::millis(50);
      bench_.end(id, whole);
    } else {
      arrive(static_cast<std::size_t>(arrival - next_.begin()));
    }
    look();
  }

  void arrive(std::size_t stream) {
    const Stream& of = play_.streams[stream];
    const double rate = spike(bench_.now.mono) ? of.in_spike : of.from;
    next_[stream] = bench_.now.mono + gap(stream);
    if (rate <= 0) return;
    Ask ask;
    ask.body = std::to_string(told_.size());
    ask.owner = of.many_names ? of.owner + ask.body : of.owner;
    ask.address = of.address;
    if (!of.key.empty()) ask.key = of.key + ask.body;
    told_.push_back({of, bench_.now.mono, {}, {}});
    waiting_.insert(told_.size() - 1);
    exchanges_.emplace(bench_.arrive_as(ask, of.importance), told_.size() - 1);
  }

  // What has begun, and who was refused.
  void look() {
    for (const StartAttempt& start : bench_.started) {
      const std::size_t which = std::stoul(std::string(view(start.request->body)));
      told_[which].started = bench_.now.mono;
      waiting_.erase(which);
      ends_.emplace(bench_.now.mono + exponential(static_cast<double>(play_.work.ns)), start.id);
    }
    bench_.started.clear();
    for (const auto& [id, reply] : bench_.replies)
      waiting_.erase(exchanges_.at(id));
    for (const auto& [id, reply] : bench_.replies) {
      if (reply.status != 200) refused(exchanges_.at(id), id);
    }
    bench_.replies.clear();
  }

  void refused(std::size_t which, ExchangeId id) {
    Told& told = told_[which];
    told.refused = bench_.now.mono;
    const bool explained =
        bench_.is_code(id, "overloaded") && bench_.field(id, "Holdfast-Effect") == "none" &&
        bench_.says(id, "\"rule\":\"") && bench_.says(id, "\"measured\":") &&
        bench_.says(id, "\"threshold\":") && !bench_.field(id, "Retry-After").empty();
    if (!explained && told.stream.key.empty()) unexplained += 1;
    for (const std::size_t other : waiting_) {
      if (told_[other].stream.importance < told.stream.importance) {
        unfair += 1;
        break;
      }
    }
  }

  Play play_;
  Prng prng_;
  Bench bench_;
  Instant start_;
  std::vector<Instant> next_;
  std::multimap<Instant, AttemptId> ends_;
  std::vector<Told> told_;
  std::map<ExchangeId, std::size_t> exchanges_;
  std::set<std::size_t> waiting_;
};

struct Tally {
  int asked = 0;
  int refused = 0;
  Duration longest;  // wait of those that were served
};
template <typename Which>
Tally tally(const std::vector<Told>& told, Which which) {
  Tally out;
  for (const Told& one : told) {
    if (!which(one)) continue;
    out.asked += 1;
    if (one.refused) out.refused += 1;
    if (one.started) out.longest = std::max(out.longest, *one.started - one.asked);
  }
  return out;
}

// Two hundred calls a second are what it bears; the spike asks for 280.
Play spike(std::uint64_t seed) {
  Play out;
  out.seed = seed;
  out.streams = {{CallClass::critical, "alice", 20, 56},
                 {CallClass::normal, "alice", 50, 104},
                 {CallClass::low, "alice", 10, 40},
                 {CallClass::optional, "alice", 20, 80}};
  return out;
}

class Overload : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Overload, testing::Values(1, 2, 3, 4, 5));

TEST_P(Overload, ASpikeOf1Point4IsOverWithinAFractionOfASecond) {
  Player player(spike(GetParam()));
  player.run();
  const auto& told = player.told();
  const Instant begins = player.at(Duration::seconds(5));
  const auto in_spike = [&](const Told& one) {
    return one.asked >= begins && one.asked < player.at(Duration::seconds(10));
  };
  const auto of = [&](CallClass importance) {
    return tally(told, [&](const Told& one) {
      return in_spike(one) && one.stream.importance == importance;
    });
  };
  // Who is told to come again is the least important; of the normal ones at most a burst.
  EXPECT_GE(of(CallClass::optional).refused, of(CallClass::optional).asked / 2);
  EXPECT_EQ(of(CallClass::critical).refused, 0);
  EXPECT_LE(of(CallClass::normal).refused, of(CallClass::normal).asked / 20);
  // Half a second after its begin the queue is what it should be, and stays so.
  const auto late = tally(told, [&](const Told& one) {
    return in_spike(one) && one.asked >= begins + Duration::millis(500) &&
           one.stream.importance >= CallClass::normal;
  });
  EXPECT_LE(late.longest, Duration::millis(300));
  EXPECT_EQ(player.unfair, 0);
  EXPECT_EQ(player.unexplained, 0);
  // Soon after its end everybody is served again.
  const auto after =
      tally(told, [&](const Told& one) { return one.asked >= player.at(Duration::seconds(14)); });
  EXPECT_GT(after.asked, 100);
  EXPECT_EQ(after.refused, 0);
  EXPECT_EQ(player.load().shed_level, 0U);
}

// What it is held against: without it the same spike makes everybody wait for seconds.
TEST(Overload, WithoutItEverybodyWaits) {
  Play play = spike(1);
  play.tune = [](auto&, auto&) {};
  Player player(play);
  player.run();
  const auto all = tally(
      player.told(), [](const Told& one) { return one.stream.importance == CallClass::optional; });
  EXPECT_GE(all.longest, Duration::seconds(2));
}

TEST_P(Overload, OfOneClassAsMuchIsServedAsThereIsRoomFor) {
  Play play;
  play.seed = GetParam();
  play.streams = {{CallClass::normal, "alice", 100, 280}};
  Player player(play);
  player.run();
  const auto seen = tally(player.told(), [&](const Told& one) {
    return one.asked >= player.at(Duration::seconds(6)) &&
           one.asked < player.at(Duration::seconds(10));
  });
  // 1120 asked for, 800 fit.
  EXPECT_GE(seen.asked - seen.refused, 680);
  EXPECT_LE(seen.longest, Duration::millis(400));
  EXPECT_EQ(player.unexplained, 0);
}

// Whatever the others do: who asks for less than its share is not refused, and waits no longer than
// a round takes.
TEST_P(Overload, ALoudClientTakesNothingFromAQuietOne) {
  Play play;
  play.seed = GetParam();
  play.streams = {{CallClass::normal, "loud", 150, 1500},
                  {CallClass::normal, "second", 10, 400},
                  {CallClass::normal, "quiet", 20, 20}};
  Player player(play);
  player.run();
  const auto quiet =
      tally(player.told(), [](const Told& one) { return one.stream.owner == "quiet"; });
  const auto loud =
      tally(player.told(), [](const Told& one) { return one.stream.owner == "loud"; });
  EXPECT_GE(quiet.asked, 200);
  EXPECT_EQ(quiet.refused, 0);
  EXPECT_LE(quiet.longest, Duration::millis(250));
  EXPECT_GE(loud.refused, 1000);
}

TEST_P(Overload, NorDoesOneThatMakesUpANameForEachCall) {
  Play play;
  play.seed = GetParam();
  play.streams = {{CallClass::normal, "loud", 150, 1500, {}, 1, true},
                  {CallClass::normal, "quiet", 20, 20, {}, 2, false}};
  Player player(play);
  player.run();
  const auto quiet =
      tally(player.told(), [](const Told& one) { return one.stream.owner == "quiet"; });
  EXPECT_GE(quiet.asked, 200);
  EXPECT_EQ(quiet.refused, 0);
  EXPECT_LE(quiet.longest, Duration::millis(250));
}

TEST(Overload, WhatMayBeHeldIsHeldInsteadOfRefused) {
  Play play = spike(1);
  play.streams[3].key = "order-";
  play.tune = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    keyed(upstream);
    upstream.overload.emplace();
    route.hold = call::Hold::on_failure;
  };
  Player player(play);
  player.run();
  const auto optional =
      tally(player.told(), [](const Told& one) { return !one.stream.key.empty(); });
  EXPECT_GT(optional.asked, 300);
  EXPECT_LE(optional.refused, optional.asked / 10) << "held calls wait for their answer";
  const auto& stats = player.bench().engine().stats(player.bench().now).upstreams.at("up");
  EXPECT_GT(stats.held, 100U);
  EXPECT_EQ(stats.load.shed[0][0] + stats.load.shed[0][1], stats.held);
}

TEST(Overload, AFullQueueSendsAwayTheNewestOfWhoHasMost) {
  Bench bench([](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    upstream.concurrency = 1;
    route.wait = Duration::hours(1);
  });
  bench.arrive({.body = "runs"});
  ExchangeId last{};
  for (int i = 0; i < 10'000; ++i)
    last = bench.arrive({.owner = "loud"});
  EXPECT_TRUE(bench.unanswered(last));
  const auto quiet = bench.arrive({.owner = "quiet"});
  EXPECT_TRUE(bench.unanswered(quiet)) << "the newcomer is not to blame";
  EXPECT_TRUE(bench.is_code(last, "overloaded"));
  EXPECT_TRUE(bench.says(last, R"("rule":"queue-full")"));
  EXPECT_TRUE(bench.says(last, R"("measured":10000,"threshold":10000,"unit":"calls")"));
  EXPECT_EQ(bench.engine().stats(bench.now).upstreams.at("up").load.shed[2][2], 1U);
}

TEST(Overload, PatienceThatEndsAtTheLimitNamesTheLimit) {
  Bench bench([](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    upstream.concurrency = 2;
    route.wait = Duration::seconds(1);
  });
  bench.arrive({});
  bench.arrive({});
  const auto third = bench.arrive({});
  bench.pass(Duration::seconds(2));
  EXPECT_TRUE(bench.is_code(third, "overloaded"));
  // One slot is kept free for held calls.
  EXPECT_TRUE(bench.says(third, R"("rule":"concurrency")"));
  EXPECT_TRUE(bench.says(third, R"("measured":1,"threshold":1,"unit":"attempts")"));
}

TEST(Overload, CallsInMemoryAreBoundedAndTheRefusalSaysSo) {
  Bench bench;
  bench.calls_max = 2;
  bench.crash();
  bench.arrive({});
  bench.arrive({});
  const auto third = bench.arrive({});
  EXPECT_TRUE(bench.is_code(third, "overloaded"));
  EXPECT_EQ(bench.notes.back().what, "call_refused");
  EXPECT_EQ(bench.notes.back().detail, "calls_in_memory, 2 calls, threshold 2");
}

// What a refused client, the log and the counters say is one thing.
void expect_told(Bench& bench, ExchangeId id, Hurdle hurdle, const std::string& numbers) {
  const std::string rule(to_string(hurdle));
  EXPECT_TRUE(bench.says(id, "\"limit\":{\"rule\":\"" + rule + "\"," + numbers))
      << view(bench.reply(id).body);
  ASSERT_FALSE(bench.notes.empty());
  EXPECT_EQ(bench.notes.back().what, "call_failed");
  EXPECT_EQ(bench.notes.back().detail.find("class normal: " + rule + ", "), 0U)
      << bench.notes.back().detail;
  const Stats& stats = bench.engine().stats(bench.now);
  ASSERT_EQ(stats.problems.by_rule().size(), 1U);
  const auto& [by, last] = *stats.problems.by_rule().begin();
  EXPECT_EQ(by.upstream, "up");
  EXPECT_EQ(by.rule, rule);
  const std::string counted = fmt::format(R"("measured":{},"threshold":{},"unit":"{}")",
                                          last.measured, last.threshold, by.unit);
  EXPECT_EQ(counted.substr(0, numbers.size()), numbers);
  const auto& refused = stats.upstreams.at("up").refused;
  for (std::size_t i = 0; i < kHurdles; ++i)
    EXPECT_EQ(refused[i] > 0, i == static_cast<std::size_t>(hurdle)) << rule << " " << i;
}

TEST(Overload, ARateNamesItselfAndWhenItIsWorthComingBack) {
  Bench bench([](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    upstream.rate = Rate{1, Duration::seconds(10)};
    route.wait = Duration::seconds(4);
  });
  bench.arrive({.body = "runs"});
  const auto second = bench.arrive({});
  EXPECT_TRUE(bench.is_code(second, "limited"));
  EXPECT_EQ(bench.field(second, "Retry-After"), "10");
  expect_told(bench, second, Hurdle::rate,
              R"("measured":10000,"threshold":4000,"unit":"ms of waiting")");
}

TEST(Overload, WhoWaitsBehindARateIsToldOfTheRate) {
  Bench bench([](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    upstream.rate = Rate{1, Duration::seconds(1)};
    route.wait = Duration::millis(2500);
  });
  for (int i = 0; i < 4; ++i)
    bench.arrive({.body = std::to_string(i)});
  const auto last = bench.arrive({.body = "last"});
  bench.pass(Duration::seconds(3));
  EXPECT_TRUE(bench.is_code(last, "limited")) << view(bench.reply(last).body);
  expect_told(bench, last, Hurdle::rate, R"("measured":)");
}

TEST(Overload, APauseNamesItself) {
  Bench bench([](call::UpstreamSettings&, call::RouteSettings& route) {
    route.wait = Duration::seconds(4);
    route.retry.live_attempts = 1;
  });
  bench.arrive({.body = "told to wait"});
  bench.end(answer(429, "slow down", {{"Retry-After", "60"}}));
  const auto second = bench.arrive({});
  EXPECT_TRUE(bench.is_code(second, "paused"));
  expect_told(bench, second, Hurdle::paused,
              R"("measured":60000,"threshold":4000,"unit":"ms of waiting")");
}

TEST(Overload, ABreakerNamesWhatOpenedIt) {
  Bench bench([](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    upstream.breaker.consecutive = 3;
    route.wait = Duration::seconds(1);
    route.retry.live_attempts = 1;
  });
  for (int i = 0; i < 3; ++i) {
    bench.arrive({.body = std::to_string(i)});
    bench.end(lost());
  }
  const auto refused = bench.arrive({.body = "another"});
  EXPECT_TRUE(bench.is_code(refused, "breaker-open"));
  expect_told(bench, refused, Hurdle::breaker,
              R"("measured":3,"threshold":3,"unit":"failures in a row")");
}

TEST(Overload, ALearntLimitFollowsTheUpstream) {
  Play play;
  play.slots = 500;  // the most that it may learn
  play.streams = {{CallClass::normal, "alice", 600, 600}};
  play.run = Duration::seconds(20);
  play.tune = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
    upstream.adaptive = call::AdaptiveSettings{2, 10};
    upstream.overload.emplace();
    route.wait = Duration::seconds(1);
  };
  Player player(play);
  EXPECT_EQ(player.load().limit, 10U);
  player.run();
  // Thirty at a time are asked for, and the upstream does not mind.
  EXPECT_GE(player.load().limit, 28U);
  ASSERT_TRUE(player.load().learnt.has_value());
  EXPECT_GT(player.load().learnt->baseline, Duration::millis(40));
  const auto late = tally(player.told(), [&](const Told& one) {
    return one.asked >= player.at(Duration::seconds(15));
  });
  EXPECT_LE(late.refused, late.asked / 50);
}

}  // namespace
}  // namespace hf::engine
