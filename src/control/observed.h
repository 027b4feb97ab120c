// What routes that only observe have seen, by the hour: as lines for a file
// (docs/formats/observed.md), and summed up for people. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/time.h"
#include "call/settings.h"
#include "engine/observer.h"
#include "runtime/relay.h"

namespace hf::control {

inline constexpr std::size_t kObservedSamples = 3;    // of each finding, route and hour
inline constexpr std::size_t kObservedPathMax = 200;  // bytes of a sample's path
inline constexpr Duration kObservedHour = Duration::hours(1);

// One finding, as it is counted: what would have been otherwise, by which rule, in which row of the
// table of DESIGN section 4 (empty: none).
struct ObservedKind {
  std::string would;
  std::string rule;
  std::string row;
  auto operator<=>(const ObservedKind&) const = default;
};

struct ObservedSample {
  WallTime at;
  std::string method;
  std::string path;
  int status = 0;
  std::string key;  // 12 hex digits of its keyed hash; empty: none
};

struct ObservedFinding {
  std::uint64_t count = 0;
  std::deque<ObservedSample> samples;  // the latest
};

struct ObservedRoute {
  std::uint64_t calls = 0;
  std::uint64_t clean = 0;  // nothing would have been otherwise
  std::map<ObservedKind, ObservedFinding> findings;
};

// Counts by hour. Holds what it was given: whoever fills it bounds it.
class ObservedSum {
 public:
  // `sampled`: whether a finding of this kind is kept as a sample too.
  using Sampled = std::function<bool(const ObservedKind&)>;
  void add(const runtime::Passage& passage, const std::vector<engine::Sighting>& seen, WallTime now,
           const Sampled& sampled);
  void add_forgotten(std::uint64_t keys, WallTime now);
  // One line of a file. False: it is torn, or of a kind or version not known here; nothing is
  // added.
  bool add_line(std::string_view line);
  void add_lines(std::string_view lines);
  void merge(const ObservedSum& other);

  [[nodiscard]] bool empty() const { return hours_.empty(); }
  // The same again as lines, one finding or sample each.
  [[nodiscard]] std::string lines() const;
  [[nodiscard]] std::uint64_t unreadable() const { return unreadable_; }

  // One JSON object (docs/admin-api.md, observed): the hours that end after `since`; of `route`
  // alone, unless that is empty. `settings`: which routes observe now; may be null.
  [[nodiscard]] std::string json(WallTime since, WallTime now, const std::string& route,
                                 const call::Settings* settings) const;

 private:
  struct Hour {
    std::map<std::string, ObservedRoute> routes;
    std::uint64_t forgotten = 0;
  };
  static void add_sample(ObservedFinding& finding, ObservedSample sample);

  std::map<std::int64_t, Hour> hours_;  // by wall milliseconds of its beginning
  std::uint64_t unreadable_ = 0;
};

// By route and finding (Would), since the process began: for the metrics.
using ObservedCounts = std::map<std::pair<std::string, std::string>, std::uint64_t>;

// Between the relay and the files: what was seen since the last take().
class ObservedBook {
 public:
  void add(const runtime::Passage& passage, const std::vector<engine::Sighting>& seen,
           WallTime now);
  // The observer's count so far.
  void forgotten(std::uint64_t keys, WallTime now);
  [[nodiscard]] bool empty() const { return fresh_.empty(); }
  ObservedSum take();
  // What could not be written is written later.
  void give_back(const ObservedSum& sum) { fresh_.merge(sum); }
  [[nodiscard]] const ObservedCounts& counts() const { return counts_; }

 private:
  ObservedSum fresh_;
  ObservedCounts counts_;
  // How many samples this hour had already, so that the files stay small.
  std::int64_t sampled_hour_ = 0;
  std::map<std::pair<std::string, ObservedKind>, std::size_t> sampled_;
  std::uint64_t forgotten_ = 0;
};

}  // namespace hf::control
