// The order of things: what a decision wrote is synced before anything that depends on it is done.
#include "runtime/driver.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hf::runtime {
namespace {

struct FakeClock final : ports::Clock {
  Now now{Instant{1'000'000'000}, WallTime{1'700'000'000'000}, BootId{1}};
  Now read() noexcept override { return now; }
};
struct FakeTimer final : ports::WakeTimer {
  std::optional<Instant> when;
  void wake_at(std::optional<Instant> at) override { when = at; }
};

struct FakeJournal final : ports::Journal {
  ports::JournalEvents* events = nullptr;
  std::vector<std::pair<CommitId, call::Batch>> commits;
  std::vector<std::pair<ports::ReadId, call::Digest>> keys;
  std::vector<ports::ReadId> calls, pages, lists;
  bool at_once = false;  // answers a commit from inside commit()

  Result<call::Recovered> open() override { return call::Recovered{}; }
  void attach(ports::JournalEvents& to) override { events = &to; }
  void commit(CommitId id, call::Batch batch) override {
    commits.emplace_back(id, std::move(batch));
    if (at_once) events->on_commit(id, ports::CommitResult::ok);
  }
  void find_key(ports::ReadId id, const call::Digest& identity) override {
    keys.emplace_back(id, identity);
  }
  void read_call(ports::ReadId id, const CallId&, ports::Want) override { calls.push_back(id); }
  void read_line(ports::ReadId, const call::Digest&, std::size_t) override {}
  void page_line_heads(ports::ReadId, std::optional<call::Digest>, std::size_t) override {}
  void page_due(ports::ReadId id, const std::string&, call::DueClass, WallTime,
                std::size_t) override {
    pages.push_back(id);
  }
  void list(ports::ReadId id, ports::CallFilter) override { lists.push_back(id); }
  void detail(ports::ReadId, const CallId&) override {}
  void search(ports::ReadId, ports::SearchSpec) override {}
  void page_likeness(ports::ReadId, ports::LikenessSpec) override {}
  void close() override {}
};

struct FakeUpstream final : ports::Upstream {
  ports::UpstreamEvents* events = nullptr;
  std::vector<ports::AttemptSpec> started;
  std::vector<AttemptId> cancelled;
  bool end_at_once = false;  // reports the end from inside start()

  void start(ports::AttemptSpec spec) override {
    const AttemptId id = spec.id;
    started.push_back(std::move(spec));
    if (end_at_once) done(id);
  }
  void done(AttemptId id) {
    call::AttemptOutcome outcome;
    outcome.evidence = call::Evidence::answer_complete;
    outcome.head.status = 200;
    outcome.body = make_body("ok");
    events->on_attempt_done(id, std::move(outcome));
  }
  void cancel(AttemptId id) override { cancelled.push_back(id); }
  void forward(AttemptId, std::shared_ptr<ports::AnswerSink>) override {}
  void capture(AttemptId, std::uint64_t) override {}
};

struct FakeClients final : ports::Clients {
  std::vector<std::pair<ExchangeId, int>> replies;
  std::function<void(ExchangeId)> on_reply;
  void reply(ExchangeId id, call::Reply answer) override {
    replies.emplace_back(id, answer.status);
    if (on_reply) on_reply(id);
  }
  std::shared_ptr<ports::AnswerSink> begin(ExchangeId, call::AnswerHead) override {
    return nullptr;  // gone
  }
  void finish(ExchangeId, bool) override {}
};

struct FakeBody final : ports::BodySource {
  int rewinds = 0;
  bool kept = true;
  void read(Deliver) override {}
  void stop() override {}
  [[nodiscard]] bool replayable() const override { return kept; }
  void rewind() override { rewinds += 1; }
  [[nodiscard]] std::int64_t length() const override { return -1; }
};

class DriverTest : public testing::Test {
 protected:
  DriverTest() {
    upstream_settings = std::make_shared<call::UpstreamSettings>();
    upstream_settings->name = "up";
    upstream_settings->urls = {call::Url{false, "up.test", 80, ""}};
    upstream_settings->idempotency.mode = call::Mode::key;
    route = std::make_shared<call::RouteSettings>();
    route->upstream = "up";
    auto made = std::make_shared<call::Settings>();
    made->upstreams["up"] = upstream_settings;
    made->routes = {route};
    engine::EngineOptions options;
    options.settings = made;
    Hooks hooks;
    hooks.random = [this] { return Random128{7, ++drawn}; };
    hooks.note = [](const engine::Note&) {};
    hooks.on_broken = [this](std::string why) { broken.push_back(std::move(why)); };
    driver.emplace(options, &journal, upstream, clients, clock, timer, hooks);
    journal.events = &*driver;
    upstream.events = &*driver;
    driver->start({});
  }

  call::NewCall make(std::string_view key) const {
    call::NewCall call;
    call.route = route;
    call.upstream = upstream_settings;
    auto request = std::make_shared<call::Request>();
    request->method = key.empty() ? "GET" : "POST";
    request->target = "/";
    call.request = request;
    call.safe = key.empty();
    if (!key.empty()) {
      call::KeyUse use;
      use.identity.bytes[0] = static_cast<unsigned char>(key[0]);
      use.value = key;
      call.key = use;
    }
    return call;
  }
  void arrive(std::uint64_t id, std::string_view key) {
    driver->on_call(ExchangeId{id}, make(key), nullptr);
    if (!key.empty() && !journal.keys.empty()) {
      const auto read = journal.keys.back().first;
      journal.keys.clear();
      driver->on_key(read, ports::KeyFound{});
    }
  }
  void sync(std::size_t index, ports::CommitResult result = ports::CommitResult::ok) {
    ASSERT_LT(index, journal.commits.size());
    driver->on_commit(journal.commits[index].first, result);
  }

  FakeClock clock;
  FakeTimer timer;
  FakeJournal journal;
  FakeUpstream upstream;
  FakeClients clients;
  std::shared_ptr<call::UpstreamSettings> upstream_settings;
  std::shared_ptr<call::RouteSettings> route;
  std::vector<std::string> broken;
  std::uint64_t drawn = 0;
  std::optional<Driver> driver;
};

TEST_F(DriverTest, intent_is_synced_before_the_attempt_and_the_answer_before_the_reply) {
  arrive(1, "a");
  ASSERT_EQ(journal.commits.size(), 1U);
  EXPECT_TRUE(upstream.started.empty()) << "intent before bytes";
  sync(0);
  ASSERT_EQ(upstream.started.size(), 1U);
  upstream.done(upstream.started[0].id);
  ASSERT_EQ(journal.commits.size(), 2U);
  EXPECT_TRUE(clients.replies.empty()) << "durable before visible";
  sync(1);
  ASSERT_EQ(clients.replies.size(), 1U);
  EXPECT_EQ(clients.replies[0].second, 200);
}

TEST_F(DriverTest, a_commit_says_whether_anything_waits_for_it) {
  call::NewCall held = make("a");
  held.may_hold = true;
  route->hold = call::Hold::always;
  driver->on_call(ExchangeId{1}, std::move(held), nullptr);
  driver->on_key(journal.keys.back().first, ports::KeyFound{});
  sync(0);
  ASSERT_EQ(clients.replies.size(), 1U);
  upstream.done(upstream.started.at(0).id);
  ASSERT_EQ(journal.commits.size(), 2U);
  EXPECT_TRUE(journal.commits[0].second.awaited) << "the reply and the attempt";
  EXPECT_FALSE(journal.commits[1].second.awaited) << "nobody hears of a held call's end";
}

TEST_F(DriverTest, an_action_waits_for_its_own_commit_not_for_an_earlier_one) {
  arrive(1, "a");
  arrive(2, "b");
  ASSERT_EQ(journal.commits.size(), 2U);
  sync(0);
  EXPECT_EQ(upstream.started.size(), 1U);
  sync(1);
  EXPECT_EQ(upstream.started.size(), 2U);
}

TEST_F(DriverTest, what_needs_no_journal_passes_while_a_commit_is_under_way) {
  arrive(1, "a");
  arrive(2, "");
  ASSERT_EQ(upstream.started.size(), 1U) << "a safe call";
  driver->on_call(ExchangeId{3}, make("c"), nullptr);
  EXPECT_EQ(journal.keys.size(), 1U) << "reads pass";
}

TEST_F(DriverTest, a_journal_that_broke_with_nothing_to_commit_stops_it_too) {
  driver->on_health({false, "the disk is full", false});
  EXPECT_TRUE(broken.empty());
  driver->on_health({false, "a table could not be written", true});
  driver->on_health({false, "a table could not be written", true});
  EXPECT_EQ(broken.size(), 1U);
  EXPECT_TRUE(driver->broken());
}

class BrokenCommit : public DriverTest, public testing::WithParamInterface<ports::CommitResult> {};

TEST_P(BrokenCommit, stops_everything_once) {
  arrive(1, "a");
  arrive(2, "b");
  const std::size_t pages = journal.pages.size();
  sync(0, GetParam());
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_TRUE(driver->broken());
  EXPECT_FALSE(timer.when.has_value());
  sync(1);
  sync(1, ports::CommitResult::failed);
  arrive(3, "");
  driver->on_wake();
  driver->drain();
  EXPECT_EQ(broken.size(), 1U);
  EXPECT_TRUE(upstream.started.empty());
  EXPECT_TRUE(clients.replies.empty());
  EXPECT_EQ(journal.commits.size(), 2U);
  EXPECT_EQ(journal.pages.size(), pages);
}

INSTANTIATE_TEST_SUITE_P(Results, BrokenCommit,
                         testing::Values(ports::CommitResult::conflict,
                                         ports::CommitResult::unknown,
                                         ports::CommitResult::failed));

TEST_F(DriverTest, reentrant_ends_and_syncs_keep_the_order) {
  upstream.end_at_once = true;
  journal.at_once = true;
  for (std::uint64_t i = 1; i <= 5; ++i)
    arrive(i, std::string(1, static_cast<char>('a' + i)));
  EXPECT_EQ(upstream.started.size(), 5U);
  ASSERT_EQ(clients.replies.size(), 5U);
  for (std::uint64_t i = 1; i <= 5; ++i)
    EXPECT_EQ(raw(clients.replies[i - 1].first), i);
  EXPECT_TRUE(broken.empty());
}

TEST_F(DriverTest, a_call_from_inside_a_reply_is_stepped_after_it) {
  journal.at_once = true;
  upstream.end_at_once = true;
  clients.on_reply = [this](ExchangeId id) {
    if (raw(id) < 3) driver->on_call(ExchangeId{raw(id) + 1}, make(""), nullptr);
  };
  upstream.end_at_once = true;
  driver->on_call(ExchangeId{1}, make(""), nullptr);
  EXPECT_EQ(clients.replies.size(), 3U);
}

TEST_F(DriverTest, many_facts_that_wait_share_one_commit) {
  clients.on_reply = [this](ExchangeId id) {
    if (raw(id) != 1) return;
    for (std::uint64_t i = 2; i < 12; ++i) {
      const std::string key(1, static_cast<char>('a' + i));
      driver->on_call(ExchangeId{i}, make(key), nullptr);
    }
  };
  upstream.end_at_once = true;
  driver->on_call(ExchangeId{1}, make(""), nullptr);
  ASSERT_EQ(journal.keys.size(), 10U);
  clients.on_reply = [this](ExchangeId) {
    for (const auto& [read, identity] : std::exchange(journal.keys, {})) {
      driver->on_key(read, ports::KeyFound{});
    }
  };
  upstream.end_at_once = true;
  driver->on_call(ExchangeId{100}, make(""), nullptr);
  ASSERT_EQ(journal.commits.size(), 1U);
  EXPECT_EQ(journal.commits[0].second.calls.size(), 10U);
}

TEST_F(DriverTest, a_streamed_request_is_never_sent_without_its_body) {
  // Arrival and departure in one batch: the body has gone when the attempt would begin.
  clients.on_reply = [this](ExchangeId id) {
    if (raw(id) != 1) return;
    call::NewCall call = make("");
    call.streamed = true;
    call.has_body = true;
    driver->on_call(ExchangeId{2}, call, std::make_shared<FakeBody>());
    driver->on_gone(ExchangeId{2});
  };
  upstream.end_at_once = true;
  driver->on_call(ExchangeId{1}, make(""), nullptr);
  ASSERT_EQ(upstream.started.size(), 1U);
  EXPECT_EQ(clients.replies.size(), 1U);
  EXPECT_TRUE(driver->quiet());
}

TEST_F(DriverTest, a_streamed_body_is_rewound_for_a_second_attempt) {
  call::NewCall call = make("");
  call.streamed = true;
  call.has_body = true;
  auto body = std::make_shared<FakeBody>();
  driver->on_call(ExchangeId{1}, call, body);
  ASSERT_EQ(upstream.started.size(), 1U);
  EXPECT_EQ(upstream.started[0].body, body);
  EXPECT_EQ(body->rewinds, 0);
  driver->on_attempt_done(upstream.started[0].id, {});
  ASSERT_TRUE(timer.when.has_value());
  clock.now.mono = *timer.when + Duration::seconds(2);
  driver->on_wake();
  ASSERT_EQ(upstream.started.size(), 2U);
  EXPECT_EQ(body->rewinds, 1);
}

TEST_F(DriverTest, a_body_that_is_not_kept_allows_one_attempt) {
  call::NewCall call = make("");
  call.streamed = true;
  call.has_body = true;
  auto body = std::make_shared<FakeBody>();
  driver->on_call(ExchangeId{1}, call, body);
  body->kept = false;
  driver->on_attempt_done(upstream.started[0].id, {});
  EXPECT_EQ(clients.replies.size(), 1U);
}

TEST_F(DriverTest, a_client_gone_before_its_answer_cancels_the_forwarding) {
  arrive(1, "");
  driver->on_answer_head(upstream.started[0].id, {200, {}}, false);
  EXPECT_EQ(upstream.cancelled.size(), 1U) << "begin() found nobody";
}

TEST_F(DriverTest, commands_are_answered) {
  std::vector<std::string> said;
  engine::OperatorCommand pause;
  pause.what = engine::OperatorCommand::What::pause;
  pause.upstream = "up";
  pause.pause_for = Duration::minutes(5);
  driver->command(pause, [&](bool ok, std::string text) {
    said.push_back(std::move(text));
    EXPECT_TRUE(ok);
  });
  EXPECT_TRUE(said.empty()) << "its pause is not synced yet";
  sync(0);
  EXPECT_EQ(said, std::vector<std::string>{"paused"});
}

}  // namespace
}  // namespace hf::runtime
