// Overload, seen by how long calls wait for their turn at an upstream, and what is done about it.
//
// What counts is the standing queue: the age of the call that has waited longest, and of that the
// lowest in an interval. A burst that drains is none; a queue that does not get shorter is (CoDel,
// RFC 8289 section 3; Breakwater, OSDI 2020, for queueing delay as the signal; WeChat's DAGOR for
// classes). While it stands above the target the upstream is overloaded:
//
// - so many calls may wait as start within the target, by the pace of the last starts: the caller
//   sends the rest away, the least important first. Queues of a spike are gone within an interval.
// - the least important class is refused at once; the next one too, once what is more important
//   fills the upstream by itself, so that waiting would be in vain. The level goes up by one an
//   interval and down by one after a calm time: fast up, slowly down, so that it does not flap.
//   The most important class is never refused for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hf::policy {

struct QueueDelayConfig {
  Duration target = Duration::millis(50);     // > 0
  Duration interval = Duration::millis(100);  // > 0
  Duration calm = Duration::seconds(1);       // without a standing queue: one level down
};

class QueueDelay {
 public:
  static constexpr std::size_t kRanks = 4;  // 0 is the least important
  // So many may wait, however slow the upstream is.
  static constexpr std::size_t kRoomMin = 4;

  explicit QueueDelay(QueueDelayConfig config);

  // A call that asks for its first attempt, whatever becomes of it.
  void arrived(std::size_t rank, Instant now);
  // An attempt began, from the queue or past an empty one.
  void started(Instant now);
  // One was sent away because the queue had no room.
  void displaced(Instant now);
  // After each change of the queue, and before anything below is asked: since when its oldest call
  // waits; none: it is empty.
  void look(std::optional<Instant> oldest, Instant now);

  // Ranks below it are refused at once; 0: none.
  [[nodiscard]] std::size_t level() const { return level_; }
  // How many may wait; none: as many as there are.
  [[nodiscard]] std::optional<std::size_t> room() const;
  // Of the last interval in which it stood above the threshold, and of the one that is over.
  [[nodiscard]] Duration worst() const { return worst_; }
  [[nodiscard]] Duration standing() const { return standing_; }
  // How long the oldest has waited, as it was last told.
  [[nodiscard]] Duration delay(Instant now) const { return oldest_ ? now - *oldest_ : Duration{}; }
  // The target, or what kRoomMin calls take at this upstream's pace if that is longer.
  [[nodiscard]] Duration threshold() const;
  [[nodiscard]] Duration calm() const { return config_.calm; }

 private:
  void roll(Instant now);
  void close(std::int64_t intervals);
  void rise();

  QueueDelayConfig config_;
  Instant ends_{INT64_MIN};        // of the present interval
  std::optional<Instant> oldest_;  // as it was last told
  Duration lowest_;                // age of the oldest, in this interval
  bool emptied_ = true;            // in this interval
  bool displaced_ = false;
  std::int64_t starts_ = 0;
  std::array<std::int64_t, kRanks> arrivals_{};
  // Per interval, times 256, moving averages over eight of them.
  std::int64_t pace_ = 0;
  std::array<std::int64_t, kRanks> demand_{};
  std::size_t level_ = 0;
  std::int64_t calm_ = 0;  // intervals
  Duration standing_;
  Duration worst_;
};

}  // namespace hf::policy
