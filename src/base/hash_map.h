// A map for keys that are looked up and never walked over, so that no order can leak into what the
// core decides: open addressing with linear probing, removal by shifting back, nothing allocated
// for an entry (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithms L and R).
// A part of each hash lies apart, close together: what is not there is known without a look at any
// entry, and of large maps only those parts are in the processor's cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hf {

// `Hash` takes a key to a std::uint64_t whose low bits are spread well. Key and Value are cheap to
// move. A pointer that is handed out holds until the next insert() or erase().
template <typename Key, typename Value, typename Hash>
class HashMap {
 public:
  HashMap() = default;
  HashMap(HashMap&& other) noexcept
      : slots_(std::move(other.slots_)),
        marks_(std::move(other.marks_)),
        size_(std::exchange(other.size_, 0)) {
    other.marks_.clear();
  }
  HashMap& operator=(HashMap&& other) noexcept {
    HashMap moved(std::move(other));
    std::swap(slots_, moved.slots_);
    std::swap(marks_, moved.marks_);
    std::swap(size_, moved.size_);
    return *this;
  }
  ~HashMap() { destroy_all(); }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] Value* find(const Key& key) {
    if (marks_.empty()) return nullptr;
    const std::size_t at = place_of(key, mark_of(key));
    return marks_[at] != kNothing ? &slots_[at].entry.second : nullptr;
  }
  // Where it is, or would be, comes into the processor's cache meanwhile.
  void expect(const Key& key) const {
    if (marks_.empty()) return;
    const std::size_t home = home_of(mark_of(key));
    __builtin_prefetch(&marks_[home]);
    __builtin_prefetch(&slots_[home]);
  }
  [[nodiscard]] bool contains(const Key& key) const {
    return !marks_.empty() && marks_[place_of(key, mark_of(key))] != kNothing;
  }
  // What is there under the key, made from `value` if nothing was.
  Value& insert(const Key& key, Value value = {}) { return *meet(key, std::move(value)).first; }
  // The same, and whether it was made.
  std::pair<Value*, bool> meet(const Key& key, Value value) {
    if (marks_.size() * 3 / 4 <= size_) grow();
    const Mark mark = mark_of(key);
    const std::size_t at = place_of(key, mark);
    const bool made = marks_[at] == kNothing;
    if (made) {
      std::construct_at(&slots_[at].entry, key, std::move(value));
      marks_[at] = mark;
      ++size_;
    }
    return {&slots_[at].entry.second, made};
  }
  // False where nothing was there.
  bool erase(const Key& key) {
    if (marks_.empty()) return false;
    std::size_t hole = place_of(key, mark_of(key));
    if (marks_[hole] == kNothing) return false;
    for (std::size_t at = next(hole); marks_[at] != kNothing; at = next(at)) {
      // It may stay unless the hole lies between its home and itself.
      const std::size_t home = home_of(marks_[at]);
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      slots_[hole].entry = std::move(slots_[at].entry);
      marks_[hole] = marks_[at];
      hole = at;
    }
    std::destroy_at(&slots_[hole].entry);
    marks_[hole] = kNothing;
    --size_;
    return true;
  }

  // Takes as long as there is room in it; much room for few is given back.
  void clear() {
    destroy_all();
    if (marks_.size() > kFirst && marks_.size() / 16 > size_) {
      slots_ = {};
      marks_ = {};
    }
    size_ = 0;
  }

 private:
  // Its mark says whether there is an entry: a new one is put there without a look at the place.
  union Slot {
    Slot() {}
    ~Slot() {}
    std::pair<Key, Value> entry;
  };
  // The low bits of a hash, which say where its home is. No hash has 0: it has another bit then,
  // which no map is large enough to see.
  using Mark = std::uint32_t;
  static constexpr Mark kNothing = 0;
  static constexpr Mark kHighest = Mark{1} << 31;
  static constexpr std::size_t kFirst = 16;

  static Mark mark_of(const Key& key) {
    const auto low = static_cast<Mark>(Hash{}(key));
    return low != kNothing ? low : kHighest;
  }
  [[nodiscard]] std::size_t mask() const { return marks_.size() - 1; }
  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }
  [[nodiscard]] std::size_t home_of(Mark mark) const { return mark & mask(); }
  // Where the key is, or would be put.
  [[nodiscard]] std::size_t place_of(const Key& key, Mark mark) const {
    std::size_t at = home_of(mark);
    while (marks_[at] != kNothing && !(marks_[at] == mark && slots_[at].entry.first == key))
      at = next(at);
    return at;
  }
  void grow() {
    HashMap before(std::move(*this));
    const std::size_t room = before.marks_.empty() ? kFirst : before.marks_.size() * 2;
    HF_CHECK(room <= kHighest);
    slots_ = std::make_unique_for_overwrite<Slot[]>(room);
    marks_.assign(room, kNothing);
    size_ = before.size_;
    for (std::size_t i = 0; i < before.marks_.size(); ++i) {
      if (before.marks_[i] == kNothing) continue;
      std::pair<Key, Value>& entry = before.slots_[i].entry;
      const std::size_t at = place_of(entry.first, before.marks_[i]);
      std::construct_at(&slots_[at].entry, std::move(entry));
      marks_[at] = before.marks_[i];
    }
  }
  void destroy_all() {
    for (std::size_t at = 0; at < marks_.size(); ++at) {
      if (std::exchange(marks_[at], kNothing) != kNothing) std::destroy_at(&slots_[at].entry);
    }
  }

  std::unique_ptr<Slot[]> slots_;
  std::vector<Mark> marks_;  // of each; a power of two of them, never all taken
  std::size_t size_ = 0;
};

}  // namespace hf
