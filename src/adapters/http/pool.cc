#include "adapters/http/pool.h"

#include <algorithm>

namespace hf::adapters {

std::string pool_target(const std::string& target, const std::string& address) {
  std::string out;
  out.reserve(target.size() + 1 + address.size());
  return out.append(target).append(1, '@').append(address);
}

bool ConnectionPool::usable(const UpstreamLink& link, bool careful, Instant now) const {
  return policy::may_carry({link.opened(), link.last_used, link.keep_alive_hint}, careful, now,
                           limits_.reuse);
}

void ConnectionPool::forget(Stack& stack, Stack::iterator at, std::uint64_t& counter) {
  const auto link = std::move(*at);
  stack.erase(at);
  --idle_;
  ++counter;
  link->close(true);
}

std::shared_ptr<UpstreamLink> ConnectionPool::take(const std::string& target, bool careful,
                                                   Instant now) {
  const auto found = stacks_.find(target);
  if (found == stacks_.end()) return nullptr;
  auto& stack = found->second;
  // Each turn ends the search or takes one off the stack.
  while (!stack.empty()) {
    const auto top = stack.end() - 1;
    if (!usable(**top, false, now)) {
      forget(stack, top, counters_.dropped_stale);
      continue;
    }
    // What lies below is older still; it stays for requests that may take it.
    if (!usable(**top, careful, now)) return nullptr;
    if (!(*top)->quiet()) {
      forget(stack, top, counters_.dropped_poll);
      continue;
    }
    auto link = std::move(*top);
    stack.pop_back();
    --idle_;
    ++counters_.reused;
    link->listen(nullptr);
    return link;
  }
  return nullptr;
}

void ConnectionPool::give(std::shared_ptr<UpstreamLink> link, Instant now) {
  link->last_used = now;
  if (idle_ >= limits_.idle_total || limits_.idle_per_target == 0) {
    ++counters_.dropped_stale;
    link->close(true);
    return;
  }
  auto& stack = stacks_[link->target()];
  if (stack.size() >= limits_.idle_per_target) {
    forget(stack, stack.begin(), counters_.dropped_stale);
  }
  link->listen([this, raw = link.get()](UpstreamLink::Ready) { on_stir(raw); });
  link->arm_reading();
  stack.push_back(std::move(link));
  ++idle_;
}

void ConnectionPool::on_stir(UpstreamLink* link) {
  if (link->quiet()) {  // only TLS's own records
    link->arm_reading();
    return;
  }
  const auto found = stacks_.find(link->target());
  if (found == stacks_.end()) return;
  auto& stack = found->second;
  const auto at = std::find_if(stack.begin(), stack.end(),
                               [&](const auto& kept) { return kept.get() == link; });
  if (at != stack.end()) forget(stack, at, counters_.dropped_idle);
}

void ConnectionPool::sweep(Instant now) {
  for (auto& [target, stack] : stacks_) {
    for (std::size_t i = stack.size(); i-- > 0;) {
      if (usable(*stack[i], false, now)) continue;
      forget(stack, stack.begin() + static_cast<std::ptrdiff_t>(i), counters_.dropped_stale);
    }
  }
  std::erase_if(stacks_, [](const auto& entry) { return entry.second.empty(); });
}

void ConnectionPool::close_all() {
  for (auto& [target, stack] : stacks_) {
    for (auto& link : stack)
      link->close(true);
  }
  stacks_.clear();
  idle_ = 0;
}

}  // namespace hf::adapters
