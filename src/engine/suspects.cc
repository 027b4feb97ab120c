#include "engine/suspects.h"

#include <utility>

namespace hf::engine {

void Suspects::forget_oldest() {
  const Turn& oldest = turns_.front();
  const auto found = latest_.find(oldest.likeness);
  if (found != latest_.end() && found->second.turn == oldest.turn) latest_.erase(found);
  turns_.pop_front();
}

std::optional<CallId> Suspects::meet(const call::Digest& likeness, const CallId& id,
                                     const std::optional<call::KeyUse>& key, Instant now,
                                     Duration window) {
  Seen seen{id, now, std::nullopt, next_turn_++};
  if (key && !key->derived && !key->made) seen.key = key->identity;
  std::optional<CallId> out;
  const auto found = latest_.find(likeness);
  if (found != latest_.end()) {
    const Seen& before = found->second;
    const bool one_key = seen.key && before.key == seen.key;
    if (!one_key && now - before.at <= window) out = before.call;
  }
  turns_.push_back({likeness, seen.turn});
  latest_[likeness] = std::move(seen);
  while (turns_.size() > kSuspectsMax)
    forget_oldest();
  return out;
}

}  // namespace hf::engine
