// A circuit breaker for one upstream: after enough failures attempts are refused for a while, then
// one probe decides. What counts as a failure is the caller's business; a call records at most one.
#pragma once

#include <array>
#include <cstdint>

#include "base/prng.h"
#include "base/time.h"

namespace hf::policy {

struct BreakerConfig {
  int failure_permille = 500;  // this share of failures opens, ...
  int at_least = 20;           // ... of at least so many attempts ...
  Duration within = Duration::seconds(30);
  int consecutive = 5;  // or so many failures without a success between, however old; 0: never
  Duration open_min = Duration::seconds(5);
  Duration open_max = Duration::seconds(60);
};

// What opened it: so many failures in a row, or such a share in thousandths of the attempts of its
// window, where so much is the limit.
struct BreakerCause {
  bool streak = true;
  std::int64_t measured = 0;
  std::int64_t threshold = 0;
};

enum class BreakerState { closed, open, half_open };
// allow: go. probe: go, and report back with was_probe; nobody else goes until then. reject: do
// not.
enum class Admission { allow, probe, reject };

// closed -> open by failures; open -> half open when its time is over; half open -> closed or open
// by the result of the one probe. A breaker opens for open_min, twice as long after each failed
// probe, up to open_max; each time by up to 5 % shorter or longer, so that a fleet does not probe
// in step.
class Breaker {
 public:
  explicit Breaker(BreakerConfig config);

  // Admission::probe must be followed by one record(.., was_probe = true, ..) or abandon_probe().
  Admission admit(Instant now);
  // The result of an attempt. One that is not the probe's counts only while the breaker is closed:
  // an attempt begun before the opening says nothing about the upstream after it. A result of a
  // probe that this breaker did not hand out (it was made anew since) counts as an ordinary one.
  void record(bool ok, bool was_probe, Instant now, Prng& prng);
  // The probe ended without evidence (its client left, a limit of ours refused it): another may go.
  void abandon_probe(Instant now);

  [[nodiscard]] BreakerState state(Instant now) const;
  // When the next probe may go, or might have gone first; Instant{} while closed.
  [[nodiscard]] Instant open_until() const { return open_until_; }
  // Keeps the state and, unless `within` changed, the counts. An opening in progress is shortened
  // to the new open_max.
  void reconfigure(BreakerConfig config);
  // Of the present opening; a failed probe lengthens it for the same cause.
  [[nodiscard]] const BreakerCause& cause() const { return cause_; }
  // Over the window, to a tenth of it.
  [[nodiscard]] int failures(Instant now) const;
  [[nodiscard]] int total(Instant now) const;

 private:
  static constexpr std::size_t kBuckets = 10;
  struct Bucket {
    std::int64_t slot = INT64_MIN;  // which tenth of a window, counted from the clock's zero
    int ok = 0;
    int failed = 0;
  };
  struct Counts {
    int failed = 0;
    int total = 0;
  };

  [[nodiscard]] std::int64_t slot(Instant now) const;
  [[nodiscard]] Counts counts(Instant now) const;
  void count(bool ok, Instant now);
  void open(Instant now, Prng& prng);
  void close();

  BreakerConfig config_;
  std::array<Bucket, kBuckets> buckets_{};
  Instant latest_{INT64_MIN};  // the clock never runs back in here
  int streak_ = 0;             // failures since the last success
  bool open_ = false;          // open or half open
  bool probing_ = false;
  Instant opened_at_;
  Instant open_until_;
  Duration open_for_;  // the next opening's length, before jitter
  BreakerCause cause_;
};

}  // namespace hf::policy
