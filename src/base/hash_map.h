// A map for keys that are looked up and never walked over, so that no order can leak into what the
// core decides: open addressing with linear probing, removal by shifting back, nothing allocated
// for an entry (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithms L and R).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace hf {

// `Hash` takes a key to a std::uint64_t whose low bits are spread well. Key and Value are cheap to
// move. A pointer that is handed out holds until the next insert() or erase().
template <typename Key, typename Value, typename Hash>
class HashMap {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Value* find(const Key& key) {
    if (slots_.empty()) return nullptr;
    const std::size_t at = place_of(key);
    return slots_[at] ? &slots_[at]->second : nullptr;
  }
  // Where it is, or would be, comes into the processor's cache meanwhile.
  void expect(const Key& key) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home_of(key)]);
  }
  [[nodiscard]] bool contains(const Key& key) const {
    return !slots_.empty() && slots_[place_of(key)].has_value();
  }
  // What is there under the key, made from `value` if nothing was.
  Value& insert(const Key& key, Value value = {}) {
    if (slots_.size() * 3 / 4 <= size_) grow();
    const std::size_t at = place_of(key);
    if (!slots_[at]) {
      slots_[at].emplace(key, std::move(value));
      ++size_;
    }
    return slots_[at]->second;
  }
  // False where nothing was there.
  bool erase(const Key& key) {
    if (slots_.empty()) return false;
    std::size_t hole = place_of(key);
    if (!slots_[hole]) return false;
    for (std::size_t at = next(hole); slots_[at]; at = next(at)) {
      // It may stay unless the hole lies between its home and itself.
      const std::size_t home = home_of(slots_[at]->first);
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole] = std::move(slots_[at]);
      hole = at;
    }
    slots_[hole].reset();
    --size_;
    return true;
  }

  // Takes as long as there is room in it; much room for few is given back.
  void clear() {
    if (slots_.size() > kFirst && slots_.size() / 16 > size_) {
      slots_ = {};
    } else {
      for (Slot& slot : slots_)
        slot.reset();
    }
    size_ = 0;
  }

 private:
  using Slot = std::optional<std::pair<Key, Value>>;
  static constexpr std::size_t kFirst = 16;

  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }
  [[nodiscard]] std::size_t home_of(const Key& key) const {
    return static_cast<std::size_t>(Hash{}(key)) & mask();
  }
  // Where the key is, or would be put.
  [[nodiscard]] std::size_t place_of(const Key& key) const {
    std::size_t at = home_of(key);
    while (slots_[at] && !(slots_[at]->first == key))
      at = next(at);
    return at;
  }
  void grow() {
    std::vector<Slot> before = std::exchange(slots_, {});
    slots_.resize(before.empty() ? kFirst : before.size() * 2);
    for (Slot& slot : before) {
      if (slot) slots_[place_of(slot->first)] = std::move(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two of them, never full
  std::size_t size_ = 0;
};

}  // namespace hf
