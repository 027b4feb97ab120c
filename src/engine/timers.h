// The engine's own alarm clock: at most one instant a key, popped in order of time, equal instants
// in order of key, so that a run replays exactly.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/time.h"

namespace hf::engine {

template <typename Key>
class Timers {
 public:
  // Sets or replaces the key's instant.
  void arm(const Key& key, Instant when) {
    disarm(key);
    by_key_.emplace(key, when);
    by_time_.emplace(when, key);
  }
  // Keeps an instant that is earlier already.
  void arm_earlier(const Key& key, Instant when) {
    const auto found = by_key_.find(key);
    if (found != by_key_.end() && found->second <= when) return;
    arm(key, when);
  }
  void disarm(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    by_time_.erase({found->second, key});
    by_key_.erase(found);
  }
  // The earliest key whose instant has come, taken out.
  std::optional<Key> pop_due(Instant now) {
    if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
    Key key = by_time_.begin()->second;
    disarm(key);
    return key;
  }
  [[nodiscard]] std::optional<Instant> next() const {
    if (by_time_.empty()) return std::nullopt;
    return by_time_.begin()->first;
  }
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  std::map<Key, Instant> by_key_;
  std::set<std::pair<Instant, Key>> by_time_;
};

}  // namespace hf::engine
