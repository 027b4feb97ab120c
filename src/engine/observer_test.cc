// The observer says what the real engine does: both are told the same story, and what the one
// says is compared with what the other did.
#include "engine/observer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/test_bench.h"

namespace hf::engine {
namespace {

const auto kKeyed = [](call::UpstreamSettings& upstream, call::RouteSettings&) { keyed(upstream); };

// A bench with an observer beside it: requests and ends are told to both.
class Twins {
 public:
  explicit Twins(const Bench::Tune& tune) : bench(tune) {
    const call::NewCall call = bench.make({});
    auto settings = std::make_shared<call::Settings>();
    settings->upstreams["up"] = call.upstream;
    settings->routes = {call.route};
    route = call.route;
    observer = std::make_unique<Observer>(settings, 1);
  }

  // A request, as the observer sees it.
  ExchangeId see(const Ask& ask) {
    const ExchangeId id{1000 + next_++};
    told.clear();
    observer->arrived(id, bench.make(ask), ask.key, bench.now, told);
    return id;
  }
  void over(ExchangeId id, Ending ending) {
    told.clear();
    ending.outcome.authority = "up.test";
    observer->ended(id, std::move(ending), bench.now, told);
  }
  void over(ExchangeId id, call::AttemptOutcome outcome) {
    Ending ending;
    ending.outcome = std::move(outcome);
    over(id, std::move(ending));
  }
  // "replay answered; hold paused"
  [[nodiscard]] std::string words() const {
    std::string out;
    for (const Sighting& one : told) {
      out += fmt::format("{}{} {}", out.empty() ? "" : "; ", to_string(one.would), one.rule);
    }
    return out;
  }
  [[nodiscard]] const Sighting* find(Would would) const {
    for (const Sighting& one : told) {
      if (one.would == would) return &one;
    }
    return nullptr;
  }

  Bench bench;
  std::shared_ptr<const call::RouteSettings> route;
  std::unique_ptr<Observer> observer;
  std::vector<Sighting> told;

 private:
  std::uint64_t next_ = 1;
};

Ending after(call::AttemptOutcome outcome, Duration head) {
  Ending out;
  outcome.took = head;
  outcome.phases.head = head;
  out.head_took = head;
  out.outcome = std::move(outcome);
  return out;
}

// ---- What one call shows

TEST(Observer, an_answer_at_once_is_nothing_to_tell) {
  Twins twins(kKeyed);
  const auto id = twins.see({.key = "k"});
  EXPECT_EQ(twins.words(), "");
  twins.over(id, answer(200));
  EXPECT_EQ(twins.words(), "");
  EXPECT_EQ(twins.observer->open(), 0U);
}

TEST(Observer, a_lost_answer_is_sent_again_under_its_key) {
  Twins twins(kKeyed);
  twins.over(twins.see({.key = "k"}), lost());
  EXPECT_EQ(twins.words(), "retry retry-same-key");
  EXPECT_EQ(twins.told.front().row, "no_status");
  EXPECT_TRUE(twins.told.front().key);
}

TEST(Observer, without_proof_a_lost_answer_is_unknown) {
  Twins twins([](auto&, auto&) {});
  twins.over(twins.see({.key = "k"}), lost());
  EXPECT_EQ(twins.words(), "unknown no-repeat-without-proof");
  const auto again = twins.see({.key = "k"});
  EXPECT_EQ(twins.words(), "refuse outcome-unknown");
  twins.over(again, answer(200));
  EXPECT_EQ(twins.words(), "doubled perhaps");
}

TEST(Observer, repeats_that_took_effect_are_the_headline) {
  Twins twins([](auto&, auto&) {});
  twins.over(twins.see({.key = "k"}), answer(200));
  const auto again = twins.see({.key = "k"});
  EXPECT_EQ(twins.words(), "replay answered");
  twins.over(again, answer(200));
  EXPECT_EQ(twins.words(), "doubled answered-twice");
  const auto third = twins.see({.key = "k"});
  twins.over(third, answer(402));
  EXPECT_EQ(twins.words(), "") << "refused by the upstream: no second effect";
}

TEST(Observer, the_upstream_itself_joins_one_key_of_its_own) {
  Twins twins(kKeyed);
  twins.over(twins.see({.key = "k"}), answer(200));
  twins.over(twins.see({.key = "k"}), answer(200));
  EXPECT_EQ(twins.words(), "") << "the client's own key went upstream with both";
}

TEST(Observer, another_body_or_owner_under_one_key_is_refused) {
  Twins twins(kKeyed);
  twins.over(twins.see({.key = "k"}), answer(200));
  const auto changed = twins.see({.key = "k", .body = "other"});
  EXPECT_EQ(twins.words(), "refuse key-reused");
  twins.over(changed, answer(200));
  EXPECT_EQ(twins.words(), "") << "another request is no repeat";
  twins.see({.key = "k", .owner = "bob"});
  EXPECT_EQ(twins.words(), "refuse key-owned-by-another");
}

TEST(Observer, a_repeat_during_the_call_joins_it) {
  Twins twins([](auto&, auto&) {});
  const auto first = twins.see({.key = "k"});
  const auto second = twins.see({.key = "k"});
  EXPECT_EQ(twins.words(), "join in-flight");
  twins.over(second, answer(200));
  EXPECT_EQ(twins.words(), "");
  twins.over(first, answer(200));
  EXPECT_EQ(twins.words(), "doubled answered-twice");
}

TEST(Observer, limits_cut_what_takes_longer) {
  Twins twins(kKeyed);
  const Duration head = twins.bench.upstream().timeouts.head;
  twins.over(twins.see({.key = "k"}), after(answer(200), head));
  EXPECT_EQ(twins.words(), "");
  const auto slow = twins.see({.key = "l"});
  twins.bench.pass(Duration::seconds(40));
  twins.over(slow, after(answer(200), Duration::seconds(40)));
  // Its client's patience is over by then: nothing more is tried live, and it may not be held.
  EXPECT_EQ(twins.words(), "time-out head");
  EXPECT_EQ(twins.find(Would::time_out)->status, 200);
}

TEST(Observer, a_slow_answer_would_have_been_doubted) {
  Twins twins([](auto& upstream, auto&) { upstream.timeouts.head = Duration::seconds(1); });
  const auto slow = twins.see({.key = "k"});
  twins.bench.pass(Duration::seconds(3));
  twins.over(slow, after(answer(200), Duration::seconds(3)));
  EXPECT_EQ(twins.words(), "time-out head; unknown no-repeat-without-proof");
}

TEST(Observer, a_slow_connection_would_have_been_given_up) {
  Twins twins(kKeyed);
  const auto id = twins.see({.key = "k"});
  auto outcome = answer(200);
  outcome.phases.connect = Duration::seconds(5);
  outcome.took = Duration::seconds(5);
  twins.bench.pass(Duration::seconds(5));
  twins.over(id, outcome);
  EXPECT_EQ(twins.words(), "time-out connect; retry no-byte-sent");
}

TEST(Observer, a_gap_in_an_answer_would_have_cut_it) {
  Twins twins([](auto& upstream, auto& route) {
    keyed(upstream);
    route.wait = Duration::minutes(1);
  });
  const auto id = twins.see({.key = "k"});
  twins.bench.pass(Duration::seconds(20));
  Ending ending;
  ending.outcome = answer(200);
  ending.outcome.took = Duration::seconds(20);
  ending.longest_gap = Duration::seconds(16);
  twins.over(id, ending);
  EXPECT_EQ(twins.words(), "time-out idle; retry retry-same-key");
}

TEST(Observer, a_client_that_leaves_would_not_have_ended_its_call) {
  Twins twins([](auto&, auto&) {});
  const auto first = twins.see({.key = "k"});
  Ending gone = after(lost(call::Cause::cancelled), Duration::seconds(5));
  gone.client_gone = true;
  twins.over(first, gone);
  EXPECT_EQ(twins.words(), "finish client-left");
  const auto second = twins.see({.key = "k"});
  EXPECT_EQ(twins.words(), "join not-over");
  twins.over(second, answer(200));
  EXPECT_EQ(twins.words(), "doubled perhaps");
}

TEST(Observer, holds_are_told) {
  Twins always([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::always;
  });
  always.see({.key = "k"});
  EXPECT_EQ(always.words(), "hold hold-always");
  Twins failing([](auto& upstream, auto& route) {
    keyed(upstream);
    route.hold = call::Hold::on_failure;
    route.retry.live_attempts = 1;
  });
  failing.over(failing.see({.key = "k"}), answer(503));
  EXPECT_EQ(failing.words(), "hold retry-same-key");
  failing.over(failing.see({.key = "l", .stable = false}), answer(503));
  EXPECT_EQ(failing.words(), "") << "its repeat would not be recognised";
}

TEST(Observer, hurdles_are_told_and_belong_to_it_alone) {
  Twins twins([](call::UpstreamSettings& upstream, auto&) {
    keyed(upstream);
    upstream.concurrency = 3;  // one of them is kept for held attempts
  });
  std::vector<ExchangeId> open;
  std::string all;
  for (int i = 0; i < 3; ++i) {
    open.push_back(twins.see({.key = fmt::format("k{}", i)}));
    all += twins.words();
  }
  EXPECT_EQ(all, "wait concurrency");
  for (const auto id : open)
    twins.over(id, answer(200));
  const auto limited = twins.see({.key = "limited"});
  EXPECT_EQ(twins.words(), "");
  twins.over(limited, answer(429, "{}", {{"Retry-After", "3600"}}));
  twins.see({.key = "next"});
  EXPECT_EQ(twins.words(), "refuse paused");
}

TEST(Observer, a_lookup_would_have_asked) {
  Twins twins([](call::UpstreamSettings& upstream, auto&) {
    keyed(upstream);
    upstream.idempotency.no_retry_advice = {{"x-should-retry", "false"}};
    upstream.lookup = call::Lookup{"/x", "/data/0", {{"/id", {"1"}}}, {}, std::nullopt};
  });
  twins.over(twins.see({.key = "k"}), answer(500, "{}", {{"x-should-retry", "false"}}));
  EXPECT_EQ(twins.words(), "verify stored-error-or-advice");
}

TEST(Observer, memory_is_bounded_and_says_so) {
  Twins twins([](auto&, auto&) {});
  for (std::size_t i = 0; i < kObservedKeysMax + 10; ++i)
    twins.over(twins.see({.key = fmt::format("k{}", i)}), answer(200));
  EXPECT_EQ(twins.observer->keys(), kObservedKeysMax);
  EXPECT_EQ(twins.observer->forgotten(), 10U);
  twins.see({.key = "k5"});
  EXPECT_EQ(twins.words(), "") << "forgotten: a call of its own";
  twins.see({.key = "k100"});
  EXPECT_EQ(twins.words(), "replay answered");
}

TEST(Observer, keys_are_remembered_as_long_as_the_journal_would) {
  Twins twins(kKeyed);
  twins.over(twins.see({.key = "k"}), answer(200));
  twins.bench.now.mono = twins.bench.now.mono + Duration::hours(25);
  twins.see({.key = "k"});
  EXPECT_EQ(twins.words(), "refuse key-expired");
}

TEST(Observer, words_are_read_back) {
  for (std::size_t i = 0; i < kWoulds; ++i) {
    const auto would = static_cast<Would>(i);
    EXPECT_EQ(would_of(to_string(would)), would);
  }
  EXPECT_EQ(would_of("else"), std::nullopt);
}

// ---- The same stories as the engine

// One story of requests under few keys, told to the engine and to the observer. The attempts that
// only the engine makes come to nothing: that is what the observer goes by.
class Story {
 public:
  Story(std::uint64_t seed, const Bench::Tune& tune, bool derived)
      : twins_(tune), prng_(seed), derived_(derived) {}

  void run() {
    for (int i = 0; i < 12 && !parted_ && !testing::Test::HasFailure(); ++i) {
      const bool arrive = open_.empty() || (open_.size() < 3 && prng_.chance(1, 2));
      arrive ? this->arrive() : end();
      twins_.bench.pass(Duration::millis(prng_.between(1, 2500)));
    }
  }
  [[nodiscard]] const std::map<std::string, int>& seen() const { return seen_; }
  [[nodiscard]] const std::string& told() const { return log_; }

 private:
  struct Both {
    ExchangeId real{};
    ExchangeId observed{};
    std::optional<AttemptId> attempt;  // of the engine, for this request
  };

  void arrive() {
    Bench& bench = twins_.bench;
    Ask ask;
    ask.key = fmt::format("k{}", prng_.below(3));
    if (prng_.chance(1, 8)) ask.body = "{\"b\":2}";
    if (prng_.chance(1, 10)) ask.owner = "bob";
    if (prng_.chance(1, 8)) ask.stable = false;
    if (prng_.chance(1, 8)) ask.method = "GET";
    if (prng_.chance(1, 8)) ask.key = "";
    if (derived_ && prng_.chance(2, 3)) {
      ask.key = "";
      ask.derived = true;
    }
    Both both;
    both.observed = twins_.see(ask);
    const std::string says = twins_.words();
    std::set<AttemptId> before;
    for (const auto& [id, start] : bench.running)
      before.insert(id);
    both.real = bench.arrive(ask);
    const bool waits = twins_.find(Would::wait) != nullptr;
    for (int i = 0; i < (waits ? 450 : 1) && !both.attempt; ++i) {
      if (waits) bench.pass(Duration::millis(100));
      for (const auto& [id, start] : bench.running) {
        if (!before.contains(id)) both.attempt = id;
      }
    }
    log_ += fmt::format("arrive {} {} {}: observer '{}', engine {}\n", ask.method, ask.key,
                        ask.body, says, done_with(both));
    const std::string expected = expected_of_arrival();
    if (waits && !both.attempt && !bench.unanswered(both.real)) {
      // Whether the queue moves in time nobody can know at the arrival; the two part here.
      parted_ = true;
      return;
    }
    EXPECT_EQ(done_with(both), expected) << log_;
    open_.push_back(both);
  }

  // What the engine did with it so far.
  [[nodiscard]] std::string done_with(const Both& both) {
    Bench& bench = twins_.bench;
    if (both.attempt) {
      const bool again = bench.stored.contains(bench.running.at(*both.attempt).call) &&
                         bench.stored.at(bench.running.at(*both.attempt).call)->attempts > 1;
      return again ? "goes on" : "goes";
    }
    if (bench.unanswered(both.real)) return "joined";
    if (!bench.field(both.real, "Idempotent-Replayed").empty()) return "replayed";
    const std::string code{call::problem_code(bench.reply(both.real))};
    return code == "held" ? "joined" : "refused " + code;
  }

  [[nodiscard]] std::string expected_of_arrival() {
    std::string out = "goes";
    for (const Sighting& one : twins_.told) {
      seen_[std::string(to_string(one.would))] += 1;
      if (one.would == Would::replay) out = "replayed";
      if (one.would == Would::join || one.would == Would::hold) out = "joined";
      if (one.would == Would::resume) out = "goes on";
      if (one.would == Would::refuse) out = "refused " + one.rule;
    }
    return out;
  }

  call::AttemptOutcome outcome() {
    switch (prng_.below(10)) {
      case 0:
      case 1:
      case 2:
        return answer(200);
      case 3:
        return answer(404);
      case 4:
        return answer(409);
      case 5:
        return answer(429, "{}", prng_.chance(1, 2) ? Fields{{"Retry-After", "30"}} : Fields{});
      case 6:
        return answer(503);
      case 7:
        return lost();
      case 8:
        return not_connected();
      default:
        return cut_answer(200);
    }
  }

  void end() {
    Bench& bench = twins_.bench;
    const std::size_t at = prng_.below(open_.size());
    const Both both = open_[at];
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
    const auto what = outcome();
    Ending ending;
    ending.outcome = what;
    ending.broke_with_head = what.evidence == call::Evidence::answer_begun;
    twins_.over(both.observed, std::move(ending));
    log_ += fmt::format("end {} {}: observer '{}'\n", to_string(what.evidence), what.head.status,
                        twins_.words());
    for (const Sighting& one : twins_.told)
      seen_[std::string(to_string(one.would))] += 1;
    if (!both.attempt || !bench.running.contains(*both.attempt)) return;
    const CallId call = bench.running.at(*both.attempt).call;
    bench.end(*both.attempt, what);
    const bool was_stored = bench.stored.contains(call);
    const bool held_now = was_stored && bench.stored.at(call)->held;
    const int more = come_to_nothing(call);
    const bool retries = more > 0 && !held_now;
    EXPECT_EQ(retries, twins_.find(Would::retry) != nullptr) << log_;
    EXPECT_EQ(held_now, twins_.find(Would::hold) != nullptr) << log_;
    const bool unknown = was_stored && bench.stored.at(call)->state == call::State::unknown;
    if (was_stored) {
      EXPECT_EQ(unknown, twins_.find(Would::unknown) != nullptr) << log_;
    }
  }

  // Ends every further attempt of the call with nothing sent; gives how many there were.
  int come_to_nothing(const CallId& call) {
    Bench& bench = twins_.bench;
    int out = 0;
    for (int i = 0; i < 450; ++i) {
      std::optional<AttemptId> next;
      for (const auto& [id, start] : bench.running) {
        if (start.call == call) next = id;
      }
      if (next) {
        out += 1;
        bench.end(*next, not_connected());
      }
      if (bench.stored.contains(call) && bench.stored.at(call)->held) return out;
      bench.pass(Duration::millis(100));
    }
    return out;
  }

  Twins twins_;
  Prng prng_;
  bool derived_;
  bool parted_ = false;
  std::vector<Both> open_;
  std::map<std::string, int> seen_;
  std::string log_;
};

void tell_stories(const Bench::Tune& tune, const std::set<std::string>& must_see,
                  bool derived = false) {
  std::map<std::string, int> seen;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Story story(seed, tune, derived);
    story.run();
    for (const auto& [word, count] : story.seen())
      seen[word] += count;
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << "\n" << story.told();
  }
  for (const auto& word : must_see)
    EXPECT_GT(seen[word], 10) << word;
}

const auto kCalm = [](call::UpstreamSettings& upstream) {
  upstream.breaker.consecutive = 0;
  upstream.breaker.of_at_least = 1000;
};

TEST(ObserverLikeEngine, at_an_upstream_with_keys) {
  tell_stories(
      [](auto& upstream, auto& route) {
        keyed(upstream);
        route.wait = Duration::seconds(40);
      },
      {"replay", "join", "resume", "retry", "refuse"});
}

TEST(ObserverLikeEngine, at_an_upstream_with_keys_and_little_patience) {
  tell_stories(
      [](auto& upstream, auto& route) {
        keyed(upstream);
        route.wait = Duration::seconds(2);
        // Whether a pause of random length ends before patience does, nobody can foretell.
        route.retry.live_backoff = {Duration::millis(1), Duration::millis(1)};
      },
      {"replay", "join", "resume", "retry", "refuse"});
}

TEST(ObserverLikeEngine, at_an_upstream_without_keys) {
  tell_stories([](auto& upstream, auto&) { kCalm(upstream); },
               {"replay", "join", "unknown", "refuse", "doubled"});
}

TEST(ObserverLikeEngine, at_an_upstream_where_repeating_only_costs) {
  tell_stories(
      [](auto& upstream, auto& route) {
        kCalm(upstream);
        upstream.idempotency.mode = call::Mode::repeatable;
        route.wait = Duration::seconds(40);
      },
      {"replay", "join", "resume", "retry", "doubled"});
}

TEST(ObserverLikeEngine, where_keys_are_derived) {
  tell_stories(
      [](auto& upstream, auto& route) {
        keyed(upstream);
        route.wait = Duration::seconds(40);
      },
      {"join", "retry", "refuse"}, true);
}

TEST(ObserverLikeEngine, behind_a_breaker) {
  tell_stories(
      [](call::UpstreamSettings& upstream, auto& route) {
        keyed(upstream);
        upstream.breaker.consecutive = 2;
        upstream.breaker.open = {Duration::seconds(12), Duration::seconds(12)};
        route.retry.live_attempts = 1;
        route.wait = Duration::seconds(3);
      },
      {"replay", "refuse", "resume", "wait"});
}

TEST(ObserverLikeEngine, where_calls_may_be_held) {
  tell_stories(
      [](auto& upstream, auto& route) {
        keyed(upstream);
        route.hold = call::Hold::on_failure;
        route.retry.live_attempts = 1;
      },
      {"replay", "join", "hold", "refuse"});
}

}  // namespace
}  // namespace hf::engine
