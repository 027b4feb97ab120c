#include "policy/busiest.h"

#include <algorithm>
#include <map>
#include <utility>

namespace hf::policy {
namespace {

std::size_t set_of(const IpAddress& who, std::size_t sets) {
  const std::uint64_t hash = hash_of(who);
  return static_cast<std::size_t>(hash ^ (hash >> 32)) % sets;
}

}  // namespace

void Busiest::roll(Instant now) {
  if (began_.ns != INT64_MIN && now - began_ < kWindow) return;
  const bool gap = began_.ns == INT64_MIN || now - began_ >= kWindow * 2;
  std::swap(windows_[0], windows_[1]);
  windows_[0] = {};
  if (gap) windows_[1] = {};
  before_ = !gap;
  began_ = gap ? now : began_ + kWindow;
}

void Busiest::asked(const IpAddress& who, Instant now) {
  roll(now);
  Set& set = windows_[0][set_of(who, kSets)];
  Slot* least = &set.front();
  for (Slot& slot : set) {
    if (slot.client.asked > 0 && slot.client.who == who) {
      slot.client.asked += 1;
      return;
    }
    if (slot.client.asked < least->client.asked) least = &slot;
  }
  least->doubt = least->client.asked;
  least->client = {who, least->doubt + 1, 0};
}

void Busiest::refused(const IpAddress& who, Instant now) {
  roll(now);
  for (Slot& slot : windows_[0][set_of(who, kSets)]) {
    if (slot.client.asked > 0 && slot.client.who == who) slot.client.refused += 1;
  }
}

Busiest::Top Busiest::top(std::size_t most, Instant now) {
  roll(now);
  std::map<IpAddress, Client> known;
  for (const Window& window : windows_) {
    for (const Set& set : window) {
      for (const Slot& slot : set) {
        if (slot.client.asked == 0) continue;
        Client& one = known[slot.client.who];
        one.who = slot.client.who;
        one.asked += slot.client.asked - slot.doubt;
        one.refused += slot.client.refused;
      }
    }
  }
  Top out;
  out.over = now - began_ + (before_ ? kWindow : Duration{});
  for (const auto& [who, client] : known)
    out.clients.push_back(client);
  std::stable_sort(out.clients.begin(), out.clients.end(),
                   [](const Client& a, const Client& b) { return a.asked > b.asked; });
  out.clients.resize(std::min(most, out.clients.size()));
  return out;
}

}  // namespace hf::policy
