#include "policy/reuse.h"

#include <algorithm>

namespace hf::policy {

bool leaves_reusable(const LastExchange& last) {
  return last.request_whole && last.answer_whole && last.nothing_behind && last.persists;
}

bool may_carry(const IdleConnection& connection, bool careful, Instant now,
               const ReuseLimits& limits) {
  const Duration idle = now - connection.last_used;
  if (idle >= limits.idle || now - connection.opened >= limits.age) return false;
  if (careful && idle >= limits.careful_idle) return false;
  if (!connection.keep_alive) return true;
  const Duration margin = std::min(Duration::seconds(1), *connection.keep_alive / 2);
  return idle < *connection.keep_alive - margin;
}

}  // namespace hf::policy
