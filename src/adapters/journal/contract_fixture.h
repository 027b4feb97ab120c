// For tests of what holds for every journal: asks one question after another, through a harness
// that opens its journal, lets it work until answers are there, ends it and opens it anew.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/journal/journal_fixture.h"

namespace hf::adapters::testing {

using call::State;
using ports::CommitResult;
using ports::ReadId;
using ports::Want;

inline call::Retention short_ages() {
  call::Retention out;
  out.keys = Duration::hours(1);
  out.bodies = Duration::minutes(10);
  out.timeline = Duration::hours(2);
  out.tombstones = Duration::hours(5);
  return out;
}

template <typename Harness>
class JournalSuite : public ::testing::Test {
 protected:
  Harness harness{short_ages()};
  std::uint64_t asked = 0;
  std::uint64_t next = 1;

  Now now() const { return harness.clock.read(); }
  std::uint64_t ask_commit(call::Batch batch) {
    harness.journal().commit(CommitId{next}, std::move(batch));
    ++asked;
    return next++;
  }
  CommitResult commit(call::Batch batch) {
    const auto id = ask_commit(std::move(batch));
    harness.settle(asked);
    return harness.recorder->commits.at(id);
  }
  CommitResult commit(call::CallWrite write) {
    call::Batch batch;
    batch.calls.push_back(std::move(write));
    return commit(std::move(batch));
  }
  ports::KeyFound find(const call::Digest& identity) {
    harness.journal().find_key(ReadId{next}, identity);
    return answer(harness.recorder->keys);
  }
  std::shared_ptr<const call::Call> read(const CallId& id, Want want = Want::with_bodies) {
    harness.journal().read_call(ReadId{next}, id, want);
    return answer(harness.recorder->calls);
  }
  ports::DuePage due(const std::string& upstream, std::int64_t until, std::size_t limit) {
    harness.journal().page_due(ReadId{next}, upstream, call::DueClass::normal, WallTime{until},
                               limit);
    return answer(harness.recorder->dues);
  }
  ports::CallPage list(ports::CallFilter filter) {
    harness.journal().list(ReadId{next}, std::move(filter));
    return answer(harness.recorder->lists);
  }
  ports::CallDetail detail(const CallId& id) {
    harness.journal().detail(ReadId{next}, id);
    return answer(harness.recorder->details);
  }
  template <typename Map>
  auto answer(Map& map) {
    ++asked;
    harness.settle(asked);
    auto& found = map.at(next++);
    EXPECT_TRUE(found.ok()) << found.error().context;
    return *found;
  }
  void reopen() {
    harness.reopen();
    asked = 0;
    ASSERT_TRUE(harness.recovered->ok()) << harness.recovered->error().context;
  }
  // The call with its key and timeline, or nothing of it.
  void expect_whole(const call::Call& call, bool there) {
    EXPECT_EQ(read(call.id, Want::head) != nullptr, there) << call.id.text();
    EXPECT_EQ(find(call.key->identity).entry.has_value(), there) << call.id.text();
    EXPECT_EQ(detail(call.id).timeline.size(), there ? 2U : 0U) << call.id.text();
  }
  call::Call created(std::uint64_t n) {
    const call::Call call = sample_call(n, now());
    EXPECT_EQ(commit(create(call, now())), CommitResult::ok);
    return call;
  }
  call::Call then(const call::Call& before, call::Call after,
                  call::Happening what = call::Happening::attempt_ended) {
    const auto write = update(before, std::move(after), what, now());
    EXPECT_EQ(commit(write), CommitResult::ok);
    return *write.after;
  }
};

}  // namespace hf::adapters::testing
