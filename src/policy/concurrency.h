// How many attempts run at once at an upstream, live and held in one limit, so that neither starves
// the other.
#pragma once

#include <array>

namespace hf::policy {

enum class Lane { live, held };

// Each lane has a reserved share that the other cannot use; the rest goes to whoever comes first.
class Concurrency {
 public:
  // limit >= 0. The reserve of each lane is `reserve_permille` of the limit, at least 1 and at most
  // half of it; a limit of 1 has none.
  explicit Concurrency(int limit, int reserve_permille = 100);

  bool try_take(Lane lane);
  [[nodiscard]] bool has_room(Lane lane) const;
  // Gives a taken slot back. One that was not taken is a bug.
  void release(Lane lane);
  [[nodiscard]] int in_use() const { return used_[0] + used_[1]; }
  [[nodiscard]] int in_use(Lane lane) const;
  [[nodiscard]] int limit() const { return limit_; }
  [[nodiscard]] int reserve() const;
  // What runs keeps running; below it nothing new is admitted.
  void set_limit(int limit);

 private:
  int limit_;
  int reserve_permille_;
  std::array<int, 2> used_{};
};

}  // namespace hf::policy
