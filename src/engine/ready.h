// Due held calls of one upstream that are in memory, by urgency, each once.
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "call/call.h"
#include "engine/urgency.h"

namespace hf::engine {

class ReadyCalls {
 public:
  using Stored = std::shared_ptr<const call::Call>;

  // False where it is there already.
  bool push_back(call::DueClass which, Stored call) {
    if (!ids_.insert(call->id).second) return false;
    queue_.of(which).push_back(std::move(call));
    return true;
  }
  void push_front(call::DueClass which, Stored call) {
    if (ids_.insert(call->id).second) queue_.of(which).push_front(std::move(call));
  }
  Stored pop_front(call::DueClass which) {
    Stored out = std::move(queue_.of(which).front());
    queue_.of(which).pop_front();
    ids_.erase(out->id);
    return out;
  }
  void erase(const CallId& id) {
    if (ids_.erase(id) == 0) return;
    queue_.erase_if([&](const Stored& call) { return call->id == id; });
  }
  [[nodiscard]] bool empty() const { return ids_.empty(); }
  [[nodiscard]] std::size_t size() const { return ids_.size(); }
  [[nodiscard]] std::size_t size(call::DueClass which) const { return queue_.of(which).size(); }
  // As UrgencyQueue.
  [[nodiscard]] call::DueClass next() const { return queue_.next(); }
  void took(call::DueClass which) { queue_.took(which); }

 private:
  UrgencyQueue<Stored> queue_;
  std::set<CallId> ids_;
};

}  // namespace hf::engine
