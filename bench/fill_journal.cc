// Fills a journal with calls, as `holdfast serve` would have left them, so that searching, and
// working on many of them, can be measured on as many as wanted: bench/search.py and
// e2e/many.test.mjs run it. More than one run may fill the same one, each with a seed of its own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>

#include "adapters/rocksdb/rocksdb_journal.h"
#include "adapters/seal/key_file.h"
#include "adapters/system/clock.h"
#include "base/prng.h"
#include "call/hasher.h"

namespace hf {
namespace {

constexpr std::uint64_t kBatch = 1000;
constexpr std::int64_t kSpanMs = 47LL * 3600 * 1000;

struct Options {
  std::string path;
  std::uint64_t calls = 1'000'000;
  std::uint64_t seed = 1;
  std::string state = "answered";
  std::string upstream = "bank";
  std::size_t body = 0;  // bytes of each request's
};

// The caller's loop: what the journal tells is run on the thread that asks.
class Loop {
 public:
  void post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    arrived_.notify_one();
  }
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return !tasks_.empty(); });
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> tasks_;
};

// Counts what was committed.
class Progress final : public ports::JournalEvents {
 public:
  void on_commit(CommitId, ports::CommitResult result) override {
    HF_CHECK(result == ports::CommitResult::ok);
    ++done_;
  }
  void on_key(ports::ReadId, Result<ports::KeyFound>) override {}
  void on_call(ports::ReadId, Result<std::shared_ptr<const call::Call>>) override {}
  void on_due(ports::ReadId, Result<ports::DuePage>) override {}
  void on_line(ports::ReadId, Result<ports::LinePage>) override {}
  void on_line_heads(ports::ReadId, Result<ports::LineHeads>) override {}
  void on_list(ports::ReadId, Result<ports::CallPage>) override {}
  void on_detail(ports::ReadId, Result<ports::CallDetail>) override {}
  void on_likeness(ports::ReadId, Result<ports::LikenessPage>) override {}
  void on_health(ports::JournalHealth) override {}
  [[nodiscard]] std::uint64_t done() const { return done_; }

 private:
  std::uint64_t done_ = 0;
};

call::Happening last_word(call::State state) {
  if (state == call::State::dead) return call::Happening::died;
  if (state == call::State::unknown) return call::Happening::became_unknown;
  return state == call::State::waiting ? call::Happening::held : call::Happening::answered;
}

// What one attempt has made of it.
void stand(call::Call& call, call::State state) {
  call.state = state;
  if (state == call::State::answered) {
    call.answer = call::Answer{};
    call.answer->status = 200;
    call.answer->fields = {{"Content-Type", "application/json"}, {"Request-Id", "req_1"}};
  } else {
    call.held = true;
    call.last_cause = call::Cause::connect_refused;
    call.proof = call::Proof::no_byte;
  }
  if (state == call::State::waiting) {
    call.reason = call::WaitReason::backoff;
    call.next_attempt_at = call.accepted.wall + Duration::hours(24 * 6);
  } else {
    call.ended = call.accepted;
  }
  if (state == call::State::unknown) {
    call.unresolved = true;
    call.proof = call::Proof::none;
    call.last_cause = call::Cause::reset;
    call.first_sent = call.accepted;
    call.first_sent_authority = "bank.example";
  }
}

// Call n of all: a customer of 100,000, one of 50 amounts, and one country for everybody.
call::CallWrite made(std::uint64_t n, const Options& options, const Now& now,
                     const call::Hasher& hasher, Prng& prng) {
  auto call = std::make_shared<call::Call>();
  const auto age =
      kSpanMs - static_cast<std::int64_t>(n) * kSpanMs / static_cast<std::int64_t>(options.calls);
  const WallTime at{now.wall.ms - age};
  call->id = CallId::make(at, prng.next(), prng.next());
  call->epoch = 1;
  call->route = "/";
  call->upstream = options.upstream;
  call->owner = hasher.digest("owner", std::to_string(n % 10));
  call::KeyUse key;
  key.field = "Idempotency-Key";
  key.value = fmt::format("order-{}-{}", options.seed, n);
  key.identity = hasher.digest("key", key.value);
  call->key = key;
  call->fingerprint = hasher.digest("fingerprint", key.value);
  auto request = std::make_shared<call::Request>();
  request->method = "POST";
  request->target = "/v1/charges";
  request->fields = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Authorization", "Bearer sk_test_0123456789"},
                     {"User-Agent", "shop/2.1"},
                     {key.field, key.value}};
  if (options.body > 0) {
    request->body = make_body(fmt::format("n={}&text={}", n, std::string(options.body, 'x')));
    call->has_body = true;
    call->body_bytes = view(request->body).size();
  }
  call->request = request;
  call->idempotency.own().mode = call::Mode::key;
  call->idempotency.own().header = key.field;
  call->accepted = {at, now.boot, now.mono};
  call->deadline = Duration::hours(24 * 7);
  call->attempts = 1;
  stand(*call, *call::parse_state(options.state));
  call->index = {{"customer", fmt::format("cus_{}", n % 100'000), false},
                 {"amount", std::to_string(100 * (n % 50)), false},
                 {"country", "de", false}};
  call->likeness = hasher.digest("likeness", key.value);
  call::CallWrite write;
  write.write_request_body = call->has_body;
  for (const auto what : {call::Happening::accepted, call::Happening::attempt_started,
                          call::Happening::attempt_ended, last_word(call->state)}) {
    call::TimelineEvent event;
    event.at = at;
    event.what = what;
    event.where = "192.0.2.1:443";
    event.rule = "final";
    event.digest = call->fingerprint;
    write.events.push_back(std::move(event));
  }
  write.after = std::move(call);
  return write;
}

Result<void> fill(const Options& options) {
  HF_TRY_VOID(adapters::make_private_dir(options.path));
  HF_TRY(const adapters::SealKey key,
         adapters::load_or_make_seal_key(options.path + "/seal.key", options.path + "/db"));
  const call::Sealer sealer(key.key);
  const call::Hasher hasher(sealer.hash_secret());
  adapters::SystemClock clock;
  adapters::RocksdbOptions settings;
  settings.path = options.path;
  settings.max_bytes = std::uint64_t{100} << 30;
  Loop loop;
  adapters::RocksdbJournal journal(
      settings, sealer, [&loop](std::function<void()> task) { loop.post(std::move(task)); },
      [&clock] { return clock.read(); });
  HF_TRY_VOID(journal.open());
  Progress progress;
  journal.attach(progress);
  Prng prng(options.seed);
  const Now now = clock.read();
  std::uint64_t commits = 0;
  for (std::uint64_t n = 0; n < options.calls;) {
    call::Batch batch;
    for (std::uint64_t i = 0; i < kBatch && n < options.calls; ++i, ++n)
      batch.calls.push_back(made(n, options, now, hasher, prng));
    journal.commit(CommitId{++commits}, std::move(batch));
    loop.run_until([&] { return progress.done() + 4 >= commits; });
  }
  loop.run_until([&] { return progress.done() == commits; });
  journal.close();
  return {};
}

}  // namespace
}  // namespace hf

int main(int argc, char** argv) {
  CLI::App app{"Fills a journal with calls, to measure what is done with many of them."};
  hf::Options options;
  app.add_option("path", options.path, "the journal's directory")->required();
  app.add_option("--calls", options.calls, "how many")->capture_default_str();
  app.add_option("--seed", options.seed, "another one for each run")->capture_default_str();
  app.add_option("--state", options.state, "where they stand")
      ->check(CLI::IsMember({"answered", "dead", "unknown", "waiting"}))
      ->capture_default_str();
  app.add_option("--upstream", options.upstream, "its name")->capture_default_str();
  app.add_option("--body", options.body, "bytes of each request's body")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto filled = hf::fill(options);
  if (filled.ok()) return 0;
  std::fputs((filled.error().context + "\n").c_str(), stderr);
  return 1;
}
