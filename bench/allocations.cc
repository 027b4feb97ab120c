#include "bench/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> made{0};

}  // namespace

void* operator new(std::size_t size) {
  made.fetch_add(1, std::memory_order_relaxed);
  if (void* got = std::malloc(size)) return got;
  throw std::bad_alloc();
}
void operator delete(void* gone) noexcept {
  std::free(gone);
}
void operator delete(void* gone, std::size_t) noexcept {
  std::free(gone);
}

namespace hf {

std::uint64_t allocations() {
  return made.load(std::memory_order_relaxed);
}

}  // namespace hf
