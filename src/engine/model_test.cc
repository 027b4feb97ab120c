// Every short story of one call and its key, told to the engine: all sequences of events up to a
// depth, with the bench's checks on every step and DESIGN's promises at the end of each.
#include "base/prng.h"
#include "engine/test_bench.h"

namespace hf::engine {
namespace {

struct World {
  call::Mode mode;
  call::Hold hold;
  bool classified = false;  // R, F and H are told by a 200 and its body
};

call::AnswerRule told_by(const std::string& did, call::Meaning means) {
  call::AnswerRule out;
  out.json = {{call::AnswerTest::Kind::equals, "/did", {did}},
              {call::AnswerTest::Kind::equals, "/ok", {"false"}}};
  out.means = means;
  return out;
}

// One letter, one event.
//   A another request with the key     G a client goes         T time passes up to the next attempt
//   W patience runs out                C its owner cancels     X crash and recovery
//   N nothing sent  L lost  R 429  F 500  P 409  S 200  H 401: how the running attempt ends
constexpr std::string_view kLetters = "AGTWCXNLRFPSH";

class Story {
 public:
  explicit Story(const World& world)
      : classified_(world.classified),
        bench_([&](call::UpstreamSettings& upstream, call::RouteSettings& route) {
          keyed(upstream);
          if (world.classified) {
            upstream.classify = {told_by("nothing", call::Meaning::refused),
                                 told_by("something", call::Meaning::unresolved)};
            upstream.classify[0].json.push_back(
                {call::AnswerTest::Kind::absent, "/credentials", {}});
            upstream.classify.push_back(told_by("nothing", call::Meaning::credentials));
          }
          upstream.idempotency.mode = world.mode;
          if (world.mode != call::Mode::key) upstream.idempotency.in_progress.clear();
          route.hold = world.hold;
          route.retry.live_attempts = 2;
        }) {
    arrive();
  }

  bool may(char letter) const {
    switch (letter) {
      case 'A':
        return arrivals_ < 3;
      case 'G':
        return bench_.waiting_clients() > 0;
      case 'T':
        return bench_.running.empty();
      case 'C':
        return !bench_.stored.empty() && cancels_ < 1;
      case 'X':
        return crashes_ < 2;
      case 'W':
        return true;
      default:
        return !bench_.running.empty();
    }
  }

  void tell(char letter) {
    switch (letter) {
      case 'A':
        arrive();
        return;
      case 'G':
        for (const ExchangeId id : clients_) {
          if (!bench_.unanswered(id)) continue;
          std::erase(clients_, id);
          bench_.gone(id);
          return;
        }
        return;
      case 'T':
        bench_.pass_to_attempt(Duration::minutes(1));
        return;
      case 'W':
        bench_.pass(Duration::seconds(11));
        return;
      case 'C':
        cancels_ += 1;
        cancels_sent_.push_back(
            bench_.ask(call::CallAsk::What::cancel, bench_.stored.begin()->first));
        return;
      case 'X':
        crashes_ += 1;
        std::erase_if(clients_, [&](ExchangeId id) { return bench_.unanswered(id); });
        bench_.crash();
        return;
      default:
        end(letter);
    }
  }

  // What must hold however the story went.
  void close() {
    for (const ExchangeId id : cancels_sent_)
      EXPECT_NE(bench_.status(id), 0);
    for (int i = 0; i < 40 && bench_.waiting_clients() > 0; ++i) {
      if (!bench_.running.empty()) end(i % 2 == 0 ? 'L' : 'N');
      bench_.pass_to_attempt(Duration::seconds(11));
    }
    EXPECT_EQ(bench_.waiting_clients(), 0U) << "a client without an answer";
    EXPECT_LE(bench_.stored.size(), 1U) << "one key, one call";
    std::set<std::string> finals;
    for (const ExchangeId id : clients_) {
      const bool final = bench_.field(id, "Holdfast-Effect").empty();
      if (bench_.status(id) == 200 && final) finals.insert(*bench_.reply(id).body);
    }
    for (const auto& [id, call] : bench_.stored) {
      const int doubt = bench_.may_have_applied.contains(id) ? bench_.may_have_applied.at(id) : 0;
      if (call->state == call::State::dead || call->state == call::State::cancelled) {
        EXPECT_EQ(doubt, 0) << "not proven: " << to_string(call->state);
      }
      if (call->state == call::State::unknown) {
        EXPECT_GT(doubt, 0);
      }
      if (call::terminal(call->state) || call->state == call::State::unknown) {
        EXPECT_TRUE(call->ended.has_value());
      }
      if (call->state == call::State::answered) {
        finals.insert(*call->answer->body);
      }
      if (call->state != call::State::answered && bench_.running.empty() && doubt > 0) {
        EXPECT_TRUE(call->unresolved) << "doubt was forgotten in " << to_string(call->state);
      }
    }
    EXPECT_LE(finals.size(), 1U) << "two final answers under one key";
  }

 private:
  void arrive() {
    arrivals_ += 1;
    clients_.push_back(bench_.arrive({.key = "k"}));
  }
  void end(char letter) {
    ends_ += 1;
    const std::string body = "answer " + std::to_string(ends_);
    if (classified_ && end_classified(letter)) return;
    switch (letter) {
      case 'N':
        bench_.end(not_connected());
        return;
      case 'L':
        bench_.end(lost());
        return;
      case 'R':
        bench_.end(answer(429, body, {{"Retry-After", "2"}}));
        return;
      case 'F':
        bench_.end(answer(500, body));
        return;
      case 'P':
        bench_.end(answer(409, body));
        return;
      case 'S':
        bench_.end(answer(200, body));
        return;
      default:
        bench_.end(answer(401, body));
        return;
    }
  }

  bool end_classified(char letter) {
    const Field type{"Content-Type", "application/json"};
    const std::string rest = ",\"n\":" + std::to_string(ends_);
    if (letter == 'R') {
      bench_.end(answer(200, std::string(kDidNothing) + rest + "}", {type, {"Retry-After", "2"}}));
    } else if (letter == 'F') {
      bench_.end(answer(200, R"({"ok":false,"did":"something")" + rest + "}", {type}));
    } else if (letter == 'H') {
      bench_.end(answer(200, std::string(kDidNothing) + rest + ",\"credentials\":1}", {type}));
    } else {
      return false;
    }
    return true;
  }

  bool classified_;
  Bench bench_;
  std::vector<ExchangeId> clients_;
  std::vector<ExchangeId> cancels_sent_;
  int arrivals_ = 0;
  int cancels_ = 0;
  int crashes_ = 0;
  int ends_ = 0;
};

class Model : public testing::TestWithParam<World> {
 protected:
  void explore(const std::string& told, std::size_t depth) {
    if (HasFailure()) return;
    {
      Story story(GetParam());
      for (const char letter : told)
        story.tell(letter);
      std::string next;
      for (const char letter : kLetters) {
        if (story.may(letter)) next += letter;
      }
      story.close();
      stories_ += 1;
      ASSERT_FALSE(HasFailure()) << "told: " << told;
      if (told.size() == depth) return;
      next_ = next;
    }
    const std::string next = next_;
    for (const char letter : next)
      explore(told + letter, depth);
  }
  std::string next_;
  std::uint64_t stories_ = 0;
};

TEST_P(Model, all_short_stories_keep_the_promises) {
  explore("", GetParam().classified ? 5 : 6);
  EXPECT_GT(stories_, 10'000U);
}

// Longer ones, drawn at random with a fixed seed.
TEST_P(Model, long_stories_keep_the_promises) {
  Prng prng(2026);
  for (int i = 0; i < 8'000 && !HasFailure(); ++i) {
    Story story(GetParam());
    std::string told;
    for (int n = 0; n < 16; ++n) {
      const char letter = kLetters[prng.below(kLetters.size())];
      if (!story.may(letter)) continue;
      told += letter;
      story.tell(letter);
    }
    story.close();
    ASSERT_FALSE(HasFailure()) << "told: " << told;
  }
}

std::string world_name(const testing::TestParamInfo<World>& info) {
  return std::string(to_string(info.param.mode)) + "_" + std::string(to_string(info.param.hold)) +
         (info.param.classified ? "_classified" : "");
}

INSTANTIATE_TEST_SUITE_P(Worlds, Model,
                         testing::Values(World{call::Mode::none, call::Hold::never},
                                         World{call::Mode::none, call::Hold::on_failure},
                                         World{call::Mode::key, call::Hold::never},
                                         World{call::Mode::key, call::Hold::on_failure},
                                         World{call::Mode::key, call::Hold::always},
                                         World{call::Mode::none, call::Hold::on_failure, true},
                                         World{call::Mode::key, call::Hold::on_failure, true},
                                         World{call::Mode::repeatable, call::Hold::never},
                                         World{call::Mode::repeatable, call::Hold::on_failure}),
                         world_name);

}  // namespace
}  // namespace hf::engine
