#include "policy/pause.h"

#include <algorithm>

#include "base/check.h"

namespace hf::policy {

Pauses::Pauses(std::size_t max_keys) : max_keys_(max_keys) {
  HF_CHECK(max_keys > 0);
}

bool Pauses::extend(std::string_view key, Instant until, Instant now) {
  if (until <= now) return false;
  const auto at = by_key_.find(key);
  if (at != by_key_.end()) {
    if (at->second >= until) return false;
    erase(at);
  }
  if (by_key_.size() >= max_keys_) {
    const auto& [first_end, first_key] = *by_end_.begin();
    if (until < first_end) return false;
    erase(by_key_.find(first_key));
  }
  by_key_.emplace(key, until);
  by_end_.emplace(until, key);
  return true;
}

void Pauses::lift(std::string_view key) {
  const auto at = by_key_.find(key);
  if (at != by_key_.end()) erase(at);
}

std::optional<Instant> Pauses::until(std::string_view key, Instant now) const {
  const auto at = by_key_.find(key);
  if (at == by_key_.end() || at->second <= now) return std::nullopt;
  return at->second;
}

std::vector<Pause> Pauses::all(Instant now) const {
  std::vector<Pause> out;
  for (const auto& [key, until] : by_key_) {
    if (until > now) out.push_back({key, until});
  }
  return out;
}

void Pauses::expire(Instant now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now) {
    erase(by_key_.find(by_end_.begin()->second));
  }
}

void Pauses::erase(ByKey::iterator at) {
  HF_CHECK(at != by_key_.end());
  by_end_.erase({at->second, at->first});
  by_key_.erase(at);
}

Duration clamp_pause(Duration asked, Duration max_pause) {
  return std::max(Duration{}, std::min(asked, max_pause));
}

}  // namespace hf::policy
