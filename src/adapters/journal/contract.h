// What the driver may rely on, the same for every journal; instantiated where the journal is.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/journal/contract_fixture.h"

namespace hf::adapters::testing {

template <typename Harness>
class JournalContract : public JournalSuite<Harness> {};

TYPED_TEST_SUITE_P(JournalContract);

TYPED_TEST_P(JournalContract, FreshThenNot) {
  ASSERT_TRUE(this->harness.recovered->ok());
  EXPECT_TRUE((*this->harness.recovered)->fresh);
  this->reopen();
  EXPECT_FALSE((*this->harness.recovered)->fresh);
}

TYPED_TEST_P(JournalContract, ReadsBackWhatWasWritten) {
  const call::Call call = this->created(1);
  const auto found = this->find(call.key->identity);
  ASSERT_TRUE(found.entry);
  EXPECT_EQ(found.entry->call, call.id);
  EXPECT_EQ(found.entry->owner, call.owner);
  EXPECT_EQ(found.entry->fingerprint, call.fingerprint);
  ASSERT_TRUE(found.call);
  EXPECT_EQ(found.call->state, State::sending);
  EXPECT_EQ(found.call->key, call.key);
  EXPECT_EQ(found.call->idempotency, call.idempotency);
  EXPECT_EQ(found.call->request->fields, call.request->fields);
  EXPECT_EQ(view(found.call->request->body), "canary-body-1");
  const auto head = this->read(call.id, Want::head);
  ASSERT_TRUE(head);
  EXPECT_TRUE(!head->request->body || view(head->request->body) == "canary-body-1");
  EXPECT_TRUE(head->has_body);
  EXPECT_EQ(this->read(sample_call(99, this->now()).id), nullptr);
  EXPECT_FALSE(this->find(digest_of(999)).entry);
}

TYPED_TEST_P(JournalContract, ASecondCallWithTheKeyConflicts) {
  const call::Call call = this->created(1);
  call::Call second = sample_call(2, this->now());
  second.key = call.key;
  EXPECT_EQ(this->commit(create(second, this->now())), CommitResult::conflict);
  EXPECT_EQ(this->read(second.id), nullptr);
  EXPECT_EQ(this->find(call.key->identity).entry->call, call.id);
}

TYPED_TEST_P(JournalContract, NoKeyIsLackedThatACommitWasAskedFor) {
  const call::Call call = sample_call(1, this->now());
  auto& journal = this->harness.journal();
  call::Batch batch;
  batch.calls.push_back(create(call, this->now()));
  this->ask_commit(std::move(batch));
  EXPECT_FALSE(journal.surely_lacks(call.key->identity)) << "asked for";
  this->harness.settle(this->asked);
  EXPECT_FALSE(journal.surely_lacks(call.key->identity)) << "there";
  this->reopen();
  EXPECT_FALSE(this->harness.journal().surely_lacks(call.key->identity)) << "there since before";
}

TYPED_TEST_P(JournalContract, TheSameCallTwiceConflicts) {
  call::Call call = this->created(1);
  call.key.reset();
  EXPECT_EQ(this->commit(create(call, this->now())), CommitResult::conflict);
}

TYPED_TEST_P(JournalContract, AMadeKeyHasNoEntry) {
  call::Call call = sample_call(1, this->now());
  call.key->made = true;
  EXPECT_EQ(this->commit(create(call, this->now())), CommitResult::ok);
  EXPECT_FALSE(this->find(call.key->identity).entry);
  call::Call other = sample_call(2, this->now());
  other.key = call.key;
  EXPECT_EQ(this->commit(create(other, this->now())), CommitResult::ok);
}

TYPED_TEST_P(JournalContract, AnOldEpochChangesNothing) {
  const call::Call first = this->created(1);
  const call::Call second = this->then(first, held_waiting(first, WallTime{kStart + 5}));
  call::Call late = first;
  late.state = State::dead;
  EXPECT_EQ(this->commit(update(first, late, call::Happening::died, this->now())),
            CommitResult::conflict);
  EXPECT_EQ(this->read(first.id)->state, State::waiting);
  this->reopen();  // and without anything remembered
  EXPECT_EQ(this->commit(update(first, late, call::Happening::died, this->now())),
            CommitResult::conflict);
  EXPECT_EQ(this->read(first.id)->epoch, second.epoch);
}

TYPED_TEST_P(JournalContract, AConflictWritesNothingOfItsBatch) {
  const call::Call call = this->created(1);
  call::Batch batch;
  batch.calls.push_back(create(sample_call(2, this->now()), this->now()));
  call::Call clash = sample_call(3, this->now());
  clash.key = call.key;
  batch.calls.push_back(create(clash, this->now()));
  batch.pauses.push_back({"stripe", "limit", WallTime{kStart + 1000}});
  EXPECT_EQ(this->commit(std::move(batch)), CommitResult::conflict);
  EXPECT_EQ(this->read(sample_call(2, this->now()).id), nullptr);
  this->reopen();
  EXPECT_TRUE((*this->harness.recovered)->pauses.empty());
}

TYPED_TEST_P(JournalContract, ABatchMayWriteOneCallTwice) {
  const call::Call first = sample_call(1, this->now());
  call::Batch batch;
  batch.calls.push_back(create(first, this->now()));
  auto second =
      update(first, held_waiting(first, WallTime{kStart + 9}), call::Happening::held, this->now());
  batch.calls.push_back(second);
  EXPECT_EQ(this->commit(batch), CommitResult::ok);
  EXPECT_EQ(this->read(first.id)->epoch, 2U);
  EXPECT_EQ(this->due("stripe", kStart + 100, 10).calls.size(), 1U);
  batch.calls.erase(batch.calls.begin());
  batch.calls.push_back(second);  // out of step with itself
  EXPECT_EQ(this->commit(std::move(batch)), CommitResult::conflict);
}

TYPED_TEST_P(JournalContract, OneKeyTwiceInABatchConflicts) {
  call::Batch batch;
  batch.calls.push_back(create(sample_call(1, this->now()), this->now()));
  call::Call clash = sample_call(2, this->now());
  clash.key = sample_call(1, this->now()).key;
  batch.calls.push_back(create(clash, this->now()));
  EXPECT_EQ(this->commit(std::move(batch)), CommitResult::conflict);
  EXPECT_FALSE(this->find(clash.key->identity).entry);
}

TYPED_TEST_P(JournalContract, AReadSeesTheCommitsAskedForBeforeIt) {
  const call::Call call = sample_call(1, this->now());
  call::Batch first;
  first.calls.push_back(create(call, this->now()));
  call::Batch second;
  second.calls.push_back(
      update(call, held_waiting(call, WallTime{kStart}), call::Happening::held, this->now()));
  auto& journal = this->harness.journal();
  journal.read_call(ReadId{101}, call.id, Want::head);
  journal.commit(CommitId{1}, std::move(first));
  journal.read_call(ReadId{102}, call.id, Want::head);
  journal.page_due(ReadId{103}, "stripe", call::DueClass::normal, WallTime{kStart}, 10);
  journal.commit(CommitId{2}, std::move(second));
  journal.read_call(ReadId{104}, call.id, Want::head);
  journal.page_due(ReadId{105}, "stripe", call::DueClass::normal, WallTime{kStart}, 10);
  this->harness.settle(7);
  auto& seen = *this->harness.recorder;
  EXPECT_EQ(*seen.calls.at(101), nullptr);
  EXPECT_EQ((*seen.calls.at(102))->epoch, 1U);
  EXPECT_TRUE(seen.dues.at(103)->calls.empty());
  EXPECT_EQ((*seen.calls.at(104))->epoch, 2U);
  EXPECT_EQ(seen.dues.at(105)->calls.size(), 1U);
  // A read may be told before the commits that it saw, and before an earlier one.
  const auto of = [&](auto pick) {
    std::vector<std::uint64_t> out;
    std::copy_if(seen.order.begin(), seen.order.end(), std::back_inserter(out), pick);
    return out;
  };
  EXPECT_THAT(of([](std::uint64_t id) { return id < 100; }), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(of([](std::uint64_t id) { return id > 100; }),
              ::testing::UnorderedElementsAre(101, 102, 103, 104, 105));
}

TYPED_TEST_P(JournalContract, DueCallsOfOneUrgencyLieByThemselves) {
  call::Call urgent = sample_call(1, this->now());
  urgent.asked.urgency = 0;
  EXPECT_EQ(this->commit(create(urgent, this->now())), CommitResult::ok);
  this->then(urgent, held_waiting(urgent, WallTime{kStart}));
  EXPECT_TRUE(this->due("stripe", kStart, 10).calls.empty());
  auto& journal = this->harness.journal();
  journal.page_due(ReadId{this->next}, "stripe", call::DueClass::urgent, WallTime{kStart}, 10);
  EXPECT_EQ(this->answer(this->harness.recorder->dues).calls.size(), 1U);
}

TYPED_TEST_P(JournalContract, LinesAreReadInTheirOrder) {
  const auto in_line = [&](std::uint64_t n, unsigned char line, std::uint64_t place) {
    call::Call call = sample_call(n, this->now());
    call::Order order;
    order.line.bytes.fill(line);
    order.place = place;
    call.asked.order = order;
    EXPECT_EQ(this->commit(create(call, this->now())), CommitResult::ok);
    return this->then(call, held_waiting(call, WallTime{kStart}));
  };
  const call::Call second = in_line(1, 5, 300);
  const call::Call first = in_line(2, 5, 2);
  const call::Call other = in_line(3, 9, 1);
  auto& journal = this->harness.journal();
  const auto line = [&](std::size_t limit) {
    journal.read_line(ReadId{this->next}, first.asked.order->line, limit);
    return this->answer(this->harness.recorder->lines);
  };
  const auto heads = [&](std::optional<call::Digest> after, std::size_t limit) {
    journal.page_line_heads(ReadId{this->next}, after, limit);
    return this->answer(this->harness.recorder->line_heads);
  };
  ASSERT_EQ(line(10).members.size(), 2U);
  EXPECT_EQ(line(10).members[0], std::pair(std::uint64_t{2}, first.id));
  EXPECT_EQ(line(10).members[1], std::pair(std::uint64_t{300}, second.id));
  EXPECT_FALSE(line(2).more);
  EXPECT_TRUE(line(1).more);
  const auto page = heads(std::nullopt, 1);
  ASSERT_EQ(page.heads.size(), 1U);
  EXPECT_EQ(page.heads[0]->id, first.id);
  ASSERT_TRUE(page.next.has_value());
  const auto rest = heads(page.next, 5);
  ASSERT_EQ(rest.heads.size(), 1U);
  EXPECT_EQ(rest.heads[0]->id, other.id);
  EXPECT_FALSE(rest.next.has_value());
  // Who has ended is in nobody's way.
  call::Call ended = first;
  ended.state = call::State::dead;
  ended.ended = call::Stamp::of(this->now());
  this->then(first, ended);
  EXPECT_EQ(heads(std::nullopt, 5).heads.at(0)->id, second.id);
}

TYPED_TEST_P(JournalContract, DueCallsComeInOrderOfTimePageByPage) {
  const std::int64_t dues[] = {50, 20, 40, -30, 10};
  for (std::uint64_t n = 0; n < 5; ++n) {
    const call::Call call = this->created(n);
    this->then(call, held_waiting(call, WallTime{dues[n] == -30 ? -30 : kStart + dues[n]}));
  }
  call::Call other = sample_call(7, this->now());
  other.upstream = "sms";
  EXPECT_EQ(this->commit(create(other, this->now())), CommitResult::ok);
  this->then(other, held_waiting(other, WallTime{kStart + 1}));

  auto page = this->due("stripe", kStart + 45, 2);
  ASSERT_EQ(page.calls.size(), 2U);
  EXPECT_EQ(page.calls[0]->next_attempt_at.ms, -30);
  EXPECT_EQ(page.calls[1]->next_attempt_at.ms, kStart + 10);
  ASSERT_TRUE(page.next);
  EXPECT_EQ(page.next->ms, kStart + 20);
  page = this->due("stripe", kStart + 45, 10);
  EXPECT_EQ(page.calls.size(), 4U);
  ASSERT_TRUE(page.next);
  EXPECT_EQ(page.next->ms, kStart + 50);
  page = this->due("sms", kStart + 45, 10);
  EXPECT_EQ(page.calls.size(), 1U);
  EXPECT_FALSE(page.next);
}

TYPED_TEST_P(JournalContract, DueFollowsTheCall) {
  const call::Call first = this->created(1);
  EXPECT_TRUE(this->due("stripe", kStart + 1000, 10).calls.empty());  // sending
  call::Call live = first;
  live.state = State::waiting;
  live = this->then(first, live);
  EXPECT_TRUE(this->due("stripe", kStart + 1000, 10).calls.empty());  // its client waits with it
  const call::Call held = this->then(live, held_waiting(live, WallTime{kStart + 10}));
  const call::Call later = this->then(held, held_waiting(held, WallTime{kStart + 500}));
  EXPECT_TRUE(this->due("stripe", kStart + 100, 10).calls.empty());
  EXPECT_EQ(this->due("stripe", kStart + 500, 10).calls.size(), 1U);
  call::Call open = later;
  open.state = State::open;
  open.held = false;
  open = this->then(later, open);
  EXPECT_EQ(this->due("stripe", kStart + 500, 10).calls.size(), 1U);  // to expire
  call::Call dead = open;
  dead.state = State::dead;
  dead.ended = call::Stamp::of(this->now());
  this->then(open, dead);
  const auto page = this->due("stripe", kStart + 1000, 10);
  EXPECT_TRUE(page.calls.empty());
  EXPECT_FALSE(page.next);
}

TYPED_TEST_P(JournalContract, ThoseThatRunOutAreFoundByTimeAndBySchedule) {
  const auto running_out = [&](std::uint8_t stage, std::int64_t after, std::size_t limit = 100) {
    ports::CallFilter filter;
    filter.upstream = "stripe";
    filter.limit = limit;
    filter.running_out = ports::RunningOut{stage, WallTime{kStart} + Duration::seconds(after)};
    return this->list(filter);
  };
  call::Call held;
  for (std::uint64_t n = 0; n < 3; ++n) {
    call::Call call = sample_call(n, this->now());
    call.deadline = Duration::seconds(100);
    EXPECT_EQ(this->commit(create(call, this->now())), CommitResult::ok);
    held = this->then(call, held_waiting(call, WallTime{kStart + 10}));
  }
  call::Call other = sample_call(7, this->now());
  other.upstream = "sms";
  EXPECT_EQ(this->commit(create(other, this->now())), CommitResult::ok);
  this->then(other, held_waiting(other, WallTime{kStart}));

  EXPECT_EQ(running_out(1, 40).matched, 0U);
  EXPECT_EQ(running_out(1, 55).matched, 3U);
  EXPECT_EQ(running_out(2, 55).matched, 0U);
  EXPECT_EQ(running_out(2, 80).calls.size(), 3U);
  const auto cut = running_out(1, 55, 2);
  EXPECT_EQ(cut.calls.size(), 2U);
  EXPECT_EQ(cut.matched, 3U);

  // The schedule may be ahead of the time, with the same due time as before.
  call::Call staged = held;
  staged.stage = 2;
  staged = this->then(held, staged);
  ASSERT_EQ(running_out(2, 0).calls.size(), 1U);
  EXPECT_EQ(running_out(2, 0).calls.front()->id, staged.id);
  // It does not cease while it is being attempted, and does when it has ended.
  call::Call sending = staged;
  sending.state = State::sending;
  sending = this->then(staged, sending);
  EXPECT_EQ(running_out(2, 0).matched, 1U);
  call::Call answered = sending;
  answered.state = State::answered;
  answered.ended = call::Stamp::of(this->now());
  this->then(sending, answered);
  EXPECT_EQ(running_out(2, 0).matched, 0U);
  EXPECT_EQ(running_out(1, 55).matched, 2U);
}

TYPED_TEST_P(JournalContract, ListsNewestFirstAndByState) {
  for (std::uint64_t n = 0; n < 6; ++n) {
    const call::Call call = this->created(n);
    if (n % 2 == 0) {
      call::Call unknown = call;
      unknown.state = State::unknown;
      this->then(call, unknown, call::Happening::became_unknown);
    }
  }
  ports::CallFilter filter;
  filter.limit = 4;
  auto page = this->list(filter);
  ASSERT_EQ(page.calls.size(), 4U);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.calls[0]->id, sample_call(5, this->now()).id);
  filter.after = page.next;
  page = this->list(filter);
  EXPECT_EQ(page.calls.size(), 2U);
  EXPECT_FALSE(page.more);
  filter = {};
  filter.state = State::unknown;
  page = this->list(filter);
  ASSERT_EQ(page.calls.size(), 3U);
  EXPECT_EQ(page.calls[0]->id, sample_call(4, this->now()).id);
  filter.limit = 1;
  filter.after = page.calls[0]->id;
  page = this->list(filter);
  ASSERT_EQ(page.calls.size(), 1U);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.calls[0]->id, sample_call(2, this->now()).id);
  filter = {};
  filter.upstream = "sms";
  EXPECT_TRUE(this->list(filter).calls.empty());
}

TYPED_TEST_P(JournalContract, DetailHasTheTimelineInOrder) {
  const call::Call call = this->created(1);
  this->then(call, answered(call, this->now()), call::Happening::answered);
  const auto found = this->detail(call.id);
  ASSERT_TRUE(found.call);
  ASSERT_EQ(found.timeline.size(), 3U);
  EXPECT_EQ(found.timeline[0].what, call::Happening::accepted);
  EXPECT_EQ(found.timeline[1].what, call::Happening::attempt_started);
  EXPECT_EQ(found.timeline[2].what, call::Happening::answered);
  EXPECT_FALSE(this->detail(sample_call(9, this->now()).id).call);
}

TYPED_TEST_P(JournalContract, RecoversWhatWasCutPausesAndCounts) {
  const call::Call cut = this->created(1);
  const call::Call done = this->created(2);
  this->then(done, answered(done, this->now()));
  const call::Call lost = this->created(3);
  call::Call unknown = lost;
  unknown.state = State::unknown;
  this->then(lost, unknown);
  call::Batch batch;
  batch.pauses.push_back({"stripe", "a", WallTime{kStart + 60'000}});
  batch.pauses.push_back({"stripe", "b", WallTime{kStart + 60'000}});
  EXPECT_EQ(this->commit(batch), CommitResult::ok);
  batch.pauses = {{"stripe", "b", std::nullopt}};
  EXPECT_EQ(this->commit(batch), CommitResult::ok);
  this->harness.clock.advance(Duration::seconds(5));
  this->created(4);

  this->reopen();
  const call::Recovered& found = **this->harness.recovered;
  ASSERT_EQ(found.sending.size(), 2U);
  EXPECT_EQ(found.sending[0]->id, cut.id);
  EXPECT_EQ(view(found.sending[0]->request->body), "canary-body-1");
  ASSERT_EQ(found.pauses.size(), 1U);
  EXPECT_EQ(found.pauses[0].limit_key, "a");
  EXPECT_EQ(found.pauses[0].until, WallTime{kStart + 60'000});
  EXPECT_EQ(found.unknown_calls, 1U);
  ASSERT_TRUE(found.newest);
  EXPECT_EQ(found.newest->ms, kStart + 5000);
}

TYPED_TEST_P(JournalContract, AnsweredReadsBackByteForByte) {
  const call::Call call = this->created(1);
  const std::string body("\0binary\xff\r\n", 10);
  this->then(call, answered(call, this->now(), body));
  this->reopen();
  const auto found = this->find(call.key->identity);
  ASSERT_TRUE(found.call && found.call->answer);
  EXPECT_TRUE(found.call->answer->body_kept);
  EXPECT_EQ(view(found.call->answer->body), body);
  EXPECT_EQ(found.call->answer->fields[1].value, "req_1");
}

TYPED_TEST_P(JournalContract, RetentionTakesBodiesThenKeysThenTimelinesThenTombstones) {
  const call::Call call = this->created(1);
  this->then(call, answered(call, this->now()), call::Happening::answered);
  const call::Call standing = this->created(2);  // never ends

  this->harness.clock.advance(Duration::minutes(9));
  this->harness.maintain();
  EXPECT_TRUE(this->find(call.key->identity).call->answer->body_kept);

  this->harness.clock.advance(Duration::minutes(2));
  this->harness.maintain();
  auto found = this->find(call.key->identity);
  ASSERT_TRUE(found.call && found.call->answer);
  EXPECT_FALSE(found.call->answer->body_kept);
  EXPECT_EQ(found.call->answer->body, nullptr);
  EXPECT_EQ(found.call->answer->status, 200);
  EXPECT_EQ(found.call->request->body, nullptr);
  EXPECT_TRUE(found.call->has_body);
  EXPECT_FALSE(this->read(call.id, Want::head)->answer->body_kept);

  this->harness.clock.advance(Duration::hours(1));
  this->harness.maintain();
  found = this->find(call.key->identity);
  ASSERT_TRUE(found.entry);
  EXPECT_TRUE(found.entry->tombstone);
  EXPECT_EQ(found.entry->verdict, call::Effect::applied);
  EXPECT_EQ(found.entry->owner, call.owner);
  EXPECT_EQ(found.call, nullptr);
  EXPECT_EQ(this->detail(call.id).timeline.size(), 3U);
  call::Call again = sample_call(3, this->now());  // a tombstone is an answer, not a free place
  again.key = call.key;
  EXPECT_EQ(this->commit(create(again, this->now())), CommitResult::conflict);

  this->harness.clock.advance(Duration::hours(1));
  this->harness.maintain();
  EXPECT_EQ(this->detail(call.id).call, nullptr);
  EXPECT_TRUE(this->detail(call.id).timeline.empty());
  EXPECT_TRUE(this->find(call.key->identity).entry->tombstone);

  this->harness.clock.advance(Duration::hours(4));
  this->harness.maintain();
  EXPECT_FALSE(this->find(call.key->identity).entry);
  EXPECT_EQ(this->commit(create(again, this->now())), CommitResult::ok);
  EXPECT_EQ(view(this->find(standing.key->identity).call->request->body), "canary-body-2");
}

TYPED_TEST_P(JournalContract, NothingIsRetiredWithTheWallClockBehind) {
  const call::Call call = this->created(1);
  this->then(call, answered(call, this->now()));
  this->harness.clock.set_wall(WallTime{kStart + 10 * 3'600'000});  // stepped, not elapsed
  this->created(2);
  this->harness.maintain();  // by the monotonic clock nothing is old
  EXPECT_TRUE(this->find(call.key->identity).call->answer->body_kept);
  this->harness.clock.set_wall(WallTime{kStart});
  this->harness.clock.advance(Duration::hours(9));  // elapsed, but behind the newest
  this->harness.maintain();
  EXPECT_TRUE(this->find(call.key->identity).call->answer->body_kept);
  this->harness.clock.advance(Duration::hours(2));
  this->harness.maintain();
  EXPECT_TRUE(this->find(call.key->identity).entry->tombstone);
}

TYPED_TEST_P(JournalContract, AnUnknownCallIsNeverRetired) {
  const call::Call call = this->created(1);
  call::Call unknown = answered(call, this->now());
  unknown.state = State::unknown;
  this->then(call, unknown);
  this->harness.clock.advance(Duration::hours(24 * 365));
  this->harness.maintain();
  const auto found = this->find(call.key->identity);
  ASSERT_TRUE(found.call);
  EXPECT_EQ(view(found.call->request->body), "canary-body-1");
  EXPECT_TRUE(found.call->answer->body_kept);
}

TYPED_TEST_P(JournalContract, ARevivedCallKeepsItsKey) {
  const call::Call call = this->created(1);
  call::Call dead = call;
  dead.state = State::dead;
  dead.ended = call::Stamp::of(this->now());
  dead = this->then(call, dead);
  this->harness.clock.advance(Duration::minutes(61));
  this->harness.maintain();
  EXPECT_TRUE(this->find(call.key->identity).entry->tombstone);
  // The engine had read the call before the sweep, and its revival crosses it.
  call::Call revived = dead;
  revived.state = State::sending;
  revived.ended.reset();
  revived = this->then(dead, revived, call::Happening::revived);
  EXPECT_FALSE(this->find(call.key->identity).entry->tombstone);
  this->harness.clock.advance(Duration::hours(24));
  this->harness.maintain();
  const auto found = this->find(call.key->identity);
  ASSERT_TRUE(found.call);
  EXPECT_EQ(found.call->state, State::sending);
}

TYPED_TEST_P(JournalContract, EvictionTakesBodiesAndTimelinesOfEndedCallsOnly) {
  const call::Call call = this->created(1);
  this->then(call, answered(call, this->now()), call::Happening::answered);
  const call::Call standing = this->created(2);
  this->harness.evict_all();
  this->asked = this->harness.recorder->order.size();
  const auto found = this->find(call.key->identity);
  ASSERT_TRUE(found.call);
  EXPECT_FALSE(found.call->answer->body_kept);
  EXPECT_TRUE(this->detail(call.id).timeline.empty());
  EXPECT_EQ(view(this->find(standing.key->identity).call->request->body), "canary-body-2");
  EXPECT_EQ(this->detail(standing.id).timeline.size(), 2U);
  // The head still goes with its age.
  this->harness.clock.advance(Duration::hours(3));
  this->harness.maintain();
  EXPECT_EQ(this->detail(call.id).call, nullptr);
  EXPECT_TRUE(this->find(call.key->identity).entry->tombstone);
}

TYPED_TEST_P(JournalContract, APauseGoesWhenItIsOver) {
  call::Batch batch;
  batch.pauses.push_back({"stripe", "a", WallTime{kStart + 60'000}});
  batch.pauses.push_back({"stripe", "b", WallTime{kStart + 60'000}});
  EXPECT_EQ(this->commit(batch), CommitResult::ok);
  batch.pauses = {{"stripe", "b", WallTime{kStart + 120'000}}};  // made longer
  EXPECT_EQ(this->commit(batch), CommitResult::ok);
  this->harness.clock.advance(Duration::seconds(61));
  this->harness.maintain();
  this->reopen();
  ASSERT_EQ((*this->harness.recovered)->pauses.size(), 1U);
  EXPECT_EQ((*this->harness.recovered)->pauses[0].limit_key, "b");
}

// A list, which is shown as it is, after all that it can have seen.
TYPED_TEST_P(JournalContract, AnswersComeInTheOrderOfTheQuestions) {
  std::vector<std::uint64_t> commits;
  call::Call call = sample_call(1, this->now());
  call::CallWrite write = create(call, this->now());
  for (std::uint64_t n = 0; n < 60; ++n) {
    if (n % 3 == 0) {
      commits.push_back(this->next);
      call::Batch batch;
      batch.calls.push_back(write);
      this->ask_commit(std::move(batch));
      call = *write.after;
      write =
          update(call, held_waiting(call, WallTime{kStart}), call::Happening::held, this->now());
      continue;
    }
    ++this->asked;
    this->harness.journal().read_call(ReadId{this->next++}, call.id, Want::head);
  }
  const std::uint64_t list = this->next++;
  this->harness.journal().list(ReadId{list}, {});
  ++this->asked;
  this->harness.settle(this->asked);
  const Recorder& told = *this->harness.recorder;
  commits.push_back(list);
  std::vector<std::uint64_t> ordered;
  std::copy_if(told.order.begin(), told.order.end(), std::back_inserter(ordered),
               [&](std::uint64_t id) { return told.calls.count(id) == 0; });
  EXPECT_EQ(ordered, commits);
  for (const auto& [id, read] : told.calls) {
    ASSERT_TRUE(read.ok());
    EXPECT_EQ((*read)->epoch, 1 + (id - 1) / 3) << "a read sees every commit asked for before it";
  }
}

REGISTER_TYPED_TEST_SUITE_P(JournalContract, FreshThenNot, ReadsBackWhatWasWritten,
                            ASecondCallWithTheKeyConflicts, NoKeyIsLackedThatACommitWasAskedFor,
                            TheSameCallTwiceConflicts, AMadeKeyHasNoEntry, AnOldEpochChangesNothing,
                            AConflictWritesNothingOfItsBatch, ABatchMayWriteOneCallTwice,
                            OneKeyTwiceInABatchConflicts, AReadSeesTheCommitsAskedForBeforeIt,
                            DueCallsOfOneUrgencyLieByThemselves, LinesAreReadInTheirOrder,
                            DueCallsComeInOrderOfTimePageByPage, DueFollowsTheCall,
                            ThoseThatRunOutAreFoundByTimeAndBySchedule, ListsNewestFirstAndByState,
                            DetailHasTheTimelineInOrder, RecoversWhatWasCutPausesAndCounts,
                            AnsweredReadsBackByteForByte,
                            RetentionTakesBodiesThenKeysThenTimelinesThenTombstones,
                            NothingIsRetiredWithTheWallClockBehind, AnUnknownCallIsNeverRetired,
                            ARevivedCallKeepsItsKey,
                            EvictionTakesBodiesAndTimelinesOfEndedCallsOnly, APauseGoesWhenItIsOver,
                            AnswersComeInTheOrderOfTheQuestions);

}  // namespace hf::adapters::testing
