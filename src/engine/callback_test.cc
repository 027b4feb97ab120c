// How an application learns the end of a held call.
#include "engine/test_bench.h"

namespace hf::engine {
namespace {

using What = OperatorCommand::What;
using AskWhat = call::CallAsk::What;

constexpr const char* kUrl = "https://app.test/hooks/pay?x=1";
constexpr const char* kReceiver = "callback:app.test";

call::CallbackSettings callbacks() {
  call::CallbackSettings out;
  out.allow = {"https://app.test/hooks/"};
  out.secrets = {"s"};
  return out;
}

const auto kHold = [](call::UpstreamSettings& upstream, call::RouteSettings& route) {
  keyed(upstream);
  route.hold = call::Hold::on_failure;
  route.wait = Duration::seconds(2);
  route.retry.live_attempts = 1;
  route.deadline = Duration::minutes(10);
};

class CallbackTest : public ::testing::Test {
 protected:
  // The calls that tell another's end, the oldest first.
  std::vector<std::shared_ptr<const call::Call>> told() {
    std::vector<std::shared_ptr<const call::Call>> out;
    for (const auto& [id, call] : bench.stored) {
      if (call->callback_of) out.push_back(call);
    }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
      return a->accepted.mono < b->accepted.mono;
    });
    return out;
  }
  std::shared_ptr<const call::Call> original() {
    for (const auto& [id, call] : bench.stored) {
      if (!call->callback_of) return call;
    }
    ADD_FAILURE() << "no call";
    return std::make_shared<call::Call>();
  }
  static bool says(const call::Call& call, std::string_view text) {
    return view(call.request->body).find(text) != std::string_view::npos;
  }
  void hold(const Ask& ask) {
    bench.arrive(ask);
    bench.end(not_connected());
    ASSERT_TRUE(original()->held);
  }
  // The attempt that runs now goes to the receiver.
  bool telling() {
    return bench.pass_to_attempt(Duration::minutes(1)) &&
           bench.running.rbegin()->second.upstream->name == kReceiver;
  }
  // Ends that are no news are not told.
  std::size_t events(const CallId& id, call::Happening what) {
    const auto& all = bench.timeline[id];
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const auto& e) { return e.what == what; }));
  }

  Bench bench{kHold, callbacks()};
};

TEST_F(CallbackTest, tells_an_answer_in_the_commit_of_the_answer) {
  hold({.key = "order-1", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200, "paid"));
  ASSERT_EQ(told().size(), 1U);
  const call::Call& made = *told()[0];
  EXPECT_EQ(made.callback_of, original()->id);
  EXPECT_EQ(made.upstream, kReceiver);
  EXPECT_EQ(made.request->method, "POST");
  EXPECT_EQ(made.request->target, "/hooks/pay?x=1");
  EXPECT_TRUE(says(made, R"("type":"call.answered")"));
  EXPECT_TRUE(says(made, R"("key":"order-1")"));
  EXPECT_FALSE(says(made, "paid")) << "the route did not say so";
  const Field* id = find_field(made.request->fields, "webhook-id");
  ASSERT_NE(id, nullptr);
  EXPECT_EQ(id->value, made.id.text());
  EXPECT_EQ(events(original()->id, call::Happening::callback_made), 1U);
  // Its first write rode with the original's last one.
  const auto at = [&](const CallId& of, call::State state) {
    for (std::size_t i = 0; i < bench.writes.size(); ++i) {
      if (bench.writes[i].after->id == of && bench.writes[i].after->state == state) return i;
    }
    return bench.writes.size();
  };
  EXPECT_EQ(at(made.id, call::State::waiting) + 1, at(original()->id, call::State::answered));
  ASSERT_TRUE(telling());
  bench.end(answer(204));
  EXPECT_EQ(told()[0]->state, call::State::answered);
  EXPECT_FALSE(bench.pass_to_attempt(Duration::hours(48)));
  EXPECT_EQ(bench.stored.size(), 2U) << "nobody is told of the telling";
}

TEST_F(CallbackTest, a_small_answer_is_told_where_the_route_says_so) {
  bench.reload([](auto&, auto& route) { route.callback_answer = 10; });
  hold({.key = "k", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200, "paid"));
  ASSERT_EQ(told().size(), 1U);
  EXPECT_TRUE(says(*told()[0], R"("body":"paid")"));
}

TEST_F(CallbackTest, a_live_answer_is_no_news) {
  bench.arrive({.key = "k", .callback = kUrl});
  bench.end(answer(200, "paid"));
  EXPECT_TRUE(told().empty());
}

TEST_F(CallbackTest, tells_death_and_cancellation) {
  hold({.key = "k", .callback = kUrl});
  while (original()->state != call::State::dead && bench.pass_to_attempt(Duration::hours(1)))
    bench.end(not_connected());
  ASSERT_EQ(told().size(), 1U);
  EXPECT_TRUE(says(*told()[0], R"("type":"call.dead")"));
  EXPECT_TRUE(says(*told()[0], R"("effect":"none")"));
}

TEST_F(CallbackTest, tells_a_cancellation) {
  hold({.key = "k", .callback = kUrl});
  bench.ask(AskWhat::cancel, original()->id);
  ASSERT_EQ(told().size(), 1U);
  EXPECT_TRUE(says(*told()[0], R"("type":"call.cancelled")"));
}

TEST_F(CallbackTest, tells_an_unknown_end_and_again_when_a_person_settles_it) {
  hold({.key = "k", .callback = kUrl});
  while (original()->state != call::State::unknown && bench.pass_to_attempt(Duration::hours(1)))
    bench.end(lost());
  ASSERT_EQ(told().size(), 1U);
  EXPECT_TRUE(says(*told()[0], R"("type":"call.unknown")"));
  ASSERT_TRUE(telling());
  bench.end(answer(200));
  bench.command(What::resolve_not_applied, original()->id);
  ASSERT_EQ(told().size(), 2U);
  EXPECT_TRUE(says(*told()[1], R"("type":"call.dead")"));
  EXPECT_TRUE(says(*told()[1], R"("settled_by":"operator")"));
  EXPECT_NE(told()[0]->id, told()[1]->id);
}

TEST_F(CallbackTest, an_unknown_end_is_told_though_it_was_never_held) {
  bench.reload([](auto& upstream, auto& route) {
    upstream.idempotency = {};
    route.hold = call::Hold::never;
  });
  bench.arrive({.key = "k", .callback = kUrl});
  bench.end(lost());
  ASSERT_EQ(original()->state, call::State::unknown);
  ASSERT_EQ(told().size(), 1U);
  bench.command(What::resolve_applied, original()->id);
  ASSERT_EQ(told().size(), 2U);
  EXPECT_TRUE(says(*told()[1], R"("type":"call.answered")"));
}

TEST_F(CallbackTest, what_is_no_2xx_comes_again_and_410_is_the_last_word) {
  hold({.key = "k", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200));
  for (const int status : {302, 404, 401, 500, 408}) {
    ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(3))) << status;
    EXPECT_EQ(bench.running.rbegin()->second.upstream->name, kReceiver);
    bench.end(answer(status));
    EXPECT_EQ(told()[0]->state, call::State::waiting) << status;
  }
  ASSERT_TRUE(bench.pass_to_attempt(Duration::hours(3)));
  bench.end(answer(410));
  EXPECT_EQ(told()[0]->state, call::State::answered);
  EXPECT_EQ(told()[0]->answer->status, 410);
  EXPECT_FALSE(bench.pass_to_attempt(Duration::hours(48)));
}

TEST_F(CallbackTest, retry_after_is_honoured) {
  hold({.key = "k", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200));
  ASSERT_TRUE(telling());
  bench.end(answer(503, "", {{"Retry-After", "600"}}));
  EXPECT_FALSE(bench.pass_to_attempt(Duration::seconds(599)));
  EXPECT_TRUE(bench.pass_to_attempt(Duration::seconds(60)));
}

TEST_F(CallbackTest, survives_a_crash) {
  hold({.key = "k", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200));
  bench.crash();
  ASSERT_TRUE(telling());
  const call::Request first = *bench.running.rbegin()->second.request;
  bench.crash();  // while it was being told
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(5)));
  const call::Request& again = *bench.running.rbegin()->second.request;
  EXPECT_EQ(again.fields, first.fields) << "the receiver knows it again by its webhook-id";
  EXPECT_EQ(view(again.body), view(first.body));
  bench.end(answer(200));
  EXPECT_EQ(told()[0]->state, call::State::answered);
}

TEST_F(CallbackTest, an_owner_of_the_call_does_not_own_the_telling) {
  hold({.key = "k", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200));
  EXPECT_EQ(bench.status(bench.ask(AskWhat::status, told()[0]->id)), 404);
}

TEST_F(CallbackTest, what_a_lookup_finds_is_told) {
  bench.reload([](auto& upstream, auto&) {
    upstream.idempotency.mode = call::Mode::verify;
    call::Lookup lookup;
    lookup.get = "/charges?ref={key}";
    lookup.found = "/data/0";
    lookup.where = {{"/status", {"done"}}};
    upstream.lookup = lookup;
  });
  hold({.key = "k", .callback = kUrl});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(lost());
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  ASSERT_TRUE(bench.running.rbegin()->second.lookup);
  bench.end(answer(200, R"({"data":[{"status":"done"}]})"));
  ASSERT_EQ(told().size(), 1U);
  EXPECT_TRUE(says(*told()[0], R"("type":"call.answered")"));
  EXPECT_TRUE(says(*told()[0], R"("effect":"applied")"));
  EXPECT_FALSE(says(*told()[0], R"("answer")")) << "there is none to tell";
  for (const auto& event : bench.timeline[original()->id]) {
    EXPECT_TRUE(event.what != call::Happening::looked_up || event.digest.has_value());
  }
}

TEST_F(CallbackTest, a_url_that_is_no_longer_allowed_is_told_to_people) {
  hold({.key = "k", .callback = "https://elsewhere.test/"});
  ASSERT_TRUE(bench.pass_to_attempt(Duration::minutes(1)));
  bench.end(answer(200));
  EXPECT_TRUE(told().empty());
  EXPECT_TRUE(bench.noted("callback_not_allowed"));
  EXPECT_EQ(original()->state, call::State::answered);
}

}  // namespace
}  // namespace hf::engine
