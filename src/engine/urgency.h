// Queues by urgency (RFC 9218): the more urgent first, nothing starved.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "call/call.h"

namespace hf::engine {

// A less urgent class with work gets one turn after it was passed over this often.
inline constexpr int kPassedOverMax = 8;

// `Line` is what one class waits in.
template <typename T, typename Line = std::deque<T>>
class UrgencyQueue {
 public:
  Line& of(call::DueClass which) { return queues_[static_cast<std::size_t>(which)]; }
  [[nodiscard]] const Line& of(call::DueClass which) const {
    return queues_[static_cast<std::size_t>(which)];
  }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const {
    std::size_t all = 0;
    for (const auto& queue : queues_)
      all += queue.size();
    return all;
  }
  // Which class is next; the queue must not be empty.
  [[nodiscard]] call::DueClass next() const {
    std::size_t first = queues_.size();
    for (std::size_t i = queues_.size(); i-- > 0;) {
      if (queues_[i].empty()) continue;
      if (passed_[i] >= kPassedOverMax) return static_cast<call::DueClass>(i);
      first = i;
    }
    return static_cast<call::DueClass>(first);
  }
  // One of this class has had its turn.
  void took(call::DueClass which) {
    const auto taken = static_cast<std::size_t>(which);
    passed_[taken] = 0;
    for (std::size_t i = taken + 1; i < queues_.size(); ++i)
      passed_[i] = queues_[i].empty() ? 0 : passed_[i] + 1;
  }
  template <typename Is>
  void erase_if(Is is) {
    for (auto& queue : queues_)
      std::erase_if(queue, is);
  }

 private:
  std::array<Line, call::kDueClasses> queues_;
  std::array<int, call::kDueClasses> passed_{};
};

}  // namespace hf::engine
