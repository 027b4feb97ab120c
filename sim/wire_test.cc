// What the simulated wire can do beside the contract that it shares with the real one: connections
// that end at the worst moment, planted mistakes, and the faults that a world draws.
#include "sim/wire.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "sim/plan.h"
#include "sim/upstream.h"

namespace hf::sim {
namespace {

using call::Cause;
using call::Evidence;

class WireTest : public ::testing::Test, public ports::UpstreamEvents, public SimPeer {
 protected:
  SimWire& wire(WireOptions options = {}) {
    if (!wire_) {
      wire_.emplace(schedule, *this, options);
      wire_->attach(this);
    }
    return *wire_;
  }
  AttemptId begin(bool careful = false) {
    ports::AttemptSpec spec;
    spec.id = AttemptId{++last_id_};
    spec.upstream = settings;
    spec.request = request;
    spec.capture_max = 1000;
    spec.careful_reuse = careful;
    wire().start(spec);
    return spec.id;
  }
  const call::AttemptOutcome& end_of(AttemptId id) {
    while (!ends.contains(id) && schedule.step()) {
    }
    return ends.at(id);
  }
  void pause(Duration by) {
    const Instant end = schedule.now() + by;
    schedule.at(end, [] {});
    while (schedule.now() < end)
      schedule.step();
  }

  void on_answer_head(AttemptId, call::AnswerHead, bool) override {}
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override {
    EXPECT_TRUE(ends.emplace(id, std::move(outcome)).second) << "two ends";
  }
  Passage pass(const ports::AttemptSpec&) override { return passage; }
  void on_request(const Arrival& arrival) override {
    arrivals.push_back(arrival);
    if (answers) wire().act(arrival.exchange, act);
  }

  Schedule schedule;
  std::shared_ptr<call::UpstreamSettings> settings = [] {
    auto made = std::make_shared<call::UpstreamSettings>();
    made->urls = {{false, "up.test", 80, ""}};
    return made;
  }();
  std::shared_ptr<call::Request> request = [] {
    auto made = std::make_shared<call::Request>();
    made->method = "POST";
    made->body = make_body("order");
    return made;
  }();
  Passage passage{.dial = Duration::millis(2), .way = Duration::millis(1)};
  PeerAct act{.body = "ok"};
  bool answers = true;
  std::vector<Arrival> arrivals;
  std::map<AttemptId, call::AttemptOutcome> ends;

 private:
  std::optional<SimWire> wire_;
  std::uint64_t last_id_ = 0;
};

TEST_F(WireTest, DoorsThatDoNotOpenSendNothing) {
  const std::pair<Passage::Door, Cause> doors[] = {{Passage::Door::refuses, Cause::connect_refused},
                                                   {Passage::Door::fails, Cause::connect_failed},
                                                   {Passage::Door::silent, Cause::connect_timeout}};
  for (const auto& [door, cause] : doors) {
    passage.door = door;
    const auto& outcome = end_of(begin());
    EXPECT_EQ(outcome.evidence, Evidence::nothing_sent);
    EXPECT_EQ(outcome.cause, cause);
  }
  passage.door = Passage::Door::open;
  passage.dial = settings->timeouts.connect;
  EXPECT_EQ(end_of(begin()).cause, Cause::connect_timeout);
  EXPECT_TRUE(arrivals.empty());
}

TEST_F(WireTest, ARequestMayMeetTheEndOfAReusedConnection) {
  end_of(begin());
  passage.meets_the_end = true;
  const auto& outcome = end_of(begin());
  EXPECT_TRUE(outcome.reused);
  EXPECT_EQ(outcome.evidence, Evidence::sent);
  EXPECT_EQ(outcome.cause, Cause::reset);
  EXPECT_EQ(arrivals.size(), 1U) << "it was read by nobody";
  EXPECT_EQ(end_of(begin()).evidence, Evidence::answer_complete) << "a new connection";
  EXPECT_EQ(wire().careful_losses(), 0U);
}

// Between the moment at which the other end closes and the one at which that is seen here.
TEST_F(WireTest, AnEndThatIsOnItsWayTakesTheRequest) {
  act.keeps_for = Duration::seconds(3);
  act.end_seen_after = Duration::millis(100);
  end_of(begin());
  pause(Duration::millis(3050));
  const auto& crossed = end_of(begin());
  EXPECT_TRUE(crossed.reused);
  EXPECT_EQ(crossed.evidence, Evidence::sent);
  EXPECT_EQ(crossed.cause, Cause::closed);
  end_of(begin());
  pause(Duration::millis(3100));
  EXPECT_FALSE(end_of(begin()).reused) << "it was seen";
  EXPECT_EQ(arrivals.size(), 3U);
}

TEST_F(WireTest, CareKeepsRequestsAwayFromTheEnd) {
  act.keeps_for = Duration::seconds(3);
  act.end_seen_after = Duration::seconds(1);
  end_of(begin(true));
  pause(Duration::millis(3500));
  EXPECT_EQ(end_of(begin(true)).evidence, Evidence::answer_complete);
  EXPECT_EQ(wire().careful_losses(), 0U);
  // A peer that keeps them for less than the careful wait is one that no care helps against.
  act.keeps_for = Duration::millis(500);
  end_of(begin(true));
  pause(Duration::millis(600));
  EXPECT_EQ(end_of(begin(true)).evidence, Evidence::sent);
  EXPECT_EQ(wire().careful_losses(), 1U);
}

TEST_F(WireTest, ARequestGivenUpOnItsWayArrivesAllTheSame) {
  const AttemptId id = begin();
  pause(passage.dial + Duration::micros(500));
  wire().cancel(id);
  EXPECT_EQ(end_of(id).evidence, Evidence::sent);
  pause(Duration::seconds(1));
  ASSERT_EQ(arrivals.size(), 1U);
  EXPECT_EQ(arrivals[0].sender, Arrival::Sender::gave_up);
}

TEST_F(WireTest, WhatADeadProcessHadSentArrivesAllTheSame) {
  begin();
  pause(passage.dial + Duration::micros(500));
  wire().forget();
  pause(Duration::seconds(1));
  ASSERT_EQ(arrivals.size(), 1U);
  EXPECT_EQ(arrivals[0].sender, Arrival::Sender::died);
  EXPECT_TRUE(ends.empty());
}

// The planted mistake, and what it would mean.
TEST_F(WireTest, OnAReusedAbandonedConnectionTheEarlierAnswerIsReadByTheLaterExchange) {
  for (const bool mistaken : {false, true}) {
    SCOPED_TRACE(mistaken);
    if (mistaken) wire().reuse_abandoned();
    const std::uint64_t before = wire().mixed_up();
    arrivals.clear();
    answers = false;
    const AttemptId first = begin();
    pause(Duration::millis(10));
    wire().cancel(first);
    EXPECT_EQ(end_of(first).evidence, Evidence::sent);
    const AttemptId second = begin();
    pause(Duration::millis(10));
    ASSERT_EQ(arrivals.size(), 2U);
    wire().act(arrivals[0].exchange, {.body = "of the first"});
    wire().act(arrivals[1].exchange, {.body = "of the second"});
    const auto& outcome = end_of(second);
    EXPECT_EQ(outcome.reused, mistaken);
    EXPECT_EQ(view(outcome.body), mistaken ? "of the first" : "of the second");
    EXPECT_EQ(wire().mixed_up() - before, mistaken ? 1U : 0U);
    wire().spoil_idle();
  }
}

// Worlds.

struct Tally {
  std::map<std::pair<Evidence, Cause>, int> ends;
  int reused = 0;
  int forwarded = 0;
  std::size_t effects = 0;
  std::uint64_t careful_losses = 0;
  bool operator==(const Tally&) const = default;
};

// Attempts one after another at one upstream with these faults, each answer captured or forwarded.
class Customer final : public ports::UpstreamEvents {
 public:
  Customer(std::uint64_t seed, const UpstreamFaults& faults)
      : upstream_(schedule_, Prng(seed), faults, [](const auto&, const auto&) {}) {
    settings_->name = "plain";
    settings_->urls = {{false, "up.test", 80, ""}};
    upstream_.attach(this);
  }
  Tally buy(int orders, bool careful) {
    for (int i = 0; i < orders; ++i) {
      ports::AttemptSpec spec;
      spec.id = AttemptId{static_cast<std::uint64_t>(i + 1)};
      spec.upstream = settings_;
      auto request = std::make_shared<call::Request>();
      request->method = "POST";
      request->body = make_body("order-" + std::to_string(i));
      spec.request = request;
      spec.capture_max = i % 2 == 0 ? 1000 : 0;
      spec.careful_reuse = careful;
      ended_ = false;
      upstream_.start(spec);
      while (!ended_ && schedule_.step()) {
      }
      EXPECT_TRUE(ended_);
    }
    tally_.effects = upstream_.ledger().size();
    tally_.careful_losses = upstream_.wire().careful_losses();
    return tally_;
  }
  void on_answer_head(AttemptId id, call::AnswerHead, bool) override {
    upstream_.forward(id, std::make_shared<Sink>());
  }
  void on_attempt_done(AttemptId, call::AttemptOutcome outcome) override {
    ended_ = true;
    tally_.ends[{outcome.evidence, outcome.cause}] += 1;
    tally_.reused += outcome.reused ? 1 : 0;
    tally_.forwarded += outcome.forwarded ? 1 : 0;
  }

 private:
  class Sink final : public ports::AnswerSink {
   public:
    void write(std::string, std::function<void(bool)> ready) override { ready(true); }
  };
  Schedule schedule_;
  SimUpstream upstream_;
  std::shared_ptr<call::UpstreamSettings> settings_ = std::make_shared<call::UpstreamSettings>();
  Tally tally_;
  bool ended_ = false;
};

TEST(WireFaults, AreDrawnFromTheSeedAndReplay) {
  int on = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    UpstreamFaults first;
    UpstreamFaults second;
    draw_wire_faults(Prng(seed), first);
    draw_wire_faults(Prng(seed), second);
    EXPECT_EQ(text_of_wire(first), text_of_wire(second));
    EXPECT_TRUE(first.connections);
    on += first.foreign > 0 ? 1 : 0;
    EXPECT_EQ(Customer(seed, first).buy(100, false), Customer(seed, second).buy(100, false));
  }
  EXPECT_GT(on, 0);
  EXPECT_LT(on, 20) << "each is off in half of the worlds";
}

TEST(WireFaults, NoneOfThemIsOnByItself) {
  const Tally tally = Customer(1, {}).buy(100, false);
  EXPECT_EQ(tally.ends.size(), 1U);
  EXPECT_EQ(tally.reused, 0);
  EXPECT_EQ(tally.effects, 100U);
}

TEST(WireFaults, ReachEveryEndThatTheRealWayOutHas) {
  std::map<std::pair<Evidence, Cause>, int> ends;
  int reused = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    UpstreamFaults faults;
    draw_wire_faults(Prng(seed), faults);
    faults.refuse_connect = 50;
    faults.reset_after = 50;
    faults.hang = 20;
    const Tally tally = Customer(seed, faults).buy(200, false);
    reused += tally.reused;
    for (const auto& [end, count] : tally.ends)
      ends[end] += count;
  }
  const std::pair<Evidence, Cause> wanted[] = {{Evidence::nothing_sent, Cause::connect_refused},
                                               {Evidence::nothing_sent, Cause::connect_failed},
                                               {Evidence::nothing_sent, Cause::connect_timeout},
                                               {Evidence::sent, Cause::reset},
                                               {Evidence::sent, Cause::closed},
                                               {Evidence::sent, Cause::head_timeout},
                                               {Evidence::sent, Cause::invalid_answer},
                                               {Evidence::answer_begun, Cause::reset},
                                               {Evidence::answer_begun, Cause::closed},
                                               {Evidence::answer_begun, Cause::head_timeout},
                                               {Evidence::answer_begun, Cause::idle_timeout},
                                               {Evidence::answer_begun, Cause::invalid_answer},
                                               {Evidence::answer_complete, Cause::none}};
  for (const auto& end : wanted)
    EXPECT_GT(ends[end], 0) << to_string(end.first) << " " << to_string(end.second);
  EXPECT_GT(reused, 1000);
}

// The peers here keep what they keep for longer than the careful wait.
TEST(WireFaults, NeverTakeACarefulRequest) {
  UpstreamFaults faults;
  faults.connections = true;
  faults.closing_reused = 500;
  int reused = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Tally tally = Customer(seed, faults).buy(200, true);
    EXPECT_EQ(tally.careful_losses, 0U);
    EXPECT_EQ(tally.effects, 200U);
    reused += tally.reused;
  }
  EXPECT_GT(reused, 100);
  EXPECT_LT(Customer(1, faults).buy(200, false).effects, 200U) << "others lose some";
}

}  // namespace
}  // namespace hf::sim
