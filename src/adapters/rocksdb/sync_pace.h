// When the next sync is to begin. Under load it begins a while after the last one began, the longer
// the more the last one was for, unless so many are waited for: half as many syncs cost half as
// much, and who waits hardly notices. Who is alone does not wait. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace hf::adapters {

inline constexpr std::size_t kSyncAtOnce = 64;

// From the begin of a sync for so many, at least one, to the next one's.
constexpr std::chrono::nanoseconds pace_after(std::size_t staged) {
  constexpr std::chrono::microseconds kEach{60};
  constexpr std::chrono::microseconds kMost{2000};
  return std::min<std::chrono::nanoseconds>(kMost, kEach * (staged - 1));
}

// How long what is staged still waits: `awaited` of it are waited for, what nobody waits for goes
// along. `until_next`: what is left of the pace, or less than nothing.
constexpr std::chrono::nanoseconds left_to_wait(std::size_t awaited,
                                                std::chrono::nanoseconds until_next) {
  if (awaited >= kSyncAtOnce) return {};
  return std::max(std::chrono::nanoseconds{}, until_next);
}

}  // namespace hf::adapters
