// The simulated way out and what stands there: an upstream with a ledger of real effects. It keeps
// going when Holdfast dies, as real ones do, and applies late, loses answers, refuses and fails.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "ports/upstream.h"
#include "sim/schedule.h"

namespace hf::sim {

// Chances in a thousand, per attempt.
struct UpstreamFaults {
  int refuse_connect = 0;
  int reset_before = 0;  // sent, dropped before the effect
  int reset_after = 0;   // the effect is there, the answer is lost
  int late_apply = 0;    // the connection dies, the effect comes seconds later
  int hang = 0;          // no answer ever: the head timeout ends it
  int cut = 0;           // effect, head, half a body
  int error_before = 0;  // 500 without effect
  int error_after = 0;   // 500 with effect
  int stored_error = 0;  // 500 kept under the key and replayed
  int too_many = 0;      // 429 with Retry-After
  int busy_keys = 0;     // extra latency, so that 409 in progress happens
};

struct LedgerEntry {
  std::string order;
  std::string key;  // empty: none was sent
  std::string target;
  Instant at;
  std::string answer;
};

class SimUpstream final : public ports::Upstream {
 public:
  SimUpstream(Schedule& schedule, Prng prng, UpstreamFaults faults);

  void attach(ports::UpstreamEvents* events) { events_ = events; }
  // The process died: nobody hears the ends of its attempts; the work here goes on.
  void forget_attempts();
  void heal() { faults_ = {}; }
  void set_down(bool down) { down_ = down; }
  void ignore_keys() { keys_ignored_ = true; }

  void start(ports::AttemptSpec spec) override;
  void cancel(AttemptId id) override;
  void forward(AttemptId id, std::shared_ptr<ports::AnswerSink> sink) override;
  void capture(AttemptId id, std::uint64_t max) override;

  [[nodiscard]] const std::vector<LedgerEntry>& ledger() const { return ledger_; }
  [[nodiscard]] std::size_t effects_of(const std::string& order) const;
  std::uint64_t attempts = 0;

 private:
  struct Stored {
    bool running = false;
    int status = 0;
    std::string body;
  };
  struct Live {
    ports::AttemptSpec spec;
    std::string order;
    bool settled = false;
    std::optional<call::AnswerHead> head;  // waits for a word
    std::string body;
    bool cut = false;
  };

  bool hit(int permille) { return prng_.chance(static_cast<std::uint64_t>(permille), 1000); }
  void arrive(AttemptId id);
  bool answered_by_key(AttemptId id, const std::string& key);
  void apply(const std::string& order, const std::string& key, const std::string& target,
             const std::string& answer);
  void apply_orphan(const std::string& order, const std::string& key);
  void answer(AttemptId id, int status, std::string body, Fields fields, bool cut);
  void end(AttemptId id, call::AttemptOutcome outcome);
  void end_later(AttemptId id, Duration delay, call::Evidence evidence, call::Cause cause);
  Live* live(AttemptId id);

  Schedule& schedule_;
  Prng prng_;
  UpstreamFaults faults_;
  ports::UpstreamEvents* events_ = nullptr;
  bool down_ = false;
  bool keys_ignored_ = false;
  std::uint64_t generation_ = 0;
  std::map<std::pair<std::uint64_t, AttemptId>, Live> live_;
  std::map<std::string, Stored> keys_;
  std::vector<LedgerEntry> ledger_;
};

}  // namespace hf::sim
