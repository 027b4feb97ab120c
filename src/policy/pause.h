// Pauses that an upstream asked for (429, Retry-After) or an operator set, by limit key. In wall
// time, because they are stored and shown.
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
  WallTime until;
  bool operator==(const Pause&) const = default;
};

// Bounded: when full, the pause that ends first is dropped, which may be the new one. A pause is
// over at its end; an expired one takes room until expire() or until room is needed.
class Pauses {
 public:
  explicit Pauses(std::size_t max_keys = 10'000);

  // Pauses `key` at least until then; only ever lengthens. Returns whether anything changed.
  bool extend(std::string_view key, WallTime until, WallTime now);
  void lift(std::string_view key);
  // The end of the key's pause; nothing if it has none.
  [[nodiscard]] std::optional<WallTime> until(std::string_view key, WallTime now) const;
  // Those not over, by key.
  [[nodiscard]] std::vector<Pause> all(WallTime now) const;
  void expire(WallTime now);
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  using ByKey = std::map<std::string, WallTime, std::less<>>;
  void erase(ByKey::iterator at);

  std::size_t max_keys_;
  ByKey by_key_;
  std::set<std::pair<WallTime, std::string>> by_end_;  // the same pauses
};

// What an upstream asked for, within [0, max_pause].
Duration clamp_pause(Duration asked, Duration max_pause);

}  // namespace hf::policy
