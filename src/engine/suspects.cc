#include "engine/suspects.h"

#include <utility>

namespace hf::engine {

void Suspects::forget_oldest() {
  const Turn& oldest = turns_.front();
  const Seen* found = latest_.find(oldest.likeness);
  if (found != nullptr && found->turn == oldest.turn) latest_.erase(oldest.likeness);
  turns_.pop_front();
}

std::optional<CallId> Suspects::meet(const call::Digest& likeness, const CallId& id,
                                     const std::optional<call::KeyUse>& key, Instant now,
                                     Duration window) {
  Seen seen{id, now, std::nullopt, next_turn_++};
  if (key && !key->derived && !key->made) seen.key = key->identity;
  std::optional<CallId> out;
  turns_.push_back({likeness, seen.turn});
  if (const auto [before, first] = latest_.meet(likeness, seen); !first) {
    const bool one_key = seen.key && before->key == seen.key;
    if (!one_key && now - before->at <= window) out = before->call;
    *before = seen;
  }
  while (turns_.size() > kSuspectsMax)
    forget_oldest();
  latest_.expect(turns_.front().likeness);  // it goes next: it lies far from all that is in use
  return out;
}

}  // namespace hf::engine
