// Epochs of calls written lately, so that the fence of a hot call costs no read. Bounded; forgets
// the oldest. And the newest call of all: ids are nearly in the order of arrival, so that of most
// new calls it is known that they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>

#include "base/hash_map.h"
#include "base/ids.h"

namespace hf::adapters {

class EpochCache {
 public:
  // `newest`: no call that is stored has a greater id.
  explicit EpochCache(const CallId& newest = {}) : newest_(newest) {}

  // Whether no such call was ever stored. False: ask the store.
  [[nodiscard]] bool surely_new(const CallId& call) const { return newest_ < call; }
  void remember(const CallId& call, std::uint64_t epoch) {
    newest_ = std::max(newest_, call);
    const std::size_t before = epochs_.size();
    epochs_.insert(call) = epoch;
    if (epochs_.size() == before) return;
    order_.push_back(call);
    if (order_.size() > kMax) {
      epochs_.erase(order_.front());
      order_.pop_front();
    }
  }
  // It is not likely to be written soon.
  void drop(const CallId& call) { epochs_.erase(call); }
  // The call's head was taken away.
  void forget(const CallId& call) {
    if (std::uint64_t* found = epochs_.find(call)) *found = kGone;
  }
  // None: ask the store.
  [[nodiscard]] std::optional<std::uint64_t> find(const CallId& call) {
    const std::uint64_t* found = epochs_.find(call);
    if (found == nullptr || *found == kGone) return std::nullopt;
    return *found;
  }

 private:
  static constexpr std::size_t kMax = 65'536;
  static constexpr std::uint64_t kGone = ~std::uint64_t{0};  // keeps its place in the order
  struct Hash {                                              // the random part of an id
    std::uint64_t operator()(const CallId& call) const {
      std::uint64_t out = 0;
      std::memcpy(&out, call.bytes.data() + CallId::kSize - sizeof out, sizeof out);
      return out;
    }
  };
  HashMap<CallId, std::uint64_t, Hash> epochs_;
  std::deque<CallId> order_;  // with those that were dropped
  CallId newest_;
};

}  // namespace hf::adapters
