#include "policy/ejection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace hf::policy {
namespace {

using testing::ElementsAre;

constexpr Duration kOut = Duration::seconds(10);
// The longest that one of `length` lasts.
Duration with_jitter(Duration length) {
  return length + length / 5;
}

class EjectionTest : public testing::Test {
 protected:
  EjectionTest() { ejection.set({"a", "b", "c"}); }

  Verdict ok(const std::string& address, bool probe = false) {
    return ejection.record(address, true, probe, now, now, prng);
  }
  Verdict failed(const std::string& address, bool probe = false) {
    return ejection.record(address, false, probe, now, now, prng);
  }
  Verdict fail_often(const std::string& address, int times = 5) {
    Verdict last = Verdict::none;
    for (int i = 0; i < times; ++i)
      last = failed(address);
    return last;
  }
  Standing standing(const std::string& address) const { return ejection.standing(address, now); }
  void pass(Duration time) { now = now + time; }

  Ejection ejection{EjectionConfig{}};
  Prng prng{3};
  Instant now{1'000'000'000};
};

TEST_F(EjectionTest, FailuresInARowEject) {
  EXPECT_EQ(fail_often("b", 4), Verdict::none);
  EXPECT_THAT(ejection.choices(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(failed("b"), Verdict::ejected);
  EXPECT_EQ(standing("b"), Standing::out);
  EXPECT_THAT(ejection.choices(), ElementsAre("a", "c"));
  EXPECT_GE(*ejection.out_until("b"), now + kOut);
  EXPECT_LE(*ejection.out_until("b"), now + with_jitter(kOut));
  EXPECT_EQ(ejection.out_until("a"), std::nullopt);
}

TEST_F(EjectionTest, ASuccessBetweenBeginsTheCountAnew) {
  fail_often("b", 4);
  ok("b");
  EXPECT_EQ(fail_often("b", 4), Verdict::none);
  EXPECT_EQ(ejection.streak("b"), 4);
}

TEST_F(EjectionTest, OneProbeBringsItBack) {
  fail_often("b");
  EXPECT_EQ(ejection.due(now, true), std::nullopt);
  pass(with_jitter(kOut));
  EXPECT_EQ(standing("b"), Standing::due);
  EXPECT_EQ(ejection.due(now, true), "b");
  EXPECT_THAT(ejection.choices(), ElementsAre("a", "c")) << "others do not go there yet";
  ejection.begin_probe("b");
  EXPECT_EQ(standing("b"), Standing::probing);
  EXPECT_EQ(ejection.due(now, true), std::nullopt) << "one at a time";
  EXPECT_EQ(ok("b", true), Verdict::returned);
  EXPECT_EQ(standing("b"), Standing::in);
  EXPECT_EQ(ejection.streak("b"), 0);
}

TEST_F(EjectionTest, AnAbandonedProbeLetsAnotherGo) {
  fail_often("b");
  pass(with_jitter(kOut));
  ejection.begin_probe("b");
  ejection.abandon_probe("b");
  EXPECT_EQ(ejection.due(now, true), "b");
}

// A secret that cannot be read, a proxy that is away: calls that never got as far as an address.
TEST_F(EjectionTest, ProbesThatTellNothingGoRoundThoseThatWait) {
  fail_often("b");
  pass(Duration::seconds(1));
  fail_often("c");
  pass(with_jitter(kOut) + Duration::seconds(1));
  ASSERT_EQ(ejection.due(now, true), "b") << "it has waited longest";
  for (const char* next : {"b", "c", "b", "c"}) {
    EXPECT_EQ(ejection.due(now, true), next);
    ejection.begin_probe(next);
    ejection.abandon_probe(next);
  }
  ejection.begin_probe("b");
  EXPECT_EQ(failed("b", true), Verdict::kept_out);
  EXPECT_EQ(ejection.due(now, true), "c");
  ejection.begin_probe("c");
  EXPECT_EQ(ok("c", true), Verdict::returned);
}

TEST_F(EjectionTest, FailedProbesDoubleTheTimeUpToItsMost) {
  fail_often("b");
  Duration length = kOut;
  for (int i = 0; i < 8; ++i) {
    pass(with_jitter(length));
    ASSERT_EQ(ejection.due(now, true), "b");
    ejection.begin_probe("b");
    EXPECT_EQ(failed("b", true), Verdict::kept_out);
    length = std::min(length * 2, Duration::minutes(5));
    EXPECT_EQ(standing("b"), Standing::out);
    EXPECT_GE(*ejection.out_until("b"), now + length);
    EXPECT_LE(*ejection.out_until("b"), now + with_jitter(length));
  }
}

TEST_F(EjectionTest, WhoFailsSoonAfterItsReturnIsOutForLonger) {
  fail_often("b");
  pass(with_jitter(kOut));
  ejection.begin_probe("b");
  ok("b", true);
  pass(kOut - Duration::seconds(1));
  EXPECT_EQ(fail_often("b"), Verdict::ejected);
  EXPECT_GE(*ejection.out_until("b"), now + kOut * 2);
  pass(with_jitter(kOut * 2));
  ejection.begin_probe("b");
  ok("b", true);
  pass(kOut * 2);
  fail_often("b");
  EXPECT_LE(*ejection.out_until("b"), now + with_jitter(kOut)) << "it had been well for that long";
}

// A call that may not be repeated safely is no probe while another may come.
TEST_F(EjectionTest, OnlyAHarmlessCallIsItsProbeAtFirst) {
  fail_often("b");
  pass(with_jitter(kOut));
  EXPECT_EQ(ejection.due(now, false), std::nullopt);
  pass(kOut);
  EXPECT_EQ(ejection.due(now, false), "b");
}

TEST_F(EjectionTest, ItIsTheOneThatWaitsLongest) {
  fail_often("c");
  pass(Duration::seconds(5));
  fail_often("a");
  pass(Duration::minutes(1));
  EXPECT_EQ(ejection.due(now, true), "c");
  ejection.begin_probe("c");
  EXPECT_EQ(ejection.due(now, true), "a");
}

// What began before the ejection, or before the return, tells of the time before.
TEST_F(EjectionTest, OldResultsSayNothing) {
  const Instant before = now;
  pass(Duration::seconds(1));
  fail_often("b");
  EXPECT_EQ(ejection.record("b", true, false, before, now, prng), Verdict::none);
  EXPECT_EQ(standing("b"), Standing::out);
  pass(with_jitter(kOut));
  ejection.begin_probe("b");
  const Instant during = now;
  pass(Duration::seconds(1));
  ok("b", true);
  for (int i = 0; i < 9; ++i)
    EXPECT_EQ(ejection.record("b", false, false, during, now, prng), Verdict::none);
  EXPECT_EQ(ejection.streak("b"), 0);
}

// A call that is bound to it goes there all the same, and its success is as good as a probe's.
TEST_F(EjectionTest, WhoHadToGoThereBringsItBackToo) {
  fail_often("b");
  pass(Duration::seconds(1));
  EXPECT_EQ(failed("b"), Verdict::none);
  EXPECT_EQ(ejection.streak("b"), 6);
  EXPECT_LE(*ejection.out_until("b"), now + with_jitter(kOut)) << "no longer for that";
  EXPECT_EQ(ok("b"), Verdict::returned);
  fail_often("b");
  pass(with_jitter(kOut * 2));
  EXPECT_EQ(failed("b"), Verdict::kept_out) << "its time was over: that was as good as a probe";
}

TEST_F(EjectionTest, NeverMoreThanTheirShare) {
  fail_often("a");
  EXPECT_EQ(fail_often("b"), Verdict::ejected) << "half of three, rounded up";
  EXPECT_THAT(ejection.choices(), ElementsAre("c"));
  EXPECT_FALSE(ejection.panics());
  EXPECT_EQ(fail_often("c"), Verdict::none);
  EXPECT_TRUE(ejection.panics());
  EXPECT_THAT(ejection.choices(), ElementsAre("a", "b", "c")) << "health tells nothing any more";
  EXPECT_EQ(ok("a"), Verdict::returned);
  EXPECT_THAT(ejection.choices(), ElementsAre("a", "c"));
}

TEST_F(EjectionTest, OneAloneIsNeverOut) {
  ejection.set({"a"});
  EXPECT_EQ(fail_often("a", 50), Verdict::none);
  EXPECT_THAT(ejection.choices(), ElementsAre("a"));
}

TEST_F(EjectionTest, AShareOfNothingEjectsNobody) {
  EjectionConfig config;
  config.most_permille = 0;
  ejection = Ejection(config);
  ejection.set({"a", "b"});
  EXPECT_EQ(fail_often("a", 50), Verdict::none);
  EXPECT_THAT(ejection.choices(), ElementsAre("a", "b"));
}

TEST_F(EjectionTest, AddressesComeAndGo) {
  fail_often("b");
  ejection.set({"b", "d", "d"});
  EXPECT_EQ(standing("b"), Standing::out);
  EXPECT_THAT(ejection.choices(), ElementsAre("d"));
  EXPECT_EQ(failed("a"), Verdict::none) << "it has gone";
  ejection.set({"b"});
  EXPECT_THAT(ejection.choices(), ElementsAre("b")) << "alone, it is what there is";
  ejection.set({"a"});
  ejection.set({"a", "b"});
  EXPECT_EQ(standing("b"), Standing::in) << "forgotten while it was away";
}

TEST_F(EjectionTest, TwoOfOneSeedAgreeAndAFleetDoesNot) {
  std::set<std::int64_t> ends;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    Ejection one(EjectionConfig{});
    one.set({"a", "b"});
    Prng own(seed);
    for (int i = 0; i < 5; ++i)
      one.record("a", false, false, now, now, own);
    ends.insert(one.out_until("a")->ns);
  }
  EXPECT_GT(ends.size(), 12U);
}

// Whatever happens: at least one address may be called, never more than the share is out, one probe
// at a time each, and none is out for longer than the longest time.
RC_GTEST_PROP(EjectionModel, AnyHistory, ()) {
  EjectionConfig config;
  config.consecutive = *rc::gen::inRange(1, 4);
  config.most_permille = *rc::gen::element(0, 100, 334, 500, 667, 1000);
  const int count = *rc::gen::inRange(1, 6);
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i)
    all.push_back(std::string(1, static_cast<char>('a' + i)));
  const int most = std::min(count - 1, (count * config.most_permille + 999) / 1000);
  Ejection ejection(config);
  ejection.set(all);
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  Instant now{1};
  std::set<std::string> probed;
  for (const int drawn : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 700))) {
    const std::string& address = all[static_cast<std::size_t>(drawn % count)];
    const bool was_out = ejection.standing(address, now) != Standing::in;
    switch (drawn / 100) {
      case 0:
      case 1:
      case 2:
        ejection.record(address, false, false, now, now, prng);
        break;
      case 3:
        ejection.record(address, true, false, now, now, prng);
        RC_ASSERT(ejection.standing(address, now) == Standing::in);
        probed.erase(address);
        break;
      case 4:
        now = now + Duration::seconds(drawn);
        break;
      case 5:
        if (const auto due = ejection.due(now, drawn % 2 == 0)) {
          RC_ASSERT(probed.insert(*due).second);
          ejection.begin_probe(*due);
        }
        break;
      default:
        if (probed.erase(address) == 0) break;
        ejection.record(address, drawn % 2 == 0, true, now, now, prng);
        RC_ASSERT((ejection.standing(address, now) == Standing::in) ==
                  (drawn % 2 == 0 || !was_out));
        break;
    }
    int out = 0;
    for (const std::string& each : all) {
      const auto until = ejection.out_until(each);
      if (!until) continue;
      ++out;
      RC_ASSERT(*until <= now + config.out_max + config.out_max / 5);
      // A call that had to go there may have ended what its probe was to find out.
      if (ejection.standing(each, now) != Standing::probing) probed.erase(each);
    }
    RC_ASSERT(out <= most);
    const auto choices = ejection.choices();
    RC_ASSERT(choices.size() >= static_cast<std::size_t>(count - most));
    RC_ASSERT(choices.size() ==
              (ejection.panics() ? all.size() : all.size() - static_cast<std::size_t>(out)));
  }
}

}  // namespace
}  // namespace hf::policy
