#include "sim/connections.h"

#include <algorithm>
#include <utility>

namespace hf::sim {

std::optional<SimConnection> SimConnections::take(const std::string& authority, bool careful,
                                                  Instant now) {
  const auto found = idle_.find(authority);
  if (found == idle_.end()) return std::nullopt;
  std::vector<SimConnection>& stack = found->second;
  constexpr policy::ReuseLimits kLimits;
  while (!stack.empty()) {
    const SimConnection& top = stack.back();
    if (top.end_seen_at <= now || !policy::may_carry(top.times, false, now, kLimits)) {
      stack.pop_back();
      continue;
    }
    // What lies below is older still.
    if (!policy::may_carry(top.times, careful, now, kLimits)) return std::nullopt;
    SimConnection out = top;
    stack.pop_back();
    return out;
  }
  return std::nullopt;
}

SimConnection SimConnections::open(const std::string& authority, Instant now) {
  SimConnection out;
  out.id = ++last_id_;
  out.authority = authority;
  out.times = {now, now, std::nullopt};
  return out;
}

void SimConnections::give(SimConnection connection) {
  idle_[connection.authority].push_back(std::move(connection));
}

void SimConnections::spoil(std::uint64_t id) {
  for (auto& [authority, stack] : idle_)
    std::erase_if(stack, [id](const SimConnection& one) { return one.id == id; });
}

std::size_t SimConnections::idle(Instant now) const {
  std::size_t out = 0;
  for (const auto& [authority, stack] : idle_) {
    out += static_cast<std::size_t>(std::count_if(
        stack.begin(), stack.end(), [now](const auto& one) { return one.end_seen_at > now; }));
  }
  return out;
}

}  // namespace hf::sim
