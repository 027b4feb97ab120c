// The words of alerts, the book of notices and the watch over causes.
#include "control/alert.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>

#include "control/alert_book.h"
#include "control/alert_watch.h"
#include "control/json.h"

namespace hf::control {
namespace {

constexpr Duration kEvery = Duration::hours(1);
constexpr Duration kOverAfter = Duration::seconds(30);
constexpr WallTime kStart{1'800'000'000'000};

AlertFinding finding(AlertCause cause = AlertCause::breaker_open, std::string upstream = "pay") {
  return {cause, std::move(upstream), {}, {}};
}

std::string sum(std::initializer_list<std::string_view> amounts) {
  Stake out;
  for (const auto amount : amounts)
    out.add(amount);
  return (out.at_least() ? "at least " : "") + out.text();
}

// ---- Words

TEST(Alert, NamesReadBack) {
  for (const AlertCause cause : kAlertCauses)
    EXPECT_EQ(parse_alert_cause(to_string(cause)), cause);
  EXPECT_FALSE(parse_alert_cause("schedule"));
}

TEST(Alert, StakeIsExact) {
  EXPECT_EQ(sum({"4200", "1"}), "4201");
  EXPECT_EQ(sum({"0.1", "0.2"}), "0.30");
  EXPECT_EQ(sum({"42.50", "-2.5"}), "40");
  EXPECT_EQ(sum({"-0.0001"}), "-0.0001");
  EXPECT_EQ(sum({"1.25", "-2"}), "-0.75");
  EXPECT_EQ(sum({}), "0");
}

TEST(Alert, StakeSaysWhenItIsNotAll) {
  for (const auto bad : {"", "x", "1e3", "1,5", "1.", ".5", "1.23456", "--1", "1.2.3", " 1",
                         "99999999999999999999", "900719925474099300000"}) {
    EXPECT_EQ(sum({"5", bad}), "at least 5") << bad;
  }
  EXPECT_EQ(sum({"900000000000000", "900000000000000"}), "at least 900000000000000");
}

TEST(Alert, ASentenceHasNumbersTimeLeftAgeAndStake) {
  AlertFinding some = finding(AlertCause::schedule_half);
  some.numbers.calls = 12;
  some.numbers.oldest = kStart - Duration::minutes(125);
  some.numbers.runs_out = kStart + Duration::seconds(342);
  some.numbers.stake.emplace().add("42.50");
  EXPECT_EQ(alert_sentence(some, kStart),
            "12 held calls to pay used up half of the time or more; the first runs out in 5m42s; "
            "the oldest is 2h5m old; 42.50 at stake");
  some.numbers.at_least = true;
  some.numbers.calls = 1;
  some.numbers.stake->cut();
  some.numbers.runs_out = kStart;
  EXPECT_EQ(alert_sentence(some, kStart),
            "at least 1 held calls to pay used up half of the time or more; the first runs out "
            "now; the oldest is 2h5m old; at least 42.50 at stake");
}

TEST(Alert, EveryCauseSaysWhatToDo) {
  for (const AlertCause cause : kAlertCauses) {
    const auto advice = alert_advice(finding(cause));
    EXPECT_FALSE(advice.empty());
    EXPECT_FALSE(alert_sentence(finding(cause), kStart).empty());
    const Notice notice{Notice::What::begun, {finding(cause), kStart}, kStart};
    EXPECT_NE(notice_text(notice).find(advice.front()), std::string::npos);
  }
}

TEST(Alert, NoticeJsonHasTheDocumentedMembers) {
  AlertFinding some = finding(AlertCause::schedule_three_quarters);
  some.numbers.calls = 2;
  some.numbers.runs_out = kStart + Duration::seconds(90);
  some.numbers.stake.emplace().add("10");
  const Notice notice{Notice::What::still, {some, kStart - Duration::hours(1)}, kStart};
  const std::string text = notice_json(notice, "amount");
  const auto members = JsonMembers::read(text);
  ASSERT_TRUE(members.ok()) << text;
  EXPECT_TRUE(
      members
          ->only({"version", "notice", "at", "cause", "upstream", "severity", "since", "calls",
                  "at_least", "oldest_at", "runs_out_at", "seconds_left", "stake", "text", "do"})
          .ok());
  EXPECT_EQ(members->raw("version"), "1");
  EXPECT_EQ(members->text("notice").value(), "still");
  EXPECT_EQ(members->text("cause").value(), "schedule-three-quarters");
  EXPECT_EQ(members->text("severity").value(), "critical");
  EXPECT_EQ(members->raw("seconds_left"), "90");
  EXPECT_EQ(members->raw("oldest_at"), "null");
  EXPECT_EQ(members->raw("stake"), R"({"field":"amount","sum":"10","at_least":false})");
}

// ---- The book

class Book {
 public:
  std::vector<Notice> look(bool there, Duration later) {
    now = now + later;
    const auto out = book.look(there ? std::vector{finding()} : std::vector<AlertFinding>{}, now);
    for (const Notice& notice : out)
      told.push_back(notice);
    return out;
  }
  AlertBook book{kEvery, kOverAfter};
  WallTime now = kStart;
  std::vector<Notice> told;
};

TEST(AlertBook, OneNoticeAnHourAndOneWhenOver) {
  Book book;
  for (int minute = 0; minute < 125; ++minute)
    book.look(true, Duration::minutes(1));
  book.look(false, Duration::minutes(1));
  EXPECT_TRUE(book.book.active().empty());
  book.look(false, kOverAfter);
  book.look(false, Duration::hours(5));
  ASSERT_EQ(book.told.size(), 4U);
  EXPECT_EQ(book.told[0].what, Notice::What::begun);
  EXPECT_EQ(book.told[1].what, Notice::What::still);
  EXPECT_EQ(book.told[1].at - book.told[0].at, kEvery);
  EXPECT_EQ(book.told[2].what, Notice::What::still);
  EXPECT_EQ(book.told[3].what, Notice::What::over);
  EXPECT_EQ(book.told[3].alert.since, kStart + Duration::minutes(1));
  EXPECT_EQ(book.book.memory(), "");
}

TEST(AlertBook, CausesAndUpstreamsAreToldApart) {
  AlertBook book(kEvery, kOverAfter);
  const auto notices = book.look(
      {finding(), finding(AlertCause::breaker_open, "sms"), finding(AlertCause::failure_rate)},
      kStart);
  EXPECT_EQ(notices.size(), 3U);
  EXPECT_EQ(book.active().size(), 3U);
}

TEST(AlertBook, WhatIsBackAtOnceNeverWent) {
  Book book;
  book.look(true, {});
  for (int i = 0; i < 20; ++i) {
    book.look(false, Duration::seconds(20));
    book.look(true, Duration::seconds(9));
  }
  EXPECT_EQ(book.told.size(), 1U);
  EXPECT_EQ(book.book.active().front().since, kStart);
}

TEST(AlertBook, TheNextProcessKnowsWhatWasTold) {
  Book first;
  first.look(true, {});
  Book second;
  second.now = first.now + Duration::minutes(10);
  second.book.restore(first.book.memory(), second.now);
  EXPECT_TRUE(second.book.active().empty());  // until it is seen again
  second.look(true, Duration::seconds(5));
  EXPECT_TRUE(second.told.empty());
  EXPECT_EQ(second.book.active().front().since, kStart);
  second.look(true, Duration::minutes(50));
  ASSERT_EQ(second.told.size(), 1U);
  EXPECT_EQ(second.told[0].what, Notice::What::still);

  Book third;
  third.now = second.now;
  third.book.restore(second.book.memory(), third.now);
  third.look(false, kOverAfter);
  ASSERT_EQ(third.told.size(), 1U);
  EXPECT_EQ(third.told[0].what, Notice::What::over);
}

TEST(AlertBook, MemoryThatMakesNoSenseIsLeftOut) {
  AlertBook book(kEvery, kOverAfter);
  book.restore("what\nbreaker-open x 1 1 pay\nbreaker-open 1 1 2 pay\n\nfailure-rate 5 6 1 a b\n",
               kStart);
  EXPECT_EQ(book.memory(), "failure-rate 5 6 1 a b\n");
}

TEST(AlertBook, AClockThatWentBackDoesNotSilenceForDays) {
  Book book;
  book.look(true, {});
  book.look(true, Duration{} - Duration::hours(48));
  book.look(true, kEvery);
  EXPECT_EQ(book.told.size(), 2U);
}

// Whatever comes and goes: notices of a cause are an hour apart, an end is told once for what was
// told, only after it has been gone for a while, and nothing that lasts is kept back.
RC_GTEST_PROP(AlertBookModel, one_per_cause_and_hour_and_over_is_told_once, ()) {
  const auto moves = *rc::gen::container<std::vector<std::pair<bool, int>>>(
      rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange(0, 1500)));
  Book book;
  std::optional<WallTime> told;
  std::optional<WallTime> gone;
  bool owed = false;
  for (const auto& [there, seconds] : moves) {
    if (*rc::gen::weightedElement<bool>({{19, false}, {1, true}})) {  // a restart
      const std::string memory = book.book.memory();
      book.book = AlertBook(kEvery, kOverAfter);
      book.book.restore(memory, book.now);
      gone = book.now;  // seen by nobody since then
    }
    const auto notices = book.look(there, Duration::seconds(seconds));
    if (there) gone.reset();
    if (!there && !gone) gone = book.now;
    RC_ASSERT(notices.size() <= 1U);
    RC_ASSERT(book.book.active().size() == (there ? 1U : 0U));
    if (there) {
      const bool expected = !told || book.now - *told >= kEvery;
      RC_ASSERT(notices.size() == (expected ? 1U : 0U));
      if (expected) {
        RC_ASSERT(notices[0].what == (owed ? Notice::What::still : Notice::What::begun));
        told = book.now;
        owed = true;
      }
    } else if (!notices.empty()) {
      RC_ASSERT(notices[0].what == Notice::What::over);
      RC_ASSERT(owed);
      RC_ASSERT(book.now - *gone >= kOverAfter);
      owed = false;
    } else {
      RC_ASSERT(!owed || book.now - *gone < kOverAfter);
    }
  }
}

// ---- The watch

class Watch {
 public:
  Watch() {
    facts.upstreams.resize(1);
    facts.upstreams[0].name = "pay";
  }
  UpstreamFacts& pay() { return facts.upstreams[0]; }
  std::vector<AlertCause> look(Duration later) {
    now.mono = now.mono + later;
    now.wall = now.wall + later;
    found = watch.look(facts, now);
    std::vector<AlertCause> out;
    for (const auto& one : found)
      out.push_back(one.cause);
    return out;
  }
  AlertFacts facts;
  std::vector<AlertFinding> found;
  Now now{Instant{}, kStart, BootId{1}};
  AlertWatch watch{call::AlertSettings{}};
};
using Causes = std::vector<AlertCause>;

TEST(AlertWatch, NothingIsWrong) {
  Watch watch;
  EXPECT_EQ(watch.look({}), Causes{});
}

TEST(AlertWatch, WhatIsTheCaseIsFound) {
  Watch watch;
  watch.pay().breaker_open = true;
  watch.pay().half.calls = 3;
  watch.pay().three_quarters.calls = 1;
  watch.pay().parked.calls = 2;
  watch.facts.journal_refusing = true;
  watch.facts.journal_why = "the disk is full";
  EXPECT_EQ(watch.look({}), (Causes{AlertCause::schedule_half, AlertCause::schedule_three_quarters,
                                    AlertCause::breaker_open, AlertCause::parked_calls,
                                    AlertCause::journal_refusing}));
  EXPECT_EQ(watch.found.back().upstream, "");
  EXPECT_EQ(watch.found.back().detail, "the disk is full");
}

TEST(AlertWatch, FailuresCountWithinTheirWindow) {
  Watch watch;
  watch.pay().ended = 19;
  watch.pay().failed = 19;
  EXPECT_EQ(watch.look({}), Causes{});  // too few to tell
  watch.pay().ended = 40;
  watch.pay().failed = 19;
  EXPECT_EQ(watch.look(Duration::seconds(10)), Causes{});  // below half
  watch.pay().failed = 20;
  EXPECT_EQ(watch.look(Duration::seconds(10)), Causes{AlertCause::failure_rate});
  EXPECT_EQ(watch.found[0].detail, "20 of 40 attempts failed within 5m");
  for (int i = 0; i < 30; ++i)
    watch.look(Duration::seconds(10));
  EXPECT_EQ(watch.look(Duration::seconds(10)), Causes{});  // long ago
}

TEST(AlertWatch, ExhaustedCallsCountForAnHour) {
  Watch watch;
  watch.pay().exhausted = 2;
  EXPECT_EQ(watch.look({}), Causes{AlertCause::schedule_exhausted});
  watch.pay().exhausted = 5;
  watch.look(Duration::minutes(30));
  EXPECT_EQ(watch.found[0].numbers.calls, 5U);
  watch.look(Duration::minutes(30));
  EXPECT_EQ(watch.found[0].numbers.calls, 3U);
  EXPECT_EQ(watch.look(Duration::minutes(30)), Causes{});
}

TEST(AlertWatch, StandingStillSaysWhatExplainsIt) {
  Watch watch;
  watch.pay().due = true;
  watch.look({});
  EXPECT_EQ(watch.look(Duration::seconds(59)), Causes{});
  EXPECT_EQ(watch.look(Duration::seconds(1)), Causes{AlertCause::standing_still});
  EXPECT_EQ(watch.found[0].detail, "no pause and no breaker explains it");
  watch.pay().paused_until = kStart + Duration::hours(2);
  watch.look(Duration::seconds(1));
  EXPECT_EQ(watch.found[0].detail, "it is paused until 2027-01-15T10:00:00.000Z");
  watch.pay().started = 1;  // something moves
  EXPECT_EQ(watch.look(Duration::seconds(1)), Causes{});
  EXPECT_EQ(watch.look(Duration::seconds(59)), Causes{});
  watch.pay().due = false;
  EXPECT_EQ(watch.look(Duration::seconds(1)), Causes{});
}

TEST(AlertWatch, AnAttemptUnderWayIsNoStandstill) {
  Watch watch;
  watch.pay().due = true;
  watch.pay().in_flight = 1;
  watch.look({});
  EXPECT_EQ(watch.look(Duration::hours(1)), Causes{});
}

}  // namespace
}  // namespace hf::control
