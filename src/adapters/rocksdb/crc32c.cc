#include "adapters/rocksdb/crc32c.h"

#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace hf::adapters {

// The names that the linker's --wrap gives to rocksdb::crc32c::Extend: what its callers call, and
// what it was.
std::uint32_t in_its_place(std::uint32_t before, const char* bytes,
                           std::size_t size) asm("__wrap__ZN7rocksdb6crc32c6ExtendEjPKcm");
std::uint32_t as_it_was(std::uint32_t before, const char* bytes,
                        std::size_t size) asm("__real__ZN7rocksdb6crc32c6ExtendEjPKcm");

namespace {

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t before,
                                                               const char* bytes,
                                                               std::size_t size) {
  std::uint64_t sum = before ^ 0xffffffffU;
  for (; size >= sizeof sum; bytes += sizeof sum, size -= sizeof sum) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    sum = _mm_crc32_u64(sum, word);
  }
  auto last = static_cast<std::uint32_t>(sum);
  for (; size > 0; ++bytes, --size)
    last = _mm_crc32_u8(last, static_cast<unsigned char>(*bytes));
  return last ^ 0xffffffffU;
}
#endif

}  // namespace

std::uint32_t in_its_place(std::uint32_t before, const char* bytes, std::size_t size) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2") != 0) return by_instruction(before, bytes, size);
#endif
  return as_it_was(before, bytes, size);
}

std::uint32_t crc32c(std::uint32_t before, std::string_view bytes) {
  return in_its_place(before, bytes.data(), bytes.size());
}

std::uint32_t crc32c_by_tables(std::uint32_t before, std::string_view bytes) {
  return as_it_was(before, bytes.data(), bytes.size());
}

}  // namespace hf::adapters
