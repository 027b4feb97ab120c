// For tests: a recorder of journal answers, calls to write, and the harness of the journal in
// memory. Each journal has such a harness, so that the contract is tested once for all of them.
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "adapters/memory/memory_journal.h"
#include "base/check.h"
#include "call/record.h"
#include "ports/journal.h"

namespace hf::adapters::testing {

class Recorder final : public ports::JournalEvents {
 public:
  void on_commit(CommitId id, ports::CommitResult result) override {
    put(commits, raw(id), result);
  }
  void on_key(ports::ReadId id, Result<ports::KeyFound> found) override {
    put(keys, number(id), std::move(found));
  }
  void on_call(ports::ReadId id, Result<std::shared_ptr<const call::Call>> call) override {
    put(calls, number(id), std::move(call));
  }
  void on_due(ports::ReadId id, Result<ports::DuePage> page) override {
    put(dues, number(id), std::move(page));
  }
  void on_line(ports::ReadId id, Result<ports::LinePage> page) override {
    put(lines, number(id), std::move(page));
  }
  void on_line_heads(ports::ReadId id, Result<ports::LineHeads> page) override {
    put(line_heads, number(id), std::move(page));
  }
  void on_list(ports::ReadId id, Result<ports::CallPage> page) override {
    put(lists, number(id), std::move(page));
  }
  void on_detail(ports::ReadId id, Result<ports::CallDetail> detail) override {
    put(details, number(id), std::move(detail));
  }
  void on_likeness(ports::ReadId id, Result<ports::LikenessPage> page) override {
    put(likenesses, number(id), std::move(page));
  }
  void on_health(ports::JournalHealth now) override { health.push_back(std::move(now)); }

  std::map<std::uint64_t, ports::CommitResult> commits;
  std::map<std::uint64_t, Result<ports::KeyFound>> keys;
  std::map<std::uint64_t, Result<std::shared_ptr<const call::Call>>> calls;
  std::map<std::uint64_t, Result<ports::DuePage>> dues;
  std::map<std::uint64_t, Result<ports::LinePage>> lines;
  std::map<std::uint64_t, Result<ports::LineHeads>> line_heads;
  std::map<std::uint64_t, Result<ports::CallPage>> lists;
  std::map<std::uint64_t, Result<ports::CallDetail>> details;
  std::map<std::uint64_t, Result<ports::LikenessPage>> likenesses;
  std::vector<ports::JournalHealth> health;
  std::vector<std::uint64_t> order;  // of all answers but health

 private:
  static std::uint64_t number(ports::ReadId id) { return static_cast<std::uint64_t>(id); }
  template <typename Map, typename T>
  void put(Map& map, std::uint64_t id, T value) {
    HF_CHECK(map.emplace(id, std::move(value)).second);  // one answer a question
    order.push_back(id);
  }
};

inline call::Sealer::Key test_key() {
  call::Sealer::Key key{};
  for (std::size_t i = 0; i < key.size(); ++i)
    key[i] = static_cast<unsigned char>(i);
  return key;
}

// Nonces that count: equal runs give equal bytes.
inline call::Sealer::NonceSource counting_nonces() {
  return [n = std::uint64_t{0}]() mutable {
    call::Sealer::Nonce out{};
    ++n;
    for (std::size_t i = 0; i < 8; ++i)
      out[i] = static_cast<unsigned char>(n >> (8 * i));
    return out;
  };
}

inline call::Digest digest_of(std::uint64_t n) {
  call::Digest out;
  for (std::size_t i = 0; i < 8; ++i)
    out.bytes[i] = static_cast<unsigned char>(n >> (8 * i));
  return out;
}

inline constexpr std::int64_t kStart = 1'800'000'000'000;  // ms

class TestClock {
 public:
  [[nodiscard]] Now read() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void advance(Duration by) {
    const std::lock_guard lock(mutex_);
    now_.wall = now_.wall + by;
    now_.mono = now_.mono + by;
  }
  void set_wall(WallTime wall) {
    const std::lock_guard lock(mutex_);
    now_.wall = wall;
  }

 private:
  mutable std::mutex mutex_;
  Now now_{Instant{5'000'000'000}, WallTime{kStart}, BootId{7}};
};

// A keyed call that is being sent, number n.
inline call::Call sample_call(std::uint64_t n, const Now& now) {
  call::Call out;
  out.id = CallId::make(WallTime{kStart + static_cast<std::int64_t>(n)}, n, ~n);
  out.epoch = 1;
  out.state = call::State::sending;
  out.route = "/v1/";
  out.upstream = "stripe";
  out.owner = digest_of(1'000'000);
  call::KeyUse key;
  key.identity = digest_of(n + 1);
  key.field = "Idempotency-Key";
  key.value = "order-" + std::to_string(n);
  out.key = key;
  out.fingerprint = digest_of(n + 2'000'000);
  auto request = std::make_shared<call::Request>();
  request->method = "POST";
  request->target = "/v1/charges?expand=1";
  request->fields = {{"Content-Type", "text/plain"}, {"Authorization", "Bearer canary-secret"}};
  request->body = make_body("canary-body-" + std::to_string(n));
  out.has_body = true;
  out.body_bytes = request->body->size();
  out.request = std::move(request);
  out.idempotency.own().mode = call::Mode::key;
  out.idempotency.own().lifetime = Duration::hours(24);
  out.accepted = call::Stamp::of(now);
  out.deadline = Duration::hours(23);
  out.account = "main";
  out.limit_key = "stripe/owner";
  return out;
}

inline call::TimelineEvent event(call::Happening what, const Now& now) {
  call::TimelineEvent out;
  out.at = now.wall;
  out.what = what;
  out.rule = "test";
  return out;
}

inline call::CallWrite create(const call::Call& call, const Now& now) {
  call::CallWrite out;
  out.after = std::make_shared<call::Call>(call);
  out.write_request_body = true;
  out.events = {event(call::Happening::accepted, now),
                event(call::Happening::attempt_started, now)};
  return out;
}

inline call::CallWrite update(const call::Call& before, call::Call after, call::Happening what,
                              const Now& now) {
  call::CallWrite out;
  after.epoch = before.epoch + 1;
  out.before = call::indexed(before);
  out.before_epoch = before.epoch;
  out.write_answer_body = after.answer && after.answer->body;
  out.after = std::make_shared<call::Call>(std::move(after));
  out.events = {event(what, now)};
  return out;
}

inline call::Call answered(call::Call call, const Now& now, std::string body = "answer") {
  call.state = call::State::answered;
  call::Answer answer;
  answer.status = 200;
  answer.fields = {{"Content-Type", "application/json"}, {"Request-Id", "req_1"}};
  answer.body_bytes = body.size();
  answer.body = make_body(std::move(body));
  answer.body_kept = true;
  answer.at = now.wall;
  call.answer = std::move(answer);
  call.attempts = 1;
  call.ended = call::Stamp::of(now);
  return call;
}

inline call::Call held_waiting(call::Call call, WallTime due) {
  call.state = call::State::waiting;
  call.reason = call::WaitReason::backoff;
  call.held = true;
  call.next_attempt_at = due;
  return call;
}

// The journal thread's answers, run on the test's thread.
class Mailbox {
 public:
  void post(std::function<void()> what) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(what));
    arrived_.notify_one();
  }
  // Runs what was posted until `done`, waiting for more.
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      std::vector<std::function<void()>> now;
      {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [&] { return !waiting_.empty(); });
        now.swap(waiting_);
      }
      for (auto& what : now)
        what();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::function<void()>> waiting_;
};

// A directory of its own below the build tree, empty at the start and gone at the end. The process
// is in its name, since tests run side by side, and a sanitizer gives all of them equal addresses.
class ScratchDir {
 public:
  explicit ScratchDir(const std::string& name)
      : path_(std::string(HF_BINARY_DIR) + "/test-" + name) {
    path_ += "-" + std::to_string(::getpid()) + "-" +
             std::to_string(reinterpret_cast<std::uintptr_t>(this));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class MemoryHarness {
 public:
  static constexpr bool kInStep = true;  // nothing happens but in settle() and crash()
  explicit MemoryHarness(call::Retention ages = {})
      : journal_(
            call::Sealer(test_key(), counting_nonces()), [this] { return clock.read(); }, ages) {
    recovered = std::make_unique<Result<call::Recovered>>(journal_.open());
    journal_.attach(*recorder);
  }
  ports::Journal& journal() { return journal_; }
  // Until so many answers are there; others may come with them.
  void settle(std::size_t answers) {
    while (recorder->order.size() < answers)
      HF_CHECK(journal_.pump_one(std::exchange(fate_, CommitFate::as_it_should)));
  }
  void maintain() {
    while (*journal_.sweep() > 0) {
    }
  }
  void evict_all() {
    while (journal_.evict(std::uint64_t{1} << 40).value() > 0) {
    }
  }
  // As a new process would.
  void reopen() {
    journal_.close();
    begin_anew();
  }
  // The process dies this instant, and the machine loses what it can; another one opens.
  void crash(std::uint64_t chance) {
    journal_.crash(chance % (journal_.pending_commits() + 1));
    begin_anew();
  }
  // The next commit does not go well, in one way or another.
  void fail_next(std::uint64_t chance) {
    constexpr CommitFate kWays[] = {CommitFate::failed, CommitFate::failed_written,
                                    CommitFate::unknown_written, CommitFate::unknown_lost};
    fate_ = kWays[chance % 4];
  }

  TestClock clock;
  std::unique_ptr<Recorder> recorder = std::make_unique<Recorder>();
  std::unique_ptr<Recorder> before;  // of the life before
  std::unique_ptr<Result<call::Recovered>> recovered;

 private:
  void begin_anew() {
    recovered = std::make_unique<Result<call::Recovered>>(journal_.open());
    before = std::exchange(recorder, std::make_unique<Recorder>());
    journal_.attach(*recorder);
  }

  MemoryJournal journal_;
  CommitFate fate_ = CommitFate::as_it_should;
};

}  // namespace hf::adapters::testing
