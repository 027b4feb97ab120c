// Virtual time: what happens next, in order of time and then of asking.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/time.h"

namespace hf::sim {

class Schedule {
 public:
  using Action = std::function<void()>;

  void at(Instant when, Action action) {
    queue_.emplace(std::pair{when < now_ ? now_ : when, next_++}, std::move(action));
  }
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }
  // Runs the next thing; false when nothing is left.
  bool step() {
    if (queue_.empty()) return false;
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().first;
    ran_ += 1;
    node.mapped()();
    return true;
  }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::uint64_t ran() const { return ran_; }
  [[nodiscard]] std::optional<Instant> next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first.first;
  }

 private:
  std::map<std::pair<Instant, std::uint64_t>, Action> queue_;
  Instant now_{1'000'000};  // zero means "unset" to some readers
  std::uint64_t next_ = 0;
  std::uint64_t ran_ = 0;
};

}  // namespace hf::sim
