// How many attempts may run at once at an upstream, learnt from live traffic: the limit grows while
// growing brings throughput, and shrinks where it only makes calls wait inside the upstream.
//
// Results are gathered in windows: a window closes when the mean of the logarithms of its healthy
// latencies should be known to an eighth of an octave by the scatter seen before (or at kWindowMax
// results), so that steady upstreams are judged within tens of calls and noisy ones within
// hundreds. Logarithms, because a mixture of fast and slow calls then moves little by chance, and a
// queue moves all of it. For three latencies after the limit changed results are of the old one
// (envoyproxy/envoy#11579), and a window in which the slow calls have not ended yet goes on
// (Little's law tells). Then, in this order:
//
//   losses   a tenth or more timed out or was reset -> 3/4. They are never latencies: an upstream
//            whose calls all end at the same timeout looks steady (Netflix/concurrency-limits#137).
//   queueing latency above the baseline by more than kQueueing, chance taken into account -> shrink
//            in proportion (the gradient of Envoy and Netflix), except where it is `slower`.
//   slower   the limit moved and latency did not move with it: the upstream has become slower, it
//            does not queue. The baseline follows half-way; the limit stays.
//   elastic  the limit moved and latency moved along by more than half: by Little's law throughput
//            did not, so the baseline itself may have been measured in a queue (cold start under
//            load, drift: Netflix/concurrency-limits#165; the correlation is the idea of Uber's
//            Cinnamon and of failsafe-go) -> 3/4, again while that helps. Where it did not help
//            the baseline is proven, and left alone for kProofLasts windows.
//   grow     some call met the limit, and latency is near the baseline: by a step that doubles each
//            time in a row, up to a quarter.
//   hold     between the two thresholds (a gradient near 0.8 must not grow without end,
//            Netflix/concurrency-limits#134), every fourth time a step up as an experiment.
//   unused   no call met the limit: nothing is known of a higher one, and it stays where it is.
//
// The baseline falls when latency does. It rises only where the limit is not in use, by `slower`,
// and by a hair in windows that grow: never because a full upstream has been slow for long. Nothing
// is ever cut to measure: experiments go upwards (envoyproxy/envoy#18152, #46532).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace hf::policy {

struct LearntLimitConfig {
  int min = 4;     // 1 to max
  int start = 20;  // min to max
  int max = 1000;
};

// ok: answered by work done. lost: timed out, reset, not connected. refused: answered without work
// done (429, 503, a 5xx): no latency, and half of a window of them counts as loss.
enum class Fate : std::uint8_t { ok, lost, refused };

struct Sample {
  Instant began;
  Duration took;      // of the upstream's work: without connecting, without what a client reads
  int in_flight = 1;  // when it ended, itself included
  Fate fate = Fate::ok;
};

// What the last window led to.
enum class Lesson : std::uint8_t { start, losses, queueing, slower, elastic, grow, hold, unused };
std::string_view to_string(Lesson lesson);

class LearntLimit {
 public:
  explicit LearntLimit(LearntLimitConfig config);

  // One attempt's end. True when the limit changed.
  bool on_result(const Sample& sample, Instant now);
  // A call was turned away because the limit was used up.
  void met() { met_ = true; }

  [[nodiscard]] int limit() const { return limit_; }
  [[nodiscard]] Lesson lesson() const { return lesson_; }
  // Geometric means: without queueing as far as known, and of the last window. Zero: none yet.
  [[nodiscard]] Duration baseline() const;
  [[nodiscard]] Duration latency() const;

 private:
  // Logarithms to base 2 in 1/1024; squares of them in 1/1024^2.
  using Log = std::int64_t;
  struct Window {
    Instant began;
    std::int64_t ok = 0;
    std::int64_t lost = 0;
    std::int64_t refused = 0;
    std::int64_t ends = 0;  // of all kinds, and over these the sums of:
    std::int64_t in_flight = 0;
    Duration held;  // slots
    int peak = 0;
    Log pivot = 0;  // of the first: what the sums below are distances from
    std::int64_t sum = 0;
    std::int64_t squares = 0;
  };
  struct Measure {
    Log latency = 0;
    Log in_flight = 0;
    std::int64_t scatter = 0;  // the variance of one result
    std::int64_t error = 0;    // the square of the standard error of `latency`
    int peak = 0;
    bool half_used = false;  // half of the limit was in flight, in the mean: at times says nothing
    bool full = false;       // the limit bound all the while: what was in flight is what it let in
    Instant at;
  };

  [[nodiscard]] std::int64_t lost() const;
  [[nodiscard]] bool whole(Instant now) const;
  [[nodiscard]] Measure measure(Instant now) const;
  bool close(Instant now);
  Lesson judge(const Measure& seen, bool losing);
  void follow_baseline(const Measure& seen);
  void take_evidence(const Measure& seen);
  [[nodiscard]] bool elastic() const;
  [[nodiscard]] bool inelastic() const;
  void move(Lesson lesson, const Measure& seen);
  [[nodiscard]] int step() const;
  [[nodiscard]] int experiment() const;

  LearntLimitConfig config_;
  int limit_;
  bool met_ = false;
  Instant settled_{INT64_MIN};  // results until then are of the limit before
  Instant cut_{INT64_MIN};      // losses that began before have been answered by a cut
  Window window_;
  std::int64_t scatter_ = 1024 * 1024;  // as known so far; at first a guess
  std::optional<Log> baseline_;
  std::optional<Measure> last_;
  // How latency followed the limit, the newest experiments first: sums over the changes from window
  // to window of (d in flight)^2 and (d in flight)(d latency), and the noise of d latency.
  std::int64_t moved_ = 0;
  std::int64_t followed_ = 0;
  std::int64_t noise_ = 0;
  int proven_ = 0;             // windows for which the baseline needs no doubt
  int ceiling_ = 0;            // the limit at which there was a queue last; 0: none known
  bool ceiling_sure_ = false;  // below it there was none
  bool fresh_ = false;         // the last window was an experiment
  bool last_cut_helped_ = true;
  int streak_ = 0;  // growths in a row
  int holds_ = 0;
  Lesson lesson_ = Lesson::start;
};

}  // namespace hf::policy
