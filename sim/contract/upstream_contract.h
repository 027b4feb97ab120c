// For tests: the fixture of the contract of ports::Upstream, for both ways out.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "sim/contract/upstream_harness.h"

namespace hf::sim::testing {

using call::Cause;
using call::Evidence;
using Head = PeerAct::Head;
using Reads = PeerAct::Reads;
using Then = PeerAct::Then;
using Framing = PeerAct::Framing;
using What = ports::BodySource::What;

template <typename Way>
class UpstreamContract : public ::testing::Test {
 protected:
  Way way;

  AttemptId begin(ports::AttemptSpec spec) {
    const AttemptId id = spec.id;
    way.in_call += 1;
    way.upstream().start(std::move(spec));
    way.in_call -= 1;
    return id;
  }
  void cancel(AttemptId id) {
    way.in_call += 1;
    way.upstream().cancel(id);
    way.in_call -= 1;
  }
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) {
    way.in_call += 1;
    way.upstream().forward(id, std::move(sink));
    way.in_call -= 1;
  }
  void capture(AttemptId id, std::uint64_t max) {
    way.in_call += 1;
    way.upstream().capture(id, max);
    way.in_call -= 1;
  }
  const call::AttemptOutcome& end_of(AttemptId id) {
    way.run_until([&] { return way.ended(id); });
    return way.ends[id];
  }
  call::AttemptOutcome run(ports::AttemptSpec spec) { return end_of(begin(std::move(spec))); }
  // One request, answered by this act and captured.
  call::AttemptOutcome run(PeerAct act) {
    way.next(std::move(act));
    return run(way.spec());
  }
  AttemptId begin_and_await_head(ports::AttemptSpec spec) {
    const AttemptId id = begin(std::move(spec));
    way.run_until([&] { return way.heads.contains(id) || way.ended(id); });
    EXPECT_FALSE(way.ended(id));
    return id;
  }
  void await_act(int count = 1) {
    way.run_until([&] { return way.acted() >= count; });
    way.settle();
  }
  // Nothing more comes, and time goes by.
  call::AttemptOutcome run_into_silence(PeerAct act) {
    way.next(std::move(act));
    const AttemptId id = begin(way.spec());
    await_act();
    EXPECT_FALSE(way.ended(id));
    way.advance(kPatience);
    return end_of(id);
  }
};

using Ways = ::testing::Types<SimHarness, HttpHarness>;
inline void expect(const call::AttemptOutcome& outcome, Evidence evidence, Cause cause) {
  EXPECT_EQ(outcome.evidence, evidence) << to_string(outcome.evidence);
  EXPECT_EQ(outcome.cause, cause) << to_string(outcome.cause);
}

}  // namespace hf::sim::testing
