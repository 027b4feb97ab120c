// For tests: one harness for each way out, the simulated one and the real one, so that the contract
// of ports::Upstream is tested once for both. Each can tell the other end what to do with the next
// request.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapters/http/upstream_testing.h"
#include "sim/contract/raw_peer.h"
#include "sim/wire.h"

namespace hf::sim::testing {

using adapters::testing::FakeSink;
using adapters::testing::FakeSource;

constexpr Duration kPatience = Duration::seconds(10);  // of every timeout
constexpr std::uint64_t kLarge = 1 << 20;              // a capture that nothing here outgrows

// What was raised, and that it was raised as it must be.
class Recorder : public ports::UpstreamEvents {
 public:
  struct Head {
    call::AnswerHead head;
    bool overflow = false;
  };
  void on_answer_head(AttemptId id, call::AnswerHead head, bool overflow) override {
    EXPECT_EQ(in_call, 0) << "raised from within a call";
    EXPECT_FALSE(ends.contains(id)) << "a head after the end";
    heads[id].push_back({std::move(head), overflow});
  }
  void on_attempt_done(AttemptId id, call::AttemptOutcome outcome) override {
    EXPECT_EQ(in_call, 0) << "raised from within a call";
    EXPECT_TRUE(ends.emplace(id, std::move(outcome)).second) << "two ends";
  }

  std::map<AttemptId, std::vector<Head>> heads;
  std::map<AttemptId, call::AttemptOutcome> ends;
  int in_call = 0;
};

// What both have in common.
class Harness : public Recorder {
 public:
  Harness() {
    settings.name = "fake";
    settings.urls = {{false, "127.0.0.1", 80, ""}};
    settings.timeouts = {kPatience, kPatience, kPatience};
    request.method = "POST";
    request.target = "/v1/things";
    request.fields = {{"X-Kind", "test"}};
    request.body = make_body("payload");
  }
  ports::AttemptSpec spec(std::uint64_t capture_max = kLarge) {
    ports::AttemptSpec out;
    out.id = AttemptId{++last_id_};
    out.upstream = std::make_shared<const call::UpstreamSettings>(settings);
    out.request = std::make_shared<const call::Request>(request);
    out.capture_max = capture_max;
    return out;
  }
  [[nodiscard]] std::string authority() const { return settings.urls[0].authority(); }
  [[nodiscard]] bool ended(AttemptId id) const { return ends.contains(id); }

  call::UpstreamSettings settings;
  call::Request request;

 private:
  std::uint64_t last_id_ = 0;
};

class SimHarness : public Harness, private SimPeer {
 public:
  SimHarness() : wire_(schedule_, *this, {}) { wire_.attach(this); }

  ports::Upstream& upstream() { return wire_; }
  void next(PeerAct act) { acts_.push_back(std::move(act)); }
  // The next connection is refused.
  ports::AttemptSpec refused_spec() {
    refuses_ = true;
    return spec();
  }
  void let_go_on() {}
  [[nodiscard]] Instant now() const { return schedule_.now(); }
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      if (!schedule_.step()) {
        ADD_FAILURE() << "nothing happened";
        return;
      }
    }
  }
  void settle() { advance(Duration::millis(50)); }
  void advance(Duration by) {
    const Instant end = schedule_.now() + by;
    schedule_.at(end, [] {});
    while (schedule_.now() < end)
      schedule_.step();
  }
  void stir(Stir) { wire_.spoil_idle(authority()); }
  void forget() { wire_.forget(); }
  [[nodiscard]] std::size_t idle() const { return wire_.idle(); }
  [[nodiscard]] int acted() const { return acted_; }
  [[nodiscard]] int accepted() const { return accepted_; }
  [[nodiscard]] std::vector<std::string> requests() const { return requests_; }

 private:
  static constexpr Duration kWay = Duration::millis(1);

  PeerAct take() {
    if (acts_.empty()) return {.body = "ok"};
    PeerAct out = std::move(acts_.front());
    acts_.erase(acts_.begin());
    return out;
  }
  Passage pass(const ports::AttemptSpec&) override {
    Passage passage;
    passage.dial = kWay;
    passage.way = kWay;
    if (std::exchange(refuses_, false)) {
      passage.door = Passage::Door::refuses;
      return passage;
    }
    if (wire_.idle() == 0) accepted_ += 1;
    if (!acts_.empty() && acts_.front().reads != PeerAct::Reads::all) {
      passage.early = take();
      schedule_.after(kWay * 3, [this] { acted_ += 1; });
    }
    return passage;
  }
  void on_request(const Arrival& arrival) override {
    requests_.push_back(*arrival.body);
    wire_.act(arrival.exchange, take());
    acted_ += 1;
  }

  Schedule schedule_;
  SimWire wire_;
  std::vector<PeerAct> acts_;
  std::vector<std::string> requests_;
  bool refuses_ = false;
  int acted_ = 0;
  int accepted_ = 0;
};

class HttpHarness : public Harness, private adapters::testing::UpstreamLoop {
 public:
  HttpHarness() : UpstreamLoop(static_cast<ports::UpstreamEvents&>(*this)) {
    settings.urls[0].port = peer_.port();
  }
  ~HttpHarness() override { forget(); }
  HttpHarness(const HttpHarness&) = delete;
  HttpHarness& operator=(const HttpHarness&) = delete;

  ports::Upstream& upstream() { return UpstreamLoop::upstream(); }
  void next(PeerAct act) { peer_.next(std::move(act)); }
  ports::AttemptSpec refused_spec() {
    const std::uint16_t nobody = adapters::testing::Listener().port();
    settings.urls[0].port = nobody;
    ports::AttemptSpec out = spec();
    settings.urls[0].port = peer_.port();
    return out;
  }
  void let_go_on() { peer_.let_go_on(); }
  [[nodiscard]] Instant now() { return clock_.read().mono; }
  using UpstreamLoop::run_until;
  using UpstreamLoop::settle;
  void advance(Duration by) {
    settle();
    clock_.shift = clock_.shift + by;
  }
  void stir(Stir stir) {
    const int before = peer_.stirred();
    peer_.stir(stir);
    // The loop does not run meanwhile: it has not seen what happened when the next request comes.
    while (peer_.stirred() == before)
      std::this_thread::yield();
  }
  // The way out goes with its owner, and with it every word about what still ran.
  void forget() {
    upstream_.reset();
    settle();
  }
  [[nodiscard]] std::size_t idle() { return UpstreamLoop::upstream().counters().idle; }
  [[nodiscard]] int acted() const { return peer_.acted(); }
  [[nodiscard]] int accepted() const { return peer_.accepted(); }
  [[nodiscard]] std::vector<std::string> requests() const { return peer_.requests(); }

 private:
  RawPeer peer_;
};

}  // namespace hf::sim::testing
