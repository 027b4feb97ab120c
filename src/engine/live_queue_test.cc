#include "engine/live_queue.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/prng.h"

namespace hf::engine {
namespace {

using call::CallClass;
using call::DueClass;

CallId id_of(std::uint64_t number) {
  return CallId::make(WallTime{1'700'000'000'000}, 0, number);
}

LiveQueue::Waiting waiting(std::uint64_t client, CallClass importance = CallClass::normal,
                           DueClass urgency = DueClass::normal) {
  LiveQueue::Waiting out;
  out.who.address = client;
  out.importance = importance;
  out.urgency = urgency;
  out.since = Instant{1};
  return out;
}

CallId take(LiveQueue& queue) {
  const CallId id = queue.front();
  queue.pop_front(true);
  return id;
}

std::optional<CallId> victim_of(const LiveQueue& queue, std::size_t below) {
  const auto found = queue.victim(below);
  return found ? std::optional(found->call) : std::nullopt;
}

TEST(LiveQueue, TheMoreImportantFirst) {
  LiveQueue queue;
  queue.push(id_of(1), waiting(1, CallClass::optional));
  queue.push(id_of(2), waiting(1, CallClass::normal));
  queue.push(id_of(3), waiting(1, CallClass::critical));
  queue.push(id_of(4), waiting(1, CallClass::low));
  for (const std::uint64_t expected : {3, 2, 4, 1})
    EXPECT_EQ(take(queue), id_of(expected));
  EXPECT_TRUE(queue.empty());
}

TEST(LiveQueue, ClientsTakeTurnsHoweverUrgentTheySayTheyAre) {
  LiveQueue queue;
  for (std::uint64_t i = 1; i <= 5; ++i)
    queue.push(id_of(i), waiting(1, CallClass::normal, DueClass::urgent));
  queue.push(id_of(6), waiting(2, CallClass::normal, DueClass::background));
  EXPECT_EQ(take(queue), id_of(1));
  EXPECT_EQ(take(queue), id_of(6));
  EXPECT_EQ(take(queue), id_of(2));
}

LiveQueue::Waiting of_owner(std::uint64_t address, std::uint64_t owner) {
  auto out = waiting(address);
  out.who.owner = owner;
  return out;
}

TEST(LiveQueue, OwnersAtOneAddressTakeTurnsThere) {
  LiveQueue queue;
  for (std::uint64_t i = 1; i <= 3; ++i)
    queue.push(id_of(i), of_owner(1, 1));
  queue.push(id_of(4), of_owner(1, 2));
  EXPECT_EQ(victim_of(queue, 3), id_of(3));
  EXPECT_EQ(take(queue), id_of(1));
  EXPECT_EQ(take(queue), id_of(4));
  EXPECT_EQ(take(queue), id_of(2));
}

TEST(LiveQueue, ManyNamesAtOneAddressHaveItsTurnsAlone) {
  LiveQueue queue;
  for (std::uint64_t i = 1; i <= 5; ++i)
    queue.push(id_of(i), of_owner(1, 100 + i));
  queue.push(id_of(6), of_owner(2, 7));
  queue.push(id_of(7), of_owner(2, 7));
  EXPECT_EQ(victim_of(queue, 3), id_of(5)) << "of the address that asks for most";
  EXPECT_EQ(take(queue), id_of(1));
  EXPECT_EQ(take(queue), id_of(6));
  EXPECT_EQ(take(queue), id_of(2));
  EXPECT_EQ(take(queue), id_of(7));
}

TEST(LiveQueue, OneNameAtTwoAddressesIsTwo) {
  LiveQueue queue;
  for (std::uint64_t i = 1; i <= 4; ++i)
    queue.push(id_of(i), of_owner(1, 9));
  for (int i = 0; i < 4; ++i)
    take(queue);
  queue.push(id_of(5), of_owner(2, 9));
  queue.push(id_of(6), of_owner(2, 8));
  EXPECT_EQ(victim_of(queue, 3), id_of(6)) << "what it had elsewhere does not count";
}

TEST(LiveQueue, WithinAClientTheUrgentFirst) {
  LiveQueue queue;
  queue.push(id_of(1), waiting(1, CallClass::normal, DueClass::background));
  queue.push(id_of(2), waiting(1, CallClass::normal, DueClass::normal));
  queue.push(id_of(3), waiting(1, CallClass::normal, DueClass::urgent));
  for (const std::uint64_t expected : {3, 2, 1})
    EXPECT_EQ(take(queue), id_of(expected));
}

TEST(LiveQueue, WhoHasMostLeavesForAnotherNewestFirst) {
  LiveQueue queue;
  for (std::uint64_t i = 1; i <= 3; ++i)
    queue.push(id_of(i), waiting(1));
  queue.push(id_of(4), waiting(2));
  EXPECT_EQ(victim_of(queue, 3), id_of(3));
  // A less important one goes before all of them, whosever it is.
  queue.push(id_of(5), waiting(2, CallClass::low));
  EXPECT_EQ(victim_of(queue, 3), id_of(5));
  EXPECT_EQ(victim_of(queue, 1), std::nullopt) << "nothing is below low";
  // What has been tried stays.
  queue.erase(id_of(5));
  auto tried = waiting(3, CallClass::optional);
  tried.may_leave = false;
  queue.push(id_of(6), tried);
  EXPECT_EQ(victim_of(queue, 3), id_of(3));
  // Of equals whoever asked last.
  queue.erase(id_of(3));
  queue.erase(id_of(2));
  EXPECT_EQ(victim_of(queue, 3), id_of(4));
}

TEST(LiveQueue, TheOldestIsTheOneThatCameFirst) {
  LiveQueue queue;
  EXPECT_EQ(queue.oldest(), std::nullopt);
  auto early = waiting(1, CallClass::optional);
  early.since = Instant{5};
  queue.push(id_of(1), early);
  auto late = waiting(1, CallClass::critical);
  late.since = Instant{9};
  queue.push(id_of(2), late);
  EXPECT_EQ(queue.oldest(), Instant{5});
  take(queue);
  EXPECT_EQ(queue.oldest(), Instant{5});
  take(queue);
  EXPECT_EQ(queue.oldest(), std::nullopt);
}

// Against a list that is searched.
RC_GTEST_PROP(LiveQueue, KeepsWhatItWasGiven, ()) {
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  LiveQueue queue;
  struct Entry {
    CallId id;
    LiveQueue::Waiting waiting;
  };
  std::vector<Entry> model;
  std::map<std::uint64_t, std::size_t> had;  // turns; no second passes
  std::map<call::Share, std::size_t> had_of_owner;
  std::uint64_t next = 1;
  for (int i = 0; i < 400; ++i) {
    const auto what = prng.below(4);
    if (what < 2) {
      LiveQueue::Waiting one;
      one.who = {prng.below(3), prng.below(3)};
      one.importance = static_cast<CallClass>(prng.below(4));
      one.urgency = static_cast<DueClass>(prng.below(3));
      one.may_leave = prng.chance(3, 4);
      one.since = Instant{i};
      model.push_back({id_of(next), one});
      queue.push(id_of(next), one);
      next += 1;
    } else if (what == 2 && !model.empty()) {
      const auto at = model.begin() + static_cast<std::ptrdiff_t>(prng.below(model.size()));
      RC_ASSERT(queue.erase(at->id));
      RC_ASSERT(!queue.erase(at->id));
      model.erase(at);
    } else if (!model.empty()) {
      const CallId first = queue.front();
      const auto at = std::find_if(model.begin(), model.end(),
                                   [&](const Entry& entry) { return entry.id == first; });
      RC_ASSERT(at != model.end());
      for (const Entry& other : model)
        RC_ASSERT(other.waiting.importance <= at->waiting.importance);
      const bool turn = prng.chance(3, 4);
      if (turn) had[at->waiting.who.address] += 1;
      if (turn) had_of_owner[at->waiting.who] += 1;
      queue.pop_front(turn);
      model.erase(at);
    }
    RC_ASSERT(queue.size() == model.size());
    RC_ASSERT(queue.empty() == model.empty());
    RC_ASSERT(queue.oldest() ==
              (model.empty() ? std::nullopt : std::optional(model.front().waiting.since)));
    // The victim: least important, at the address with most, of the owner there with most, its
    // newest.
    std::map<std::pair<CallClass, std::uint64_t>, std::size_t> lengths;
    std::map<std::pair<CallClass, call::Share>, std::size_t> lengths_of_owners;
    std::optional<CallClass> least;
    for (const Entry& entry : model) {
      if (!entry.waiting.may_leave) continue;
      lengths[{entry.waiting.importance, entry.waiting.who.address}] += 1;
      lengths_of_owners[{entry.waiting.importance, entry.waiting.who}] += 1;
      least = least ? std::min(*least, entry.waiting.importance) : entry.waiting.importance;
    }
    const auto victim = victim_of(queue, call::kCallClasses);
    RC_ASSERT(victim.has_value() == least.has_value());
    if (!victim) continue;
    const auto at = std::find_if(model.begin(), model.end(),
                                 [&](const Entry& entry) { return entry.id == *victim; });
    RC_ASSERT(at != model.end() && at->waiting.may_leave);
    RC_ASSERT(at->waiting.importance == *least);
    const call::Share its = at->waiting.who;
    const std::size_t most = lengths[{*least, its.address}] + had[its.address];
    for (const auto& [who, length] : lengths)
      RC_ASSERT(who.first != *least || length + had[who.second] <= most);
    const std::size_t most_there = lengths_of_owners[{*least, its}] + had_of_owner[its];
    for (const auto& [who, length] : lengths_of_owners) {
      const bool beside = who.first == *least && who.second.address == its.address;
      RC_ASSERT(!beside || length + had_of_owner[who.second] <= most_there);
    }
    const bool newest = std::none_of(at + 1, model.end(), [&](const Entry& entry) {
      return entry.waiting.may_leave && entry.waiting.importance == *least &&
             entry.waiting.who == its;
    });
    RC_ASSERT(newest);
  }
}

TEST(LiveQueue, WhoHadMostTurnsLeavesBeforeWhoHasAsManyWaiting) {
  LiveQueue queue;
  for (std::uint64_t i = 1; i <= 8; ++i)
    queue.push(id_of(i), waiting(1));
  for (int i = 0; i < 6; ++i)
    take(queue);
  for (std::uint64_t i = 11; i <= 13; ++i)
    queue.push(id_of(i), waiting(2));
  EXPECT_EQ(victim_of(queue, 3), id_of(8)) << "two wait, and it had six";
  // Half a minute later nobody remembers.
  auto late = waiting(3);
  late.since = Instant{1} + Duration::seconds(40);
  queue.push(id_of(20), late);
  EXPECT_EQ(victim_of(queue, 3), id_of(13));
}

// Whatever the others do, under as many names as they like: a client that has one call waiting at a
// time is never the one that leaves while somebody has more, and waits no longer than one turn of
// each of the other addresses.
RC_GTEST_PROP(LiveQueue, AQuietClientIsNotTouchedByLoudOnes, ()) {
  Prng prng(*rc::gen::arbitrary<std::uint64_t>());
  constexpr std::size_t kRoom = 40;
  constexpr std::uint64_t kQuiet = 1000;
  const std::uint64_t loud = prng.between(1, 10);
  const bool names = prng.chance(1, 2);
  LiveQueue queue;
  std::uint64_t next = 1;
  std::optional<CallId> waits;
  std::size_t turns = 0;
  for (int i = 0; i < 3000; ++i) {
    const bool quiet = !waits && prng.chance(1, 5);
    const std::uint64_t flood = prng.below(6);
    for (std::uint64_t k = 0; k < flood; ++k) {
      const auto urgency = static_cast<DueClass>(prng.below(3));
      auto one = waiting(prng.below(loud), CallClass::normal, urgency);
      one.who.owner = names ? prng.between(1, 1'000'000'000) : 0;
      queue.push(id_of(next++), one);
    }
    if (quiet) {
      waits = id_of(next++);
      turns = 0;
      queue.push(*waits, waiting(kQuiet, CallClass::normal, DueClass::background));
    }
    while (queue.size() > kRoom) {
      const auto victim = victim_of(queue, 3);
      RC_ASSERT(victim.has_value());
      RC_ASSERT(*victim != waits);
      queue.erase(*victim);
    }
    if (!queue.empty() && prng.chance(2, 3)) {
      turns += 1;
      if (take(queue) == waits) {
        RC_ASSERT(turns <= loud + 1);
        waits.reset();
      }
    }
  }
}

}  // namespace
}  // namespace hf::engine
