// The faults a sandbox knows, and the plan that says which request meets which. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "sandbox/options.h"

namespace hf::sandbox {

enum class FaultKind {
  none,
  reset_before,    // RST before the effect
  reset_after,     // the effect, then RST without an answer
  late_apply,      // =ms: RST now, the effect so much later
  listed_pending,  // =ms: late_apply; meanwhile a lookup finds the charge with status pending
  listed_failed,   // RST, no effect; a lookup finds the charge with status failed
  cut,             // =fin|rst: the effect, the head and half of the body, then the end
  hang,            // =after|before: never answers, with or without the effect
  slow,            // =ms: the effect and the answer take so long
  in_progress,     // 409 as for a key whose first request still runs; no effect
  s429,            // =Retry-After: no effect
  s500,            // no effect, not stored
  s503,            // =Retry-After: no effect
  s500_stored,     // =none|applied: a 500 that is stored under the key and replayed
  apply_then_503,  // the effect, but the answer is a gateway's 503
  idle_close,      // =ms: answers, promises keep-alive, closes after so long without a byte
  close_on_reuse,  // =read|unread: answers; the next request of the connection is dropped
  body,            // =html|torn|other: the effect, then a 200 whose body is not the answer
  invalid,         // =status|header|length|chunk: the effect, then bytes that are not HTTP
  status,          // =code: that status, no effect
};

struct Fault {
  FaultKind kind = FaultKind::none;
  std::string arg;
  bool operator==(const Fault&) const = default;
  // The number in arg; parse_fault has made sure that there is one where a kind needs it.
  [[nodiscard]] std::int64_t number() const;
  [[nodiscard]] std::string text() const;  // what parse_fault reads
};

std::string_view to_string(FaultKind kind);
// "name" or "name=arg"; ErrorKind::invalid names what is wrong. A missing arg gets its default.
Result<Fault> parse_fault(std::string_view text);

struct FaultOdds {
  Fault fault;
  int permille = 0;
};
// "reset_before=50,late_apply:500=20": name[:arg]=parts per thousand, together at most 1000.
Result<std::vector<FaultOdds>> parse_odds(std::string_view text);
std::string format_odds(const std::vector<FaultOdds>& odds);

// What the plan looks at.
struct FaultQuery {
  bool effectful = false;
  std::string_view header;    // the Sandbox-Fault field, empty if none
  std::string_view identity;  // empty: the request's own ordinal
  bool lookup = false;        // a safe request that asks what became of another
};

// Which request meets which fault, first match: the request's own Sandbox-Fault field, the queue of
// one-shot faults (effectful requests only), for lookups their own seeded odds, the constant fault,
// the seeded odds.
// The seeded part depends on nothing but (seed, identity, how many times this identity has come):
// concurrency and other requests do not disturb it, so a seed is repeatable from outside.
class FaultPlan {
 public:
  static constexpr std::size_t kMaxIdentities = 200'000;
  static constexpr std::size_t kMaxQueued = 10'000;

  explicit FaultPlan(std::uint64_t seed);

  // ErrorKind::invalid when the field is not a fault; the plan has not moved then.
  Result<Fault> decide(const FaultQuery& query);

  void set_seed(std::uint64_t seed);
  void set_odds(std::vector<FaultOdds> odds) { odds_ = std::move(odds); }
  void set_lookup_odds(std::vector<FaultOdds> odds) { lookup_odds_ = std::move(odds); }
  void set_always(std::optional<Fault> fault) { always_ = std::move(fault); }
  void set_fault_safe(bool on) { fault_safe_ = on; }
  void set_max_faulted_attempts(int attempts) { max_faulted_attempts_ = attempts; }
  Result<void> enqueue(Fault fault);
  void clear_queue() { next_.clear(); }
  // Forgets which identity has come how often.
  void clear_attempts();

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] const std::vector<FaultOdds>& odds() const { return odds_; }
  [[nodiscard]] const std::vector<FaultOdds>& lookup_odds() const { return lookup_odds_; }
  [[nodiscard]] const std::optional<Fault>& always() const { return always_; }
  [[nodiscard]] const std::deque<Fault>& queue() const { return next_; }
  [[nodiscard]] bool fault_safe() const { return fault_safe_; }
  [[nodiscard]] int max_faulted_attempts() const { return max_faulted_attempts_; }

 private:
  Fault draw(const std::vector<FaultOdds>& odds, std::string_view identity);
  std::uint64_t count_attempt(std::string_view identity);

  std::uint64_t seed_;
  Prng root_;
  std::vector<FaultOdds> odds_;
  std::vector<FaultOdds> lookup_odds_;
  std::optional<Fault> always_;
  std::deque<Fault> next_;
  bool fault_safe_ = false;
  int max_faulted_attempts_ = 0;
  std::uint64_t ordinal_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> attempts_;
  std::deque<std::string> oldest_;
};

}  // namespace hf::sandbox
