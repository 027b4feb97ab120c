#include "policy/concurrency.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/planted.h"

namespace hf::policy {
namespace {

std::size_t index(Lane lane) {
  return lane == Lane::live ? 0 : 1;
}

}  // namespace

Concurrency::Concurrency(int limit, int reserve_permille)
    : limit_(limit), reserve_permille_(reserve_permille) {
  HF_CHECK(limit >= 0);
  HF_CHECK(reserve_permille >= 0 && reserve_permille <= 1000);
}

bool Concurrency::has_room(Lane lane) const {
  // A lane that stops short of the other's reserve leaves it free at every moment.
  const int limit = limit_ + (HF_BUG("one-attempt-too-many") ? 1 : 0);
  const bool reserved = in_use(lane) >= limit - reserve() && !HF_BUG("starve-live-traffic");
  return in_use() < limit && !reserved;
}

bool Concurrency::try_take(Lane lane) {
  if (!has_room(lane)) return false;
  ++used_[index(lane)];
  return true;
}

void Concurrency::release(Lane lane) {
  HF_CHECK(used_[index(lane)] > 0);
  --used_[index(lane)];
}

int Concurrency::in_use(Lane lane) const {
  return used_[index(lane)];
}

int Concurrency::reserve() const {
  const auto share = std::int64_t{limit_} * reserve_permille_ / 1000;
  return static_cast<int>(std::min<std::int64_t>(std::max<std::int64_t>(share, 1), limit_ / 2));
}

void Concurrency::set_limit(int limit) {
  HF_CHECK(limit >= 0);
  limit_ = limit;
}

}  // namespace hf::policy
