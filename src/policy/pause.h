// Pauses that an upstream asked for (429, Retry-After) or an operator set, by limit key.
// Intervals are monotonic: setting the clock neither ends nor lengthens one. Who stores or shows
// them turns them into wall time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace hf::policy {

struct Pause {
  std::string key;
  Instant until;
  bool operator==(const Pause&) const = default;
};

// Bounded: when full, the pause that ends first is dropped, which may be the new one. A pause is
// over at its end; an expired one takes room until expire() or until room is needed.
class Pauses {
 public:
  explicit Pauses(std::size_t max_keys = 10'000);

  // Pauses `key` at least until then; only ever lengthens. Returns whether anything changed.
  bool extend(std::string_view key, Instant until, Instant now);
  void lift(std::string_view key);
  // The end of the key's pause; nothing if it has none.
  [[nodiscard]] std::optional<Instant> until(std::string_view key, Instant now) const;
  // Those not over, by key.
  [[nodiscard]] std::vector<Pause> all(Instant now) const;
  void expire(Instant now);
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  using ByKey = std::map<std::string, Instant, std::less<>>;
  void erase(ByKey::iterator at);

  std::size_t max_keys_;
  ByKey by_key_;
  std::set<std::pair<Instant, std::string>> by_end_;  // the same pauses
};

// What an upstream asked for, within [0, max_pause].
Duration clamp_pause(Duration asked, Duration max_pause);

}  // namespace hf::policy
