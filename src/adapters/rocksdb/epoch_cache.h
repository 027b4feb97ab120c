// Epochs of calls written lately, so that the fence of a hot call costs no read. Bounded; forgets
// the oldest.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace hf::adapters {

class EpochCache {
 public:
  void remember(std::string head_key, std::uint64_t epoch) {
    const auto [at, added] = epochs_.insert_or_assign(head_key, epoch);
    if (!added) return;
    order_.push_back(std::move(head_key));
    if (order_.size() > kMax) {
      epochs_.erase(order_.front());
      order_.pop_front();
    }
  }
  // The call's head was taken away.
  void forget(const std::string& head_key) {
    const auto found = epochs_.find(head_key);
    if (found != epochs_.end()) found->second = kGone;
  }
  // None: ask the store.
  [[nodiscard]] std::optional<std::uint64_t> find(const std::string& head_key) const {
    const auto found = epochs_.find(head_key);
    if (found == epochs_.end() || found->second == kGone) return std::nullopt;
    return found->second;
  }

 private:
  static constexpr std::size_t kMax = 65'536;
  static constexpr std::uint64_t kGone = ~std::uint64_t{0};  // keeps its place in the order
  std::unordered_map<std::string, std::uint64_t> epochs_;
  std::deque<std::string> order_;
};

}  // namespace hf::adapters
