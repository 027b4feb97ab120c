#include "traffic/limit_table.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"

namespace hf::traffic {
namespace {

constexpr std::size_t kFirst = 16;
constexpr std::size_t kNobody = SIZE_MAX;
// Entries looked at for each that is added to a full part. Those that owe nothing go first, so that
// a sweep over the part pays for many additions.
constexpr std::size_t kLook = 24;

bool empty(const ClientKey& key) {
  return key.high == 0 && key.low == 0;
}

}  // namespace

LimitTable::LimitTable(std::size_t keys_max)
    : part_max_(std::max<std::size_t>(1, (keys_max + kParts - 1) / kParts)) {}

std::size_t LimitTable::place_of(const Part& part, const ClientKey& key) {
  const std::size_t mask = part.slots.size() - 1;
  std::size_t at = static_cast<std::size_t>(key.low) & mask;
  while (!empty(part.slots[at].key) && !(part.slots[at].key == key))
    at = (at + 1) & mask;
  return at;
}

void LimitTable::grow(Part& part) {
  std::vector<Slot> before = std::exchange(part.slots, {});
  part.slots.resize(before.empty() ? kFirst : before.size() * 2);
  for (const Slot& slot : before) {
    if (!empty(slot.key)) part.slots[place_of(part, slot.key)] = slot;
  }
}

ClientState* LimitTable::find(const ClientKey& key) {
  Part& part = part_of(key);
  if (part.slots.empty()) return nullptr;
  Slot& slot = part.slots[place_of(part, key)];
  return empty(slot.key) ? nullptr : &slot.state;
}

ClientState* LimitTable::find_or_add(const ClientKey& key, Instant now) {
  if (ClientState* known = find(key)) return known;
  Part& part = part_of(key);
  if (part.size >= part_max_ && !make_room(part, now)) return nullptr;
  if (part.slots.size() * 3 / 4 <= part.size) grow(part);
  Slot& slot = part.slots[place_of(part, key)];
  slot = {key, {}};
  ++part.size;
  ++size_;
  return &slot.state;
}

bool LimitTable::erase(const ClientKey& key) {
  Part& part = part_of(key);
  part.full_until = 0;
  if (part.slots.empty()) return false;
  const std::size_t at = place_of(part, key);
  if (empty(part.slots[at].key)) return false;
  erase_at(part, at);
  return true;
}

// Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R.
void LimitTable::erase_at(Part& part, std::size_t hole) {
  const std::size_t mask = part.slots.size() - 1;
  for (std::size_t at = (hole + 1) & mask; !empty(part.slots[at].key); at = (at + 1) & mask) {
    const std::size_t home = static_cast<std::size_t>(part.slots[at].key.low) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    part.slots[hole] = part.slots[at];
    hole = at;
  }
  part.slots[hole] = {};
  --part.size;
  --size_;
}

// Forgets who owes nothing among the next few; else who owes least of them and is no offender.
bool LimitTable::make_room(Part& part, Instant now) {
  if (part.full_until > now.ns) return false;
  const std::size_t mask = part.slots.size() - 1;
  std::size_t least = kNobody;
  bool any = false;
  std::int64_t first_end = INT64_MAX;
  // Few are offenders, as a rule: then the first look finds room. Where nearly all are, the whole
  // part is looked at before somebody is turned away.
  for (std::size_t looked = 0; looked < part.slots.size(); ++looked) {
    if (looked >= kLook && (any || least != kNobody)) break;
    part.hand = (part.hand + 1) & mask;
    const Slot& slot = part.slots[part.hand];
    if (empty(slot.key)) continue;
    if (slot.state.offender(now) && !HF_BUG("forgive-an-offender")) {
      first_end = std::min(first_end, slot.state.offender_until());
      continue;
    }
    if (slot.state.forgettable(now)) {
      erase_at(part, part.hand);
      any = true;
      least = kNobody;  // what is behind the hole has moved
    } else if (!any && (least == kNobody || slot.state.arrival < part.slots[least].state.arrival)) {
      least = part.hand;
    }
  }
  if (any) return true;
  if (least == kNobody) {
    HF_PROBE("no-room-among-offenders");
    part.full_until = first_end;  // no further look before it can find anything
    return false;
  }
  HF_PROBE("forgotten-while-it-owed");
  erase_at(part, least);
  ++evicted_;
  return true;
}

std::size_t LimitTable::bytes() const {
  std::size_t out = sizeof(*this);
  for (const Part& part : parts_)
    out += part.slots.capacity() * sizeof(Slot);
  return out;
}

}  // namespace hf::traffic
