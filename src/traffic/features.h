// Optional features, switched by one dimmer or by hand. Pure: time is an argument. I/O thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "call/features.h"
#include "policy/dimmer.h"

namespace hf::traffic {

// A named limit (invariant 7).
inline constexpr std::size_t kFlagsMax = 64;

// A person's word on a feature, for a while.
struct Override {
  bool on = false;
  std::string reason;
  WallTime since;
  WallTime until;
  bool operator==(const Override&) const = default;
};

struct FeatureState {
  bool on = true;
  bool dimmed = false;  // by load; says nothing where there is a word
  std::optional<Override> word;
};

// What was measured last, and of which upstream.
struct Pressure {
  std::int64_t permille = 0;  // of what counts as overload
  std::string upstream;       // empty: nothing is measured
  std::string rule;           // queue-delay, breaker-open
  std::int64_t measured = 0;  // microseconds of queueing
  std::int64_t threshold = 0;
};

class Features {
 public:
  explicit Features(call::FeatureSettings settings);

  // Told a few times a second. True: some feature has changed, or a word is over.
  bool observe(Pressure pressure, const Now& now);

  // By hand, until then. False: there is no such feature.
  bool set(std::string_view name, Override word);
  // Back to what the load says. False: no such feature, or no word on it.
  bool release(std::string_view name);

  [[nodiscard]] const call::FeatureSettings& settings() const { return settings_; }
  [[nodiscard]] FeatureState state(std::size_t flag) const;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  // Rises with each change of any value.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  [[nodiscard]] const Pressure& pressure() const { return pressure_; }
  [[nodiscard]] int level() const { return dimmer_.level(); }
  // Times that a feature went off by load, since the start.
  [[nodiscard]] std::uint64_t dims() const { return dims_; }
  // Words that are not over, to be kept over a restart.
  [[nodiscard]] const std::map<std::string, Override, std::less<>>& words() const { return words_; }

 private:
  call::FeatureSettings settings_;
  policy::Dimmer dimmer_;
  std::map<std::string, Override, std::less<>> words_;
  Pressure pressure_;
  std::uint64_t version_ = 1;
  std::uint64_t dims_ = 0;
};

}  // namespace hf::traffic
