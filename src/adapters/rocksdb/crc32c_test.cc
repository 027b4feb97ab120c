#include "adapters/rocksdb/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "base/prng.h"

namespace hf::adapters {
namespace {

// RFC 3720 appendix B.4.
TEST(Crc32c, OfTheExamples) {
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(0, std::string(32, '\xff')), 0x62a8ab43U);
  std::string rising(32, '\0');
  for (int i = 0; i < 32; ++i)
    rising[static_cast<std::size_t>(i)] = static_cast<char>(i);
  EXPECT_EQ(crc32c(0, rising), 0x46dd794eU);
  EXPECT_EQ(crc32c(0, std::string(rising.rbegin(), rising.rend())), 0x113fdb5cU);
  EXPECT_EQ(crc32c(0, ""), 0U);
  EXPECT_EQ(crc32c(77, ""), 77U);
}

// Else no other RocksDB would read what is written, nor this one what others wrote.
TEST(Crc32c, IsWhatRocksDbReckons) {
  Prng prng(5);
  std::string bytes;
  for (int i = 0; i < 3000; ++i) {
    bytes.resize(prng.below(300));
    for (char& one : bytes)
      one = static_cast<char>(prng.next());
    const std::string_view from = std::string_view(bytes).substr(prng.below(bytes.size() + 1));
    const auto before = static_cast<std::uint32_t>(prng.next());
    ASSERT_EQ(crc32c(before, from), crc32c_by_tables(before, from));
    const auto half = from.size() / 2;
    ASSERT_EQ(crc32c(crc32c(before, from.substr(0, half)), from.substr(half)),
              crc32c(before, from));
  }
}

}  // namespace
}  // namespace hf::adapters
