#include "stale/store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hf::stale {
namespace {

// List and map nodes, the shared pointer's block, what allocators round up.
constexpr std::uint64_t kOverhead = 512;

}  // namespace

std::uint64_t Store::cost_of(const Kept& kept, const std::vector<std::string>& names) {
  std::uint64_t out = kOverhead + sizeof(Entry) + sizeof(Kept);
  for (const Field& field : kept.fields)
    out += sizeof(Field) + field.name.capacity() + field.value.capacity();
  for (const std::string& name : names)
    out += sizeof(std::string) + name.capacity();
  if (kept.body) out += sizeof(std::string) + kept.body->capacity();
  return out;
}

// `each` may erase the entry that it is given.
template <typename Each>
void Store::each_fitting(const call::Digest& target, const Selector& selector, Each each) {
  const auto found = by_target_.find(target);
  if (found == by_target_.end()) return;
  const std::vector<Entries::iterator> all = found->second;
  for (const Entries::iterator entry : all) {
    if (selector(entry->names) == entry->selected) each(entry);
  }
}

std::shared_ptr<const Kept> Store::find(const call::Digest& target, const Selector& selector) {
  auto best = entries_.end();
  each_fitting(target, selector, [&](Entries::iterator entry) {
    if (best == entries_.end() || best->kept->at < entry->kept->at) best = entry;
  });
  if (best == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, best);
  return best->kept;
}

bool Store::put(const call::Digest& target, const Selector& selector,
                std::vector<std::string> names, std::shared_ptr<const Kept> kept) {
  bool later = false;
  each_fitting(target, selector, [&](Entries::iterator entry) {
    if (entry->kept->asked > kept->asked) {
      later = true;
    } else {
      erase(entry);
    }
  });
  if (later) return true;
  Entry entry{target, std::move(names), {}, std::move(kept), 0};
  entry.selected = selector(entry.names);
  entry.cost = cost_of(*entry.kept, entry.names);
  if (!make_room(entry.cost)) return false;
  used_ += entry.cost;
  entries_.push_front(std::move(entry));
  auto& variants = by_target_[target];
  variants.push_back(entries_.begin());
  if (variants.size() > kVariantsMax) evict(variants.front());
  return true;
}

void Store::forget(const call::Digest& target) {
  const auto found = by_target_.find(target);
  if (found == by_target_.end()) return;
  const std::vector<Entries::iterator> all = found->second;
  for (const Entries::iterator entry : all)
    erase(entry);
}

void Store::forget_fitting(const call::Digest& target, const Selector& selector, bool personal) {
  each_fitting(target, selector, [&](Entries::iterator entry) {
    if (!personal || !entry->names.empty()) erase(entry);
  });
}

bool Store::reserve(std::uint64_t bytes) {
  if (bytes > max_ / 2 || reserved_ > max_ / 2 - bytes) return false;
  if (!make_room(bytes)) return false;
  reserved_ += bytes;
  return true;
}

void Store::release(std::uint64_t bytes) {
  HF_CHECK(bytes <= reserved_);
  reserved_ -= bytes;
}

bool Store::make_room(std::uint64_t bytes) {
  if (bytes > max_ || reserved_ > max_ - bytes) return false;
  while (used_ + reserved_ + bytes > max_)
    evict(std::prev(entries_.end()));
  return true;
}

void Store::evict(Entries::iterator entry) {
  evicted_ += 1;
  erase(entry);
}

void Store::erase(Entries::iterator entry) {
  const auto found = by_target_.find(entry->target);
  std::erase(found->second, entry);
  if (found->second.empty()) by_target_.erase(found);
  used_ -= entry->cost;
  entries_.erase(entry);
}

}  // namespace hf::stale
